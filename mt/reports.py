"""A run as a page one can open, and its stages as a table for the terminal."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree.ElementTree import Element

from .files import write_atomically
from .markup import element, nested, number, page, table, text
from .plots import curves_file
from .runlog import Evaluation, RunLog, StageEnd, read_log
from .runs import RunFolder

if TYPE_CHECKING:
    from rich.table import Table

    from ..eval.metrics import Score


@dataclass(frozen=True)
class SampleTranslation:
    """One sentence for the side-by-side table; `outputs` maps a system's name (`step 0`, `after stage 1`) to its translation."""

    direction: str
    source: str
    reference: str
    outputs: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class StageScores:
    """One row of the terminal's table: scores after a stage, the seconds it took and the real tokens it trained on."""

    name: str
    scores: list[Score]
    seconds: float
    tokens: int


def report_file(run: Path) -> Path:
    """Where a run's report goes."""
    return run / "report.html"


def write_report(run: Path, samples: Sequence[SampleTranslation] = ()) -> Path:
    """Write `report.html`: stages, curves, scores, samples, data and settings, each as far as the run has it.

    Args:
        run: the run folder.
        samples: translations to show side by side; without any, the first ones of each test set that the log kept.

    The page is self-contained: inline style, the curves (see `plots.plot_curves`) embedded, nothing fetched.

    Raises:
        RunError: there is no such folder.
    """
    log = read_log(run)
    problems = list(log.problems)
    sections = [
        *_section("Stages", _stages(log)),
        *_section("Curves", _curves(curves_file(run))),
        *_section("Scores", *_scores(log.evaluations)),
        *_section("Samples", _samples(samples or logged_samples(log))),
        *_section("Data", _json_file(RunFolder(run).data_file, problems)),
        *_section("Settings", _text_file(RunFolder(run).config_file)),
        *_section("Environment", _json_file(run / "environment.json", problems)),
    ]
    sections += _section("Could not be read", element("ul", *(element("li", problem) for problem in problems)) if problems else None)
    written = report_file(run)
    write_atomically(written, page(f"Run {run.resolve().name}", *(sections or [element("p", "This run has not written anything yet.")])))
    return written


def _section(title: str, *content: Element | None) -> list[Element]:
    """A heading and what is there; nothing when nothing is."""
    present = [part for part in content if part is not None]
    return [element("section", element("h2", title), *present)] if present else []


def _stages(log: RunLog) -> Element | None:
    if not log.stages:
        return None
    ends = {end.stage: end for end in log.ends}
    rows = (_stage_row(log, stage, ends.get(stage)) for stage in log.stages)
    return table(("stage", "steps", "tokens", "tokens/s", "padding", "last loss", "time", "kept step"), rows)


def _stage_row(log: RunLog, stage: str, end: StageEnd | None) -> list[Element]:
    points = [point for point in log.train if point.stage == stage]
    tokens = log.tokens_of(stage)
    speed = f"{tokens / end.seconds:,.0f}" if end and end.seconds else ""
    return [
        text(stage),
        number(f"{end.steps:,}" if end else f"{points[-1].step:,} so far"),
        number(f"{tokens:,}"),
        number(speed),
        number(f"{points[-1].padding:.1%}" if points else ""),
        number(f"{points[-1].loss:.3f}" if points else ""),
        number(duration(end.seconds) if end else "unfinished"),
        number(str(end.best_step) if end and end.best_step is not None else "last"),
    ]


def _curves(file: Path) -> Element | None:
    if not file.exists():
        return None
    encoded = base64.b64encode(file.read_bytes()).decode("ascii")
    return element("img", src=f"data:image/png;base64,{encoded}", alt="Loss and dev metric over real training tokens")


def _scores(evaluations: Sequence[Evaluation]) -> list[Element]:
    if not evaluations:
        return []
    names = list(dict.fromkeys(score.name for evaluation in evaluations for score in evaluation.scores))
    rows = (_score_row(evaluation, names) for evaluation in evaluations)
    scores = [score for evaluation in evaluations for score in evaluation.scores]
    return [table(("stage", "step", "set", "direction", *names), rows), _signatures(scores)]


def _score_row(evaluation: Evaluation, names: Sequence[str]) -> list[Element]:
    by_name = {score.name: score for score in evaluation.scores}
    step = "test" if evaluation.step is None else f"{evaluation.step:,}"
    place = [text(evaluation.stage), number(step), text(evaluation.set_name), text(evaluation.direction)]
    return [*place, *(_score_cell(by_name.get(name)) for name in names)]


def _score_cell(score: Score | None) -> Element:
    if score is None:
        return number("")
    return number(f"{score.value:.1f} ", element("span", f"[{score.low:.1f}, {score.high:.1f}]", class_="interval"))


def _signatures(scores: Iterable[Score]) -> Element:
    recipes = dict.fromkeys((score.name, score.signature, score.samples, score.seed) for score in scores)
    lines = (
        element("li", element("code", f"{name}|{signature}"), f" with intervals from {samples:,} bootstrap samples, seed {seed}")
        for name, signature, samples, seed in recipes
    )
    return element("ul", *lines, class_="note")


def logged_samples(log: RunLog, count: int = 10) -> list[SampleTranslation]:
    """The first `count` segments of each test set, with what the model made of them at each moment it was tested."""
    found: dict[tuple[str, str, str], SampleTranslation] = {}
    for evaluation in log.evaluations:
        for one in evaluation.translations[:count]:
            key = (evaluation.set_name, one.source, one.reference)
            before = found.get(key, SampleTranslation(evaluation.direction, one.source, one.reference))
            found[key] = replace(before, outputs={**before.outputs, evaluation.stage: one.hypothesis})
    return list(found.values())


def _samples(samples: Sequence[SampleTranslation]) -> Element | None:
    if not samples:
        return None
    systems = list(dict.fromkeys(name for sample in samples for name in sample.outputs))
    rows = (
        [text(sample.direction), text(sample.source), text(sample.reference), *(text(sample.outputs.get(name, "")) for name in systems)]
        for sample in samples
    )
    return table(("direction", "source", "reference", *systems), rows)


def _json_file(file: Path, problems: list[str]) -> Element | None:
    if not file.exists():
        return None
    try:
        return nested(json.loads(file.read_text(encoding="utf-8")))
    except ValueError as error:
        problems.append(f"{file.name}: {error}")
        return None


def _text_file(file: Path) -> Element | None:
    return element("pre", file.read_text(encoding="utf-8", errors="replace"), dir="auto") if file.exists() else None


def duration(seconds: float) -> str:
    """Seconds as people say them: `8.1 s`, `5 min 04 s`, `2 h 03 min`."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"


def scored_stages(run: Path) -> list[StageScores]:
    """The test scores of a run in the order they were measured: at step 0 and after each stage, with the tokens trained by then."""
    log = read_log(run)
    trained, total = {"step 0": 0}, 0
    for end in log.ends:
        total += end.tokens
        trained[f"after {end.stage}"] = total
    tests = [evaluation for evaluation in log.evaluations if evaluation.step is None]
    several = len({evaluation.set_name for evaluation in tests}) > 1
    return [
        StageScores(
            f"{test.stage}, {test.set_name}" if several else test.stage, list(test.scores), test.seconds, trained.get(test.stage, total)
        )
        for test in tests
    ]


def stage_table(rows: Sequence[StageScores]) -> Table:
    """What each stage brought, for the terminal: scores with intervals, the gain over the first row, tokens and time."""
    from rich.table import Table
    from rich.text import Text

    names = list(dict.fromkeys(score.name for row in rows for score in row.scores))
    grid = Table(caption=_caption(rows), caption_justify="left")
    grid.add_column("stage")
    for name in (*names, "tokens", "time"):
        grid.add_column(name, justify="right")
    first = {score.name: score for score in rows[0].scores} if rows else {}
    for row in rows:
        by_name = {score.name: score for score in row.scores}
        cells = [_terminal_score(by_name.get(name), first.get(name)) for name in names]
        # Text, not str: a stage's name may hold brackets, which rich would take for its markup.
        grid.add_row(Text(row.name), *cells, f"{row.tokens:,}", duration(row.seconds))
    return grid


def _terminal_score(score: Score | None, first: Score | None) -> str:
    if score is None:
        return ""
    gain = f" {score.value - first.value:+.1f}" if first is not None and first is not score else ""
    return f"{score.value:.1f} ({score.low:.1f}-{score.high:.1f}){gain}"


def _caption(rows: Sequence[StageScores]) -> str:
    return "\n".join(dict.fromkeys(f"{score.name}: {score.signature}" for row in rows for score in row.scores))
