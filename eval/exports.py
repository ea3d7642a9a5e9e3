"""Evaluations for machines: JSON with everything but the texts, TSV with a line a score."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from .records import Evaluation, SystemResult

_FORMAT = 1
_TSV = ("test_set", "direction", "system", "metric", "score", "low", "high", "against", "difference", "p_value", "signature")


def to_json(evaluations: Sequence[Evaluation]) -> dict[str, Any]:
    """`{"format": 1, "evaluations": [...]}`; segment scores by metric, in the order of the segments."""
    return {"format": _FORMAT, "evaluations": [_evaluation(each) for each in evaluations]}


def _evaluation(evaluation: Evaluation) -> dict[str, Any]:
    test_set = evaluation.test_set
    return {
        "test_set": test_set.name,
        "source": test_set.source.bcp47 if test_set.source else None,
        "target": test_set.target.bcp47 if test_set.target else None,
        "direction": test_set.direction,
        "segments": len(test_set),
        "references": len(test_set.references),
        "systems": [_system(result) for result in evaluation.results],
        "comparisons": [asdict(one) for one in evaluation.comparisons],
        "warnings": list(evaluation.warnings),
        "facts": dict(evaluation.facts),
    }


def _system(result: SystemResult) -> dict[str, Any]:
    return {
        "name": result.system.name,
        "origin": result.system.origin,
        "scores": [score.to_json() for score in result.scores],
        "diagnostics": [asdict(finding) for finding in result.diagnostics],
        "terms": dict(result.terms),
        "segment_scores": {name: [round(score, 4) for score in scores] for name, scores in result.segment_scores.items()},
        "spans": [[dict(span) for span in spans] for spans in result.spans],
    }


def to_tsv(evaluations: Sequence[Evaluation]) -> str:
    """A header, then a line for each score; a score that was compared more than once has a line a comparison."""
    rows: list[Sequence[str]] = [_TSV]
    for evaluation in evaluations:
        place = (evaluation.test_set.name, evaluation.test_set.direction)
        for result in evaluation.results:
            for score in result.scores:
                own = (*place, result.system.name, score.name, f"{score.value:.6f}", f"{score.low:.6f}", f"{score.high:.6f}")
                compared = [one for one in evaluation.comparisons if (one.metric, one.first) == (score.name, result.system.name)]
                against = [(one.second, f"{one.difference:.6f}", f"{one.p_value:.6g}") for one in compared] or [("", "", "")]
                rows += [(*own, *each, score.signature) for each in against]
    return "".join("\t".join(_field(cell) for cell in row) + "\n" for row in rows)


def _field(text: str) -> str:
    return " ".join(text.replace("\t", " ").splitlines())
