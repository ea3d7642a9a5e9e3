"""Where a system is good and where it is not: by length of the source, by document, and by how frequent the words to be found are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from ..mt.languages import Language
from ..mt.lexicons.folding import fold
from .metrics import CorpusScorer
from .records import Evaluation, SystemResult, TestSet

_LENGTHS = (0, 10, 20, 30, 40)  # words
_OWN_COUNTS = {"rare": 1, "mid": 3, "frequent": 20}  # least number of times a word occurs in the references themselves
_GIVEN_COUNTS = {"unseen": 0, "rare": 1, "mid": 100, "frequent": 10_000}  # ... in the text the counts were taken from, training data say
_FALLBACK = "chrF++"
_CHARACTERS_A_WORD = 2  # in scripts without spaces


@dataclass(frozen=True)
class Breakdown:
    """Figures of every system for groups of segments or words.

    Attributes:
        title: what the groups are.
        measure: what the figures are.
        groups: name and size of each group, `unit` saying of what.
        unit: "segments" or "words".
        figures: (systems, groups); None where a group says nothing about a system.
    """

    title: str
    measure: str
    groups: tuple[tuple[str, int], ...]
    unit: str
    figures: tuple[tuple[float | None, ...], ...]


def breakdowns(evaluation: Evaluation, frequencies: Mapping[str, int] | None = None) -> list[Breakdown]:
    """Every breakdown the test set allows.

    Args:
        evaluation: systems' results; groups of segments are scored by the mean of each segment metric, by corpus chrF++ without any.
        frequencies: counts of the target's words in some text (folded as `target_words` gives them); those of the references by default.
    """
    if not len(evaluation.test_set) or not evaluation.results:
        return []
    found = []
    grouped = {"By length of the source" if evaluation.test_set.sources else "By length of the reference": _by_length(evaluation.test_set)}
    if evaluation.test_set.documents:
        grouped["By document"] = _by_document(evaluation.test_set.documents)
    for title, groups in grouped.items():
        sizes = tuple((name, len(members)) for name, members in groups.items())
        for measure, score in _scorers(evaluation):
            figures = tuple(tuple(score(result, members) for members in groups.values()) for result in evaluation.results)
            found.append(Breakdown(title, measure, sizes, "segments", figures))
    return [*found, _by_frequency(evaluation, frequencies)]


def target_words(text: str, language: Language | None) -> list[str]:
    """Words, case and optional signs aside; the letters instead where words are not written apart."""
    folded = fold(text)
    if language is not None and not language.spaced:
        return [character for character in folded.text if character.isalpha()]
    return [folded.text[start:end] for start, end in folded.words]


def _ranges(edges: Sequence[int]) -> list[tuple[int, float, str]]:
    """Lowest, highest and name of each range that starts at an edge."""
    closed = [(low, high - 1, f"{low:,}–{high - 1:,}" if high - 1 > low else f"{low:,}") for low, high in pairwise(edges)]
    return [*closed, (edges[-1], float("inf"), f"{edges[-1]:,} and more")]


def _by_length(test_set: TestSet) -> dict[str, list[int]]:
    texts, language = (test_set.sources, test_set.source) if test_set.sources else (test_set.references[0], test_set.target)
    spaced = language is None or language.spaced
    lengths = [len(text.split()) if spaced else -(-len("".join(text.split())) // _CHARACTERS_A_WORD) for text in texts]
    groups = {
        f"{name} words": [index for index, length in enumerate(lengths) if low <= length <= high] for low, high, name in _ranges(_LENGTHS)
    }
    return {name: members for name, members in groups.items() if members}


def _by_document(documents: Sequence[str]) -> dict[str, list[int]]:
    groups: dict[str, list[int]] = {}
    for index, document in enumerate(documents):
        groups.setdefault(document, []).append(index)
    return groups


Scorer = Callable[[SystemResult, Sequence[int]], float | None]


def _scorers(evaluation: Evaluation) -> list[tuple[str, Scorer]]:
    names = [name for name in evaluation.results[0].segment_scores if all(name in result.segment_scores for result in evaluation.results)]
    if names:
        return [(f"mean segment {name}", _mean_of(name)) for name in names]
    return [(f"corpus {_FALLBACK}", _corpus_scorer(evaluation))]


def _mean_of(metric: str) -> Scorer:
    def mean(result: SystemResult, members: Sequence[int]) -> float | None:
        scores = np.asarray(result.segment_scores[metric], dtype=np.float64)[list(members)]
        scores = scores[np.isfinite(scores)]
        return float(scores.mean()) if len(scores) else None

    return mean


def _corpus_scorer(evaluation: Evaluation) -> Scorer:
    """The corpus score of a group, from the sums of its segments' statistics, which are collected once a system."""
    scorer = CorpusScorer(evaluation.test_set.references, metrics=[_FALLBACK])
    statistics = {result.system.name: scorer.statistics(result.system.hypotheses)[0] for result in evaluation.results}

    def corpus(result: SystemResult, members: Sequence[int]) -> float | None:
        own = statistics[result.system.name]
        return float(own.metric.from_sums(own.table[list(members)].sum(axis=0, keepdims=True))[0])

    return corpus


def _by_frequency(evaluation: Evaluation, frequencies: Mapping[str, int] | None) -> Breakdown:
    """Recall of the first reference's words: how many of them a hypothesis holds, each word as often as it does at most."""
    language = evaluation.test_set.target
    references = [Counter(target_words(reference, language)) for reference in evaluation.test_set.references[0]]
    occurring = Counter[str]()
    for reference in references:
        occurring.update(reference)
    counts = occurring if frequencies is None else frequencies
    bands = _OWN_COUNTS if frequencies is None else _GIVEN_COUNTS
    ranges = _ranges(tuple(bands.values()))
    where = "in the references" if frequencies is None else "in the given text"
    total = _in_ranges(occurring, counts, ranges)
    figures = []
    for result in evaluation.results:
        found = Counter[str]()
        for reference, hypothesis in zip(references, result.system.hypotheses, strict=True):
            found.update(reference & Counter(target_words(hypothesis, language)))
        matched = _in_ranges(found, counts, ranges)
        figures.append(tuple(100 * got / of if of else None for got, of in zip(matched, total, strict=True)))
    unit = "words" if language is None or language.spaced else "characters"
    groups = tuple((f"{band}, {name} × {where}", of) for band, (_, _, name), of in zip(bands, ranges, total, strict=True))
    return Breakdown(f"By frequency of the reference's {unit}", f"recall of {unit}, %", groups, unit, tuple(figures))


def _in_ranges(words: Mapping[str, int], counts: Mapping[str, int], ranges: Sequence[tuple[int, float, str]]) -> list[int]:
    return [sum(times for word, times in words.items() if low <= counts.get(word, 0) <= high) for low, high, _ in ranges]
