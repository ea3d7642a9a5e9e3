"""The texts between the tags of an HTML fragment: taken out to be translated and put back, every tag left byte for byte as it was.

Each run of text between two tags is translated by itself, so a sentence with a link in it is translated in three pieces; that is the price
of keeping tags where they are without a model that has learnt to carry them. Nothing is repaired: the fragment need not be well-formed.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter

_RAW = ("script", "style", "code", "pre", "kbd", "samp", "textarea", "svg", "math")
_TAG_NAME = re.compile(r"</?([A-Za-z][^\s/>]*)")
_QUOTES = re.compile("[\"'>]")
_KEPT = re.compile(r"\s[Tt][Rr][Aa][Nn][Ss][Ll][Aa][Tt][Ee]\s*=\s*[\"']?[Nn][Oo]\b")


@dataclass(frozen=True)
class Fragment:
    """An HTML fragment as what stays and what is translated, in turns.

    Attributes:
        kept: (N + 1,) tags, comments, scripts and whitespace around the texts.
        texts: (N,) the texts between, character references resolved.
    """

    kept: tuple[str, ...]
    texts: tuple[str, ...]

    def join(self, translations: Sequence[str]) -> str:
        """The fragment with its texts replaced; what would be markup in them is escaped."""
        pieces = [self.kept[0]]
        for translation, kept in zip(translations, self.kept[1:], strict=True):
            pieces += [html.escape(translation, quote=False), kept]
        return "".join(pieces)


def take_apart(fragment: str) -> Fragment:
    """Find the texts of a fragment."""
    kept, texts = [""], []
    for is_text, group in groupby(_pieces(fragment), key=itemgetter(0)):
        piece = "".join(part for _, part in group)
        core = piece.strip() if is_text else ""
        if not any(map(str.isalpha, core)):
            kept[-1] += piece
            continue
        start = piece.index(core)
        kept[-1] += piece[:start]
        texts.append(html.unescape(core))
        kept.append(piece[start + len(core) :])
    return Fragment(tuple(kept), tuple(texts))


def _pieces(fragment: str) -> Iterator[tuple[bool, str]]:
    """(whether it is text, piece) from start to end; joined, they are the fragment."""
    at = 0
    unclosed: set[str] = set()
    while at < len(fragment):
        opened = fragment.find("<", at)
        if opened < 0:
            yield True, fragment[at:]
            return
        end = _end_of_markup(fragment, opened)
        if end == opened:  # a "<" that begins nothing is text
            yield True, fragment[at : opened + 1]
            at = opened + 1
            continue
        if opened > at:
            yield True, fragment[at:opened]
        end = _end_of_raw(fragment, opened, end, unclosed)
        yield False, fragment[opened:end]
        at = end


def _end_of_markup(fragment: str, start: int) -> int:
    """Where the comment, declaration or tag at `start` ends; `start` when there is none, the fragment's end when it is never closed."""
    if fragment.startswith("<!--", start):
        closed = fragment.find("-->", start + 4)
        return len(fragment) if closed < 0 else closed + 3
    if not _TAG_NAME.match(fragment, start) and not fragment.startswith(("<!", "<?"), start):
        return start
    at = start + 1
    while found := _QUOTES.search(fragment, at):
        if found[0] == ">":
            return found.end()
        closing = fragment.find(found[0], found.end())
        if closing < 0:
            break
        at = closing + 1
    return len(fragment)


def _end_of_raw(fragment: str, start: int, end: int, unclosed: set[str]) -> int:
    """Where an element ends whose content is no text to translate; `end`, the end of its tag, for any other.

    Args:
        unclosed: names that are known not to be closed from here on; added to, so that no name is looked for twice in vain.
    """
    match = _TAG_NAME.match(fragment, start)
    if match is None or fragment.startswith("</", start) or fragment.endswith("/>", start, end):
        return end
    name = match[1].lower()
    if name not in _RAW and not _KEPT.search(fragment, start, end):
        return end
    if name not in unclosed:
        closed = re.compile(rf"</{re.escape(name)}\s*>", re.IGNORECASE).search(fragment, end)
        if closed:
            return closed.end()
        unclosed.add(name)
    return len(fragment) if name in _RAW else end
