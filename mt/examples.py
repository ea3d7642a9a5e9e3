"""From text to training examples: token ids, where the target begins, and where each came from.

A pair becomes prompt + target + EOS with the loss on target and EOS only; a document becomes text + EOS with the loss on every token that
has one before it. Nothing is cut silently: a pair that does not fit is refused and counted, a long document is split and counted.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from .corpora.records import Origin, Pair, Segment
from .corpora.tally import Tally
from .errors import ModelError
from .languages import Language
from .prompts import PromptTemplate, render_prompt, render_target
from .tokenization import encode_example, encode_prompt

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from .prompting.training import TermPrompts

Ids = npt.NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Example:
    """One tokenised example.

    Attributes:
        ids: (L,) token ids, EOS last (except in a document's chunks before the last).
        target_start: index of the first id the model must predict; ids before it are context only. At least 1.
        origin: the file and line it was read from.
    """

    ids: Sequence[int]
    target_start: int
    origin: Origin


@dataclass
class ExampleSet:
    """Many examples in three flat arrays: 4 bytes a token, so that a corpus of 100M tokens takes 400 MB."""

    tokens: array[int] = field(default_factory=lambda: array("i"))
    ends: array[int] = field(default_factory=lambda: array("q"))
    target_starts: array[int] = field(default_factory=lambda: array("i"))
    lines: array[int] = field(default_factory=lambda: array("q"))
    files: dict[str, int] = field(default_factory=dict)
    file_of: array[int] = field(default_factory=lambda: array("i"))

    def add(self, example: Example) -> None:
        """Append one example."""
        assert 1 <= example.target_start < len(example.ids), "an example must have something to predict"
        self.tokens.extend(example.ids)
        self.ends.append(len(self.tokens))
        self.target_starts.append(example.target_start)
        self.lines.append(example.origin.line)
        self.file_of.append(self.files.setdefault(example.origin.file, len(self.files)))

    def __len__(self) -> int:
        return len(self.ends)

    def __getitem__(self, index: int) -> Example:
        start = self.ends[index - 1] if index else 0
        return Example(self.tokens[start : self.ends[index]], self.target_starts[index], self.origin(index))

    def origin(self, index: int) -> Origin:
        """Where example `index` was read."""
        return Origin(list(self.files)[self.file_of[index]], self.lines[index])

    def lengths(self) -> npt.NDArray[np.int64]:
        """(N,) tokens of each example."""
        ends = np.array(self.ends, dtype=np.int64)
        ends[1:] -= ends[:-1].copy()
        return ends

    def target_lengths(self) -> npt.NDArray[np.int64]:
        """(N,) tokens of each example that carry loss."""
        return self.lengths() - np.array(self.target_starts, dtype=np.int64)


def pair_examples(
    pairs: Iterable[Pair],
    tokenizer: PreTrainedTokenizerBase,
    template: PromptTemplate,
    source: Language,
    target: Language,
    max_length: int,
    tally: Tally,
    terms: TermPrompts | None = None,
) -> Iterator[Example]:
    """One example a pair, its prompt with terms where `terms` has some; a pair over `max_length` tokens is refused and counted."""
    for pair in pairs:
        prompt = terms.prompt(pair, tally) if terms else render_prompt(template, pair.source, source, target)
        ids, target_start = encode_example(tokenizer, prompt, render_target(template, pair.target))
        if len(ids) > max_length:
            tally.skip(pair.origin, f"longer than max_length {max_length} tokens")
        elif len(ids) - target_start < 2:
            tally.skip(pair.origin, "no target token besides EOS")
        else:
            tally.keep()
            yield Example(ids, target_start, pair.origin)


def document_examples(
    segments: Iterable[Segment], tokenizer: PreTrainedTokenizerBase, max_length: int, long_rows: str, tally: Tally
) -> Iterator[Example]:
    """One example a document; longer ones are split so that every token is predicted once, or refused, and counted."""
    end = end_of_text(tokenizer)
    for segment in segments:
        ids = [*encode_prompt(tokenizer, segment.text), end]
        if len(ids) < 2:
            tally.skip(segment.origin, "fewer than two tokens")
        elif len(ids) <= max_length:
            tally.keep()
            yield Example(ids, 1, segment.origin)
        elif long_rows == "refuse":
            tally.skip(segment.origin, f"longer than max_length {max_length} tokens")
        else:
            tally.keep()
            tally.note(segment.origin, f"split at max_length {max_length} tokens")
            yield from _chunks(ids, max_length, segment.origin)


def end_of_text(tokenizer: PreTrainedTokenizerBase) -> int:
    """The EOS id every example ends with.

    Raises:
        ModelError: the tokenizer has none, so a model could never learn to stop.
    """
    if not isinstance(tokenizer.eos_token_id, int):
        raise ModelError(
            "the tokenizer has no EOS token, so the model could not learn to stop", hint="set eos_token in tokenizer_config.json"
        )
    return tokenizer.eos_token_id


def _chunks(ids: Sequence[int], max_length: int, origin: Origin) -> Iterator[Example]:
    # Neighbouring chunks share one token: the last of a chunk is the context from which the first of the next is predicted.
    for start in range(0, len(ids) - 1, max_length - 1):
        yield Example(ids[start : start + max_length], 1, origin)


def interlinear_segments(pairs: Iterable[Pair], pairs_per_document: int = 16) -> Iterator[Segment]:
    """Documents whose lines alternate source and target sentence ("A Novel Paradigm", Guo et al. 2024), of neighbouring pairs."""
    lines: list[str] = []
    origin: Origin | None = None
    for pair in pairs:
        origin = origin or pair.origin
        lines += [pair.source, pair.target]
        if len(lines) == 2 * pairs_per_document:
            yield Segment("\n".join(lines), origin)
            lines, origin = [], None
    if origin:
        yield Segment("\n".join(lines), origin)
