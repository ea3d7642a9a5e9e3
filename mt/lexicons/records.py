"""What a lexicon is made of: entries with their translations in order, and the account of what did not become one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from ..corpora.records import Origin
from ..corpora.tally import Tally
from ..languages import Language


class Row(NamedTuple):
    """What a reader found at one place: a source with one or more (translation, weight); None where the format gives no weight."""

    source: str
    targets: Sequence[tuple[str, float | None]]
    origin: Origin
    frequency: int | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """A word or phrase and its translations.

    Attributes:
        source: NFC, its case as written, single spaces.
        targets: the translations, the heaviest first, those of one weight in the order of the file.
        weights: one a translation, as the file gives them; 1.0 where it gives none.
        origin: where the source stood first.
        frequency: how often the source occurs in some corpus, where that is known.
    """

    source: str
    targets: tuple[str, ...]
    weights: tuple[float, ...]
    origin: Origin
    frequency: int | None = None

    @property
    def best(self) -> str:
        """The translation to take where only one can be."""
        return self.targets[0]


@dataclass(frozen=True)
class Lexicon:
    """Entries of one direction.

    Attributes:
        name: for people: the file's name, or how it was made.
        source: language of the sources.
        target: language of the translations.
        entries: one a source; sources that differ in case are entries of their own.
        tally: (source, translation) pairs kept, skipped with reason and place, and noted.
    """

    name: str
    source: Language
    target: Language
    entries: tuple[Entry, ...]
    tally: Tally = field(compare=False, repr=False)

    def __len__(self) -> int:
        return len(self.entries)

    @property
    def warnings(self) -> list[str]:
        """What was skipped or noted, a line a reason, with the first places as `file:line`."""
        return [line.strip() for line in self.tally.lines()[1:]]

    def limited(self, alternatives: int) -> Lexicon:
        """The same with the best so many translations of each entry."""
        short = (
            replace(entry, targets=entry.targets[:alternatives], weights=entry.weights[:alternatives]) if len(entry.targets) > 1 else entry
            for entry in self.entries
        )
        return replace(self, entries=tuple(short))
