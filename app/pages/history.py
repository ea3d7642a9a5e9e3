"""The tab of this session's translations: correct them, and take corrections and votes along as training data."""

from __future__ import annotations

from typing import Any

import gradio as gr

from ...mt.markup import element, number, table
from ...mt.markup import text as cell
from ..asked import BadRequestError
from .controls import Page
from .downloads import saved
from .estimates import figure
from .exports import correction_files, preference_files
from .session import Entry, Session
from .telling import errors_shown, html, notes

_SHOWN = 100  # the newest
_LONGEST = 60  # characters of a text in the list


def build(page: Page) -> None:
    """Make the tab."""
    gr.HTML(html(element("p", "Kept until this page is closed or reloaded, and nowhere else.")))
    refresh = gr.Button("Refresh", elem_id="history-refresh")
    table_ = gr.HTML(elem_id="history-table")
    which = gr.Dropdown([], value=None, label="Translation to correct", elem_id="history-which")
    source = gr.Textbox(label="Source", lines=3, interactive=False, elem_id="history-source")
    correction = gr.Textbox(label="Translation as it should be", lines=3, elem_id="history-correction", interactive=True)
    save = gr.Button("Save correction", variant="primary", elem_id="history-save", elem_classes="go")
    told = gr.HTML(elem_id="history-told", elem_classes="live")
    export = gr.Button("Make files to download", elem_id="history-export")
    files = gr.File(
        label="Corrections and preferences (JSONL)", file_count="multiple", interactive=False, visible=False, elem_id="history-files"
    )

    def show(session: Session) -> tuple[str, Any]:
        return _table(session), gr.Dropdown([(_title(entry), entry.number) for entry in reversed(session.entries)])

    def choose(number_: int | None, session: Session) -> tuple[str, str]:
        entry = session.entry(int(number_)) if number_ is not None else None
        return (entry.source, entry.correction or entry.target) if entry else ("", "")

    def correct(number_: int | None, text: str, session: Session) -> tuple[Session, str, str]:
        with errors_shown():
            if number_ is None or session.entry(int(number_)) is None:
                raise BadRequestError("no translation is chosen")
            corrected = session.with_correction(int(number_), text)
            entry = corrected.entry(int(number_))
            kept = entry is not None and entry.correction is not None
            return corrected, _table(corrected), notes(["Saved." if kept else "That is the translation as it was: nothing to save."])

    def make(session: Session) -> Any:
        with errors_shown():
            made = {**correction_files(session), **preference_files(session)}
            if not made:
                raise BadRequestError("there are no corrections and no votes yet")
            return gr.File(saved(files.GRADIO_CACHE, {name: text.encode("utf-8", "replace") for name, text in made.items()}), visible=True)

    gr.on([refresh.click, page.session.change], show, page.session, [table_, which], show_progress="hidden")
    which.change(choose, [which, page.session], [source, correction], show_progress="hidden")
    save.click(correct, [which, correction, page.session], [page.session, table_, told])
    export.click(make, page.session, files)


def _title(entry: Entry) -> str:
    return f"{entry.number}. {entry.source_language.bcp47} to {entry.target_language.bcp47}: {_short(entry.source)}"


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST else line[: _LONGEST - 1] + "…"


def _table(session: Session) -> str:
    if not session.entries:
        return html(element("p", "Nothing yet."))
    rows = [
        [
            number(str(entry.number)),
            cell(f"{entry.source_language.bcp47} → {entry.target_language.bcp47}"),
            cell(entry.model),
            cell(_short(entry.source)),
            cell(_short(entry.target)),
            cell(_short(entry.correction or "")),
            cell(", ".join(entry.warnings)),
            number(figure(entry.estimate)),
        ]
        for entry in list(reversed(session.entries))[:_SHOWN]
    ]
    gone = [f"{session.dropped:,} older ones were dropped."] if session.dropped else []
    votes = [f"{len(session.votes):,} votes."] if session.votes else []
    return html(table(["", "languages", "model", "source", "translation", "correction", "warnings", "adequacy estimate"], rows)) + notes(
        [*votes, *gone]
    )
