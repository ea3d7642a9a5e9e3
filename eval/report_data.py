"""What the report's segment browser reads: every segment of every system as JSON inside the page, within a bound of size."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..mt.languages import Language
from .corpus_metrics import METRICS
from .diagnostics import EXPLANATIONS
from .records import Evaluation, SystemResult

# What could end the script element, or a JavaScript line in old parsers, is written as JSON escapes.
_ESCAPES = str.maketrans({character: f"\\u{ord(character):04x}" for character in "<>&\u2028\u2029"})


@dataclass(frozen=True)
class Browsable:
    """One evaluation for the browser: its JSON, and how many of its segments found room."""

    json: str
    shown: int
    total: int


def browsable(evaluation: Evaluation, order: Sequence[int], most_bytes: int) -> Browsable:
    """The evaluation's segments as JSON.

    Args:
        evaluation: what to show.
        order: systems, best first, as indices of `evaluation.results`.
        most_bytes: UTF-8 bytes the segments may take; past it, those are kept on which systems differ most (with one system: the lowest
            scores), in their order in the test set.
    """
    results = [evaluation.results[index] for index in order]
    metrics = _shared_metrics(results)
    documents = list(dict.fromkeys(evaluation.test_set.documents or ()))
    rows = [_dump(row) for row in _rows(evaluation, results, metrics, documents)]
    kept = _within(rows, _interest(results, metrics, len(rows)), most_bytes)
    test_set = evaluation.test_set
    head = {
        "name": test_set.name,
        "direction": test_set.direction,
        "source": _language(test_set.source),
        "target": _language(test_set.target),
        "systems": [result.system.name for result in results],
        "metrics": [{"name": name, "higher": _higher(name)} for name in metrics],
        "diagnostics": [[name, EXPLANATIONS.get(name, name)] for name in _diagnostic_names(results)],
        "documents": documents,
        "references": len(test_set.references),
        "spans": any(result.spans for result in results),
        "total": len(rows),
    }
    return Browsable(f'{_dump(head)[:-1]},"segments":[{",".join(rows[index] for index in kept)}]}}', len(kept), len(rows))


def _dump(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False).translate(_ESCAPES)


def _language(language: Language | None) -> Mapping[str, str]:
    return {"lang": language.bcp47, "dir": language.direction} if language else {"lang": "", "dir": "auto"}


def _higher(metric: str) -> bool:
    return METRICS[metric].higher_is_better if metric in METRICS else True


def _shared_metrics(results: Sequence[SystemResult]) -> list[str]:
    return [name for name in results[0].segment_scores if all(name in result.segment_scores for result in results)] if results else []


def _diagnostic_names(results: Sequence[SystemResult]) -> list[str]:
    return list(dict.fromkeys(each.name for result in results for each in result.diagnostics))


def _rows(evaluation: Evaluation, results: Sequence[SystemResult], metrics: Sequence[str], documents: Sequence[str]) -> list[list[Any]]:
    """A segment is `[number, document, source, references, hypotheses, scores a metric, diagnostics a system, spans a system]`."""
    test_set = evaluation.test_set
    document_index = {name: index for index, name in enumerate(documents)}
    names = _diagnostic_names(results)
    marked = [[(names.index(each.name), frozenset(each.segments)) for each in result.diagnostics] for result in results]
    with_spans = any(result.spans for result in results)
    return [
        [
            index + 1,
            document_index[test_set.documents[index]] if test_set.documents else -1,
            test_set.sources[index] if test_set.sources else None,
            [stream[index] for stream in test_set.references],
            [result.system.hypotheses[index] for result in results],
            [[_figure(result.segment_scores[metric][index]) for result in results] for metric in metrics],
            [[name for name, segments in own if index + 1 in segments] for own in marked],
            [_spans(result, index) for result in results] if with_spans else 0,
        ]
        for index in range(len(test_set))
    ]


def _spans(result: SystemResult, index: int) -> list[list[Any]]:
    """`[start, end, severity, confidence]`, places counting code points of the hypothesis."""
    spans = result.spans[index] if index < len(result.spans) else ()
    return [[int(each["start"]), int(each["end"]), str(each["severity"]), _figure(each.get("confidence"))] for each in spans]


def _figure(value: float | None) -> float | None:
    """Four digits; nothing for what JSON has no number for."""
    return float(f"{value:.4g}") if value is not None and math.isfinite(value) else None


def _interest(results: Sequence[SystemResult], metrics: Sequence[str], segments: int) -> list[float]:
    """How much each segment is worth looking at: the spread of the first metric between systems, or how low the only system is."""
    if not metrics:
        return [float(len({result.system.hypotheses[index] for result in results})) for index in range(segments)]
    columns = zip(*(result.segment_scores[metrics[0]] for result in results), strict=True)
    finite = ([value for value in column if math.isfinite(value)] or [0.0] for column in columns)
    sign = -1.0 if _higher(metrics[0]) else 1.0
    return [max(column) - min(column) if len(results) > 1 else sign * column[0] for column in finite]


def _within(rows: Sequence[str], interest: Sequence[float], most_bytes: int) -> list[int]:
    sizes = [len(row.encode("utf-8", "replace")) + 1 for row in rows]
    if sum(sizes) <= most_bytes:
        return list(range(len(rows)))
    kept = []
    for index in sorted(range(len(rows)), key=lambda at: (-interest[at], at)):
        if sizes[index] <= most_bytes:
            most_bytes -= sizes[index]
            kept.append(index)
    return sorted(kept)
