"""XML as spans: proven well-formed by lxml, then cut into elements that know where they stand, so that edits leave all else as it was.

Nothing is expanded or fetched: a file with a document type declaration, and so any that declares entities, is refused by name.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field

from .encodings import DecodedText, decode
from .records import Request
from .spans import LINE_END
from .xml_texts import MARKUP, attributes

_DECLARED = re.compile(rb"(?:\xef\xbb\xbf)?<\?xml\s[^>]{0,100}?encoding\s*=\s*[\"']([\w.:-]{1,40})[\"']")
_AHEAD = (("<?", "?>"), ("<!--", "-->"))  # what may stand before a document type declaration


@dataclass(slots=True, eq=False)
class Element:
    """An element: `text[start:end]`, of which `text[inner:inner_end]` is the content. `name` is without the prefix if it is the root's."""

    name: str
    start: int
    inner: int
    inner_end: int
    end: int
    parent: Element | None
    children: list[Element] = field(default_factory=list)

    def child(self, name: str) -> Element | None:
        """The first child of that name."""
        return next((each for each in self.children if each.name == name), None)

    def walk(self) -> Iterator[Element]:
        """The element and all in it, in the order of the file."""
        waiting = [self]
        while waiting:
            element = waiting.pop()
            yield element
            waiting += reversed(element.children)

    def inside(self) -> Iterator[Element]:
        """The elements it is in, the nearest first."""
        above = self.parent
        while above is not None:
            yield above
            above = above.parent


@dataclass(frozen=True)
class Tree:
    """A file's text and its elements, so many; `prefix` is the root's, with its colon, or empty; `breaks` are where lines end."""

    text: str
    root: Element
    prefix: str
    breaks: tuple[int, ...]
    elements: int

    def line(self, element: Element) -> int:
        """The line an element begins at, from 1."""
        return bisect_right(self.breaks, element.start) + 1

    def opening(self, element: Element) -> str:
        """The opening tag as it stands there."""
        return self.text[element.start : element.inner]

    def content(self, element: Element) -> str:
        """What is between the tags, as it stands there."""
        return self.text[element.inner : element.inner_end]

    def attributes(self, element: Element) -> dict[str, str]:
        """The attributes, references in them replaced."""
        return attributes(self.opening(element))

    def space_before(self, element: Element) -> str:
        """The white space in front of an element, which lays the file out."""
        before = self.text[max(0, element.start - 200) : element.start]
        return before[len(before.rstrip()) :]


def decode_xml(request: Request) -> DecodedText:
    """The text of an XML file: by the encoding asked for, else its byte order mark, else its declaration, else UTF-8.

    Raises:
        CorpusError: see `decode`.
    """
    match = _DECLARED.match(request.data[:300])
    return decode(request, declared=match[1].decode("ascii") if match else None)


def parse_xml(text: str, request: Request) -> Tree:
    """The elements of a file.

    Raises:
        CorpusError: a document type declaration; not well-formed; deeper or of more elements than the limits allow.
    """
    _refuse_doctype(text, request)
    _check(text, request)
    root: Element | None = None
    prefix = ""
    current: Element | None = None
    count = 0
    for token in MARKUP.finditer(text):
        name = token["name"]
        if name is None:
            continue
        if token["close"]:
            assert current is not None, "well-formed"
            current.inner_end, current.end = token.span()
            current = current.parent
            continue
        if root is None:
            prefix = name[: name.find(":") + 1]
        element = Element(name.removeprefix(prefix), token.start(), token.end(), token.end(), token.end(), current)
        root = root or element
        count += 1
        if current is not None:
            current.children.append(element)
        if not token[0].endswith("/>"):
            current = element
    assert root is not None, "well-formed"
    return Tree(text, root, prefix, tuple(match.end() for match in LINE_END.finditer(text)), count)


def _refuse_doctype(text: str, request: Request) -> None:
    """Look at what may stand before the root; anything that never ends there is left for the parser to refuse."""
    position = 0
    while True:
        while text[position : position + 1].isspace():
            position += 1
        ending = next((closing for opening, closing in _AHEAD if text.startswith(opening, position)), None)
        if ending is None:
            break
        position = text.find(ending, position)
        if position < 0:
            return
        position += len(ending)
    if text[position : position + 9].upper() == "<!DOCTYPE":
        raise _doctype(request)


def _doctype(request: Request) -> Exception:
    return request.error(
        "it has a document type declaration (DTD), and entities are never expanded here",
        allowed="XML without <!DOCTYPE",
        hint="remove the line; where the file uses entities of its own, write their text out",
    )


class _Bounds:
    """Counts what lxml sees, and builds nothing."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self._depth = self._elements = 0

    def start(self, tag: str, attributes: object) -> None:
        del tag, attributes
        self._depth += 1
        self._elements += 1
        limits = self._request.limits
        if self._depth > limits.depth:
            raise self._request.error("elements too deep in each other", allowed=f"{limits.depth:,} at most (limit depth)")
        if self._elements > limits.elements:
            raise self._request.error("too many elements", allowed=f"{limits.elements:,} at most (limit elements)", hint="split the file")

    def end(self, tag: str) -> None:
        del tag
        self._depth -= 1

    def doctype(self, name: str, public: str, system: str) -> None:
        del name, public, system
        raise _doctype(self._request)

    def close(self) -> None:
        return None


def _check(text: str, request: Request) -> None:
    """Whether a text is well-formed and within the limits, told by a parser that reads nothing but it."""
    from lxml import etree

    options = {"resolve_entities": False, "no_network": True, "load_dtd": False, "dtd_validation": False, "huge_tree": False}
    # The declaration names the file's encoding, and what the parser gets is UTF-8: the argument goes before it.
    parser = etree.XMLParser(target=_Bounds(request), encoding="utf-8", **options)
    try:
        etree.fromstring(text.encode("utf-8", "surrogatepass"), parser)
    except etree.XMLSyntaxError as error:
        raise request.error(f"not well-formed XML: {error.msg[:200]}", error.lineno or None) from None
