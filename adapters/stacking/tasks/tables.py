"""A comparison as a table for people and as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

from rich.table import Table

from ....mt.languages import Language
from .comparison import SYSTEMS, Comparison
from .scores import TaskScore, mean_and_spread

_SHOWN: Mapping[str, str] = {"accuracy": "accuracy", "macro_f1": "macro-F1"}


def comparison_table(comparison: Comparison) -> Table:
    """Accuracy / macro-F1 in percent (accuracy alone for options), mean over seeds and its standard deviation; a row a language, a column
    a system."""
    systems = _systems(comparison)
    task = comparison.data.task
    shown = " / ".join(_SHOWN[measure] for measure in task.measures)
    table = Table(title=f"{task.name}: {shown}, learnt from {len(comparison.data.train.labels)} English {task.unit}")
    table.add_column("language")
    for system in systems:
        table.add_column(system, justify="right")
    for language in comparison.data.languages:
        table.add_row(language.name, *(_cell(comparison.scores(system, language), task.measures) for system in systems))
    others = [language for language in comparison.data.languages if language.iso639_3 != "eng"]
    if len(others) > 1:
        table.add_section()
        table.add_row("mean without English", *(_mean_cell(comparison, system, others) for system in systems))
    return table


def comparison_json(comparison: Comparison) -> dict[str, Any]:
    """Every score of every seed, means and spreads, seconds and losses, as plain values."""
    task = comparison.data.task
    return {
        "format": 1,
        "task": task.name,
        "classes": list(task.classes),
        "licence": task.licence,
        "trained_on": {"language": "eng_Latn", task.unit: len(comparison.data.train.labels)},
        "results": [
            {
                "system": each.system,
                "language": each.language.code,
                "seed": each.seed,
                **{measure: round(each.score.value(measure), 3) for measure in task.measures},
                task.unit: each.score.size,
            }
            for each in comparison.results
        ],
        "means": [
            {"system": system, "language": language.code, **_summary(comparison.scores(system, language), task.measures)}
            for system in _systems(comparison)
            for language in comparison.data.languages
            if comparison.scores(system, language)
        ],
        "seconds": comparison.seconds,
        "losses": {str(seed): list(losses) for seed, losses in comparison.losses.items()},
    }


def _systems(comparison: Comparison) -> list[str]:
    there = {each.system for each in comparison.results}
    return [system for system in SYSTEMS if system in there]


def _summary(scores: Sequence[TaskScore], measures: Sequence[str]) -> dict[str, float | None]:
    found: dict[str, float | None] = {}
    for measure in measures:
        mean, spread = mean_and_spread([score.value(measure) for score in scores])
        found |= {measure: round(mean, 3), f"{measure}_spread": spread and round(spread, 3)}
    return found


def _cell(scores: Sequence[TaskScore], measures: Sequence[str]) -> str:
    if not scores:
        return "-"
    sides = [mean_and_spread([score.value(measure) for score in scores]) for measure in measures]
    return " / ".join(f"{mean:.1f}" if spread is None else f"{mean:.1f} ±{spread:.1f}" for mean, spread in sides)


def _mean_cell(comparison: Comparison, system: str, languages: Sequence[Language]) -> str:
    """Of the languages' means; a dash where a system lacks one of them."""
    scores = [comparison.scores(system, language) for language in languages]
    if not all(scores):
        return "-"
    sides = [[fmean(score.value(measure) for score in each) for each in scores] for measure in comparison.data.task.measures]
    return " / ".join(f"{fmean(side):.1f}" for side in sides)
