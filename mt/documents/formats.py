"""The registry of document formats: one row a format, one reader module behind it.

A reader is a plain function from a `Request` (the file's bytes, its name, options and limits) to a `Document`, whose body knows how to
write the file again. To add a format: write the module, add one row. Formats that are text describe where their targets stand (`Layout`)
and leave the writing to `TextBody`; others bring a `Body` of their own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from .document import Document
from .docx import read_docx
from .po import read_po
from .records import Request
from .srt import read_srt
from .tables import read_csv, read_tsv
from .text import read_text
from .tmx import read_tmx
from .xliff import read_xliff

Reader = Callable[[Request], Document]


@dataclass(frozen=True)
class DocumentFormat:
    """A format: its name, the endings by which `auto` knows it, what it is for people, and its reader."""

    name: str
    extensions: tuple[str, ...]
    title: str
    read: Reader


FORMATS: tuple[DocumentFormat, ...] = (
    DocumentFormat("txt", (".txt", ".text"), "plain text", read_text),
    DocumentFormat("po", (".po", ".pot"), "gettext catalogue", read_po),
    DocumentFormat("csv", (".csv",), "table with commas, semicolons, tabs or bars", read_csv),
    DocumentFormat("tsv", (".tsv", ".tab"), "table with tabs", read_tsv),
    DocumentFormat("srt", (".srt",), "SubRip subtitles", read_srt),
    DocumentFormat("xliff", (".xlf", ".xliff"), "XLIFF 1.2 and 2", read_xliff),
    DocumentFormat("tmx", (".tmx",), "translation memory", read_tmx),
    DocumentFormat("docx", (".docx",), "Word document", read_docx),
)


def format_of(name: str) -> DocumentFormat | None:
    """The format that a file's name ends in, or None."""
    lowered = name.lower()
    return next((each for each in FORMATS if lowered.endswith(each.extensions)), None)
