"""What one visitor did: translations, their corrections, and votes between translations. Kept for the session, and nowhere else."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ...mt.languages import Language

MOST_CHARACTERS = 2_000_000  # of a session; the oldest translations go first


@dataclass(frozen=True)
class Entry:
    """A translation.

    Attributes:
        number: from 1, never given twice in a session.
        model: the name of the model that made it.
        warnings: names of what looks wrong with it.
        estimate: of its adequacy, the mean over its segments; None without one.
        correction: what the visitor would have written; None where nothing was corrected.
    """

    number: int
    source_language: Language
    target_language: Language
    model: str
    source: str
    target: str
    warnings: tuple[str, ...] = ()
    estimate: float | None = None
    correction: str | None = None

    @property
    def size(self) -> int:
        """Its characters."""
        return len(self.source) + len(self.target) + len(self.correction or "")


@dataclass(frozen=True)
class Vote:
    """One of two translations of a text was preferred; by the names of what made them."""

    source_language: Language
    target_language: Language
    source: str
    chosen: str
    rejected: str
    chosen_by: str
    rejected_by: str


@dataclass(frozen=True)
class Session:
    """Everything of one visitor, the oldest first.

    Attributes:
        dropped: translations that are gone because there were too many.
    """

    entries: tuple[Entry, ...] = ()
    votes: tuple[Vote, ...] = ()
    dropped: int = 0

    def with_entry(
        self,
        source_language: Language,
        target_language: Language,
        model: str,
        source: str,
        target: str,
        warnings: tuple[str, ...] = (),
        estimate: float | None = None,
    ) -> Session:
        """The session after one more translation; nothing is added for an empty one."""
        if not source.strip() or not target.strip():
            return self
        number = self.entries[-1].number + 1 if self.entries else 1
        entries = [*self.entries, Entry(number, source_language, target_language, model, source, target, warnings, estimate)]
        dropped = 0
        while len(entries) > 1 and sum(entry.size for entry in entries) > MOST_CHARACTERS:
            del entries[0]
            dropped += 1
        return replace(self, entries=tuple(entries), dropped=self.dropped + dropped)

    def with_correction(self, number: int, correction: str) -> Session:
        """The session after a translation was corrected; what equals the translation, or is empty, is no correction."""
        return replace(
            self,
            entries=tuple(
                replace(entry, correction=correction if correction.strip() and correction != entry.target else None)
                if entry.number == number
                else entry
                for entry in self.entries
            ),
        )

    def with_votes(self, votes: tuple[Vote, ...]) -> Session:
        """The session after these votes; those between equal texts say nothing and are left out."""
        return replace(self, votes=(*self.votes, *(vote for vote in votes if vote.chosen != vote.rejected)))

    def entry(self, number: int) -> Entry | None:
        """The translation of that number."""
        return next((entry for entry in self.entries if entry.number == number), None)
