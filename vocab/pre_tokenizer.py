"""Pre-tokenizers that split words at combining marks, and the same ones widened so that they do not.

Regexes of the GPT-2 type take runs of letters (`\\p{L}+`) for words. The vowel and tone signs of N'Ko, the Indic scripts, Thai, Lao, Khmer,
Burmese, Hebrew and pointed Arabic are marks (`\\p{M}`), so each ends a word, and no merge can ever cross it. The widened regex lets a run
that begins with a letter go on over marks: `\\p{L}[\\p{L}\\p{M}]*`. Nothing else changes, so text in which no mark follows a letter is
split as before: a mark after an emoji or a space stays where it was.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .words import pre_tokens

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from transformers import PreTrainedTokenizerBase

# What `ByteLevel(use_regex=True)` splits with (Radford et al. 2019); it is built into the tokenizers library.
GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
WORD = r"\p{L}[\p{L}\p{M}]*"
_PARTS = re.compile(r"\\p\{L\}\+|\[(?:\\.|[^\]\\])*\]|\\.|.", re.DOTALL)  # classes are skipped whole
_LEAST = 0.01  # of the words: below, widening would change the tokenizer for next to nothing


@dataclass(frozen=True)
class Splitting:
    """What a widened pre-tokenizer changes on a text.

    Attributes:
        before: words (pre-tokens) the base's pre-tokenizer makes of it: no segmentation has fewer tokens.
        after: words the widened one makes.
    """

    before: int
    after: int

    @property
    def saved(self) -> float:
        """The share of words that were fragments."""
        return 1 - self.after / self.before if self.before else 0.0

    @property
    def worth_it(self) -> bool:
        """Whether this text has marks inside words."""
        return self.saved >= _LEAST


def widened(pre_tokenizer: dict[str, Any] | None) -> dict[str, Any] | None:
    """A pre-tokenizer in tokenizer.json's form, with letters and the marks after them in one word.

    None when there is nothing to widen: no regex over letters, or one that takes marks already (SentencePiece has none at all). A
    `ByteLevel` that puts a space before the text is left alone too, because it would put one before every word.
    """
    if pre_tokenizer is None:
        return None
    steps = pre_tokenizer["pretokenizers"] if pre_tokenizer["type"] == "Sequence" else [pre_tokenizer]
    found = [each for step in steps for each in _widened_step(step)]
    return None if found == steps else {"type": "Sequence", "pretokenizers": found}


def measure_splitting(texts: Iterable[str], base: Tokenizer, wide: Tokenizer) -> Splitting:
    """Words before and after widening; both tokenizers are of the tokenizers library."""
    before = after = 0
    for text in texts:
        before += len(pre_tokens(text, base))
        after += len(pre_tokens(text, wide))
    return Splitting(before, after)


def as_widened(tokenizer: PreTrainedTokenizerBase, folder: Path) -> PreTrainedTokenizerBase:
    """A tokenizer as it was loaded from a folder; by transformers' general class where its own lost a widened pre-tokenizer.

    `AutoTokenizer` takes Qwen2Tokenizer for every model of type `qwen2`, and that class builds its own pre-tokenizer whatever is saved.
    """
    from transformers import TokenizersBackend

    backend, path = getattr(tokenizer, "backend_tokenizer", None), folder / "tokenizer.json"
    if backend is None or not path.is_file() or type(tokenizer) is TokenizersBackend:
        return tokenizer
    written = json.dumps(json.loads(path.read_text(encoding="utf-8")).get("pre_tokenizer"))
    built = "" if backend.pre_tokenizer is None else backend.pre_tokenizer.__getstate__().decode("utf-8")
    mark = json.dumps(WORD)[1:-1]
    return TokenizersBackend.from_pretrained(folder, local_files_only=True) if mark in written and mark not in built else tokenizer


def _widened_step(step: dict[str, Any]) -> list[dict[str, Any]]:
    if step["type"] == "Sequence":
        return [each for inner in step["pretokenizers"] for each in _widened_step(inner)]
    if step["type"] == "ByteLevel" and step.get("use_regex", True) and not step.get("add_prefix_space"):
        split = {"type": "Split", "pattern": {"Regex": _widened_regex(GPT2)}, "behavior": "Isolated", "invert": False}
        return [split, {**step, "use_regex": False}]
    if step["type"] == "Split" and "Regex" in step["pattern"]:
        return [{**step, "pattern": {"Regex": _widened_regex(step["pattern"]["Regex"])}}]
    return [step]


def _widened_regex(pattern: str) -> str:
    """`\\p{L}+` outside of character classes becomes a letter and whatever letters and marks follow."""
    return "".join(WORD if part[0] == r"\p{L}+" else part[0] for part in _PARTS.finditer(pattern))
