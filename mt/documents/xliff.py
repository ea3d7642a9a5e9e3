"""XLIFF 1.2 and 2.x: a segment is a `trans-unit` or a `segment`; its translation goes into `<target>`, inline codes and all.

What a unit says of its state is kept up: `translated`, or `needs-review-translation` (2.x: `initial`) for what a person should look at.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

from ..errors import CorpusError
from .document import Document
from .inline import Inline, inline
from .inline_codes import pieces_of
from .records import DocumentSegment, Request
from .spans import Splice
from .xml_body import XmlBody, same_language
from .xml_syntax import Element, Tree, decode_xml, parse_xml
from .xml_texts import unescaped, with_attributes


@dataclass(frozen=True)
class _Dialect:
    """What a version calls things. `states` of a target that is written: good, doubtful, failed; `open_` states are translated anew."""

    unit: str
    languages: tuple[str, str]
    pairs: frozenset[str]
    states: tuple[str, str, str]
    open_: frozenset[str]


_FIRST = _Dialect(
    "trans-unit",
    ("source-language", "target-language"),
    frozenset({"g", "mrk"}),
    ("translated", "needs-review-translation", "needs-translation"),
    frozenset({"new", "needs-translation"}),
)
_SECOND = _Dialect(
    "segment", ("srcLang", "trgLang"), frozenset({"pc", "mrk"}), ("translated", "initial", "initial"), frozenset({"initial"})
)


@dataclass(frozen=True, slots=True)
class _Unit:
    holder: Element  # trans-unit or segment
    source: Element
    after: Element  # what a new target comes after: the source, or its segmentation
    target: Element | None
    top: Element  # which names the target language


@dataclass(frozen=True)
class _Edits:
    tree: Tree
    dialect: _Dialect
    units: tuple[_Unit, ...]
    language: str | None

    def __call__(self, targets: Mapping[int, str], failed: Collection[int], doubtful: Collection[int]) -> Iterator[Splice]:
        good, unsure, lost = self.dialect.states
        for number, markup in targets.items():
            yield from self._write(self.units[number], markup, unsure if number in doubtful else good)
        for number in failed:
            yield from self._write(self.units[number], None, lost)
        written = {*targets, *failed}
        for top in {id(self.units[number].top): self.units[number].top for number in written}.values():
            name = self.dialect.languages[1]
            if self.language and name not in self.tree.attributes(top):
                yield Splice(top.start, top.inner, with_attributes(self.tree.opening(top), {name: self.language}))

    def _write(self, unit: _Unit, markup: str | None, state: str) -> Iterator[Splice]:
        """The edits of one unit; without markup only its state is written."""
        tree, first = self.tree, self.dialect is _FIRST
        if not first:
            changed = with_attributes(tree.opening(unit.holder), {"state": state, "subState": None})
            yield Splice(unit.holder.start, unit.holder.inner, changed)
            if markup is None:
                return
        name = f"{tree.prefix}target"
        said = {"state": state, "state-qualifier": None} if first else {}
        if unit.target is None:
            opening = with_attributes(f"<{name}>", said)
            made = f"{opening}{markup}</{name}>" if markup is not None else with_attributes(f"<{name}/>", said)
            yield Splice(unit.after.end, unit.after.end, tree.space_before(unit.after) + made)
            return
        opening = with_attributes(tree.opening(unit.target), said)
        if markup is None:
            yield Splice(unit.target.start, unit.target.inner, opening)
            return
        opening = opening[:-2].rstrip() + ">" if opening.endswith("/>") else opening
        yield Splice(unit.target.start, unit.target.end, f"{opening}{markup}</{name}>")


def read_xliff(request: Request) -> Document:
    """An XLIFF file as a document.

    Raises:
        CorpusError: not XLIFF 1.2 or 2.x; another source or target language than asked for; see `decode` and `parse_xml`.
    """
    decoded = decode_xml(request)
    tree = parse_xml(decoded.text, request)
    dialect = _dialect(tree, request)
    reader = _Reader(tree, dialect, request)
    segments, parts = request.gather(reader.read())
    units = tuple(unit for unit, _, _ in parts)
    body = XmlBody(
        decoded, tuple(content for _, content, _ in parts), tuple(there for _, _, there in parts),
        _Edits(tree, dialect, units, request.options.target_language),
    )  # fmt: skip
    return Document(request.name, "xliff", segments, body)


def _dialect(tree: Tree, request: Request) -> _Dialect:
    version = tree.attributes(tree.root).get("version", "")
    if tree.root.name == "xliff" and version.startswith(("1.", "2.")):
        return _FIRST if version.startswith("1.") else _SECOND
    found = f"version {version[:20]!r}" if tree.root.name == "xliff" else f"<{tree.root.name[:40]}>"
    raise request.error(f"not XLIFF that is known: {found}", tree.line(tree.root), allowed="XLIFF 1.2 or 2.x")


@dataclass
class _Reader:
    tree: Tree
    dialect: _Dialect
    request: Request
    _said: dict[int, bool] = field(default_factory=dict)  # of elements around units, by place: whether they say translate="no"

    def read(self) -> Iterator[tuple[DocumentSegment, tuple[_Unit, Inline, str | None]]]:
        for element in self.tree.root.walk():
            if element.name in ("file", "xliff"):
                self._check_languages(element)
            if element.name != self.dialect.unit:
                continue
            source = element.child("source")
            if source is None:
                raise self.request.error(f"a {self.dialect.unit} without a source", self.tree.line(element))
            top = next((each for each in element.inside() if each.name == ("file" if self.dialect is _FIRST else "xliff")), self.tree.root)
            # A unit that is segmented (`seg-source`) is translated as one text: its marks of segments are tags in it.
            divided = element.child("seg-source") if self.dialect is _FIRST else None
            yield self._segment(_Unit(element, divided or source, divided or source, element.child("target"), top))

    def _segment(self, unit: _Unit) -> tuple[DocumentSegment, tuple[_Unit, Inline, str | None]]:
        tree, prefix, pairs = self.tree, self.tree.prefix, self.dialect.pairs
        content = inline(pieces_of(tree.content(unit.source), prefix, pairs))
        there = content.read(pieces_of(tree.content(unit.target), prefix, pairs)) if unit.target is not None else None
        skip = self._skip(unit, content.text, there)
        origin = self.request.origin(tree.line(unit.holder))
        return DocumentSegment(content.text, there or "", origin, tuple(self._context(unit)), skip), (unit, content, there)

    def _skip(self, unit: _Unit, source: str, there: str | None) -> str:
        tree = self.tree
        if not source.strip():
            return "empty source"
        if self._excluded(unit.holder):
            return "not to be translated, as it says"
        holder = tree.attributes(unit.holder)
        if (there or "").strip():
            if holder.get("approved") == "yes" or holder.get("state") == "final":
                return "already translated and approved"
            state = tree.attributes(unit.target).get("state") if self.dialect is _FIRST and unit.target else holder.get("state")
            if self.request.options.existing == "keep" and state not in self.dialect.open_:
                return "already translated"
        return ""

    def _excluded(self, element: Element | None) -> bool:
        """Whether an element is not to be translated: it says so, or the nearest around it that says anything."""
        if element is None:
            return False
        if element.start not in self._said:
            value = self.tree.attributes(element).get("translate")
            self._said[element.start] = value == "no" if value else self._excluded(element.parent)
        return self._said[element.start]

    def _context(self, unit: _Unit) -> Iterator[str]:
        holder = unit.holder if self.dialect is _FIRST else unit.holder.parent or unit.holder
        name = self.tree.attributes(holder)
        if name.get("resname") or name.get("id"):
            yield f"unit: {name.get('resname') or name['id']}"
        groups = [holder.child("notes")] if holder.child("notes") else [holder]
        for note in (each for group in groups if group for each in group.children if each.name == "note"):
            yield f"note: {unescaped(self.tree.content(note)).strip()}"

    def _check_languages(self, element: Element) -> None:
        given, options = self.tree.attributes(element), self.request.options
        for name, wanted in zip(self.dialect.languages, (options.source_language, options.target_language), strict=True):
            if wanted and given.get(name) and not same_language(given[name], wanted):
                raise _other_language(self.request, self.tree.line(element), name, given[name], wanted)


def _other_language(request: Request, line: int, name: str, found: str, wanted: str) -> CorpusError:
    what: Literal["from", "into"] = "from" if name.lower().startswith(("source", "src")) else "into"
    return request.error(f"its {name} is {found[:40]}, so it is not to be translated {what} {wanted}", line, allowed=found[:40])
