"""What the page says: errors without traceback or server paths, warnings with what they mean, marked text; all of it escaped."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from html import escape
from pathlib import PurePath
from xml.etree.ElementTree import Element, tostring

import gradio as gr

from ...mt.checks import EXPLANATIONS as CHECKS
from ...mt.documents.translating import EXPLANATIONS as DOCUMENTS
from ...mt.errors import DragomanError
from ...mt.languages import Language
from ...mt.markup import Content, element
from ..batching import BusyError, ClosedError
from ..rates import TooManyError

_MEANING = {**DOCUMENTS, **CHECKS}


def said(error: Exception) -> str:
    """An error in one line; of a place only its last part, since uploads lie in folders of the server."""
    if isinstance(error, TooManyError):
        return f"{error}; try again in {error.retry_after} s"
    if not isinstance(error, DragomanError):
        return str(error)
    place = f"{PurePath(str(error.where)).name}: " if error.where else ""
    return f"{place}{error.problem}" + (f" (allowed: {error.allowed})" if error.allowed else "")


@contextmanager
def errors_shown() -> Iterator[None]:
    """Errors that are the visitor's business become a message on the page; any other is logged, and shown without its text."""
    try:
        yield
    except (DragomanError, BusyError, ClosedError, TooManyError) as error:
        raise gr.Error(escape(said(error)), title="This cannot be done", print_exception=False) from None


def html(*parts: Content) -> str:
    """Elements and texts as HTML."""
    return tostring(element("div", *parts, class_="dragoman"), encoding="unicode", method="html")


def notes(lines: Iterable[str], warnings: Iterable[str] = ()) -> str:
    """Remarks, then warnings by name with what they mean; nothing when there is nothing to say."""
    items = [element("li", line, dir="auto") for line in lines]
    listed = [*items, *warning_list(warnings)]
    return html(element("ul", *listed, class_="notes")) if listed else ""


def warning_list(warnings: Iterable[str]) -> Element:
    """Warnings by name with what they mean."""
    items = [element("li", element("strong", f"{name}: "), meaning(name), class_="warning") for name in dict.fromkeys(warnings)]
    return element("ul", *items, class_="notes")


def meaning(warning: str) -> str:
    """What a warning means."""
    return _MEANING["split"] if warning.startswith("split into") else _MEANING.get(warning, "")


def passage(parts: Sequence[Content], language: Language | None) -> Element:
    """A text with marks in it, in the direction of its language."""
    attributes = {"lang": language.bcp47, "dir": language.direction} if language else {"dir": "auto"}
    return element("div", *parts, class_="passage", **attributes)


def progress(done: int, total: int, what: str) -> str:
    """A bar with its figures."""
    text = f"{done:,} of {total:,} {what}"
    bar = element("progress", text, max=str(max(1, total)), value=str(done), **{"aria-label": what})
    return html(element("p", bar, " ", text))
