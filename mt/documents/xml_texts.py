"""Text in XML: references read and written, attributes of a tag read and set, and the characters that XML cannot hold."""

from __future__ import annotations

import re
from collections.abc import Mapping
from xml.sax.saxutils import escape, quoteattr

# One piece of markup; only for text that is known to be well-formed, where every alternative ends.
MARKUP = re.compile(
    r"<!--.*?-->|<\?.*?\?>|<!\[CDATA\[(?P<cdata>.*?)\]\]>|<(?P<close>/)?(?P<name>[^\s<>/!?]+)(?:[^<>\"']|\"[^\"]*\"|'[^']*')*>", re.DOTALL
)
_ATTRIBUTE = re.compile(r"(\s+)([^\s=<>\"'/]+)(\s*=\s*)(\"[^\"]*\"|'[^']*')")
_REFERENCE = re.compile(r"&(?:#(\d{1,7})|#x([0-9A-Fa-f]{1,6})|(lt|gt|amp|quot|apos));")
_NAMED = {"lt": "<", "gt": ">", "amp": "&", "quot": '"', "apos": "'"}
_FORBIDDEN = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_LINE_END = re.compile(r"\r\n?")


def unescaped(raw: str) -> str:
    """Character data as a program reads it: line ends made `\\n`, then references replaced."""
    return _REFERENCE.sub(_character, _LINE_END.sub("\n", raw))


def escaped(text: str, newline: str = "\n") -> str:
    """Text as character data; a carriage return of its own becomes a reference, line breaks the file's line ends."""
    made = escape(text).replace("\r", "&#13;")
    return made if newline == "\n" else made.replace("\n", newline)


def writable(markup: str, encoding: str) -> str:
    """Markup with character references for what an encoding lacks."""
    return markup.encode(encoding, "xmlcharrefreplace").decode(encoding)


def forbidden(text: str) -> str | None:
    """Why XML cannot hold a text, not even as references, or None."""
    match = _FORBIDDEN.search(text)
    return f"U+{ord(match[0]):04X}, which XML cannot hold" if match else None


def attributes(tag: str) -> dict[str, str]:
    """The attributes of an opening tag, references in them replaced."""
    return {match[2]: unescaped(match[4][1:-1]) for match in _ATTRIBUTE.finditer(tag)}


def with_attributes(tag: str, changes: Mapping[str, str | None]) -> str:
    """An opening (or empty) tag with attributes set, added at its end, or (None) taken out; the others stay as they are."""
    left = dict(changes)

    def changed(match: re.Match[str]) -> str:
        if match[2] not in left:
            return match[0]
        value = left.pop(match[2])
        return "" if value is None else f"{match[1]}{match[2]}{match[3]}{quoteattr(value)}"

    made = _ATTRIBUTE.sub(changed, tag)
    added = "".join(f" {name}={quoteattr(value)}" for name, value in left.items() if value is not None)
    end = len(made) - (2 if made.endswith("/>") else 1)
    return made[:end].rstrip() + added + made[end:] if added else made


def _character(match: re.Match[str]) -> str:
    if match[3]:
        return _NAMED[match[3]]
    code = int(match[1]) if match[1] else int(match[2], 16)
    return chr(code) if code <= 0x10FFFF else match[0]
