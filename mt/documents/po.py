"""gettext catalogues (PO, POT): a segment is a message, or one form of a plural message; a failed one is marked `fuzzy`."""

from __future__ import annotations

import gettext
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from .document import Document
from .encodings import declared_charset, decode
from .layout import TextBody
from .po_syntax import Catalogue, Entry, Message, parse, quoted
from .records import DocumentSegment, Request
from .spans import Splice, newline_of

_PLURAL_RULE = re.compile(r"Plural-Forms:[^\n]*?plural\s*=\s*([^;\n]+)", re.IGNORECASE)
_COMMENTS = {"#.": "comment: ", "#:": "used in: ", "#|": "before: ", "# ": "note: "}


@dataclass(frozen=True, slots=True)
class _Place:
    message: Message
    entry: Entry


@dataclass(frozen=True)
class _CatalogueLayout:
    text: str
    width: int | None
    places: tuple[_Place, ...]
    current: tuple[str, ...]

    def fitted(self, number: int, target: str) -> str:
        del number
        return target.replace("\r\n", "\n")

    def refusal(self, number: int, target: str) -> str | None:
        del number, target
        return None  # every character can be written or escaped

    def splices(self, targets: Mapping[int, str], failed: Collection[int]) -> Iterator[Splice]:
        for number, target in targets.items():
            message = self.places[number].message
            yield Splice(message.start, message.end, quoted(target, message, self.width))
        marked = {id(self.places[number].entry): self.places[number].entry for number in failed}  # a plural entry once
        for entry in marked.values():
            yield from _mark(self.text, entry)


def _mark(text: str, entry: Entry) -> Iterator[Splice]:
    if entry.fuzzy:
        return
    if entry.flags_at is not None:
        yield Splice(entry.flags_at, entry.flags_at, " fuzzy,")
    else:
        assert entry.mark_at is not None, "an entry has a first line"
        yield Splice(entry.mark_at, entry.mark_at, f"#, fuzzy{newline_of(text, entry.mark_at)}")


def read_po(request: Request) -> Document:
    """A catalogue as a document, in the encoding that its header declares. The header and obsolete entries are no segments.

    The form of a plural message that its language uses for one thing is translated from `msgid`, the others from `msgid_plural`.

    Raises:
        CorpusError: not a catalogue; see `decode`; more than the limits allow.
    """
    decoded = decode(request, declared=declared_charset(request.data))
    catalogue = parse(decoded.text, request)
    singular = _singular_form(catalogue)
    segments, places = request.gather(pair for entry in catalogue.entries for pair in _segments(entry, singular, request))
    current = tuple(place.message.text for place in places)
    layout = _CatalogueLayout(decoded.text, catalogue.width, places, current)
    return Document(request.name, "po", segments, TextBody(decoded, layout), _notes(catalogue))


def _is_header(entry: Entry) -> bool:
    return not entry.strings["msgid"].text and "msgctxt" not in entry.strings


def _segments(entry: Entry, singular: int, request: Request) -> Iterator[tuple[DocumentSegment, _Place]]:
    if _is_header(entry):
        return
    plural = entry.strings.get("msgid_plural")
    for form, message in sorted(entry.targets.items()):
        of_many = plural is not None and form != singular and len(entry.targets) > 1
        source = plural if plural is not None and (of_many or len(entry.targets) == 1) else entry.strings["msgid"]
        there = bool(message.text.strip()) and not entry.fuzzy and request.options.existing == "keep"
        skip = "empty source" if not source.text.strip() else "already translated" if there else ""
        context = (*_context(entry), *([f"plural form {form + 1} of {len(entry.targets)}"] if plural is not None else []))
        yield DocumentSegment(source.text, message.text, request.origin(message.line), context, skip), _Place(message, entry)


def _context(entry: Entry) -> Iterator[str]:
    if "msgctxt" in entry.strings:
        yield f"context: {entry.strings['msgctxt'].text}"
    if entry.fuzzy:
        yield "fuzzy: the translation that is there was marked as doubtful"
    for comment in entry.comments:
        if comment[2:].strip():
            yield _COMMENTS.get(comment[:2], "note: ") + comment[2:].strip()


def _singular_form(catalogue: Catalogue) -> int:
    """The number of the form for one thing, by the header's plural rule; 0 where it has none that works."""
    headers = [entry.targets[0].text for entry in catalogue.entries if _is_header(entry) and 0 in entry.targets]
    match = _PLURAL_RULE.search(headers[0]) if headers else None
    try:
        return int(gettext.c2py(match[1].strip())(1)) if match else 0
    except (ValueError, ArithmeticError, RecursionError):
        return 0


def _notes(catalogue: Catalogue) -> tuple[str, ...]:
    plural = [entry for entry in catalogue.entries if "msgid_plural" in entry.strings and not _is_header(entry)]
    notes = [f"obsolete entries, left as they are: {catalogue.obsolete:,}"] if catalogue.obsolete else []
    if plural:
        forms = sum(len(entry.targets) for entry in plural)
        notes.append(
            f"plural entries: {len(plural):,} with {forms:,} forms, the first at line {plural[0].line}; each form is translated from the "
            "singular or the plural message, so look over those of a language with more than two"
        )
    return tuple(notes)
