"""The tab for files: a document in, the same document translated out, and what became of each of its texts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePath
from typing import Any

import gradio as gr

from ...mt.documents import FORMATS, Document, DocumentResult, ReadingOptions, read_document, translate_document
from ...mt.documents.translating import SegmentReport
from ...mt.languages import find_language
from ...mt.markup import element, number, table
from ...mt.markup import text as cell
from ..adequacy import Estimate
from ..asked import BadRequestError
from ..batching import BusyError
from ..files_api import document_limits
from ..models import Direction
from ..serving import Result
from ..stored_files import safe_name
from .controls import Page, chosen, client_of, go_and_stop, language_row, model_choice, swap_languages
from .downloads import saved
from .estimates import estimate_choice, figure, file_estimates, summary
from .languages import DETECT
from .telling import errors_shown, html, meaning, notes, progress
from .work import Work

_ENDINGS = [ending for each in FORMATS for ending in each.extensions]
_SHOWN = 200  # rows of the table
_TOLD_BY = 2000  # characters a file's language is told by


def build(page: Page) -> None:
    """Make the tab."""
    languages = language_row(page, "files")
    upload = gr.File(
        label="File: " + ", ".join(each.title for each in FORMATS), file_types=_ENDINGS, type="filepath", elem_id="files-upload", height=160
    )
    model = model_choice(page, "files-model")
    estimate = estimate_choice("files")
    go, stop = go_and_stop("files", "Translate file")
    shown = gr.HTML(elem_id="files-shown", elem_classes="live")
    result = gr.File(label="Translated file", interactive=False, visible=False, elem_id="files-result", height=120)

    def translate(
        upload: str | None, source: str, target: str, model: str, estimating: bool, request: gr.Request
    ) -> Iterator[dict[Any, Any]]:
        with errors_shown():
            if upload is None:
                raise BadRequestError("there is no file", allowed=", ".join(_ENDINGS))
            yield {shown: progress(0, 1, "texts"), result: gr.File(visible=False)}
            name = safe_name(PurePath(upload).name)
            options = ReadingOptions(source_language=None if source == DETECT else source, target_language=find_language(target).bcp47)
            document = read_document(Path(upload).read_bytes(), name=name, options=options, limits=document_limits(page.serving.limits))
            sample = "\n".join(segment.source for segment in document.segments[:200])[:_TOLD_BY]
            direction, served = chosen(page.serving, sample, source, target, model)
            page.admission.admit(request, *(segment.source for segment in document.segments if segment.translate))
            work = Work(_translation(page, document, direction, served, client_of(request)))
            for done, total in work.watch():
                yield {shown: progress(done, total, "texts")}
            paths = saved(result.GRADIO_CACHE, {_new_name(name, direction): work.made.data})
            estimates = file_estimates(page.serving, work.made, direction) if estimating else {}
            yield {shown: report(work.made, estimates), result: gr.File(paths[0], visible=True)}

    swap_languages(languages)
    started = go.click(translate, [upload, languages.source, languages.target, model, estimate], [shown, result], show_progress="hidden")
    stop.click(lambda: notes(["Stopped; nothing was written."]), None, shown, cancels=[started], show_progress="hidden")


def _translation(page: Page, document: Document, direction: Direction, model: str, client: str) -> Any:
    """The work on a document; a full queue is waited for, since half a file is of no use."""

    def run(work: Work[DocumentResult]) -> DocumentResult:
        def translate(texts: Sequence[str]) -> Sequence[Result]:
            while True:
                try:
                    return page.serving.translate(texts, direction, None, model, client)
                except BusyError as busy:
                    if work.wait(busy.retry_after):
                        raise

        return translate_document(document, translate, progress=work.progress, cancelled=work.cancelled, batch=16)

    return run


def report(made: DocumentResult, estimates: Mapping[int, Estimate] | None = None) -> str:
    """Counts, notes, and the texts that failed, have a warning or a low estimate (by the number of the text)."""
    estimates = estimates or {}
    counts = ", ".join(f"{count:,} {outcome}" for outcome, count in made.counts.items())
    low = {number for number, each in estimates.items() if each.doubtful}
    doubtful = [each for each in made.segments if each.outcome == "failed" or each.warnings or each.number in low]
    parts = [element("p", element("strong", f"{len(made.segments):,} texts: "), counts)]
    if estimates:
        parts.append(element("p", summary(list(estimates.values()))))
    if doubtful:
        parts.append(element("p", f"{len(doubtful):,} to look at:"))
        rows = [_row(each, estimates.get(each.number)) for each in doubtful[:_SHOWN]]
        parts.append(table(["line", "source", "translation", "what is wrong", "adequacy estimate"], rows))
    if len(doubtful) > _SHOWN:
        parts.append(element("p", f"and {len(doubtful) - _SHOWN:,} more"))
    return notes(made.notes) + html(*parts)


def _row(each: SegmentReport, estimate: Estimate | None) -> list[Any]:
    wrong = "; ".join([f"failed: {each.reason}"] if each.outcome == "failed" else [f"{name}: {meaning(name)}" for name in each.warnings])
    estimated = figure(estimate.value) if estimate else ""
    return [number(f"{each.origin.line:,}"), cell(each.source), cell(each.target or ""), cell(wrong), number(estimated)]


def _new_name(name: str, direction: Direction) -> str:
    path = PurePath(name)
    return f"{path.stem}_{direction[1].bcp47}{path.suffix}"
