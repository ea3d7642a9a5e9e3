"""Paragraphs out of the XML of a Word document; see `docx_paragraphs` for what becomes of their formatting."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Literal

from .docx_paragraphs import SPACES, Paragraph, run_of
from .inline import inline
from .inline_codes import Piece
from .xml_syntax import Element, Tree
from .xml_texts import unescaped

_NOT_FORMATTING = re.compile(r"<(?:\w+:)?(?:lang|noProof)(?:\s[^<>]*)?/>")  # what a spelling checker says about a run
_STARTS, _ENDS = {"bookmarkStart", "commentRangeStart", "permStart"}, {"bookmarkEnd", "commentRangeEnd", "permEnd"}
_DROPPED = {"proofErr", "lastRenderedPageBreak"}
_UNREAD = {"del", "moveFrom", "rt", "fldSimple", "mc:Fallback"}  # texts that are not there, are read otherwise, or that Word computes
_REPEATED = 4  # a run's properties may be written out for so many times its length
_BREAKS = {"tab", "br", "cr"}
_PIECES: dict[str, Literal["open", "close", "code"]] = {"open": "open", "close": "close", "code": "code"}


@dataclass(frozen=True, slots=True)
class _Part:
    """One thing in a paragraph. `run` is the opening tag and properties of a text's run; `top` and `until` number the paragraph's children
    that it is in.
    """

    kind: Literal["text", "code", "starts", "ends", "open", "close"]
    raw: str
    top: int
    until: int
    shown: str = ""
    run: str = ""

    @property
    def formatting(self) -> str:
        """What makes two runs of one formatting equal."""
        return _NOT_FORMATTING.sub("", self.run.partition(">")[2])


class _OtherMakeError(Exception):
    """A paragraph that tags cannot describe."""


def paragraphs(tree: Tree) -> Iterator[Paragraph]:
    """The paragraphs of a part that have text, those of tables and text boxes among them."""
    for element in tree.root.walk():
        if element.name == "p":
            found = _Reader(tree, element).paragraph()
            if found is not None:
                yield found


class _Reader:
    def __init__(self, tree: Tree, element: Element) -> None:
        self._tree, self._element = tree, element
        self._own = [each for child in element.children for each in _own(child)]
        self._fields = _fields([each for each in self._own if each.name == "fldChar"], tree)
        self._ends = {end.start for end in self._fields.values()}
        self._texts = tuple(self._read_texts())

    def _read_texts(self) -> Iterator[Element]:
        """The elements that hold text, but for those of fields, which Word computes."""
        until = -1
        for each in self._own:
            if each.start in self._fields:
                until = self._fields[each.start].end
            elif each.name == "t" and each.inner < each.end and each.start > until:
                yield each

    def paragraph(self) -> Paragraph | None:
        """The paragraph; None if it says nothing."""
        if not any(self._said(each).strip() for each in self._texts):
            return None
        try:
            return self._tagged()
        except _OtherMakeError:
            return self._in_place()

    def _in_place(self) -> Paragraph:
        """The paragraph as one text without tags; breaks in it are spaces."""
        texts = set(map(id, self._texts))
        pieces = [self._said(each) if id(each) in texts else " " for each in self._own if id(each) in texts or each.name in _BREAKS]
        said = "".join(pieces).strip()
        linked = [any(above.name == "hyperlink" for above in each.inside()) for each in self._texts]
        links = {"": ""} if any(linked) and not all(linked) else {}
        return Paragraph(inline([Piece("text", said, said)]), None, "", links, ("", ""), self._texts)

    def _said(self, text: Element) -> str:
        said = SPACES.sub(" ", unescaped(self._tree.content(text)))
        return said if self._tree.attributes(text).get("xml:space") == "preserve" else said.strip()

    def _tagged(self) -> Paragraph:
        parts = [part for number, child in enumerate(self._element.children) for part in self._child(child, number)]
        parts = list(_fields_joined(parts))
        filled = [part for part in parts if part.kind == "text" and part.shown.strip()]
        first, last = filled[0].top, filled[-1].top
        if any(part.top < first <= part.until or part.top <= last < part.until for part in parts):
            raise _OtherMakeError
        parts = [part for part in parts if first <= part.top <= last]
        nested = self._element.children[first : last + 1]
        if any(each.name == "p" for child in nested for each in child.walk()):
            raise _OtherMakeError
        marks = "".join(part.raw for part in parts if part.kind == "starts"), "".join(part.raw for part in parts if part.kind == "ends")
        base, links, pieces = _pieces([part for part in parts if part.kind not in ("starts", "ends")], self._tree.prefix)
        content = inline(pieces)
        region = (self._element.children[first].start, self._element.children[last].end)
        return Paragraph(content, region, base, links, marks, self._texts)

    def _child(self, child: Element, top: int) -> Iterator[_Part]:
        """The parts of a child of the paragraph or of a link in it."""
        raw = self._tree.text[child.start : child.end]
        if child.name in _DROPPED or child.name == "pPr":
            return
        if child.name in _STARTS | _ENDS:
            yield _Part("starts" if child.name in _STARTS else "ends", raw, top, top)
        elif child.name == "r" and child.children:
            yield from self._run(child, top)
        elif child.name == "hyperlink" and child.parent is self._element and child.children:
            yield _Part("open", self._tree.opening(child), top, top)
            for each in child.children:
                yield from self._child(each, top)
            yield _Part("close", self._tree.text[child.inner_end : child.end], top, top)
        elif any(each.name in ("t", "fldChar") for each in child.walk() if child.name not in _UNREAD):
            raise _OtherMakeError
        else:
            yield _Part("code", raw, top, top)

    def _run(self, run: Element, top: int) -> Iterator[_Part]:
        tree = self._tree
        properties = run.child("rPr")
        opening = tree.opening(run) + (tree.text[properties.start : properties.end] if properties else "")
        if len(opening) * len(run.children) > _REPEATED * (run.end - run.start) + 10_000:
            raise _OtherMakeError  # made to be repeated
        for each in run.children:
            raw = tree.text[each.start : each.end]
            if each.name == "t":
                yield _Part("text", raw, top, top, self._said(each), opening)
            elif each.name == "fldChar":
                edge = "begin" if each.start in self._fields else "end" if each.start in self._ends else ""
                yield _Part("code", f"{opening}{raw}</{tree.prefix}r>", top, top, edge)
            elif each.name not in _DROPPED and each is not properties:
                if any(inner.name == "t" for inner in _own(each)):
                    raise _OtherMakeError
                yield _Part("code", f"{opening}{raw}</{tree.prefix}r>", top, top)


def _own(element: Element) -> Iterator[Element]:
    """An element and what is in it, but for paragraphs inside and what is not read."""
    if element.name == "p" or element.name in _UNREAD:
        return
    yield element
    for child in element.children:
        yield from _own(child)


def _fields(found: Sequence[Element], tree: Tree) -> dict[int, Element]:
    """Where fields begin that also end here, outermost ones, and what ends them."""
    open_: list[Element] = []
    made: list[tuple[int, Element]] = []
    for each in found:
        kind = tree.attributes(each).get(f"{tree.prefix}fldCharType")
        if kind == "begin":
            open_.append(each)
        elif kind == "end" and open_:
            start = open_.pop().start
            while made and made[-1][0] > start:
                made.pop()
            made.append((start, each))
    return dict(made)


def _fields_joined(parts: Sequence[_Part]) -> Iterator[_Part]:
    """Parts with every field made one code; a field that begins inside a link and ends outside has no such form."""
    held: list[_Part] = []
    for part in parts:
        edge = part.shown if part.kind == "code" else ""
        if not held and edge != "begin":
            yield part
            continue
        held.append(part if part.kind != "text" else replace(part, raw=f"{part.run}{part.raw}</{_run_name(part.run)}>"))
        if part.kind in ("open", "close"):
            raise _OtherMakeError
        if edge == "end":
            yield _Part("code", "".join(each.raw for each in held), held[0].top, part.top)
            held = []
    if held:
        raise _OtherMakeError


def _run_name(opening: str) -> str:
    return re.split(r"[\s>]", opening[1:], maxsplit=1)[0]


def _pieces(parts: Sequence[_Part], prefix: str) -> tuple[str, dict[str, str], list[Piece]]:
    """Base run, base runs of links, and the parts as pieces: text formatted as its surroundings are bare, other text in a pair."""
    runs: dict[str, str] = {}
    counts: dict[str, Counter[str]] = {"": Counter()}
    link = ""
    for part in parts:
        if part.kind in ("open", "close"):
            link = part.raw if part.kind == "open" else ""
        elif part.kind == "text":
            runs.setdefault(part.formatting, part.run)
            counts.setdefault(link, Counter())[part.formatting] += len(part.shown.strip())
    usual = {where: runs[found.most_common(1)[0][0]] if found else f"<{prefix}r>" for where, found in counts.items()}
    pieces: list[Piece] = []
    link = ""
    for (kind, formatting), group in groupby(parts, key=lambda part: (part.kind, part.formatting)):
        together = list(group)
        if kind != "text":
            for part in together:
                if kind == "open":
                    link = part.raw
                pieces.append(Piece(_PIECES[kind], part.raw, pair="" if kind == "code" else link))
                if kind == "close":
                    link = ""
            continue
        run, said = runs[formatting], "".join(part.shown for part in together)
        text = Piece("text", run_of(run, said, prefix), said)
        plain = run == usual[link]
        pieces += [text] if plain else [Piece("open", "", pair=run), text, Piece("close", "", pair=run)]
    return usual[""], {where: run for where, run in usual.items() if where}, pieces
