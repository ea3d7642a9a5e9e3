"""A glossary: terms that must stand in the translation, and names that must stay as they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ..corpora.lines import decoded_lines
from ..corpora.tally import Tally
from ..languages import Language
from ..lexicons import Lexicon, Matcher
from ..lexicons.building import build_lexicon
from ..lexicons.folding import composed, folded_text
from ..lexicons.records import Entry, Row
from .records import Hint
from .styles import STYLES, Style
from .term_success import TermCheck, check_terms

KEPT = "a term of the do-not-translate list, which goes before its translation"


@dataclass(frozen=True)
class Glossary:
    """Terms that are asked for.

    Attributes:
        matcher: finds them in source texts; None for a glossary a segment.
        style: how a prompt asks for them.
        insists: whether a translation that lacks terms is tried again.
        forces: whether the search for a translation is bound to its terms.
        own: for a glossary a segment, what finds a text's terms, by that text with single spaces.
    """

    matcher: Matcher | None
    style: Style = STYLES["glossary"]
    insists: bool = False
    own: Mapping[str, Matcher] = field(default_factory=dict)
    forces: bool = False

    def find(self, text: str) -> tuple[Hint, ...]:
        """The terms of a text, left to right."""
        matcher = self.own.get(composed(text)) if self.own else self.matcher
        if matcher is None:
            return ()
        found = []
        for match in matcher.find(text):
            written = composed(text[match.start : match.end])
            found.append(Hint(match.start, match.end, written, _wanted(written, match.entry)))
        return tuple(found)

    @property
    def translations(self) -> frozenset[str]:
        """Every translation of every term."""
        matchers = [*self.own.values(), *([self.matcher] if self.matcher else [])]
        return frozenset(target for matcher in matchers for entry in matcher.lexicon.entries for target in entry.targets)

    def check(self, source: str, translation: str, target: Language) -> tuple[TermCheck, ...]:
        """Which of a text's terms its translation has."""
        return check_terms(self.find(source), translation, target)

    def too_long(self, longest: int) -> list[str]:
        """The places of entries with more characters than the longest text that was translated: they cannot have been found."""
        entries = self.matcher.lexicon.entries if self.matcher else ()
        return [str(entry.origin) for entry in entries if len(entry.source) > longest]


def _wanted(written: str, entry: Entry) -> tuple[str, ...]:
    """An entry with equal sides asks for the word as the text has it; one with sides that differ in case asks for that case."""
    return tuple(written if target == entry.source else target for target in entry.targets)


def merged(terms: Lexicon | None, kept: Sequence[Row], name: str, source: Language, target: Language, tally: Tally) -> Lexicon:
    """One lexicon of a glossary and a do-not-translate list; where both hold a term it stays untranslated, which is counted in the tally.

    Raises:
        CorpusError: neither has an entry that can be used.
    """
    fixed = {folded_text(row.source) for row in kept}
    rows = list(kept)
    for entry in terms.entries if terms else ():
        if folded_text(entry.source) in fixed and any(folded_text(text) != folded_text(entry.source) for text in entry.targets):
            tally.skip(entry.origin, KEPT)
        else:
            rows.append(Row(entry.source, tuple(zip(entry.targets, entry.weights, strict=True)), entry.origin, entry.frequency))
    return build_lexicon(rows, name, source, target, tally)


def read_kept(path: Path, tally: Tally) -> list[Row]:
    """A do-not-translate list: a term a line, or the same term on both sides of a tab. Lines with two different sides are counted."""
    rows = []
    for origin, line in decoded_lines(path, tally):
        term, *others = (side.strip() for side in line.split("\t"))
        if not line.strip():
            tally.skip(origin, "blank line")
        elif any(folded_text(other) != folded_text(term) for other in others):
            tally.skip(origin, "two different sides in a do-not-translate list")
        elif not term:
            tally.skip(origin, "an empty side")
        else:
            tally.keep()
            rows.append(Row(term, ((term, None),), origin))
    return rows
