"""Scores of single texts against a reference, for the page: figures without intervals, since there is but one text."""

from __future__ import annotations

from collections.abc import Sequence

from ...eval.corpus_metrics import MetricUnavailable
from ...eval.metrics import CorpusScorer
from ...mt.languages import Language

_METRICS = ("chrF++", "BLEU")


def reference_scores(texts: Sequence[str], reference: str, target: Language) -> tuple[dict[str, list[float]], list[str]]:
    """Scores of translations of one source.

    Lines are segments where every text has as many as the reference; else each text is one segment.

    Returns:
        Metric -> a figure for each text; and remarks on metrics that cannot be had.
    """
    lines = [text.split("\n") for text in (reference, *texts)]
    if len({len(each) for each in lines}) > 1:
        lines = [[" ".join(text.split())] for text in (reference, *texts)]
    found: dict[str, list[float]] = {}
    remarks = []
    for metric in _METRICS:
        try:
            scorer = CorpusScorer([lines[0]], metrics=(metric,), target=target)
        except MetricUnavailable as error:
            remarks.append(f"{metric} is left out: {error.problem}")
            continue
        found[metric] = [scorer.statistics(hypotheses)[0].value for hypotheses in lines[1:]]
    return found, remarks
