"""The text of a subtitle cue: lines joined for translation, tags around it set aside, a translation laid out as the cue was."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from .spans import LINE_END
from .widths import TAG, balanced, columns, runs_on

_SPEAKER = re.compile(r"\s*(?:[-‐–—]\s*[^\s\-‐–—]|>>)")
_NAME = re.compile(r"</?([A-Za-z][A-Za-z0-9]*)")


@dataclass(frozen=True, slots=True)
class CueText:
    """What stands in a cue.

    Attributes:
        raw: its lines as they are, joined by `\\n`.
        source: the text to translate: what was one sentence is one line again, each speaker's own.
        lead, tail: tags and white space around the text, or around each line if `each`.
        lines: how many it has.
        room: columns of the longest of them.
    """

    raw: str
    source: str
    lead: str
    tail: str
    each: bool
    lines: int
    room: int


def read_cue(lines: Sequence[str]) -> CueText:
    """The text of the lines of a cue, one at least, none of them blank."""
    raw = "\n".join(lines)
    frames = [_frame(line) for line in lines]
    first, last = frames[0], frames[-1]
    each = len(lines) > 1 and bool(first.lead and first.tail) and all((one.lead, one.tail) == (first.lead, first.tail) for one in frames)
    whole = _Frame(first.lead, "\n".join(one.text for one in frames), last.tail) if each else _frame(raw)
    kept = [line.strip() for line in whole.text.split("\n")]
    room = max(columns(TAG.sub("", line)) for line in kept)
    return CueText(raw, "\n".join(_joined(kept)), whole.lead, whole.tail, each, len(lines), room)


def shown(cue: CueText, target: str) -> str:
    """A translation as the cue shows it: on as many lines as it needs, and at most those the cue had, with the tags around them."""
    lines = [line.strip() for line in LINE_END.split(target) if line.strip()]
    if len(lines) > cue.lines or (len(lines) == 1 and cue.lines > 1):
        lines = balanced(" ".join(lines), cue.lines, cue.room)
    if cue.each:
        return "\n".join(cue.lead + line + cue.tail for line in lines)
    return cue.lead + "\n".join(lines) + cue.tail


@dataclass(frozen=True, slots=True)
class _Frame:
    lead: str
    text: str
    tail: str


def _frame(text: str) -> _Frame:
    """Tags that hold all of a text set aside; codes such as `{\\an8}` at its beginning always are."""
    tags = list(TAG.finditer(text))
    start, end = 0, len(text)
    for tag in tags:
        if text[start : tag.start()].strip() or tag[0].startswith("</"):
            break
        start = tag.end()
    for tag in reversed(tags):
        if tag.start() < start or text[tag.end() : end].strip() or not tag[0].startswith("</"):
            break
        end = tag.start()
    opened, closed, inside = (_names(part) for part in (text[:start], text[end:], text[start:end]))
    if opened != closed[::-1] or set(opened) & set(inside):
        start, end = _codes_end(text, tags), len(text)
    if not text[start:end].strip():
        start, end = 0, len(text)
    core = text[start:end]
    start += len(core) - len(core.lstrip())
    end -= len(core) - len(core.rstrip())
    return _Frame(text[:start], text[start:end], text[end:])


def _names(text: str) -> list[str]:
    return [name[1].lower() for tag in TAG.finditer(text) if (name := _NAME.match(tag[0]))]


def _codes_end(text: str, tags: Sequence[re.Match[str]]) -> int:
    end = 0
    for tag in tags:
        if text[end : tag.start()].strip() or not tag[0].startswith("{"):
            break
        end = tag.end()
    return end


def _joined(lines: Sequence[str]) -> Iterator[str]:
    """Lines put together, but for those that begin another speaker's part."""
    held = ""
    for line in lines:
        if held and _SPEAKER.match(line):
            yield held
            held = line
        elif held and line and not runs_on(held[-1], line[0]):
            held += f" {line}"
        else:
            held += line
    yield held
