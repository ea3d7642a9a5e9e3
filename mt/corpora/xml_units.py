"""Units of XML corpora (TMX, XLIFF), one after the other out of files of any length; no entity is expanded and nothing fetched."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Collection, Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from lxml import etree

from ..errors import CorpusError, LanguageError
from ..languages import Language, find_language
from .lines import open_bytes

XML_LANG = "{http://www.w3.org/XML/1998/namespace}lang"


def units(path: Path, names: Sequence[str], what: str) -> Iterator[Any]:
    """The elements of those names as lxml elements; each is emptied before the next one is read.

    Raises:
        CorpusError: not well-formed, it declares entities, or there is not one such element.
    """
    options: dict[str, Any] = {"resolve_entities": False, "no_network": True, "load_dtd": False, "huge_tree": False}
    count = 0
    try:
        with open_bytes(path) as stream:
            for _, unit in etree.iterparse(stream, events=("end",), tag=[f"{{*}}{name}" for name in names], **options):
                if not count:
                    _refuse_entities(unit, path)
                count += 1
                yield unit
                unit.clear()
                while unit.getprevious() is not None:
                    del unit.getparent()[0]
    except etree.XMLSyntaxError as error:
        raise CorpusError(f"not well-formed XML: {error.msg}", where=f"{path}:{error.lineno}", allowed=what) from None
    except (gzip.BadGzipFile, zlib.error, EOFError) as error:
        raise CorpusError(f"a damaged gzip file: {error}", where=path, hint="fetch or pack it again") from None
    except OSError as error:
        raise CorpusError(f"cannot be read: {error.strerror or error}", where=path) from None
    if not count:
        raise CorpusError(f"not one {' or '.join(names)} in it", where=path, allowed=what)


def _refuse_entities(unit: Any, path: Path) -> None:
    declared = unit.getroottree().docinfo.internalDTD
    if declared is not None and any(True for _ in declared.iterentities()):
        raise CorpusError("it declares XML entities, which are never expanded here", where=path, hint="write their text out")


def local(element: Any) -> str:
    """An element's name without its namespace; empty for comments, processing instructions and entities."""
    return str(etree.QName(element).localname) if isinstance(element.tag, str) else ""


def child(element: Any, name: str) -> Any | None:
    """The first child of that name in any namespace."""
    return next((each for each in element if local(each) == name), None)


def plain_text(element: Any, holding: Collection[str]) -> tuple[str, bool]:
    """The text of an element and of those in it whose names are in `holding`, and whether anything else, a code, was left out.

    Raises:
        EntityError: an entity in it.
    """
    said = [element.text or ""]
    left_out = False
    for each in element:
        if each.tag is etree.Entity:
            raise EntityError
        if local(each) in holding:
            inner, lost = plain_text(each, holding)
            said.append(inner)
            left_out = left_out or lost
        elif local(each):
            left_out = True
        said.append(each.tail or "")
    return "".join(said), left_out


class EntityError(Exception):
    """A text with an entity in it, which cannot be read."""


@lru_cache(maxsize=1024)  # a file repeats its few codes in every unit
def language_of(code: str) -> Language | None:
    """The language of a code, or None where nobody knows it."""
    try:
        return find_language(code) if 1 < len(code) < 40 else None
    except LanguageError:
        return None


def is_in(code: str, language: Language) -> bool:
    """Whether a code names a language, whatever the region."""
    found = language_of(code)
    return found is not None and found.same_as(language)
