"""From text to training examples: token ids, where the target begins, and where each came from.

A pair becomes prompt + target + EOS with the loss on target and EOS only; a document becomes text + EOS with the loss on every token that
has one before it. Nothing is cut silently: a pair that does not fit is refused and counted, a long document is split and counted.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

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

Column: TypeAlias = "array[int] | npt.NDArray[Any]"


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


class Examples:
    """Many tokenised examples in flat columns, in memory (`ExampleSet`) or on disk (`token_files.StoredExamples`).

    Attributes:
        tokens: ids of all examples, end to end.
        ends: (N,) where each example ends in `tokens`.
        target_starts: (N,) see `Example`.
        lines: (N,) line of each in its file.
        file_of: (N,) number of that file in `names`.
        names: files, in the order they were met.
    """

    tokens: Column
    ends: Column
    target_starts: Column
    lines: Column
    file_of: Column
    names: list[str]

    def __len__(self) -> int:
        return len(self.ends)

    def __getitem__(self, index: int) -> Example:
        start = self.ends[index - 1] if index else 0
        return Example(self._ids(start, self.ends[index]), int(self.target_starts[index]), self.origin(index))

    def _ids(self, start: int, end: int) -> array[int]:
        """Ids of a stretch of `tokens`, as plain numbers in memory."""
        raise NotImplementedError

    def length(self, index: int) -> int:
        """Tokens of one example, without reading them."""
        return int(self.ends[index] - (self.ends[index - 1] if index else 0))

    def origin(self, index: int) -> Origin:
        """Where example `index` was read."""
        return Origin(self.names[self.file_of[index]], int(self.lines[index]))

    def lengths(self) -> npt.NDArray[np.int64]:
        """(N,) tokens of each example."""
        ends = np.array(self.ends, dtype=np.int64)
        ends[1:] -= ends[:-1].copy()
        return ends

    def target_lengths(self) -> npt.NDArray[np.int64]:
        """(N,) tokens of each example that carry loss."""
        return self.lengths() - np.asarray(self.target_starts, dtype=np.int64)

    def last_tokens(self) -> npt.NDArray[np.int64]:
        """(N,) the last id of each example."""
        return np.asarray(np.asarray(self.tokens)[np.asarray(self.ends) - 1], dtype=np.int64)


class ExampleSink(Protocol):
    """Where examples go one by one: into memory, or to disk."""

    def add(self, example: Example) -> None:
        """Append one example."""

    def __len__(self) -> int:
        """Examples so far."""


@dataclass
class ExampleSet(Examples):
    """Examples in memory: 4 bytes a token, so that a corpus of 100M tokens takes 400 MB."""

    tokens: array[int] = field(default_factory=lambda: array("i"))
    ends: array[int] = field(default_factory=lambda: array("q"))
    target_starts: array[int] = field(default_factory=lambda: array("i"))
    lines: array[int] = field(default_factory=lambda: array("q"))
    file_of: array[int] = field(default_factory=lambda: array("i"))
    names: list[str] = field(default_factory=list)
    numbers: dict[str, int] = field(default_factory=dict)  # of the names

    def add(self, example: Example) -> None:
        """Append one example."""
        assert 1 <= example.target_start < len(example.ids), "an example must have something to predict"
        self.tokens.extend(example.ids)
        self.ends.append(len(self.tokens))
        self.target_starts.append(example.target_start)
        self.lines.append(example.origin.line)
        self.file_of.append(file_number(example.origin.file, self.names, self.numbers))

    def _ids(self, start: int, end: int) -> array[int]:
        return self.tokens[start:end]


def file_number(file: str, names: list[str], numbers: dict[str, int]) -> int:
    """The number of a file, which is added to both if it is new."""
    number = numbers.setdefault(file, len(names))
    if number == len(names):
        names.append(file)
    return number


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
