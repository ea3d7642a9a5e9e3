"""TBX, the terminology exchange format (ISO 30042): version 2 (`termEntry`, `langSet`) and version 3 (`conceptEntry`, `langSec`).

Read with lxml as a stream: no entity is ever expanded, no DTD loaded, nothing fetched, and a file that declares entities is refused. Every
term of the source language in a concept gets the concept's terms of the target language; preferred terms come first, deprecated ones are
left out. Both notations of a term's status are known: `<termNote type="administrativeStatus">` and elements of that name.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from lxml import etree

from ..corpora.lines import open_bytes
from ..corpora.records import Origin
from ..corpora.tally import Tally
from ..errors import CorpusError, LanguageError
from ..languages import Language, find_language
from .records import Row
from .requests import LexiconRequest

_CONCEPTS = ("{*}termEntry", "{*}conceptEntry")
_LANGUAGES = {"langSet", "langSec"}
_STATUS = "administrativeStatus"
_XML_LANG = "{http://www.w3.org/XML/1998/namespace}lang"
_PREFERRED = 2.0  # the weight of a preferred term, against 1 of any other
_REFUSED = ("deprecatedTerm", "supersededTerm")  # how such a status begins in all dialects


@dataclass(frozen=True)
class _Term:
    text: str
    status: str
    line: int


def read(request: LexiconRequest, tally: Tally) -> Iterator[Row]:
    """The concepts that have terms in both languages, each source term at its line; the others are counted.

    Raises:
        CorpusError: not well-formed XML, or one that declares entities; a document without a single concept.
    """
    path = str(request.path)
    concepts = 0
    try:
        with open_bytes(request.path) as stream:
            options: dict[str, Any] = {"resolve_entities": False, "no_network": True, "load_dtd": False, "huge_tree": False}
            events = etree.iterparse(stream, events=("end",), tag=_CONCEPTS, **options)
            for _, concept in events:
                if not concepts:
                    _refuse_entities(concept, path)
                concepts += 1
                yield from _rows(concept, path, request, tally)
                concept.clear()
                while concept.getprevious() is not None:
                    del concept.getparent()[0]
    except etree.XMLSyntaxError as error:
        raise CorpusError(f"not well-formed XML: {error.msg}", where=f"{path}:{error.lineno}", allowed="TBX, version 2 or 3") from None
    except OSError as error:
        raise CorpusError(f"cannot be read: {error.strerror or error}", where=path) from None
    if not concepts:
        raise CorpusError("no concept in it", where=path, allowed="TBX: `termEntry` or `conceptEntry` elements")


def _refuse_entities(concept: Any, path: str) -> None:
    declared = concept.getroottree().docinfo.internalDTD
    if declared is not None and any(True for _ in declared.iterentities()):
        raise CorpusError("it declares XML entities, which are never expanded here", where=path, hint="write their text out")


def _rows(concept: Any, path: str, request: LexiconRequest, tally: Tally) -> Iterator[Row]:
    sources: list[_Term] = []
    targets: list[_Term] = []
    for section in concept.iter(etree.Element):
        if _local(section) not in _LANGUAGES:
            continue
        language = _language(section.get(_XML_LANG) or section.get("lang") or "")
        if language is None:
            tally.skip(Origin(path, section.sourceline), "a language nobody knows")
        elif language.same_as(request.source):
            sources += _terms(section, path, tally)
        elif language.same_as(request.target):
            targets += _terms(section, path, tally)
    if not sources or not targets:
        missing = request.source if not sources else request.target
        tally.skip(Origin(path, concept.sourceline), f"a concept without a term in {missing.name}")
        return
    translations = [(term.text, _PREFERRED if term.status.startswith("preferred") else 1.0) for term in targets]
    for term in sources:
        yield Row(term.text, translations, Origin(path, term.line))


def _terms(section: Any, path: str, tally: Tally) -> Iterator[_Term]:
    for element in section.iter("{*}term"):
        status = _status(element.getparent())
        if any(True for _ in element.iter(etree.Entity)):
            tally.skip(Origin(path, element.sourceline), "an entity in a term")
        elif status.startswith(_REFUSED):
            tally.skip(Origin(path, element.sourceline), "a deprecated term")
        else:
            yield _Term("".join(element.itertext()), status, element.sourceline)


def _status(holder: Any) -> str:
    """A term's administrative status, as it is called in any dialect: `preferredTerm-admn-sts`; empty where none is given."""
    for element in holder.iter(etree.Element):
        if _local(element) == _STATUS or element.get("type") == _STATUS:
            return (element.text or "").strip()
    return ""


def _language(code: str) -> Language | None:
    try:
        return find_language(code) if code else None
    except LanguageError:
        return None


def _local(element: Any) -> str:
    return str(etree.QName(element).localname)
