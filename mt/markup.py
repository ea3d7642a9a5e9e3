"""HTML as a tree: every text and attribute is escaped by the serialiser, so nothing a corpus holds can become markup."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from xml.etree.ElementTree import Element, tostring

# Control characters that HTML forbids, NUL among them.
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufffe\uffff]")

STYLE = """
:root { color-scheme: light dark; --ink: #1c2330; --dim: #5c6675; --paper: #fdfdfb; --card: #fff; --line: #dfe3e8; --accent: #0b6e8a; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6e9ee; --dim: #9aa5b4; --paper: #14181f; --card: #1b212a; --line: #303947; --accent: #62c4de; }
}
body { margin: 0 auto; max-width: 75rem; padding: 1.5rem; font: 16px/1.5 system-ui, sans-serif; }
body { background: var(--paper); color: var(--ink); }
h1 { font-size: 1.6rem; } h2 { font-size: 1.15rem; margin-top: 2.2rem; color: var(--accent); }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; background: var(--card); font-variant-numeric: tabular-nums; }
th, td { border: 1px solid var(--line); padding: .35rem .6rem; text-align: start; vertical-align: top; }
thead th { position: sticky; top: 0; background: var(--card); }
td.number { text-align: end; white-space: nowrap; }
td.text { white-space: pre-wrap; overflow-wrap: anywhere; min-width: 12rem; }
pre { background: var(--card); border: 1px solid var(--line); padding: 1rem; overflow-x: auto; }
img { max-width: 100%; background: #fff; border: 1px solid var(--line); }
.note { color: var(--dim); } .interval { color: var(--dim); font-size: .85em; } code { overflow-wrap: anywhere; }
"""

Content = Element | str


def element(tag: str, *content: Content, **attributes: str) -> Element:
    """An element holding texts and elements in order; `class_` stands for `class`."""
    node = Element(tag, {name.rstrip("_"): _clean(value) for name, value in attributes.items()})
    for part in content:
        if isinstance(part, Element):
            node.append(part)
        elif len(node):
            node[-1].tail = (node[-1].tail or "") + _clean(part)
        else:
            node.text = (node.text or "") + _clean(part)
    return node


def table(headers: Sequence[str], rows: Iterable[Sequence[Element]]) -> Element:
    """A table; the rows hold `td` elements (see `number` and `text`)."""
    head = element("thead", element("tr", *(element("th", header, scope="col") for header in headers)))
    return element("div", element("table", head, element("tbody", *(element("tr", *row) for row in rows))), class_="scroll")


def number(*content: Content) -> Element:
    """A table cell with figures."""
    return element("td", *content, class_="number")


def text(content: str) -> Element:
    """A table cell with words of any language, in the direction of their own script."""
    return element("td", content, class_="text", dir="auto")


def nested(value: object) -> Element:
    """Any JSON value, mappings as tables."""
    if isinstance(value, dict):
        return table(("key", "value"), ([text(str(key)), element("td", nested(inner))] for key, inner in value.items()))
    if isinstance(value, list):
        return element("ul", *(element("li", nested(inner)) for inner in value))
    return element("span", str(value), dir="auto")


def page(title: str, *content: Content, style: str = "") -> str:
    """A whole document that needs nothing from outside; `style` follows the style that all pages share."""
    head = element("head", element("meta", charset="utf-8"), element("title", title), element("style", STYLE + style))
    head.insert(1, element("meta", name="viewport", content="width=device-width, initial-scale=1"))
    document = element("html", head, element("body", element("h1", title, dir="auto"), *content), lang="en")
    return "<!doctype html>\n" + tostring(document, encoding="unicode", method="html") + "\n"


def _clean(given: str) -> str:
    """Text that UTF-8 and HTML can hold: forbidden controls and lone surrogates become U+FFFD."""
    whole = given.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return _FORBIDDEN.sub("\N{REPLACEMENT CHARACTER}", whole)
