"""TMX (translation memory exchange, 1.1 to 1.4): a segment is a `tu` with a text in the source language.

The `tuv` of the target language is filled or added; no other language is touched.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from xml.sax.saxutils import quoteattr

from .document import Document
from .inline import Inline, inline
from .inline_codes import Piece, pieces_of
from .records import DocumentSegment, Request
from .spans import Splice
from .xml_body import XmlBody, same_language
from .xml_syntax import Element, Tree, decode_xml, parse_xml
from .xml_texts import unescaped

_PAIRS = frozenset({"hi"})
_LANGUAGES = 200  # in one file; each is looked up
_ALL = "*all*"  # a header's way to say that any language may be the source


@dataclass(frozen=True, slots=True)
class _Place:
    last: Element  # the tuv that a new one comes after
    target: Element | None  # the tuv in the target language
    named: str  # how tuvs name their language: xml:lang, or lang in old files


@dataclass(frozen=True)
class _Edits:
    tree: Tree
    places: tuple[_Place, ...]
    language: str

    def __call__(self, targets: Mapping[int, str], failed: Collection[int], doubtful: Collection[int]) -> Iterator[Splice]:
        del failed, doubtful  # TMX has no marks: what failed has no translation
        prefix = self.tree.prefix
        for number, markup in targets.items():
            place = self.places[number]
            segment = f"<{prefix}seg>{markup}</{prefix}seg>"
            if place.target is None:
                made = f"<{prefix}tuv {place.named}={quoteattr(self.language)}>{segment}</{prefix}tuv>"
                yield Splice(place.last.end, place.last.end, self.tree.space_before(place.last) + made)
                continue
            there = place.target.child("seg")
            assert there is not None, "a tuv without one is refused"
            yield Splice(there.start, there.end, _opened(self.tree.opening(there)) + markup + f"</{prefix}seg>")


def _opened(tag: str) -> str:
    return tag[:-2].rstrip() + ">" if tag.endswith("/>") else tag


def read_tmx(request: Request) -> Document:
    """A translation memory as a document. The source language is the one asked for, else its header's; the target the one asked for, else
    the only other one.

    Raises:
        CorpusError: not TMX; languages that are neither asked for nor plain from the file; see `decode` and `parse_xml`.
    """
    decoded = decode_xml(request)
    tree = parse_xml(decoded.text, request)
    if tree.root.name != "tmx":
        raise request.error(f"not TMX: <{tree.root.name[:40]}>", tree.line(tree.root), allowed="TMX 1.4")
    reader = _Reader(tree, request)
    segments, parts = request.gather(reader.read())
    body = XmlBody(
        decoded,
        tuple(content for _, content, _ in parts),
        tuple(there for _, _, there in parts),
        _Edits(tree, tuple(place for place, _, _ in parts), reader.target),
    )
    return Document(request.name, "tmx", segments, body, reader.notes())


class _Reader:
    def __init__(self, tree: Tree, request: Request) -> None:
        self._tree, self._request = tree, request
        self._without = 0
        codes = Counter(self._language(element) for element in tree.root.walk() if element.name == "tuv")
        if len(codes) > _LANGUAGES:
            raise request.error(f"texts in {len(codes):,} languages", allowed=f"{_LANGUAGES:,} at most")
        self.source, self.target = self._languages([code for code, _ in codes.most_common() if code])
        self._sources = {code for code in codes if same_language(code, self.source)}
        self._targets = {code for code in codes if same_language(code, self.target)}

    def _languages(self, codes: list[str]) -> tuple[str, str]:
        """Source and target as the file spells them: what is asked for, what its header says, or the only one that is left."""
        header, options = self._tree.root.child("header"), self._request.options
        declared = self._tree.attributes(header).get("srclang", "") if header else ""
        source = options.source_language or (declared if declared.casefold() != _ALL else "")
        target = options.target_language or ""
        source = source or _only(code for code in codes if target and not same_language(code, target))
        target = target or _only(code for code in codes if source and not same_language(code, source))
        for name, given in (("source", source), ("target", target)):
            if not given:
                allowed, hint = ", ".join(sorted(codes)[:20]), f"name the {name} language"
                raise self._request.error(f"it does not say which {name} language is meant", allowed=allowed, hint=hint)
        return source, next((code for code in codes if same_language(code, target)), target)

    def notes(self) -> tuple[str, ...]:
        """What was left alone."""
        return (f"units without a text in {self.source}, left as they are: {self._without:,}",) if self._without else ()

    def read(self) -> Iterator[tuple[DocumentSegment, tuple[_Place, Inline, str | None]]]:
        for unit in self._tree.root.walk():
            if unit.name != "tu":
                continue
            versions = [each for each in unit.children if each.name == "tuv" and each.child("seg") is not None]
            source = self._version(versions, self.source, self._sources)
            if source is None:
                self._without += 1
                continue
            target = self._version([each for each in versions if each is not source], self.target, self._targets)
            yield self._segment(unit, source, target, versions[-1])

    def _segment(
        self, unit: Element, source: Element, target: Element | None, last: Element
    ) -> tuple[DocumentSegment, tuple[_Place, Inline, str | None]]:
        content = inline(self._pieces(source))
        there = content.read(self._pieces(target)) if target is not None else None
        kept = bool((there or "").strip()) and self._request.options.existing == "keep"
        skip = "empty source" if not content.text.strip() else "already translated" if kept else ""
        context = tuple(f"note: {unescaped(self._tree.content(each)).strip()}" for each in unit.children if each.name == "note")
        named = "xml:lang" if "xml:lang" in self._tree.attributes(source) else "lang"
        segment = DocumentSegment(content.text, there or "", self._request.origin(self._tree.line(unit)), context, skip)
        return segment, (_Place(last, target, named), content, there)

    def _pieces(self, version: Element) -> list[Piece]:
        text = version.child("seg")
        assert text is not None
        return pieces_of(self._tree.content(text), self._tree.prefix, _PAIRS)

    def _version(self, versions: list[Element], language: str, codes: set[str]) -> Element | None:
        """The text in a language: spelled so, else in another spelling or region."""
        near = [each for each in versions if self._language(each) in codes]
        return next((each for each in near if self._language(each).casefold() == language.casefold()), near[0] if near else None)

    def _language(self, version: Element) -> str:
        given = self._tree.attributes(version)
        return given.get("xml:lang") or given.get("lang") or ""


def _only(codes: Iterable[str]) -> str:
    """The one language of codes, as the first of them spells it; empty where there are none or several."""
    found = list(codes)
    return found[0] if found and all(same_language(code, found[0]) for code in found) else ""
