"""Text with markup inside: codes become short tags (`<g1>...</g1>`, `<x2/>`) that a model can carry over, and become markup again.

What encloses all of a text is set aside, so most texts have no tag at all. Equal codes have equal numbers. A translation must hold every
tag as often as the source does, in any order, and pairs inside one another; else it is refused, and the segment failed.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from .inline_codes import Piece
from .xml_texts import escaped, forbidden

_LETTERS = ("g", "x")  # of a pair, of a code that stands alone


@dataclass(frozen=True)
class Inline:
    """The text of one segment.

    Attributes:
        text: what is to be translated, with tags for its codes.
        lead, tail: what is set aside before and after it, as it stands in the file.
        tags: the markup of every tag.
        pairs: what makes an opening tag one pair with its closing one (`Piece.pair`).
        enclosing: the same of the pairs that are set aside around the text, the outermost first.
        letters: that tags of pairs and of single codes begin with; others than `g` and `x` where the text itself has such tags.
    """

    text: str
    lead: str
    tail: str
    tags: Mapping[str, str]
    pairs: Mapping[str, str]
    enclosing: tuple[str, ...]
    letters: tuple[str, str]

    @property
    def pattern(self) -> re.Pattern[str]:
        """What its tags look like, spelled well or not."""
        return _tag_pattern(self.letters)

    def fitted(self, target: str) -> str:
        """A target with its tags spelled as they are here, and the line ends of one system."""

        def spelled(match: re.Match[str]) -> str:
            before, name, after = match.groups()
            return next((tag for tag in (f"<{before}{name}{after}>", f"<{name}/>") if tag in self.tags), match[0])

        made = self.pattern.sub(spelled, target)
        return made if "\r" in self.text else made.replace("\r\n", "\n").replace("\r", "\n")

    def problem(self, target: str) -> str | None:
        """Why a target cannot be written, or None: tags lost, made up or crossed, characters that XML lacks."""
        return self.tag_problem(target) or forbidden(target)

    def tag_problem(self, target: str) -> str | None:
        """How the tags of a target are not those of the text, or None."""
        wanted, got = Counter(self._found(self.text)), Counter(self._found(target))
        lost, added = " ".join((wanted - got).elements()), " ".join((got - wanted).elements())
        if lost or added:
            said = "; ".join(filter(None, (f"lost {lost}" if lost else "", f"made up {added}" if added else "")))
            return f"tags of the source not kept: {said}"
        open_: list[str] = []
        for tag in self._found(target):
            if tag.startswith("</"):
                if not open_ or open_.pop() != f"<{tag[2:]}":
                    return f"tags of the source crossed at {tag}"
            elif not tag.endswith("/>"):
                open_.append(tag)
        return None

    def markup(self, target: str, newline: str = "\n") -> str:
        """A target (fitted, without a problem) as it stands in the file, with what was set aside."""
        made, position = [self.lead], 0
        for match in self.pattern.finditer(target):
            made += (escaped(target[position : match.start()], newline), self.tags[match[0]])
            position = match.end()
        return "".join([*made, escaped(target[position:], newline), self.tail])

    def read(self, pieces: Sequence[Piece]) -> str:
        """Another text, a translation that is there, in the tags of this one; codes that this one lacks have numbers of their own."""
        raw = "".join(piece.raw for piece in pieces)
        if len(raw) >= len(self.lead) + len(self.tail) and raw.startswith(self.lead) and raw.endswith(self.tail):
            pieces = _without(pieces, self.lead, self.tail)
        known = {markup: tag for tag, markup in self.tags.items() if tag.endswith("/>")} | {pair: tag for tag, pair in self.pairs.items()}
        return "".join(_tagged(pieces, known, self.letters))

    def _found(self, text: str) -> Iterator[str]:
        return (match[0] for match in self.pattern.finditer(text))


def inline(pieces: Sequence[Piece]) -> Inline:
    """A text out of its pieces."""
    first, after = _core(pieces)
    core = pieces[first:after]
    said = "".join(piece.shown for piece in core)
    spellings = ((_LETTERS[0] * width, _LETTERS[1] * width) for width in range(1, len(said) + 2))
    letters = next(pair for pair in spellings if not _tag_pattern(pair).search(said))
    tags: dict[str, Piece] = {}
    text = "".join(_tagged(core, {}, letters, tags))
    lead, tail = ("".join(piece.raw for piece in part) for part in (pieces[:first], pieces[after:]))
    markup = {tag: piece.raw for tag, piece in tags.items()}
    pairs = {tag: piece.pair for tag, piece in tags.items() if piece.kind == "open"}
    enclosing = tuple(piece.pair for piece in pieces[:first] if piece.kind == "open")
    return Inline(text, lead, tail, markup, pairs, enclosing, letters)


def _tag_pattern(letters: tuple[str, str]) -> re.Pattern[str]:
    return re.compile(rf"<\s?(/?)\s?((?:{letters[0]}|{letters[1]})\d{{1,6}})\s?(/?)>")


def _tagged(
    pieces: Sequence[Piece], known: Mapping[str, str], letters: tuple[str, str], tags: dict[str, Piece] | None = None
) -> Iterator[str]:
    """The text of pieces; codes are numbered in their order, but for those `known` by their markup. `tags` is filled with them."""
    made = dict(known)
    for piece in pieces:
        if piece.kind == "text":
            yield piece.shown
            continue
        key = piece.raw if piece.kind == "code" else piece.pair
        if key not in made:
            made[key] = f"<{letters[1]}{len(made) + 1}/>" if piece.kind == "code" else f"<{letters[0]}{len(made) + 1}>"
        tag = made[key] if piece.kind != "close" else f"</{made[key][1:]}"
        if tags is not None:
            tags[tag] = piece
        yield tag


def _core(pieces: Sequence[Piece]) -> tuple[int, int]:
    """Where the text proper begins and ends: codes and pairs around all of it are set aside, whole pairs only."""
    partner: dict[int, int] = {}
    open_: list[int] = []
    for number, piece in enumerate(pieces):
        if piece.kind == "open":
            open_.append(number)
        elif piece.kind == "close":
            partner[number] = open_.pop()
            partner[partner[number]] = number
    first, after = 0, len(pieces)
    while first < after and (pieces[first].kind in ("open", "code") or _blank(pieces[first])):
        first += 1
    while after > first and (pieces[after - 1].kind in ("close", "code") or _blank(pieces[after - 1])):
        after -= 1
    if first == after:
        return len(pieces), len(pieces)  # nothing is said
    while True:
        opens = (number for number in range(first) if pieces[number].kind == "open")
        closes = (number for number in range(len(pieces) - 1, after - 1, -1) if pieces[number].kind == "close")
        cut = next((number for number in opens if partner[number] < after), first)
        end = next((number + 1 for number in closes if partner[number] >= cut), after)
        if (cut, end) == (first, after):
            break
        first, after = cut, end
    while first and _blank(pieces[first - 1]):  # white space next to the text is part of it
        first -= 1
    while after < len(pieces) and _blank(pieces[after]):
        after += 1
    return first, after


def _blank(piece: Piece) -> bool:
    return piece.kind == "text" and not piece.shown.strip()


def _without(pieces: Sequence[Piece], lead: str, tail: str) -> Sequence[Piece]:
    """Pieces without those that make up `lead` and `tail`; all of them where these end inside a piece."""
    first, after = 0, len(pieces)
    while lead and first < after and lead.startswith(pieces[first].raw):
        lead = lead[len(pieces[first].raw) :]
        first += 1
    while tail and after > first and tail.endswith(pieces[after - 1].raw):
        tail = tail[: len(tail) - len(pieces[after - 1].raw)]
        after -= 1
    return pieces if lead or tail else pieces[first:after]
