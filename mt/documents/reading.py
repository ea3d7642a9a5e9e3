"""Files to documents, within limits."""

from __future__ import annotations

from pathlib import Path

from ..errors import CorpusError, nearest
from .document import Document
from .formats import FORMATS, DocumentFormat, format_of
from .records import Limits, ReadingOptions, Request


def read_document(
    given: str | Path | bytes,
    format: str = "auto",  # noqa: A002 - what everybody calls it
    *,
    name: str | None = None,
    options: ReadingOptions | None = None,
    limits: Limits | None = None,
) -> Document:
    """Read a file to be translated.

    Args:
        given: its path, or its bytes.
        format: a name out of `FORMATS`; "auto" goes by the ending of the name.
        name: what messages call it; the path if there is one.
        options: how to read it where it does not say itself.
        limits: bounds on what is read.

    Raises:
        CorpusError: it cannot be read, is not of that format, or exceeds a limit (the message names it).
    """
    bounds = limits or Limits()
    called = name or (str(given) if not isinstance(given, bytes) else "document")
    chosen = _chosen(format, called)
    data = given if isinstance(given, bytes) else _read(Path(given), bounds.bytes)
    if len(data) > bounds.bytes:
        raise CorpusError("a file too large to translate at once", where=called, allowed=f"{bounds.bytes:,} bytes at most (limit bytes)")
    return chosen.read(Request(data, called, options or ReadingOptions(), bounds))


def _chosen(wanted: str, name: str) -> DocumentFormat:
    names = [each.name for each in FORMATS]
    found = format_of(name) if wanted == "auto" else next((each for each in FORMATS if each.name == wanted), None)
    if found is not None:
        return found
    if wanted != "auto":
        raise CorpusError(f"no format {wanted!r}", where=name, allowed=nearest(wanted, names))
    endings = ", ".join(ending for each in FORMATS for ending in each.extensions)
    raise CorpusError("its name does not say what format it has", where=name, allowed=endings, hint=f"say the format: {', '.join(names)}")


def _read(path: Path, most: int) -> bytes:
    """A file's bytes, and one more than allowed if it is too large: whatever it is, the rest is not read."""
    try:
        with path.open("rb") as stream:
            return stream.read(most + 1)
    except OSError as error:
        raise CorpusError(f"cannot be read: {error.strerror or error}", where=path) from None
