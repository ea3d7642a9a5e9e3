"""The tab for files: a document in, the same document translated out, and what became of each of its texts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path, PurePath
from typing import Any

import gradio as gr

from ...mt.documents import FORMATS, Document, DocumentResult, read_document, translate_document
from ...mt.documents.translating import SegmentReport
from ...mt.markup import element, number, table
from ...mt.markup import text as cell
from ..asked import BadRequestError
from ..batching import BusyError
from ..files_api import document_limits
from ..models import Direction
from ..serving import Result
from ..stored_files import safe_name
from .controls import Page, chosen, client_of, go_and_stop, language_row, model_choice, swap_languages
from .downloads import saved
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
    go, stop = go_and_stop("files", "Translate file")
    shown = gr.HTML(elem_id="files-shown", elem_classes="live")
    result = gr.File(label="Translated file", interactive=False, visible=False, elem_id="files-result", height=120)

    def translate(upload: str | None, source: str, target: str, model: str, request: gr.Request) -> Iterator[dict[Any, Any]]:
        with errors_shown():
            if upload is None:
                raise BadRequestError("there is no file", allowed=", ".join(_ENDINGS))
            yield {shown: progress(0, 1, "texts"), result: gr.File(visible=False)}
            name = safe_name(PurePath(upload).name)
            document = read_document(Path(upload).read_bytes(), name=name, limits=document_limits(page.serving.limits))
            sample = "\n".join(segment.source for segment in document.segments[:200])[:_TOLD_BY]
            direction, served = chosen(page.serving, sample, source, target, model)
            work = Work(_translation(page, document, direction, served, client_of(request)))
            for done, total in work.watch():
                yield {shown: progress(done, total, "texts")}
            paths = saved(result.GRADIO_CACHE, {_new_name(name, direction): work.made.data})
            yield {shown: report(work.made), result: gr.File(paths[0], visible=True)}

    swap_languages(languages)
    started = go.click(translate, [upload, languages.source, languages.target, model], [shown, result], show_progress="hidden")
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


def report(made: DocumentResult) -> str:
    """Counts, notes, and the texts that failed or have a warning."""
    counts = ", ".join(f"{count:,} {outcome}" for outcome, count in made.counts.items())
    doubtful = [each for each in made.segments if each.outcome == "failed" or each.warnings]
    parts = [element("p", element("strong", f"{len(made.segments):,} texts: "), counts)]
    if doubtful:
        parts.append(element("p", f"{len(doubtful):,} to look at:"))
        parts.append(table(["line", "source", "translation", "what is wrong"], map(_row, doubtful[:_SHOWN])))
    if len(doubtful) > _SHOWN:
        parts.append(element("p", f"and {len(doubtful) - _SHOWN:,} more"))
    return notes(made.notes) + html(*parts)


def _row(each: SegmentReport) -> list[Any]:
    wrong = "; ".join([f"failed: {each.reason}"] if each.outcome == "failed" else [f"{name}: {meaning(name)}" for name in each.warnings])
    return [number(f"{each.origin.line:,}"), cell(each.source), cell(each.target or ""), cell(wrong)]


def _new_name(name: str, direction: Direction) -> str:
    path = PurePath(name)
    return f"{path.stem}_{direction[1].bcp47}{path.suffix}"
