"""Content cut into text and codes: elements that hold text, codes that stand alone, and pairs of codes that belong together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

from .xml_texts import MARKUP, attributes, unescaped

# Codes that open and close something as elements of their own, and the attributes by which they know each other.
_HALVES = {"bpt": "ept", "bx": "ex", "sc": "ec"}
_KEYS = ("i", "rid", "startRef", "id")


class Piece(NamedTuple):
    """A run of text (`shown` is what it says) or one code, and how it stands in the file; a pair's two halves know each other's opening."""

    kind: Literal["text", "open", "close", "code"]
    raw: str
    shown: str = ""
    pair: str = ""


def pieces_of(raw: str, prefix: str, pairs: frozenset[str]) -> list[Piece]:
    """Content cut into text and codes. Elements named in `pairs` hold text, unless they say that it is protected; any other is one code.

    Comments and processing instructions are left out: they belong to the source.
    """
    found: list[Piece] = []
    open_: list[str] = []
    depth = start = position = 0
    for token in MARKUP.finditer(raw):
        if not depth and position < token.start():
            found.append(Piece("text", raw[position : token.start()], unescaped(raw[position : token.start()])))
        position = token.end()
        name = (token["name"] or "").removeprefix(prefix)
        empty = token[0].endswith("/>")
        if not name:
            if token["cdata"] is not None and not depth:
                found.append(Piece("text", token[0], token["cdata"].replace("\r\n", "\n").replace("\r", "\n")))
        elif depth:
            depth += -1 if token["close"] else 0 if empty else 1
            if not depth:
                found.append(Piece("code", raw[start:position]))
        elif token["close"]:
            found.append(Piece("close", token[0], pair=open_.pop()))
        elif empty:
            found.append(Piece("code", token[0]))
        elif name in pairs and not _protected(token[0]):
            found.append(Piece("open", token[0], pair=token[0]))
            open_.append(token[0])
        else:
            depth, start = 1, token.start()
    if position < len(raw):
        found.append(Piece("text", raw[position:], unescaped(raw[position:])))
    return _joined(found, prefix)


def _protected(tag: str) -> bool:
    given = attributes(tag)
    return given.get("translate") == "no" or given.get("mtype") == "protected"


def _joined(pieces: list[Piece], prefix: str) -> list[Piece]:
    """Pieces with codes that open and close something made pairs, where these lie inside one another; crossing ones stay codes."""
    halves = list(_halves(pieces, prefix))
    made = list(pieces)
    open_: list[tuple[int, tuple[str, str] | None]] = []  # number and key; no key for an element
    closers = {(name, key) for name, key in filter(None, halves) if name in _HALVES.values()}
    for number, (piece, half) in enumerate(zip(pieces, halves, strict=True)):
        if piece.kind == "open":
            open_.append((number, None))
        elif piece.kind == "close":
            while open_.pop()[1] is not None:
                pass  # a code that opened in the element and closes outside
        elif half and half[0] in _HALVES:
            closer = (_HALVES[half[0]], half[1])
            if closer in closers:
                open_.append((number, closer))
        elif half and open_ and open_[-1][1] == half:
            opener = open_.pop()[0]
            made[opener] = Piece("open", pieces[opener].raw, pair=pieces[opener].raw)
            made[number] = Piece("close", piece.raw, pair=pieces[opener].raw)
    return made


def _halves(pieces: Sequence[Piece], prefix: str) -> Iterator[tuple[str, str] | None]:
    """Name and key of each piece that is half of a pair."""
    for piece in pieces:
        tag = MARKUP.match(piece.raw) if piece.kind == "code" else None
        name = tag["name"].removeprefix(prefix) if tag else ""
        if tag is None or (name not in _HALVES and name not in _HALVES.values()):
            yield None
            continue
        given = attributes(tag[0])
        yield name, next((given[key] for key in _KEYS if key in given), "")
