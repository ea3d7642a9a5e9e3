"""Dev and test sets translated and scored while a model is trained."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from ..eval.metrics import Score, score
from .config import CorpusConfig, EvaluationConfig
from .corpora.tally import Tally
from .errors import CorpusError
from .languages import Language
from .models import LoadedModel
from .prompts import PromptTemplate
from .stage_data import directions, oriented_pairs
from .translator import Translation, Translator


@dataclass(frozen=True)
class DevSet:
    """Held-out pairs of one direction."""

    name: str
    source: Language
    target: Language
    sources: list[str]
    references: list[str]

    @property
    def direction(self) -> str:
        """`eng_Latn-fra_Latn`."""
        return f"{self.source.code}-{self.target.code}"


@dataclass(frozen=True)
class DevResult:
    """One set's translations and scores."""

    dev_set: DevSet
    translations: list[Translation]
    scores: list[Score]
    seconds: float

    def to_json(self) -> dict[str, Any]:
        """What metrics.jsonl records."""
        return {
            "set": self.dev_set.name,
            "direction": self.dev_set.direction,
            "sentences": len(self.translations),
            "unfinished": sum(not translation.finished for translation in self.translations),
            "scores": [item.to_json() for item in self.scores],
            "seconds": round(self.seconds, 2),
        }


def load_dev_sets(corpora: Sequence[CorpusConfig], sentences: int | None) -> list[DevSet]:
    """The first `sentences` pairs (all when None) of every corpus in every direction.

    Raises:
        CorpusError: a corpus has no usable pair.
    """
    sets = []
    for position, corpus in enumerate(corpora):
        for label, oriented in directions(corpus, position):
            tally = Tally()
            source, target, pairs = oriented_pairs(oriented, tally)
            kept = list(islice(pairs, sentences))
            if not kept:
                raise CorpusError("no usable pair", where=label, allowed="; ".join(tally.lines()))
            sets.append(DevSet(label, source, target, [pair.source for pair in kept], [pair.target for pair in kept]))
    return sets


def evaluate_sets(loaded: LoadedModel, template: PromptTemplate, sets: Sequence[DevSet], config: EvaluationConfig) -> list[DevResult]:
    """Translate each set with the model as it is now, and score it with intervals."""
    return [_evaluate(loaded, template, dev_set, config) for dev_set in sets]


def _evaluate(loaded: LoadedModel, template: PromptTemplate, dev_set: DevSet, config: EvaluationConfig) -> DevResult:
    started = time.perf_counter()
    translator = Translator(loaded, template, dev_set.source, dev_set.target, config.decoding)
    translations = translator.translate(dev_set.sources)
    hypotheses = [translation.text for translation in translations]
    scores = score(hypotheses, [dev_set.references], metrics=config.metrics, target=dev_set.target)
    return DevResult(dev_set, translations, scores, time.perf_counter() - started)


def average(results: Sequence[DevResult]) -> dict[str, float]:
    """Metric -> mean over the sets (directions): what decides between checkpoints."""
    names = [item.name for item in results[0].scores]
    return {name: sum(item.value for result in results for item in result.scores if item.name == name) / len(results) for name in names}
