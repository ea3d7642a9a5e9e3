"""`dragoman translate` for documents: a file in, the same file with its texts translated out, and an account of every segment."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, BinaryIO, Literal

from .segments import Separation, Sink

if TYPE_CHECKING:
    from rich.console import Console

    from ..documents import Document, DocumentResult, ReadingOptions
    from ..languages import Language
    from ..translator import Translation, Translator

Format = Literal["auto", "lines", "txt", "po", "csv", "tsv", "srt", "xliff", "tmx", "docx"]
Existing = Literal["keep", "replace"]
_WINDOW = 1024  # as for lines: segments sorted by length together


def document_format(wanted: Format, name: str) -> str | None:
    """The document format to read a file in; None for lines, which is what `auto` takes plain text and everything unknown for."""
    from ..documents.formats import format_of

    if wanted == "auto":
        found = format_of(name)
        return found.name if found is not None and found.name != "txt" else None
    return None if wanted == "lines" else wanted


def check_document_options(document: str | None, *, stream: bool, columns: str | None, encoding: str | None, existing: Existing) -> None:
    """Refuse what means nothing: options of documents for lines, and of lines or tables for other documents.

    Raises:
        ConfigError: such a combination.
    """
    from ..errors import ConfigError

    for given, wrong, allowed in (
        ("--stream with a document", stream and document is not None, "lines: a document appears whole at the end"),
        ("--columns without a table", columns is not None and document not in ("csv", "tsv"), "--format csv or --format tsv"),
        ("--encoding for lines", encoding is not None and document is None, "a document, or --format txt; lines are UTF-8"),
        (
            "--existing replace for lines",
            existing == "replace" and document is None,
            "a document that has translations: po, csv, tsv, xliff or tmx",
        ),
    ):
        if wrong:
            raise ConfigError(f"{given} cannot be done", allowed=allowed)


def reading_options(columns: str | None, encoding: str | None, existing: Existing, segments: Separation) -> ReadingOptions:
    """Options of the command line as the readers take them.

    Raises:
        ConfigError: not two columns.
    """
    from ..documents import ReadingOptions
    from ..errors import ConfigError

    names = [int(name) if name.strip().isdecimal() else name.strip() for name in (columns or "source,target").split(",")]
    if len(names) != 2 or "" in names:
        raise ConfigError(f"--columns {columns}", allowed="two columns, by name or position from 0: --columns en,fr or --columns 0,1")
    return ReadingOptions(encoding, existing, segments, names[0], names[1])


def read_stream(stream: BinaryIO, chosen: str, name: str, options: ReadingOptions, direction: tuple[Language, Language]) -> Document:
    """A document from an open file or standard input, within the default limits, to be translated in a direction."""
    from ..documents import Limits, read_document

    limits = Limits()
    called = "standard input" if name == "-" else name
    spoken = replace(options, source_language=direction[0].bcp47, target_language=direction[1].bcp47)
    return read_document(stream.read(limits.bytes + 1), chosen, name=called, options=spoken, limits=limits)


def first_text(document: Document) -> str:
    """The first text of a document that would be translated."""
    return next((segment.source.strip() for segment in document.segments if segment.translate), "")


def translate_file(
    document: Document,
    translator: Callable[[], Translator],
    sink: Sink,
    console: Console,
    *,
    seen: Callable[[Sequence[Translation]], None] = lambda _: None,
) -> None:
    """Translate a document, write it (or, as JSON, what became of each segment), and say what people should know.

    The translator is only made where there is something to translate; `seen` is shown what it makes.

    Raises:
        CorpusError: not one segment could be translated.
    """
    from ..documents import translate_document
    from .console import translation_bar

    with translation_bar(console) as progress:
        made = translator() if first_text(document) else None

        def translate(texts: Sequence[str]) -> Sequence[Translation]:
            found = made.translate(texts, progress=progress) if made else []
            seen(found)
            return found

        result = translate_document(document, translate, batch=_WINDOW)
    _refuse_total_failure(result)
    if sink.as_json:
        for report in result.segments:
            row = {"line": report.origin.line, "source": report.source, "text": report.target, "outcome": report.outcome}
            sink.write(json.dumps({**row, "reason": report.reason, "warnings": report.warnings}, ensure_ascii=False))
    else:
        sink.write_bytes(result.data)
    for line in result.lines():
        console.print(line, markup=False)


def _refuse_total_failure(result: DocumentResult) -> None:
    from ..errors import CorpusError

    failed = [report for report in result.segments if report.outcome == "failed"]
    if failed and not result.counts["translated"]:
        raise CorpusError(f"not one of {len(failed):,} texts could be translated: {failed[0].reason}", where=result.name)
