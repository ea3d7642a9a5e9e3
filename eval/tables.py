"""Evaluations as tables for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.markup import escape
from rich.table import Table

from .corpus_metrics import METRICS
from .metrics import Score
from .records import Comparison, Evaluation, SystemResult

_WIDEST = 12  # languages side by side in a matrix


def tables(evaluations: Sequence[Evaluation]) -> Iterator[Table]:
    """What a person reads: for each direction scores, comparisons and findings; over many directions one matrix instead."""
    if len(evaluations) > 1:
        yield from matrices(evaluations)
        return
    for evaluation in evaluations:
        yield score_table(evaluation)
        if evaluation.comparisons:
            yield comparison_table(evaluation.comparisons)
        if any(finding.count for result in evaluation.results for finding in result.diagnostics):
            yield finding_table(evaluation.results)
        if any(result.terms for result in evaluation.results):
            yield term_table(evaluation.results)


def score_table(evaluation: Evaluation) -> Table:
    """Systems by metrics, with intervals; the best of a metric is bold."""
    names = _metrics([evaluation])
    table = Table(title=escape(f"{evaluation.test_set.name}  {evaluation.test_set.direction}  {len(evaluation.test_set):,} segments"))
    table.add_column("system", overflow="fold")
    for name in names:
        table.add_column(f"{name} {'↓' if _lower_is_better(name) else '↑'}", justify="right", no_wrap=True)
    best = {name: _best(evaluation.results, name) for name in names}
    for result in evaluation.results:
        cells = [_cell(_score(result, name), best[name], len(evaluation.test_set)) for name in names]
        table.add_row(escape(result.system.name), *cells)
    return table


def comparison_table(comparisons: Sequence[Comparison]) -> Table:
    """Differences with intervals and p-values."""
    table = Table(title=f"differences, by {comparisons[0].method}")
    table.add_column("metric")
    table.add_column("system", overflow="fold")
    table.add_column("against", overflow="fold")
    for name in ("difference", "95% interval", "p"):
        table.add_column(name, justify="right", no_wrap=True)
    for one in comparisons:
        digits = _digits(one.metric) + 1
        span = f"[{one.low:+.{digits}f}, {one.high:+.{digits}f}]"
        row = [escape(one.metric), escape(one.first), escape(one.second), f"{one.difference:+.{digits}f}", escape(span), _p(one.p_value)]
        table.add_row(*row)
    return table


def finding_table(results: Sequence[SystemResult]) -> Table:
    """Counts of segments with something wrong, kinds that were found at all."""
    kinds = [finding.name for finding in results[0].diagnostics]
    counts = {kind: [next((each.count for each in result.diagnostics if each.name == kind), 0) for result in results] for kind in kinds}
    shown = [kind for kind in kinds if any(counts[kind])]
    table = Table(title="segments to look at")
    table.add_column("system", overflow="fold")
    for kind in shown:
        table.add_column(kind, justify="right")
    for at, result in enumerate(results):
        table.add_row(escape(result.system.name), *(f"{counts[kind][at]:,}" for kind in shown))
    return table


def term_table(results: Sequence[SystemResult]) -> Table:
    """Terminology figures, a row each."""
    table = Table(title="terminology")
    table.add_column("figure")
    for result in results:
        table.add_column(escape(result.system.name), justify="right")
    for name in dict.fromkeys(name for result in results for name in result.terms):
        table.add_row(escape(name), *(f"{result.terms[name]:.4g}" if name in result.terms else "-" for result in results))
    return table


def matrices(evaluations: Sequence[Evaluation]) -> Iterator[Table]:
    """One table a system and metric with sources down and targets across, or a row a direction where that would be too wide."""
    sources = list(dict.fromkeys(_side(each, 0) for each in evaluations))
    targets = list(dict.fromkeys(_side(each, 1) for each in evaluations))
    if min(len(sources), len(targets)) > 1 and len(targets) <= _WIDEST:
        for system in dict.fromkeys(result.system.name for each in evaluations for result in each.results):
            for name in _metrics(evaluations):
                yield _matrix(evaluations, sources, targets, system, name)
    else:
        yield _list(evaluations)


def _matrix(evaluations: Sequence[Evaluation], sources: Sequence[str], targets: Sequence[str], system: str, name: str) -> Table:
    table = Table(title=escape(f"{name}  {system}  {evaluations[0].test_set.name}"))
    table.add_column("from \\ to")
    for target in targets:
        table.add_column(target, justify="right")
    known = {(_side(each, 0), _side(each, 1)): each for each in evaluations}
    for source in sources:
        cells = [_bare(_of(known.get((source, target)), system, name)) for target in targets]
        table.add_row(source, *cells)
    return table


def _list(evaluations: Sequence[Evaluation]) -> Table:
    systems = list(dict.fromkeys(result.system.name for each in evaluations for result in each.results))
    names = _metrics(evaluations)
    table = Table(title=escape(evaluations[0].test_set.name))
    table.add_column("direction")
    for system in systems:
        for name in names:
            table.add_column(escape(f"{system}\n{name}" if len(systems) > 1 else name), justify="right")
    for each in evaluations:
        table.add_row(escape(each.test_set.direction), *(_bare(_of(each, system, name)) for system in systems for name in names))
    means = [_mean([_of(each, system, name) for each in evaluations], name) for system in systems for name in names]
    table.add_row("mean", *means, style="bold")
    return table


def _mean(scores: Sequence[Score | None], name: str) -> str:
    values = [score.value for score in scores if score]
    note = f" ({len(values)})" if len(values) < len(scores) else ""
    return f"{sum(values) / len(values):.{_digits(name)}f}{note}" if values else "-"


def _side(evaluation: Evaluation, side: int) -> str:
    language = (evaluation.test_set.source, evaluation.test_set.target)[side]
    return language.code if language else "?"


def _metrics(evaluations: Sequence[Evaluation]) -> list[str]:
    return list(dict.fromkeys(score.name for each in evaluations for result in each.results for score in result.scores))


def _of(evaluation: Evaluation | None, system: str, name: str) -> Score | None:
    results = evaluation.results if evaluation else ()
    return next((_score(result, name) for result in results if result.system.name == system), None)


def _score(result: SystemResult, name: str) -> Score | None:
    return next((score for score in result.scores if score.name == name), None)


def _lower_is_better(name: str) -> bool:
    return name in METRICS and not METRICS[name].higher_is_better


def _best(results: Sequence[SystemResult], name: str) -> float | None:
    values = [score.value for result in results if (score := _score(result, name))]
    if len(values) < 2:
        return None
    return min(values) if _lower_is_better(name) else max(values)


def _digits(name: str) -> int:
    """Corpus metrics run to 100, COMET to 1."""
    return 1 if name in METRICS else 3


def _cell(score: Score | None, best: float | None, segments: int) -> str:
    if score is None:
        return "-"
    digits = _digits(score.name)
    value = f"{score.value:.{digits}f}"
    shown = f"[bold]{value}[/bold]" if score.value == best else value
    return shown if segments < 2 else shown + escape(f" [{score.low:.{digits}f}, {score.high:.{digits}f}]")


def _bare(score: Score | None) -> str:
    return f"{score.value:.{_digits(score.name)}f}" if score else "-"


def _p(value: float) -> str:
    text = f"{value:.4f}"
    return f"[bold]{text}[/bold]" if value < 0.05 else text
