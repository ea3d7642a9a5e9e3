"""Parallel text to batches: pairs of every corpus and direction as ids, drawn and dealt to steps by the planner of `dragoman train`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.utils.data import Dataset

from ...mt.config import CorpusConfig
from ...mt.corpora.records import Pair
from ...mt.corpora.tally import Tally
from ...mt.errors import CorpusError
from ...mt.languages import Language
from ...mt.plan import Plan, Stream, make_plan
from ...mt.stage_data import directions, oriented_pairs
from .vocabulary import source_ids, target_ids

if TYPE_CHECKING:
    from transformers import NllbTokenizer

    from .config import TranslationModelConfig

IGNORED = -100
_TOO_LONG = "a side longer than `longest` pieces"


@dataclass(frozen=True)
class ParallelText:
    """The pairs of one corpus in one direction."""

    name: str
    corpus: CorpusConfig
    source: Language
    target: Language
    pairs: tuple[Pair, ...]
    tally: Tally  # of reading


@dataclass(frozen=True)
class EncodedPair:
    """A pair as ids, language tokens and `</s>` included."""

    source: tuple[int, ...]
    target: tuple[int, ...]


def read_parallel(corpora: Sequence[CorpusConfig]) -> list[ParallelText]:
    """Every corpus in every direction asked for.

    Raises:
        CorpusError: as `mt.corpora.read_pairs`.
    """
    read = []
    for position, corpus in enumerate(corpora):
        for name, oriented in directions(corpus, position):
            tally = Tally()
            source, target, pairs = oriented_pairs(oriented, tally)
            read.append(ParallelText(name, oriented, source, target, tuple(pairs), tally))
    return read


def encode(texts: Sequence[ParallelText], tokenizer: NllbTokenizer, longest: int) -> tuple[list[list[EncodedPair]], list[Tally]]:
    """The pairs of each corpus as ids, and for each corpus a count of those with a side of more than `longest` pieces, which are skipped.

    Raises:
        CorpusError: nothing of a corpus is short enough.
    """
    encoded, tallies = [], []
    for text in texts:
        kept, tally = [], Tally("encoding")
        for pair in text.pairs:
            sides = tuple(source_ids(tokenizer, pair.source, text.source)), tuple(target_ids(tokenizer, pair.target, text.target))
            if max(map(len, sides)) <= longest + 2:
                kept.append(EncodedPair(*sides))
                tally.keep()
            else:
                tally.skip(pair.origin, _TOO_LONG)
        if not kept:
            raise CorpusError(f"no pair of at most {longest} pieces", where=text.name, hint="a larger `longest`")
        encoded.append(kept)
        tallies.append(tally)
    return encoded, tallies


def plan_steps(texts: Sequence[ParallelText], encoded: Sequence[Sequence[EncodedPair]], config: TranslationModelConfig) -> Plan:
    """Which pairs each step takes, as indices into all pairs in the order of the corpora; lengths are those of both sides.

    Raises:
        ConfigError: a budget of thousands of passes.
    """
    lengths = np.array([len(pair.source) + len(pair.target) for corpus in encoded for pair in corpus], dtype=np.int64)
    starts = np.cumsum([0, *map(len, encoded)])
    streams = [
        Stream(text.name, [np.array([index]) for index in range(first, last)], text.corpus.weight, text.corpus.replay)
        for text, first, last in zip(texts, starts, starts[1:], strict=False)
    ]
    return make_plan(
        streams, lengths, mixture=config.mixture, budget=config.budget, sequences_per_step=config.sequences, seed=(config.seed,)
    )


class BatchDataset(Dataset[dict[str, torch.Tensor]]):
    """Item `n` is the whole batch of step `n`; see `collate` for what it holds."""

    def __init__(self, encoded: Sequence[Sequence[EncodedPair]], plan: Plan) -> None:
        self._pairs = [pair for corpus in encoded for pair in corpus]
        self._steps = plan.steps

    def __len__(self) -> int:
        return len(self._steps)

    def __getitem__(self, step: int) -> dict[str, torch.Tensor]:
        return collate([self._pairs[index] for index in self._steps[step]])


def collate(pairs: Sequence[EncodedPair], padding: int = 1, start: int = 2) -> dict[str, torch.Tensor]:
    """Pairs padded to the longest; the decoder reads its start token and then the target without its last token.

    Returns:
        `input_ids` (B, S), `attention_mask` (B, S), `decoder_input_ids` (B, T) and `labels` (B, T), where padding is -100.
    """
    sources = _padded([pair.source for pair in pairs], padding)
    return {
        "input_ids": sources,
        "attention_mask": (sources != padding).long(),
        "decoder_input_ids": _padded([(start, *pair.target[:-1]) for pair in pairs], padding),
        "labels": _padded([pair.target for pair in pairs], IGNORED),
    }


def _padded(rows: Sequence[Sequence[int]], fill: int) -> torch.Tensor:
    width = max(map(len, rows))
    return torch.tensor([[*row, *[fill] * (width - len(row))] for row in rows])
