"""Small evaluations for the report's tests, hostile text in every field included."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from dragoman.eval.diagnostics import diagnose
from dragoman.eval.metrics import score
from dragoman.eval.records import Comparison, Evaluation, SystemOutput, SystemResult, TestSet
from dragoman.mt.languages import find_language

HOSTILE = "</script><script>window.pwned=1</script><img src=x onerror='window.pwned=2'>&amp;\u2028\u2029\"'`<!--\x00\u0085\ud800 ]]> {{x}}"


def evaluation(
    systems: Mapping[str, Sequence[str]],
    references: Sequence[str],
    *,
    sources: Sequence[str] | None = None,
    source: str | None = "eng",
    target: str | None = "deu",
    segment_scores: Mapping[str, Mapping[str, Sequence[float]]] | None = None,
    documents: Sequence[str] | None = None,
    name: str = "made-up",
) -> Evaluation:
    """An evaluation of outputs by chrF++ alone; `segment_scores` is system -> metric -> scores."""
    languages = (find_language(source) if source else None, find_language(target) if target else None)
    test_set = TestSet(name, *languages, tuple(sources) if sources else None, (tuple(references),), tuple(documents) if documents else None)
    results = tuple(
        SystemResult(
            SystemOutput(system, tuple(outputs), f"{system}.txt"),
            tuple(score(outputs, [references], metrics=["chrF++"], samples=20)),
            {metric: tuple(scores) for metric, scores in (segment_scores or {}).get(system, {}).items()},
            diagnose(outputs, sources, *languages),
        )
        for system, outputs in systems.items()
    )
    return Evaluation(test_set, results)


def hostile_evaluation() -> Evaluation:
    """Three segments whose every text field, names included, holds what could break out of a page."""
    texts = [HOSTILE, f"plain {HOSTILE}", "the end"]
    made = evaluation(
        {HOSTILE: texts, f"other {HOSTILE}": texts[::-1]}, texts, sources=texts, documents=[HOSTILE, HOSTILE, "d"], name=HOSTILE
    )
    first, second = made.results
    span = {"start": 0, "end": 5, "severity": HOSTILE, "confidence": float("nan")}
    results = (
        replace(first, segment_scores={"chrF++": (1.0, float("nan"), 3.0)}, terms={HOSTILE: 1.0}, spans=((span,), (), ())),
        replace(second, segment_scores={"chrF++": (3.0, 2.0, float("inf"))}),
    )
    tests = (Comparison("chrF++", first.system.name, second.system.name, 1.0, -1.0, 2.0, 0.01, HOSTILE),)
    return Evaluation(made.test_set, results, tests, (HOSTILE,), {HOSTILE: {HOSTILE: [HOSTILE]}})
