"""What is asked of a reader: a file, two languages, and which way the file runs."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from ..errors import CorpusError, LanguageError
from ..languages import Language, find_language

# `en_fr`, `freedict-deu-eng`, `de-en`: two codes, and nothing beside them but what a project puts in front of all its files.
_PAIR = re.compile(r"(?:freedict-)?([A-Za-z]{2,3})[-_]([A-Za-z]{2,3})")


@dataclass(frozen=True)
class Columns:
    """Where the parts of an entry stand in a table, by position (from 0) or by the header's name."""

    source: int | str = 0
    target: int | str = 1
    weight: int | str | None = None
    frequency: int | str | None = None

    @property
    def named(self) -> bool:
        """Whether a header is needed to find them."""
        return any(isinstance(column, str) for column in (self.source, self.target, self.weight, self.frequency))


@dataclass(frozen=True)
class LexiconRequest:
    """One file to read.

    Attributes:
        path: the file.
        source: language of what stands first in a row, in the file's own direction.
        target: language of the translations there.
        columns: of tables; None to find them.
    """

    path: Path
    source: Language
    target: Language
    columns: Columns | None = None


def named_pair(path: Path) -> tuple[Language, Language] | None:
    """The two languages a file is named after (`en_fr.tsv`, `freedict-deu-eng.index`), or None."""
    found = _PAIR.fullmatch(path.name.split(".")[0])
    if found is None:
        return None
    try:
        return find_language(found[1]), find_language(found[2])
    except LanguageError:
        return None


def runs_backwards(path: Path, source: Language, target: Language) -> bool:
    """Whether a file named after its languages goes from the target to the source.

    Raises:
        CorpusError: it is named after other languages.
    """
    pair = named_pair(path)
    if pair is None:
        return False
    codes, asked = (pair[0].iso639_3, pair[1].iso639_3), (source.iso639_3, target.iso639_3)  # such names say nothing of scripts
    if codes in (asked, asked[::-1]):
        return codes != asked
    raise CorpusError(
        f"a lexicon of {pair[0].name} and {pair[1].name}, by its name",
        where=path,
        allowed=f"one of {source.name} and {target.name}",
        hint="set `format: tsv` where the name means something else" if path.suffix == ".tsv" else None,
    )
