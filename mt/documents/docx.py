"""Word documents (DOCX): a segment is a paragraph of the body, a table, a text box, a header, footer or note.

The file is a ZIP archive of XML parts. Parts that hold text are edited by spans; every other member keeps its bytes.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from ..corpora.records import Origin
from .archives import Archive, open_archive
from .document import Document
from .docx_paragraphs import Paragraph
from .docx_reading import paragraphs
from .encodings import DecodedText
from .records import DocumentSegment, Request
from .spans import Splice, splice
from .translating import FORMATTING
from .xml_syntax import Tree, decode_xml, parse_xml
from .xml_texts import writable

_TYPES = "[Content_Types].xml"
_NAMESPACES = (
    "http://schemas.openxmlformats.org/wordprocessingml/2006/main",
    "http://purl.oclc.org/ooxml/wordprocessingml/main",
)
# How the content types of parts with text end, in the order they are read in.
_MAIN = (".document.main+xml", ".template.main+xml", "document.macroEnabled.main+xml", "template.macroEnabledTemplate.main+xml")
_PARTS = (_MAIN, (".header+xml",), (".footer+xml",), (".footnotes+xml",), (".endnotes+xml",))


@dataclass(frozen=True)
class _Part:
    name: str
    decoded: DecodedText
    tree: Tree


@dataclass(frozen=True)
class _Place:
    part: _Part
    paragraph: Paragraph


@dataclass(frozen=True)
class WordBody:
    """A `Body` of paragraphs in the parts of an archive."""

    archive: Archive
    places: tuple[_Place, ...]

    @cached_property
    def current(self) -> Sequence[str | None]:
        """The texts that stand there."""
        return tuple(place.paragraph.content.text for place in self.places)

    def fitted(self, number: int, target: str) -> str:
        """A target with the paragraph's tags, or without any where it lost one."""
        return self.places[number].paragraph.fitted(target)

    def refusal(self, number: int, target: str) -> str | None:
        """Why a target cannot be written: nothing in it, a link lost, characters that XML lacks."""
        return self.places[number].paragraph.refusal(target)

    def remarks(self, number: int, target: str) -> Sequence[str]:
        """Whether formatting inside the paragraph is left behind."""
        paragraph = self.places[number].paragraph
        return (FORMATTING,) if paragraph.flattens(paragraph.fitted(target)) else ()

    def write(self, targets: Mapping[int, str], failed: Collection[int], doubtful: Collection[int]) -> bytes:
        """The document with these texts."""
        del failed, doubtful  # Word has no mark that is not text of its own: what failed stays in the source language
        edits: dict[str, list[Splice]] = {}
        parts = {place.part.name: place.part for place in self.places}
        for number, target in targets.items():
            place = self.places[number]
            if target != self.current[number]:
                edits.setdefault(place.part.name, []).extend(place.paragraph.splices(place.part.tree, target))
        return self.archive.write({name: _encoded(parts[name], made) for name, made in edits.items()})


def _encoded(part: _Part, edits: Sequence[Splice]) -> bytes:
    encoding = part.decoded.encoding
    return part.decoded.encode(splice(part.decoded.text, (edit._replace(text=writable(edit.text, encoding)) for edit in edits)))


def read_docx(request: Request) -> Document:
    """A Word document as a document.

    Raises:
        CorpusError: not a Word document; see `open_archive`, `decode` and `parse_xml`.
    """
    archive = open_archive(request)
    parts = list(_parts(archive, request))
    segments, places = request.gather(pair for part in parts for pair in _segments(part, request))
    return Document(request.name, "docx", segments, WordBody(archive, places), tuple(_notes(places, parts)))


def _parts(archive: Archive, request: Request) -> Iterator[_Part]:
    if _TYPES not in archive.members:
        raise request.error("not a Word document: it has no list of content types", allowed=".docx")
    left = request.limits.elements
    types = _part(archive, _TYPES, request, left).tree
    found = [
        (number, name)
        for each in types.root.walk()
        if each.name == "Override"
        for given in [types.attributes(each)]
        for number, endings in enumerate(_PARTS)
        if given.get("ContentType", "").endswith(endings) and (name := given.get("PartName", "").lstrip("/")) in archive.members
    ]
    if not any(number == 0 for number, _ in found):
        raise request.error("not a Word document: no part of it is its text", allowed=".docx")
    for _, name in sorted(dict.fromkeys(found), key=lambda each: each[0]):
        part = _part(archive, name, request, left)
        left -= part.tree.elements
        if part.tree.attributes(part.tree.root).get(f"xmlns:{part.tree.prefix}".strip(":")) not in _NAMESPACES:
            raise request.error(f"not a Word document: its part {name[:80]!r} is something else")
        yield part


def _part(archive: Archive, name: str, request: Request, elements: int) -> _Part:
    data = archive.read(name)
    inner = Request(data, f"{request.name}!{name[:80]}", limits=replace(request.limits, elements=elements))
    decoded = decode_xml(inner)
    return _Part(name, decoded, parse_xml(decoded.text, inner))


def _segments(part: _Part, request: Request) -> Iterator[tuple[DocumentSegment, _Place]]:
    """The paragraphs of a part; a place is the number of a paragraph among those with text."""
    for number, paragraph in enumerate(paragraphs(part.tree), 1):
        origin = Origin(f"{request.name}!{part.name}", number)
        yield DocumentSegment(paragraph.content.text, None, origin, (f"part: {part.name}",)), _Place(part, paragraph)


def _notes(places: Sequence[_Place], parts: Sequence[_Part]) -> Iterator[str]:
    plain = sum(place.paragraph.region is None and len(place.paragraph.texts) > 1 for place in places)
    if plain:
        yield f"paragraphs whose inner formatting cannot be carried over (tracked changes, content controls, text boxes inside): {plain:,}"
    fields = sum(each.name in ("fldSimple", "instrText") for part in parts for each in part.tree.root.walk())
    if fields:
        yield f"fields, whose results are left as they are (update them in Word): {fields:,}"
