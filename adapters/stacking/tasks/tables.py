"""A comparison as a table for people and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean
from typing import Any

from rich.table import Table

from ....mt.languages import Language
from .comparison import SYSTEMS, Comparison
from .scores import TaskScore, mean_and_spread


def comparison_table(comparison: Comparison) -> Table:
    """Accuracy / macro-F1 in percent, mean over seeds and its standard deviation; a row a language, a column a system."""
    systems = _systems(comparison)
    task = comparison.data.task
    table = Table(title=f"{task.name}: accuracy / macro-F1, learnt from {len(comparison.data.train.texts)} English texts")
    table.add_column("language")
    for system in systems:
        table.add_column(system, justify="right")
    for language in comparison.data.languages:
        table.add_row(language.name, *(_cell(comparison.scores(system, language)) for system in systems))
    others = [language for language in comparison.data.languages if language.iso639_3 != "eng"]
    if len(others) > 1:
        table.add_section()
        table.add_row("mean without English", *(_mean_cell(comparison, system, others) for system in systems))
    return table


def comparison_json(comparison: Comparison) -> dict[str, Any]:
    """Every score of every seed, means and spreads, seconds and losses, as plain values."""
    return {
        "format": 1,
        "task": comparison.data.task.name,
        "classes": list(comparison.data.task.classes),
        "licence": comparison.data.task.licence,
        "trained_on": {"language": "eng_Latn", "texts": len(comparison.data.train.texts)},
        "results": [
            {
                "system": each.system,
                "language": each.language.code,
                "seed": each.seed,
                "accuracy": round(each.score.accuracy, 3),
                "macro_f1": round(each.score.macro_f1, 3),
                "texts": each.score.size,
            }
            for each in comparison.results
        ],
        "means": [
            {"system": system, "language": language.code, **_summary(comparison.scores(system, language))}
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


def _summary(scores: Sequence[TaskScore]) -> dict[str, float | None]:
    accuracy, accuracy_spread = mean_and_spread([score.accuracy for score in scores])
    macro_f1, macro_f1_spread = mean_and_spread([score.macro_f1 for score in scores])
    return {
        "accuracy": round(accuracy, 3),
        "accuracy_spread": accuracy_spread and round(accuracy_spread, 3),
        "macro_f1": round(macro_f1, 3),
        "macro_f1_spread": macro_f1_spread and round(macro_f1_spread, 3),
    }


def _cell(scores: Sequence[TaskScore]) -> str:
    if not scores:
        return "-"
    sides = [mean_and_spread([score.accuracy for score in scores]), mean_and_spread([score.macro_f1 for score in scores])]
    return " / ".join(f"{mean:.1f}" if spread is None else f"{mean:.1f} ±{spread:.1f}" for mean, spread in sides)


def _mean_cell(comparison: Comparison, system: str, languages: Sequence[Language]) -> str:
    """Of the languages' means; a dash where a system lacks one of them."""
    scores = [comparison.scores(system, language) for language in languages]
    if not all(scores):
        return "-"
    sides = [[fmean(score.accuracy for score in each) for each in scores], [fmean(score.macro_f1 for score in each) for each in scores]]
    return " / ".join(f"{fmean(side):.1f}" for side in sides)
