"""Which pieces a text uses, counted on the text as the finished tokenizer splits it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tokenizers import Tokenizer

_LINES = 1000  # at a time: offsets of all the tokens of a large text would not fit into memory


@dataclass(frozen=True)
class Usage:
    """How a text is split.

    Attributes:
        tokens: its length.
        uses: how often each new id occurs; one that does not is not there.
    """

    tokens: int
    uses: Counter[int]


def plain_tokenizer(tree: dict[str, Any]) -> Tokenizer:
    """A tokenizer of the tokenizers library from tokenizer.json's form: nothing is put around texts, and special tokens are plain text."""
    from tokenizers import Tokenizer

    built = Tokenizer.from_str(json.dumps({**tree, "post_processor": None}))
    built.encode_special_tokens = True
    built.no_truncation()
    built.no_padding()
    return built


def measure_usage(texts: Sequence[str], tokenizer: Tokenizer, first: int) -> Usage:
    """Tokens of the texts, and the uses of the ids from `first` on."""
    tokens, uses = 0, Counter[int]()
    for ids in encoded(texts, tokenizer):
        tokens += len(ids)
        uses.update(each for each in ids if each >= first)
    return Usage(tokens, uses)


def encoded(texts: Sequence[str], tokenizer: Tokenizer) -> Iterator[list[int]]:
    """Ids of each text."""
    for start in range(0, len(texts), _LINES):
        for encoding in tokenizer.encode_batch_fast(list(texts[start : start + _LINES]), add_special_tokens=False):
            yield encoding.ids
