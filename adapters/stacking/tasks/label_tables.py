"""Labelled texts in tables, a folder a language and a file a split: how NusaX and SIB-200 are published."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ....mt.corpora.tables import rows
from ....mt.corpora.tally import Tally
from ....mt.errors import CorpusError, LanguageError
from ....mt.languages import Language, find_language
from .records import Labelled, Split


@dataclass(frozen=True)
class LabelTables:
    """Reads them.

    Attributes:
        classes: the labels, as they are spelled in the files.
        folders: name of a folder and the code of its language; empty where folders are named by FLORES codes.
        file: of a split, within the language's folder.
        splits: our names of the splits -> the files'.
        columns: header of the text's column and of the label's.
        quoted: CSV; else tab-separated without quotes.
    """

    classes: tuple[str, ...]
    folders: tuple[tuple[str, str], ...]
    file: str
    splits: tuple[tuple[Split, str], ...]
    columns: tuple[str, str]
    quoted: bool

    def languages(self, folder: Path, split: Split) -> list[Language]:  # noqa: ARG002
        """Those that have a folder."""
        return [language for language, _ in self._folders(folder)]

    def read(self, folder: Path, language: Language, split: Split, tally: Tally) -> Labelled:
        """One split of one language; rows without a text or with a label that the task does not have are counted and left out.

        Raises:
            CorpusError: the file cannot be read, lacks a column, or has not one usable row.
        """
        path = dict(self._folders(folder))[language] / self.file.format(split=dict(self.splits)[split])
        table = rows(path, tally, quoted=self.quoted)
        header = [cell.strip() for cell in next(table, (None, []))[1]]
        missing = [column for column in self.columns if column not in header]
        if missing:
            raise CorpusError(f"no column named {' or '.join(missing)}", where=path, allowed=", ".join(header))
        places_of = [header.index(column) for column in self.columns]
        texts, labels = [], []
        for origin, cells in table:
            if len(cells) <= max(places_of):
                tally.skip(origin, f"fewer than {max(places_of) + 1} columns")
                continue
            text, label = (cells[place].strip() for place in places_of)
            if not text or label not in self.classes:
                tally.skip(origin, f"the label {label!r}" if text else "no text")
                continue
            tally.keep()
            texts.append(text)
            labels.append(self.classes.index(label))
        if not texts:
            raise CorpusError("not one usable row", where=path)
        return Labelled(tuple(texts), tuple(labels))

    def _folders(self, folder: Path) -> list[tuple[Language, Path]]:
        named = dict(self.folders)
        found = []
        for path in sorted(each for each in folder.iterdir() if each.is_dir()):
            try:
                found.append((find_language(named.get(path.name, path.name) if named else path.name), path))
            except LanguageError:
                continue
        return found
