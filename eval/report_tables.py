"""The report's tables: plain HTML that reads without a script, sortable with one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from xml.etree.ElementTree import Element

from ..mt.markup import element, nested, number, table
from .breakdown import Breakdown, breakdowns
from .corpus_metrics import METRICS
from .diagnostics import EXPLANATIONS as DIAGNOSTICS
from .metrics import Score
from .records import Comparison, Evaluation, SystemResult
from .terms import EXPLANATIONS as TERMS

_LEVEL = 0.05
_MANY_GROUPS = 15
_TALL_ROWS = 40


def ranking(evaluation: Evaluation) -> list[int]:
    """Systems as indices of `results`, the best by the first score first."""
    results = evaluation.results
    if not results or not results[0].scores:
        return list(range(len(results)))
    first = results[0].scores[0].name
    return sorted(range(len(results)), key=lambda index: _rank_key(results[index], first))


def _rank_key(result: SystemResult, metric: str) -> float:
    score = _score(result, metric)
    return float("inf") if score is None else -score.value if _higher(metric) else score.value


def _score(result: SystemResult, metric: str) -> Score | None:
    return next((score for score in result.scores if score.name == metric), None)


def _higher(metric: str) -> bool:
    return METRICS[metric].higher_is_better if metric in METRICS else True


def _metrics(evaluation: Evaluation) -> list[str]:
    return list(dict.fromkeys(score.name for result in evaluation.results for score in result.scores))


def _grid(label: str, headers: Sequence[str], rows: Iterable[Sequence[Element]]) -> Element:
    """A sortable table in a box that scrolls by itself, by keyboard too."""
    rows = [list(row) for row in rows]
    box = table(headers, rows)
    box.attrib |= {"tabindex": "0", "role": "region", "aria-label": label}
    if len(rows) > _TALL_ROWS:
        box.attrib["class"] = "scroll tall"
    box[0].attrib["data-sortable"] = ""
    return box


def _row_name(name: str) -> Element:
    return element("th", name, scope="row", dir="auto", title=name)


def _valued(cell: Element, value: float | str) -> Element:
    """A cell that sorts by `value`."""
    cell.attrib["data-value"] = value if isinstance(value, str) else repr(value)
    return cell


def overview(evaluations: Sequence[Evaluation]) -> list[Element]:
    """With several evaluations: a row a direction, a column a system, the first score of each."""
    if len(evaluations) < 2:
        return []
    systems = list(dict.fromkeys(result.system.name for evaluation in evaluations for result in evaluation.results))
    rows = []
    for evaluation in evaluations:
        scores = {result.system.name: result.scores[0] for result in evaluation.results if result.scores}
        metric = next((score.name for score in scores.values()), "")
        cells = (_cell(scores[name].value if name in scores else None, _digits(metric)) for name in systems)
        rows.append([_row_name(f"{evaluation.test_set.name} {evaluation.test_set.direction}"), element("td", metric), *cells])
    return [element("section", element("h2", "Overview"), _grid("Overview", ("test set", "metric", *systems), rows))]


def warnings_list(evaluation: Evaluation) -> list[Element]:
    """What a reader must know first."""
    if not evaluation.warnings:
        return []
    return [element("ul", *(element("li", warning, dir="auto") for warning in evaluation.warnings), class_="warnings")]


def leaderboard(evaluation: Evaluation) -> list[Element]:
    """Systems by score, with interval bars, marks of significance and the scores' signatures."""
    metrics = _metrics(evaluation)
    results = [evaluation.results[index] for index in ranking(evaluation)]
    scales = {metric: _scale(evaluation, metric) for metric in metrics}
    best = {metric: min(results, key=lambda result, metric=metric: _rank_key(result, metric)).system.name for metric in metrics}  # type: ignore[misc]
    rows = [
        [_row_name(result.system.name), *(_score_cell(evaluation, result, metric, scales[metric], best[metric]) for metric in metrics)]
        for result in results
    ]
    size = f"{len(evaluation.test_set):,} segments, {len(evaluation.test_set.references)} reference(s), {len(results)} system(s)."
    methods = list(dict.fromkeys(each.method for each in evaluation.comparisons))
    legend = "Bars show the 95% interval and, as a line, the score; all bars of a column share one scale."
    if methods:
        legend += f" * differs from the column's best system at p < {_LEVEL} ({methods[0]}), not corrected for the number of comparisons."
    return [
        element("h2", "Leaderboard"),
        element("p", f"{size} {legend}", class_="note"),
        _grid("Leaderboard", ("system", *metrics), rows),
        _signatures(evaluation),
    ]


def _scale(evaluation: Evaluation, metric: str) -> tuple[float, float]:
    scores = [score for result in evaluation.results if (score := _score(result, metric))]
    low, high = min(score.low for score in scores), max(score.high for score in scores)
    return low, high if high > low else low + 1


def _score_cell(evaluation: Evaluation, result: SystemResult, metric: str, scale: tuple[float, float], best: str) -> Element:
    score = _score(result, metric)
    if score is None:
        return number("")
    digits = _digits(metric)
    interval = element("span", f"[{score.low:.{digits}f}, {score.high:.{digits}f}]", class_="interval")
    cell = number(element("span", f"{score.value:.{digits}f}", class_="figure"), " ", interval)
    cell.append(_bar(score, scale))
    if evaluation.comparisons:
        cell.append(_mark(evaluation, result.system.name, metric, best))
    return _valued(cell, score.value)


def _bar(score: Score, scale: tuple[float, float]) -> Element:
    low, width = scale[0], scale[1] - scale[0]
    start, end, at = (100 * (value - low) / width for value in (score.low, score.high, score.value))
    interval = element("span", style=f"left:{start:.1f}%;width:{max(end - start, 0.5):.1f}%")
    bar = element("span", interval, element("b", style=f"left:{at:.1f}%"), class_="bar", dir="ltr")
    bar.attrib["aria-hidden"] = "true"  # the figures beside it say the same
    return bar


def _mark(evaluation: Evaluation, system: str, metric: str, best: str) -> Element:
    if system == best:
        return element("span", "best", class_="mark")
    pairs = (each for each in evaluation.comparisons if each.metric == metric and {each.first, each.second} == {system, best})
    comparison = next(pairs, None)
    if comparison is None:
        return element("span", class_="mark")
    differs = comparison.p_value < _LEVEL
    return element("span", f"{_p(comparison.p_value)}{' *' if differs else ''}", class_="mark differs" if differs else "mark")


def _p(value: float) -> str:
    return "p < 0.001" if value < 0.001 else f"p = {value:.3f}"


def _digits(metric: str) -> int:
    """Corpus metrics run to 100, COMET to 1."""
    return 1 if metric in METRICS else 4


def _signatures(evaluation: Evaluation) -> Element:
    recipes = dict.fromkeys((s.name, s.signature, s.samples, s.seed) for result in evaluation.results for s in result.scores)
    lines = (
        element("li", element("code", f"{name}|{signature}"), f" with intervals from {samples:,} bootstrap samples, seed {seed}")
        for name, signature, samples, seed in recipes
    )
    return element("details", element("summary", "Signatures"), element("ul", *lines, class_="note"))


def pairwise_tables(evaluation: Evaluation) -> list[Element]:
    """Every test of two systems."""
    if not evaluation.comparisons:
        return []
    headers = ("metric", "first", "second", "difference", "p", "test")
    grid = _grid("Tests between all pairs of systems", headers, (_comparison_row(each) for each in evaluation.comparisons))
    return [element("details", element("summary", f"Tests between all pairs of systems ({len(evaluation.comparisons):,})"), grid)]


def _comparison_row(each: Comparison) -> list[Element]:
    interval = element("span", f"[{each.low:+.3g}, {each.high:+.3g}]", class_="interval")
    names = (element("td", name, dir="auto") for name in (each.metric, each.first, each.second))
    p_value = number(f"{each.p_value:.4f}{' *' if each.p_value < _LEVEL else ''}")
    return [
        *names,
        _valued(number(f"{each.difference:+.3g} ", interval), each.difference),
        _valued(p_value, each.p_value),
        element("td", each.method),
    ]


def diagnostics_table(evaluation: Evaluation) -> list[Element]:
    """How many segments of each system look wrong, and in what way."""
    names = list(dict.fromkeys(each.name for result in evaluation.results for each in result.diagnostics))
    if not names:
        return []
    rows = []
    for result in (evaluation.results[index] for index in ranking(evaluation)):
        found = {each.name: each for each in result.diagnostics}
        cells = (
            _valued(number(f"{found[name].count:,} ", element("span", f"{found[name].share:.1%}", class_="interval")), found[name].count)
            if name in found
            else number("")
            for name in names
        )
        rows.append([_row_name(result.system.name), *cells])
    meanings = (element("li", element("b", name), f": {DIAGNOSTICS[name]}") for name in names if name in DIAGNOSTICS)
    explained = element("details", element("summary", "What they mean"), element("ul", *meanings, class_="note"))
    return [element("h2", "Diagnostics"), _grid("Diagnostics", ("system", *names), rows), explained]


def terms_table(evaluation: Evaluation) -> list[Element]:
    """Terminology figures, where there is a term list."""
    names = list(dict.fromkeys(name for result in evaluation.results for name in result.terms))
    if not names:
        return []
    rows = (
        [_row_name(result.system.name), *(_term_cell(name, result.terms) for name in names)]
        for result in (evaluation.results[index] for index in ranking(evaluation))
    )
    meanings = (element("li", element("b", name), f": {TERMS[name]}") for name in names if name in TERMS)
    explained = element("details", element("summary", "What they mean"), element("ul", *meanings, class_="note"))
    return [element("h2", "Terminology"), _grid("Terminology", ("system", *names), rows), explained]


def _term_cell(name: str, figures: Mapping[str, float]) -> Element:
    if name not in figures:
        return number("")
    value = figures[name]
    return _valued(number(f"{value:.1%}" if "success" in name else f"{value:,.0f}"), value)


def breakdown_tables(evaluation: Evaluation, frequencies: Mapping[str, int] | None) -> list[Element]:
    """One table a breakdown; the longer side runs downwards."""
    found = breakdowns(evaluation, frequencies)
    names = [result.system.name for result in evaluation.results]
    order = ranking(evaluation)
    parts = [element("h2", "Breakdown")] if found else []
    for each in found:
        title = f"{each.title}: {each.measure}"
        grid = _by_group(title, each, names, order) if len(each.groups) > _MANY_GROUPS else _by_system(title, each, names, order)
        parts += [element("h3", title), grid]
    return parts


def _by_system(title: str, each: Breakdown, names: Sequence[str], order: Sequence[int]) -> Element:
    headers = ("system", *(f"{name} ({size:,} {each.unit})" for name, size in each.groups))
    digits = _table_digits(each)
    rows = ([_row_name(names[index]), *(_cell(figure, digits) for figure in each.figures[index])] for index in order)
    return _grid(title, headers, rows)


def _by_group(title: str, each: Breakdown, names: Sequence[str], order: Sequence[int]) -> Element:
    digits = _table_digits(each)
    rows = (
        [_row_name(name), number(f"{size:,}"), *(_cell(each.figures[index][group], digits) for index in order)]
        for group, (name, size) in enumerate(each.groups)
    )
    return _grid(title, ("group", each.unit, *(names[index] for index in order)), rows)


def _table_digits(each: Breakdown) -> int:
    """One for a whole table: a 0 among percentages is none of COMET's."""
    return 1 if any(abs(figure) > 1 for row in each.figures for figure in row if figure is not None) else 4


def _cell(value: float | None, digits: int) -> Element:
    return number("") if value is None else _valued(number(f"{value:.{digits}f}"), value)


def facts_section(evaluation: Evaluation) -> list[Element]:
    """Versions, seeds, seconds and fingerprints, and where each system's output came from."""
    origins = {result.system.name: result.system.origin for result in evaluation.results}
    facts = nested({"systems": origins, **evaluation.facts})
    for box in facts.iter("div"):
        box.attrib |= {"tabindex": "0", "role": "region", "aria-label": "How this was made"}
    return [element("details", element("summary", "How this was made"), facts)]
