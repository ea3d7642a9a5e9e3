"""The tab to evaluate: models translate a source, or a test set of this machine, and are scored as `dragoman evaluate` does."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path, PurePath
from typing import Any

import gradio as gr

from ...eval.evaluate import EvaluateOptions, evaluate
from ...eval.outputs import read_segments
from ...eval.records import Evaluation, SystemOutput, TestSet
from ...eval.report import write_report
from ...eval.report_tables import diagnostics_table, leaderboard, pairwise_tables
from ...eval.sacrebleu_sets import published_sets
from ...eval.testset_formats import shipped_formats
from ...eval.testsets import load_test_set
from ...mt.languages import find_language
from ...mt.markup import element
from ..answers import served_direction
from ..asked import BadRequestError
from ..models import Direction
from .controls import PRESETS, Page, client_of, go_and_stop, language_row, swap_languages
from .downloads import saved
from .languages import DETECT
from .telling import errors_shown, html, notes, progress
from .work import Work

_UPLOAD = "uploaded files"


def local_sets() -> list[str]:
    """Test sets by name that lie on this machine and that nothing fetches where a direction is missing."""
    data = os.environ.get("DRAGOMAN_DATA")
    if not data:
        return []
    folder = Path(data).expanduser()
    names = [name for name, format_ in shipped_formats().items() if (folder / (format_.folder or name)).is_dir()]
    return [name for name in names if name not in published_sets()]


def build(page: Page) -> None:
    """Make the tab."""
    languages = language_row(page, "evaluate")
    sets = local_sets()
    test_set = gr.Dropdown([_UPLOAD, *sets], value=_UPLOAD, label="Test set", elem_id="evaluate-set", visible=bool(sets))
    with gr.Row():
        source = gr.File(label="Source: a segment a line", type="filepath", elem_id="evaluate-source", height=140)
        reference = gr.File(label="Reference: a segment a line", type="filepath", elem_id="evaluate-reference", height=140)
    names = [info.name for info in page.serving.models]
    models = gr.CheckboxGroup(names, value=names[:1], label="Models", elem_id="evaluate-models", visible=len(names) > 1)
    with gr.Row():
        preset = gr.Dropdown(list(PRESETS), value=next(iter(PRESETS)), label="Decoding", elem_id="evaluate-decoding")
        first = gr.Slider(1, page.serving.limits.texts, 100, step=1, label="Segments, from the first", elem_id="evaluate-first")
    go, stop = go_and_stop("evaluate", "Evaluate")
    shown = gr.HTML(elem_id="evaluate-shown", elem_classes="live")
    report = gr.File(label="Report (HTML)", interactive=False, visible=False, elem_id="evaluate-report", height=120)

    def run(
        chosen_set: str,
        source_file: str | None,
        reference_file: str | None,
        source: str,
        target: str,
        models: list[str],
        preset: str,
        first: float,
        request: gr.Request,
    ) -> Iterator[dict[Any, Any]]:
        with errors_shown():
            direction = _direction(source, target)
            whole = _uploaded(source_file, reference_file, direction) if chosen_set == _UPLOAD else _named(chosen_set, direction)
            wanted = _head(whole, int(first))
            page.admission.admit(request, *(wanted.sources or ()) * max(1, len(models)))
            work = Work(_evaluation(page, wanted, direction, models or names[:1], preset, client_of(request)))
            yield {shown: progress(0, len(wanted), "segments"), report: gr.File(visible=False)}
            for done, total in work.watch():
                yield {shown: progress(done, total, "segments") if done < total else html(element("p", "Scoring …"))}
            path = saved(report.GRADIO_CACHE, {"report.html": b""})[0]
            write_report([work.made], Path(path))
            yield {shown: _shown(work.made, len(whole)), report: gr.File(path, visible=True)}

    asked = [test_set, source, reference, languages.source, languages.target, models, preset, first]
    swap_languages(languages)
    started = go.click(run, asked, [shown, report], show_progress="hidden")
    stop.click(lambda: notes(["Stopped."]), None, shown, cancels=[started], show_progress="hidden")


def _direction(source: str, target: str) -> Direction:
    if source == DETECT:
        raise BadRequestError("the language of the source must be chosen for an evaluation", where="From")
    return find_language(source), find_language(target)


def _uploaded(source: str | None, reference: str | None, direction: Direction) -> TestSet:
    if source is None or reference is None:
        raise BadRequestError("a source and a reference are needed", allowed="two files of the same number of lines")
    if any(path.lower().endswith(".gz") for path in (source, reference)):
        raise BadRequestError("compressed files are not read here")
    sides = [read_segments(Path(path)) for path in (source, reference)]
    if len(sides[0].segments) != len(sides[1].segments):
        counts = [f"{len(side.segments):,}" for side in sides]
        raise BadRequestError(f"{counts[0]} source lines but {counts[1]} reference lines", allowed="files aligned line by line")
    warnings = tuple(warning.replace(str(side.path), side.path.name) for side in sides for warning in side.warnings)
    return TestSet(PurePath(reference).name, *direction, sides[0].segments, (sides[1].segments,), warnings=warnings)


def _named(name: str, direction: Direction) -> TestSet:
    if name not in local_sets():
        raise BadRequestError(f"no test set {name!r} here")
    return load_test_set(name, *direction)


def _head(whole: TestSet, count: int) -> TestSet:
    """The first segments."""
    if whole.sources is None:
        raise BadRequestError("the test set has no source side", where=whole.name)
    references = tuple(stream[:count] for stream in whole.references)
    documents = whole.documents[:count] if whole.documents else None
    return replace(whole, sources=whole.sources[:count], references=references, documents=documents)


def _evaluation(page: Page, wanted: TestSet, direction: Direction, models: list[str], preset: str, client: str) -> Any:
    """The work: every model translates all of it, then they are scored together."""
    for model in models:
        served_direction(page.serving, *direction, model)

    def run(work: Work[Evaluation]) -> Evaluation:
        systems = []
        for number, model in enumerate(models):

            def told(done: int, total: int, before: int = number * len(wanted)) -> None:
                if work.cancelled():
                    raise BadRequestError("stopped")
                work.progress(before + min(len(wanted), done * len(wanted) // max(1, total)), len(models) * len(wanted))

            results = page.serving.translate(list(wanted.sources or ()), direction, PRESETS[preset], model, client, progress=told)
            systems.append(SystemOutput(model, tuple(" ".join(result.text.split("\n")) for result in results), model))
        return evaluate(wanted, systems, EvaluateOptions())

    return run


def _shown(evaluation: Evaluation, segments: int) -> str:
    lines = list(evaluation.warnings)
    if len(evaluation.test_set) < segments:
        lines.append(f"The first {len(evaluation.test_set):,} of {segments:,} segments: not comparable with scores on all of them.")
    parts = [*leaderboard(evaluation), *pairwise_tables(evaluation), *diagnostics_table(evaluation)]
    return notes(lines) + html(*parts)
