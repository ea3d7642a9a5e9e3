"""A stage's text as ids of both tokenizers, dealt to steps by the planner of `dragoman train`, and steps cut into forward passes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from torch.utils.data import Dataset

from ...mt.config import CorpusConfig
from ...mt.corpora import read_segments
from ...mt.corpora.records import Origin
from ...mt.corpora.tally import Tally
from ...mt.errors import CorpusError, LanguageError
from ...mt.languages import Language, find_language
from ...mt.plan import Plan, Stream, make_plan
from ...mt.prompts import PromptTemplate, render_prompt, render_target
from ...mt.splitting import split_text
from ...mt.stage_data import directions, oriented_pairs
from ...mt.tokenization import encode_document, encode_example, encode_plain, leading_ids
from .alignment import character_spans, check_offsets, shared_characters
from .encoder import SourceEncoder

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from transformers import PreTrainedTokenizerBase

    from .config import StackStageConfig


_MICRO_TOKENS = {"cpu": 2048, "cuda": 16384}


def micro_tokens(device: str) -> int:
    """Padded tokens of one forward pass with gradients, where nothing else is said: what fits into usual memories."""
    return _MICRO_TOKENS[device.partition(":")[0]]


@dataclass(frozen=True, slots=True)
class StackExample:
    """One text or pair.

    Attributes:
        source: the encoder's ids.
        text: the language model's: the same text (distil), or prompt, target and EOS.
        target_start: index in `text` of the first id to be predicted; 0 where none is.
        origin: where it was read.
        aligned: (M, 3) position in `source`, position in `text`, and how many characters both stand for; None where states are pooled.
    """

    source: tuple[int, ...]
    text: tuple[int, ...]
    target_start: int
    origin: Origin
    aligned: NDArray[np.int32] | None = field(default=None, compare=False)

    @property
    def length(self) -> int:
        """Positions of the longer of the two rows (distil), or of both with the end vector in one."""
        return len(self.source) + 1 + len(self.text)


@dataclass(frozen=True)
class StackData:
    """What one stage trains on; `plan` says which examples each step takes."""

    examples: Sequence[StackExample]
    plan: Plan
    tallies: dict[str, list[Tally]]

    @property
    def tokens(self) -> int:
        """Of the plan, both tokenizers' together."""
        return int(self.plan.tokens.sum())


@dataclass(frozen=True)
class Reading:
    """What turns text into examples: both tokenizers and the prompt."""

    encoder: SourceEncoder
    tokenizer: PreTrainedTokenizerBase
    template: PromptTemplate

    @property
    def opening(self) -> int:
        """Ids of a prompt that stand before the encoder's states: BOS, where there is one."""
        return len(leading_ids(self.tokenizer))


def build_stage(stage: StackStageConfig, reading: Reading, seed: int, number: int) -> StackData:
    """Read, tokenise and plan a stage.

    Raises:
        CorpusError: a file is missing, misaligned or holds no usable row.
        LanguageError: the encoder does not know a source language.
        ConfigError: `states: tokens`, and a tokenizer that does not say which characters its tokens stand for.
    """
    if stage.states == "tokens":
        for role, tokenizer in (("encoder", reading.encoder.tokenizer), ("language model", reading.tokenizer)):
            check_offsets(tokenizer, role, f"stages.{stage.name}.states")
    examples: list[StackExample] = []
    tallies: dict[str, list[Tally]] = {}
    streams: list[Stream] = []
    for position, corpus in enumerate(stage.corpora):
        for label, oriented in directions(corpus, position):
            tally, tokenising, first = Tally(), Tally("tokenising"), len(examples)
            examples += _examples(oriented, stage, reading, tally, tokenising)
            tallies[label] = [tally, tokenising]
            if len(examples) == first:
                raise CorpusError("no usable row", where=label, allowed="; ".join([*tally.lines(), *tokenising.lines()]))
            sequences = [np.array([index], dtype=np.int64) for index in range(first, len(examples))]
            streams.append(Stream(label, sequences, oriented.weight, corpus.replay))
    lengths = np.array([example.length for example in examples], dtype=np.int64)
    plan = make_plan(
        streams,
        lengths,
        mixture=stage.mixture,
        budget=stage.budget,
        sequences_per_step=stage.batch.sequences,
        seed=[seed, number, 2],
    )
    return StackData(examples, plan, tallies)


def _examples(corpus: CorpusConfig, stage: StackStageConfig, reading: Reading, tally: Tally, tokenising: Tally) -> Iterator[StackExample]:
    if corpus.language:
        return _texts(corpus, find_language(corpus.language), stage, reading, tally, tokenising)
    return _pairs(corpus, stage, reading, tally, tokenising)


def _texts(
    corpus: CorpusConfig, language: Language, stage: StackStageConfig, reading: Reading, tally: Tally, tokenising: Tally
) -> Iterator[StackExample]:
    """The same text for both; what is too long for either is split at sentence or else word boundaries, and counted."""
    _check(reading.encoder, language, corpus)
    added = len(reading.encoder.rows([""], language)[0])

    def rows(text: str) -> tuple[list[int], list[int]]:
        return reading.encoder.rows([text], language)[0], encode_plain(reading.tokenizer, text)

    def size(text: str) -> int:
        source, plain = rows(text)
        return max(len(source) - added, len(plain))

    longest = min(stage.batch.max_length, reading.encoder.max_length) - added
    for segment in read_segments(corpus, tally):
        parts = split_text(segment.text, size, longest)
        if len(parts) > 1:
            tokenising.note(segment.origin, f"split to fit {longest} tokens")
        tokenising.keep()
        for part in parts:
            source, plain = rows(part.text)
            if not plain or len(source) - added > longest:  # one character of very many tokens
                tokenising.note(segment.origin, "a part of it fits nowhere, and is left out")
                continue
            aligned = _aligned(reading, part.text, added - 1) if stage.states == "tokens" else None
            if aligned is not None and not len(aligned):
                tokenising.note(segment.origin, "a part of it has no characters that both tokenizers show, and is left out")
                continue
            yield StackExample(tuple(source), tuple(plain), 0, segment.origin, aligned)


def _aligned(reading: Reading, text: str, opening: int) -> NDArray[np.int32]:
    """`StackExample.aligned` of a text that stands behind `opening` ids of the encoder's own."""
    pairs = shared_characters(character_spans(reading.encoder.tokenizer, text), character_spans(reading.tokenizer, text))
    pairs[:, 0] += opening
    return pairs


def _pairs(corpus: CorpusConfig, stage: StackStageConfig, reading: Reading, tally: Tally, tokenising: Tally) -> Iterator[StackExample]:
    source, target, pairs = oriented_pairs(corpus, tally)
    _check(reading.encoder, source, corpus)
    most = stage.batch.max_length
    for pair in pairs:
        if stage.kind == "distil":
            text, start = encode_plain(reading.tokenizer, pair.target), 0
        elif stage.kind == "mapping":
            text, start = encode_document(reading.tokenizer, pair.target), reading.opening
        else:
            prompt = render_prompt(reading.template, pair.source, source, target)
            text, start = encode_example(reading.tokenizer, prompt, render_target(reading.template, pair.target))
        example = StackExample(tuple(reading.encoder.rows([pair.source], source)[0]), tuple(text), start, pair.origin)
        if len(example.source) > reading.encoder.max_length:
            tokenising.skip(pair.origin, f"longer than the encoder's {reading.encoder.max_length} tokens")
        elif example.length > most:
            tokenising.skip(pair.origin, f"longer than max_length {most} tokens, the encoder's states included")
        elif len(text) - start < (1 if stage.kind == "distil" else 2):
            tokenising.skip(pair.origin, "no target token besides EOS")
        else:
            tokenising.keep()
            yield example


def _check(encoder: SourceEncoder, language: Language, corpus: CorpusConfig) -> None:
    try:
        encoder.check(language)
    except LanguageError as error:
        raise LanguageError(f"{error.problem}", where=corpus.name or str(corpus.path), allowed=error.allowed) from None


class StepDataset(Dataset[list[list[StackExample]]]):
    """Item `n` is step `n` as the forward passes it is made in: examples of like length together, `micro_tokens` padded tokens at most."""

    def __init__(self, data: StackData, micro_tokens: int) -> None:
        self._data = data
        self._micro_tokens = micro_tokens

    def __len__(self) -> int:
        return len(self._data.plan.steps)

    def __getitem__(self, step: int) -> list[list[StackExample]]:
        chosen = sorted((self._data.examples[index] for index in self._data.plan.steps[step]), key=lambda one: -one.length)
        passes: list[list[StackExample]] = []
        for example in chosen:
            if passes and (len(passes[-1]) + 1) * passes[-1][0].length <= self._micro_tokens:
                passes[-1].append(example)
            else:
                passes.append([example])
        return passes
