"""Lexicons: dictionaries and glossaries of any format, found in texts of any script; or made from parallel text or by a model.

lexicon = read_lexicon("en_fr.tsv", source="eng", target="fra")
for match in Matcher.of(lexicon).find("The house is abandoned."):
    print(match.start, match.end, match.tier, match.entry.targets)
"""

from __future__ import annotations

from pathlib import Path

from ..corpora.tally import Tally
from ..languages import find_language
from .alignment import AlignmentSettings, learn_lexicon
from .building import build_lexicon, note_scripts
from .formats import FORMATS, lexicon_format
from .frequency import count_words, read_counts
from .matcher import Match, Matcher
from .records import Entry, Lexicon
from .requests import Columns, LexiconRequest, runs_backwards
from .translated import translate_lexicon
from .writing import write_tsv

__all__ = [
    "FORMATS",
    "AlignmentSettings",
    "Columns",
    "Entry",
    "Lexicon",
    "Match",
    "Matcher",
    "count_words",
    "learn_lexicon",
    "read_counts",
    "read_lexicon",
    "translate_lexicon",
    "write_tsv",
]


def read_lexicon(path: str | Path, source: str, target: str, format: str = "auto", *, columns: Columns | None = None) -> Lexicon:  # noqa: A002
    """Read a lexicon.

    Args:
        path: a file of any format in `FORMATS` (text formats may be `.gz`), or the folder of GATITOS or NusaX.
        source: language of the texts to look up, in any spelling.
        target: language of the translations.
        format: a name in `FORMATS`; `auto` goes by the file's name.
        columns: where the parts of an entry stand in a TSV or CSV; found by the header or by position otherwise.

    A GATITOS or FreeDict file that runs the other way is turned round. Nothing is dropped without being counted in the lexicon's tally.

    Raises:
        CorpusError: missing, unreadable, of an unknown format or other languages, or without one usable entry.
        LanguageError: a language nobody knows.
    """
    first, second = find_language(source), find_language(target)
    chosen, file = lexicon_format(format, Path(path).expanduser(), first, second)
    swapped = chosen.directed and runs_backwards(file, first, second)
    sides = (second, first) if swapped else (first, second)
    tally = Tally("reading entries")
    rows = chosen.read(LexiconRequest(file, *sides, columns), tally)
    lexicon = build_lexicon(rows, str(file), first, second, tally, swapped=swapped)
    note_scripts(lexicon)
    return lexicon
