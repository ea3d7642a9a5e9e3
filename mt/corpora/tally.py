"""The account of one step over a corpus: every row that came in is either kept or skipped for a named reason, at a known place."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TypedDict

from .records import Origin

PLACES = 5


class SkippedRows(TypedDict):
    """One reason's share of a tally: how many rows, and where the first few of them are."""

    rows: int
    first: list[str]


class TallyRecord(TypedDict):
    """A tally as JSON."""

    step: str
    read: int
    kept: int
    skipped: dict[str, SkippedRows]
    noted: dict[str, SkippedRows]
    stopped: str | None


@dataclass
class Tally:
    """Rows kept, and rows skipped by reason with the first five places of each.

    One tally belongs to one step (reading, filtering, splitting), so `read == kept + skipped` always holds; give the next step a new one.
    `noted` counts kept rows that were changed on the way. `stopped` says why the rest of a corpus was not looked at, when that was asked
    for (`max_rows`).
    """

    step: str = "reading"
    kept: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    places: dict[str, list[str]] = field(default_factory=dict)
    noted: Counter[str] = field(default_factory=Counter)
    stopped: str | None = None

    @property
    def read(self) -> int:
        """Rows that came in."""
        return self.kept + self.skipped.total()

    def keep(self) -> None:
        """Count a row that goes on."""
        self.kept += 1

    def skip(self, origin: Origin, reason: str) -> None:
        """Count a row that stops here; the first five of a reason are remembered by place."""
        self.skipped[reason] += 1
        places = self.places.setdefault(reason, [])
        if len(places) < PLACES:
            places.append(str(origin))

    def note(self, origin: Origin, what: str) -> None:
        """Count a row that goes on, but changed (split, say); the first five of a kind are remembered by place."""
        self.noted[what] += 1
        places = self.places.setdefault(what, [])
        if len(places) < PLACES:
            places.append(str(origin))

    def skip_all(self, origins: Iterable[Origin], reason: str) -> None:
        """Count several rows under one reason."""
        for origin in origins:
            self.skip(origin, reason)

    def to_json(self) -> TallyRecord:
        """The tally as plain values, for `data.json` and `--json`."""
        return {
            "step": self.step,
            "read": self.read,
            "kept": self.kept,
            "skipped": {reason: {"rows": rows, "first": list(self.places[reason])} for reason, rows in self.skipped.most_common()},
            "noted": {what: {"rows": rows, "first": list(self.places[what])} for what, rows in self.noted.most_common()},
            "stopped": self.stopped,
        }

    @classmethod
    def from_json(cls, record: TallyRecord) -> Tally:
        """The tally that `to_json` wrote."""
        counts = [Counter({reason: rows["rows"] for reason, rows in record[part].items()}) for part in ("skipped", "noted")]
        places = {reason: list(rows["first"]) for part in ("skipped", "noted") for reason, rows in record[part].items()}
        return cls(record["step"], record["kept"], counts[0], places, counts[1], record["stopped"])

    def lines(self) -> list[str]:
        """The tally for people: one line of totals, then one line a reason, the most frequent first."""
        lines = [f"{self.step}: {self.read:,} rows read, {self.kept:,} kept, {self.skipped.total():,} skipped"]
        for reason, rows in (*self.skipped.most_common(), *self.noted.most_common()):
            more = ", ..." if rows > len(self.places[reason]) else ""
            lines.append(f"  {rows:,} {reason} ({', '.join(self.places[reason])}{more})")
        if self.stopped:
            lines.append(f"  stopped: {self.stopped}")
        return lines
