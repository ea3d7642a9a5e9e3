"""A dictionary for prompts: hints for the words of a text, with their translations into further languages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..corpora.tally import Tally
from ..lexicons import Lexicon, Matcher
from ..lexicons.building import build_lexicon
from ..lexicons.folding import composed, folded_text
from ..lexicons.records import Row
from .records import Hint
from .styles import Style

Further = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True)
class Dictionary:
    """What a prompt may say of words.

    Attributes:
        matcher: finds the entries.
        style: how they are written.
        alternatives: most translations of an entry; None for all.
        also: for each further language, translations by folded source.
    """

    matcher: Matcher
    style: Style
    alternatives: int | None = None
    also: tuple[Further, ...] = ()

    def find(self, text: str) -> tuple[Hint, ...]:
        """The hints for a text, left to right, none over another."""
        found = []
        for match in self.matcher.find(text):
            key = folded_text(match.entry.source)
            also = tuple(further.get(key, ())[: self.alternatives] for further in self.also)
            source = composed(text[match.start : match.end])
            found.append(Hint(match.start, match.end, source, match.entry.targets[: self.alternatives], also))
        return tuple(found)


def further(lexicon: Lexicon) -> Further:
    """A lexicon of a further language, to be looked up by folded source."""
    by_source: dict[str, tuple[str, ...]] = {}
    for entry in lexicon.entries:
        by_source.setdefault(folded_text(entry.source), entry.targets)
    return by_source


def without(hints: Sequence[Hint], taken: Sequence[Hint]) -> tuple[Hint, ...]:
    """The hints that share no character with one that is taken."""
    return tuple(hint for hint in hints if all(hint.end <= other.start or hint.start >= other.end for other in taken))


def turned_round(lexicon: Lexicon) -> Lexicon:
    """The lexicon of the other direction; an entry is one translation and all that it translates."""
    rows = (Row(entry.source, tuple(zip(entry.targets, entry.weights, strict=True)), entry.origin) for entry in lexicon.entries)
    return build_lexicon(rows, lexicon.name, lexicon.target, lexicon.source, Tally("turning round"), swapped=True)
