"""Where two texts differ: words where words stand apart, characters (with their marks) where they do not."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from difflib import SequenceMatcher
from typing import NamedTuple
from xml.etree.ElementTree import Element

from ...mt.languages import Language
from ...mt.markup import Content, element

_MOST = 4000  # tokens of the two texts together; beyond, comparing would take too long to wait for


class Piece(NamedTuple):
    """A stretch of a text, and whether the other text has it too."""

    text: str
    shared: bool


def tokens(text: str, spaced: bool) -> list[str]:
    """Words, spaces and single signs; where words do not stand apart, characters with the marks that belong to them."""
    found: list[str] = []
    for character in text:
        category = unicodedata.category(character)[0]
        before = unicodedata.category(found[-1][-1])[0] if found else ""
        inside = category in "LMN" and before in "LMN" if spaced else False
        if found and (inside or (category == "M" and before in "LM") or (character.isspace() and found[-1].isspace())):
            found[-1] += character
        else:
            found.append(character)
    return found


def differences(one: str, other: str, spaced: bool) -> tuple[list[Piece], list[Piece]]:
    """Both texts in pieces; joined they are the texts. Texts too long to compare come back as one piece that is not shared."""
    first, second = tokens(one, spaced), tokens(other, spaced)
    if one == other:
        return [Piece(one, True)], [Piece(other, True)]
    if len(first) + len(second) > _MOST:
        return [Piece(one, False)], [Piece(other, False)]
    left: list[Piece] = []
    right: list[Piece] = []
    for kind, start, end, low, high in SequenceMatcher(None, first, second, autojunk=False).get_opcodes():
        for pieces, stretch in ((left, first[start:end]), (right, second[low:high])):
            if stretch:
                pieces.append(Piece("".join(stretch), kind == "equal"))
    return left, right


def marked(pieces: Sequence[Piece], language: Language) -> Element:
    """The text with what only it has marked."""
    content: list[Content] = [piece.text if piece.shared or piece.text.isspace() else element("mark", piece.text) for piece in pieces]
    return element("div", *content, class_="passage", lang=language.bcp47, dir=language.direction)
