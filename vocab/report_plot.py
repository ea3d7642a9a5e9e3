"""Bars before and after, a pair a language, as SVG inside a page: no library, no script, colours of the page's own style."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from xml.etree.ElementTree import Element

from ..mt.markup import element

_WIDTH, _LEFT, _RIGHT = 720, 170, 70  # of the drawing; room for names; room for figures
_BAR, _GROUP, _TOP = 14, 46, 34  # heights: of a bar, of a pair, of the legend
_LONGEST_NAME = 22


@dataclass(frozen=True)
class Pair:
    """One language's two figures."""

    name: str
    before: float
    after: float


def bars(title: str, pairs: Sequence[Pair], digits: int) -> Element:
    """Horizontal bars from 0, with their figures.

    Args:
        title: what is drawn, read aloud in the picture's place.
        pairs: a group each, from top to bottom; figures 0 or more.
        digits: after the decimal point.
    """
    most = max((max(pair.before, pair.after) for pair in pairs), default=0.0) or 1.0
    height = _TOP + _GROUP * len(pairs)
    spoken = f"{title}. " + "; ".join(f"{pair.name}: {pair.before:,.{digits}f} before, {pair.after:,.{digits}f} after" for pair in pairs)
    groups = (_group(pair, _TOP + _GROUP * row, most, digits) for row, pair in enumerate(pairs))
    drawing = element("svg", *_legend(), *groups, viewBox=f"0 0 {_WIDTH} {height}", role="img", **{"aria-label": spoken})
    return element("figure", element("figcaption", title), drawing)


def _legend() -> list[Element]:
    found = []
    for number, name in enumerate(("before", "after")):
        left = _LEFT + 90 * number
        found += [_rectangle(left, 6, 12, 12, name), _text(left + 18, 16, name)]
    return found


def _group(pair: Pair, top: int, most: float, digits: int) -> Element:
    name = pair.name if len(pair.name) <= _LONGEST_NAME else pair.name[: _LONGEST_NAME - 1] + "…"
    parts = [_text(_LEFT - 10, top + _BAR + 5, name, **{"text-anchor": "end"})]
    for number, (kind, value) in enumerate((("before", pair.before), ("after", pair.after))):
        length = (_WIDTH - _LEFT - _RIGHT) * value / most
        y = top + number * (_BAR + 2)
        parts += [_rectangle(_LEFT, y, length, _BAR, kind), _text(_LEFT + length + 6, y + _BAR - 2, f"{value:,.{digits}f}")]
    return element("g", *parts)


def _rectangle(x: float, y: float, width: float, height: float, kind: str) -> Element:
    return element("rect", x=f"{x:.1f}", y=f"{y:.1f}", width=f"{width:.1f}", height=f"{height:.1f}", class_=f"bar-{kind}")


def _text(x: float, y: float, content: str, **attributes: str) -> Element:
    return element("text", content, x=f"{x:.1f}", y=f"{y:.1f}", **attributes)
