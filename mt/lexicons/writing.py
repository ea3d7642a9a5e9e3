"""Lexicons written as TSV, a translation a line, so that `read_lexicon` reads the same entries back."""

from __future__ import annotations

from pathlib import Path

from ..files import write_atomically
from .records import Lexicon

HEADER = ("source", "target", "weight", "frequency")


def write_tsv(lexicon: Lexicon, path: Path) -> None:
    """Write a lexicon with a header; the frequency is empty where it is unknown. No side of an entry holds a tab or a line break."""
    lines = ["\t".join(HEADER)]
    for entry in lexicon.entries:
        frequency = "" if entry.frequency is None else str(entry.frequency)
        lines += (f"{entry.source}\t{text}\t{weight!r}\t{frequency}" for text, weight in zip(entry.targets, entry.weights, strict=True))
    write_atomically(path, "\n".join(lines) + "\n")
