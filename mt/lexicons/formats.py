"""The registry of lexicon formats: one row a format, one reader module behind it.

A reader is a function `read(request, tally) -> Iterator[Row]`. It yields what the file holds, in the direction of the request, and counts
in the tally only what it cannot read. Empty sides, duplicates and markup are the business of `building.build_lexicon`, the same for every
format. To add a format: write the module, add one row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ..corpora.tally import Tally
from ..errors import CorpusError
from ..languages import Language
from . import freedict, jsonl, tables
from .records import Row
from .requests import LexiconRequest, named_pair

Reader = Callable[[LexiconRequest, Tally], Iterator[Row]]


@dataclass(frozen=True)
class LexiconFormat:
    """A format of lexicons.

    Attributes:
        name: as in `format`.
        endings: of the file names by which `auto` knows it; `.gz` is taken off first.
        read: the reader.
        directed: whether the file's name says which way it runs, so that a request for the other way is served by turning it round.
        member: for collections in a folder: the file of a direction is this, filled with a code or name of one language.
    """

    name: str
    endings: tuple[str, ...]
    read: Reader
    directed: bool = False
    member: str | None = None


def _read_tbx(request: LexiconRequest, tally: Tally) -> Iterator[Row]:
    from . import tbx  # lxml takes its time: only for those who use it

    return tbx.read(request, tally)


FORMATS: tuple[LexiconFormat, ...] = (
    LexiconFormat("gatitos", (), tables.read_tsv, directed=True, member="en_{}.tsv"),
    LexiconFormat("nusax", (), tables.read_nusax, member="{}.csv"),
    LexiconFormat("freedict", (".dict.dz", ".dict", ".index"), freedict.read, directed=True),
    LexiconFormat("tbx", (".tbx", ".xml"), _read_tbx),
    LexiconFormat("jsonl", (".jsonl", ".ndjson"), jsonl.read),
    LexiconFormat("csv", (".csv",), tables.read_csv),
    LexiconFormat("tsv", (".tsv", ".tab", ".txt"), tables.read_tsv),
)


def lexicon_format(name: str, path: Path, source: Language, target: Language) -> tuple[LexiconFormat, Path]:
    """The format of a lexicon, by its name or, with `auto`, by the file's; and the file, which for a collection is one of its folder.

    Raises:
        CorpusError: no such file, an unknown format, a name that says nothing, or a collection without the direction.
    """
    if not path.exists() and name != "freedict":
        raise CorpusError("no such file", where=path)
    known = {each.name: each for each in FORMATS}
    if name != "auto" and name not in known:
        raise CorpusError(f"unknown lexicon format {name!r}", where=path, allowed=_names())
    if path.is_dir():
        collections = [each for each in FORMATS if each.member is not None and name in ("auto", each.name)]
        return _in_folder(collections, path, source, target)
    return (known[name] if name != "auto" else _by_name(path)), path


def _by_name(path: Path) -> LexiconFormat:
    plain = path.name.lower().removesuffix(".gz")
    if plain.startswith("en_") and plain.endswith(".tsv") and named_pair(path) is not None:
        return FORMATS[0]
    for each in FORMATS:
        if plain.endswith(each.endings):
            return each
    raise CorpusError(
        f"the name {path.name} does not say what format this lexicon has", where=path, allowed=_names(), hint="set its format"
    )


def _in_folder(collections: list[LexiconFormat], folder: Path, source: Language, target: Language) -> tuple[LexiconFormat, Path]:
    tried: list[str] = []
    for each in collections:
        assert each.member is not None
        for language in (target, source):
            for spelling in (*language.spellings, *_file_names(language)):
                file = folder / each.member.format(spelling)
                tried.append(file.name)
                if file.is_file():
                    return each, file
    raise CorpusError(
        f"no lexicon of {source.name} and {target.name} in this folder",
        where=folder,
        allowed=", ".join(dict.fromkeys(tried)) or "a file, or a folder of GATITOS or NusaX",
    )


def _file_names(language: Language) -> tuple[str, ...]:
    """A language's English name as collections spell it in file names: `toba_batak`."""
    words = language.name.casefold().split()
    return tuple(dict.fromkeys(["_".join(words), "_".join(reversed(words))]))


def _names() -> str:
    return ", ".join(["auto", *(each.name for each in FORMATS)])
