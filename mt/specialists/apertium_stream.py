"""Texts as Apertium's stream format, and back (https://wiki.apertium.org/wiki/Apertium_stream_format).

Apertium's own way in for plain text joins lines, so that words and sentences cross from one to the next and lines no longer match. Here
each text ends with a NUL, at which every program of the pipe forgets what it saw; the format is written by us, which is what
`apertium -f none` takes.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

_RESERVED = re.compile(r"([\\^$\[\]{}/@<>])")
_SUPERBLANK = re.compile(r"(?: *[\t\n\r\f\v~][\s~]*| {2,})")  # what no program of the pipe may touch: between unescaped brackets
_BRACKETS = re.compile(r"\\(.)|[\[\]]", re.DOTALL)
_SENTENCE_END = ".[]"  # a full stop that is taken away again, as Apertium's own way in puts it, so that a last word is seen as last


def to_stream(texts: Sequence[str]) -> bytes:
    """Texts as one stream, each ended by a NUL."""
    return "".join(f"{_escaped(text)}{_SENTENCE_END}\0" for text in texts).encode("utf-8", "replace")


def from_stream(stream: bytes, count: int) -> list[str] | None:
    """The translations of `count` texts; None where the stream does not hold exactly so many."""
    parts = stream.decode("utf-8", "replace").split("\0")
    if len(parts) <= count or any(parts[count:]):  # every program ends its own stream with one more NUL
        return None
    return [_unescaped(part.removesuffix(_SENTENCE_END)) for part in parts[:count]]


def _escaped(text: str) -> str:
    pieces = []
    done = 0
    for blank in _SUPERBLANK.finditer(text := text.replace("\0", " ")):
        pieces += [_RESERVED.sub(r"\\\1", text[done : blank.start()]), f"[{blank[0]}]"]
        done = blank.end()
    return "".join([*pieces, _RESERVED.sub(r"\\\1", text[done:])])


def _unescaped(text: str) -> str:
    return _BRACKETS.sub(lambda match: match[1] or "", text)
