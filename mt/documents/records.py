"""What a document is made of: segments at their places, the bounds of what is read, and what a reader has to offer."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol, TypeVar

from ..corpora.records import Origin
from ..errors import CorpusError

Part = TypeVar("Part")


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds against files made to exhaust us. An error that one of them causes names it.

    Attributes:
        bytes: of the file.
        segments: texts in it, those that are not to be translated included.
        segment_characters: of one text.
        columns: of a table.
        elements, depth: of an XML file (or of one inside a document), and how many of them in each other.
        members: files in an archive (DOCX).
        unpacked_bytes: of an archive's files together, unpacked.
        ratio: of a file of an archive, unpacked to packed; those that unpack to less than 1 MiB are let through.
    """

    bytes: int = 10 * 2**20
    segments: int = 50_000
    segment_characters: int = 50_000
    columns: int = 1_000
    elements: int = 500_000
    depth: int = 100
    members: int = 2_000
    unpacked_bytes: int = 100 * 2**20
    ratio: int = 200


@dataclass(frozen=True, slots=True)
class ReadingOptions:
    """How a document is to be read, where the file does not say.

    Attributes:
        encoding: a name Python knows; None for the byte order mark's, the one a PO header or XML declares, else UTF-8.
        existing: "keep" translations that are there, or "replace" them. A fuzzy one counts as not there.
        segments: of plain text: every "line", or lines up to a "blank-line" together.
        source_column, target_column: of a table, by name (then the first row is a header) or position from 0. A target column that is
            not there yet is appended.
        delimiter: of a table; None to find it out.
        source_language, target_language: of formats that hold several (TMX) or name theirs (XLIFF), in any spelling; None for the file's.
    """

    encoding: str | None = None
    existing: Literal["keep", "replace"] = "keep"
    segments: Literal["line", "blank-line"] = "line"
    source_column: str | int = "source"
    target_column: str | int = "target"
    delimiter: str | None = None
    source_language: str | None = None
    target_language: str | None = None


@dataclass(frozen=True, slots=True)
class DocumentSegment:
    """One text of a document.

    Attributes:
        source: what is to be translated.
        target: its translation so far ("" if there is none yet); None in formats that hold one language.
        origin: where it is, printed `file:line`.
        context: what the file says about it, a line each: message context, comments, time.
        skip: why it is not to be translated; "" if it is.
    """

    source: str
    target: str | None
    origin: Origin
    context: tuple[str, ...] = ()
    skip: str = ""

    @property
    def translate(self) -> bool:
        """Whether it is to be translated."""
        return not self.skip


@dataclass(frozen=True, slots=True)
class Request:
    """What a reader is given: the file's bytes, its name for messages, and how to read it."""

    data: bytes
    name: str
    options: ReadingOptions = field(default_factory=ReadingOptions)
    limits: Limits = field(default_factory=Limits)

    def origin(self, line: int) -> Origin:
        """A place in the file."""
        return Origin(self.name, line)

    def error(self, problem: str, line: int | None = None, *, allowed: str | None = None, hint: str | None = None) -> CorpusError:
        """An error at a line of the file, or about all of it."""
        return CorpusError(problem, where=self.name if line is None else str(self.origin(line)), allowed=allowed, hint=hint)

    def bound(self, characters: int, line: int) -> None:
        """Refuse a text that is too long (CorpusError), before more of it is read."""
        if characters > self.limits.segment_characters:
            raise self.error(
                f"a text of {characters:,} characters or more",
                line,
                allowed=f"{self.limits.segment_characters:,} at most (limit segment_characters)",
                hint="split it into paragraphs or entries",
            )

    def count(self, segments: int, line: int) -> None:
        """Refuse a file of too many texts (CorpusError), before more of them are read."""
        if segments > self.limits.segments:
            raise self.error(
                "more texts than are translated at once",
                line,
                allowed=f"{self.limits.segments:,} at most (limit segments)",
                hint="split the file",
            )

    def gather(self, pairs: Iterable[tuple[DocumentSegment, Part]]) -> tuple[tuple[DocumentSegment, ...], tuple[Part, ...]]:
        """Segments and what belongs to each, counted and measured as they come.

        Raises:
            CorpusError: more or longer segments than the limits allow.
        """
        segments: list[DocumentSegment] = []
        parts: list[Part] = []
        for segment, part in pairs:
            self.bound(len(segment.source), segment.origin.line)
            self.count(len(segments) + 1, segment.origin.line)
            segments.append(segment)
            parts.append(part)
        return tuple(segments), tuple(parts)


class Body(Protocol):
    """What a format keeps of a file so that it can be written again. Segments are known by their number."""

    @property
    def current(self) -> Sequence[str | None]:
        """What stands at each segment's target now: of a format with one language, the text itself; None where there is no place yet."""

    def fitted(self, number: int, target: str) -> str:
        """A target as its place can hold it: lines laid out, line breaks made spaces where the format has no way to write them."""

    def refusal(self, number: int, target: str) -> str | None:
        """Why this target cannot be written there at all, or None."""

    def remarks(self, number: int, target: str) -> Sequence[str]:
        """Warnings about how this target is written (names of `translating.EXPLANATIONS`)."""

    def write(self, targets: Mapping[int, str], failed: Collection[int], doubtful: Collection[int]) -> bytes:
        """The file with these targets, those in `failed` and `doubtful` marked in the format's own way if it has one, and every other
        byte as it was.
        """
