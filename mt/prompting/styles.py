"""How dictionary material is written into a prompt: where it stands, and in which words. The styles are rows of one table.

`inline` is Dictionary Insertion Prompting (arXiv 2411.01141): the counterpart right after the word it translates. `chain` is
Chain-of-Dictionary (arXiv 2305.06575): a line a word before the instruction, through other languages too. `before` and `after` put the same
dictionary in front of the instruction or behind the source text, for comparison. `glossary` asks for terms instead of offering them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Literal

from ..errors import ConfigError, nearest
from ..lexicons.folding import unspaced
from .records import Hint

Place = Literal["inline", "before", "after"]
StyleName = Literal["inline", "chain", "before", "after", "glossary"]

_PLACEHOLDER = re.compile(r"\{(source|targets)\}")
_ANY_PLACEHOLDER = re.compile(r"\{([a-z_]*)\}")


@dataclass(frozen=True)
class Style:
    """A way of writing hints.

    Attributes:
        name: in `STYLES`.
        place: `inline` in the source text, on lines `before` the instruction, or on lines `after` the source text.
        pattern: of one hint, with `{targets}` and, if wanted, `{source}`.
        separator: between alternative translations.
        link: between the translations into one language and those into the next.
        heading: a line before the hints; empty for none.

    Raises:
        ConfigError: a pattern without `{targets}`, with other placeholders, or of several lines.
    """

    name: str
    place: Place
    pattern: str
    separator: str = ", "
    link: str = "; "
    heading: str = ""

    def __post_init__(self) -> None:
        found = _ANY_PLACEHOLDER.findall(self.pattern)
        if "targets" not in found or set(found) - {"source", "targets"} or "\n" in self.pattern + self.separator + self.link:
            raise ConfigError(
                f"the dictionary pattern {self.pattern!r} cannot be used",
                allowed="one line with {targets} and, if wanted, {source}",
                hint="for example ' [{targets}]'",
            )

    def written(self, hint: Hint) -> str:
        """One hint; nothing inside its texts is looked at, braces included."""
        languages = [self.separator.join(texts) for texts in (hint.targets, *hint.also) if texts]
        values = {"source": hint.source, "targets": self.link.join(languages)}
        return _PLACEHOLDER.sub(lambda match: values[match[1]], self.pattern)

    def lines(self, hints: Sequence[Hint]) -> str:
        """Hints as lines, the heading first, each line once, `\\n` at the end; empty without hints."""
        if not hints:
            return ""
        written = dict.fromkeys(map(self.written, hints))
        return "".join(f"{line}\n" for line in ([self.heading] if self.heading else []) + list(written))


STYLES: Mapping[str, Style] = MappingProxyType(
    {
        style.name: style
        for style in (
            Style("inline", "inline", " ({targets})"),
            Style("chain", "before", "{source} means {targets}.", link=" means "),
            Style("before", "before", "{source}: {targets}", heading="Dictionary:"),
            Style("after", "after", "{source}: {targets}", heading="Dictionary:"),
            Style("glossary", "before", "{source} = {targets}", " or ", heading="Use these terms in the translation:"),
        )
    }
)


def style_named(name: str, *, pattern: str | None = None, separator: str | None = None) -> Style:
    """A style of the table, with another pattern or separator where one is given.

    Raises:
        ConfigError: no such style, or a pattern that cannot be used.
    """
    if name not in STYLES:
        raise ConfigError(f"no dictionary style {name!r}", allowed=nearest(name, STYLES))
    style = STYLES[name]
    return replace(
        style, pattern=style.pattern if pattern is None else pattern, separator=style.separator if separator is None else separator
    )


def insert(text: str, hints: Sequence[tuple[Hint, Style]]) -> tuple[str, list[tuple[int, int]]]:
    """A text with each hint written right after its word, and where in the result the insertions stand (start, end), left to right.

    Taken out again, they leave the text as it was, character by character. After a letter of a script without spaces the space that begins
    a pattern is left out.
    """
    pieces: list[str] = []
    spans: list[tuple[int, int]] = []
    done = length = 0
    for hint, style in sorted(hints, key=lambda pair: pair[0].end):
        written = style.written(hint)
        if unspaced(text[hint.end - 1]):
            written = written.removeprefix(" ")
        pieces += [text[done : hint.end], written]
        start = length + hint.end - done
        length = start + len(written)
        spans.append((start, length))
        done = hint.end
    return "".join([*pieces, text[done:]]), spans
