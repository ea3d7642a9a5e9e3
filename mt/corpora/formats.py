"""The registry of corpus formats: one row a format, one reader module behind it.

A reader is a plain function `read(files, corpus, tally) -> Iterator[Pair]` (or of `Segment`). It yields rows in the corpus's own
orientation (`corpus.source` first) and counts in the tally only the rows it cannot read. Emptiness, length limits, `max_rows` and the
count of kept rows are the business of `corpora.read_pairs`, the same for every format. To add a format: write the module, add one row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ..config import CorpusConfig
from ..errors import CorpusError
from . import jsonl, moses, po, tables, text
from .records import Pair, Segment
from .tally import Tally

PairReader = Callable[[Sequence[Path], CorpusConfig, Tally], Iterator[Pair]]
SegmentReader = Callable[[Sequence[Path], CorpusConfig, Tally], Iterator[Segment]]


@dataclass(frozen=True)
class PairFormat:
    """A format of parallel text. `suffixes` are those by which `format: auto` knows it (`.gz` is taken off first)."""

    name: str
    suffixes: tuple[str, ...]
    read: PairReader
    kind: Literal["pairs"] = "pairs"


@dataclass(frozen=True)
class SegmentFormat:
    """A format of monolingual text; `suffixes` as for `PairFormat`."""

    name: str
    suffixes: tuple[str, ...]
    read: SegmentReader
    kind: Literal["segments"] = "segments"


Format = PairFormat | SegmentFormat


def _read_catalogues(files: Sequence[Path], corpus: CorpusConfig, tally: Tally) -> Iterator[Pair]:
    from . import catalogues  # opens wheels: only for those who use it

    return catalogues.read(files, corpus, tally)


def _read_tmx(files: Sequence[Path], corpus: CorpusConfig, tally: Tally) -> Iterator[Pair]:
    from . import tmx  # lxml takes its time, here and below: only for those who use it

    return tmx.read(files, corpus, tally)


def _read_xliff(files: Sequence[Path], corpus: CorpusConfig, tally: Tally) -> Iterator[Pair]:
    from . import xliff

    return xliff.read(files, corpus, tally)


PAIR_FORMATS: tuple[PairFormat, ...] = (
    PairFormat("tsv", (".tsv", ".tab"), tables.read_tsv),
    PairFormat("csv", (".csv",), tables.read_csv),
    PairFormat("jsonl", (".jsonl", ".ndjson", ".json"), jsonl.read_pairs),
    PairFormat("po", (".po", ".pot"), po.read),
    PairFormat("catalogues", (".whl",), _read_catalogues),
    PairFormat("tmx", (".tmx",), _read_tmx),
    PairFormat("xliff", (".xlf", ".xliff"), _read_xliff),
    PairFormat("moses", (), moses.read),
)
SEGMENT_FORMATS: tuple[SegmentFormat, ...] = (
    SegmentFormat("jsonl", (".jsonl", ".ndjson", ".json"), jsonl.read_segments),
    SegmentFormat("text", (), text.read),
)


def _suffix(path: Path) -> str:
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes and suffixes[-1] == ".gz":
        suffixes.pop()
    return suffixes[-1] if suffixes else ""


def _names(formats: Sequence[Format]) -> str:
    return ", ".join(["auto", *(each.name for each in formats)])


def pair_format(corpus: CorpusConfig, files: Sequence[Path]) -> PairFormat:
    """The format of a parallel corpus, by its name or, with `auto`, by its suffix; two files of no known suffix are Moses text.

    Raises:
        CorpusError: a monolingual format, or a suffix that says nothing.
    """
    if corpus.format != "auto":
        for each in PAIR_FORMATS:
            if each.name == corpus.format:
                return each
        raise CorpusError(f"format {corpus.format} holds no pairs", where=files[0], allowed=_names(PAIR_FORMATS))
    for each in PAIR_FORMATS:
        if _suffix(files[0]) in each.suffixes:
            return each
    if len(files) % 2 == 0:
        return next(each for each in PAIR_FORMATS if each.name == "moses")
    raise CorpusError(
        f"the suffix {_suffix(files[0]) or '(none)'} does not say what format this parallel corpus has",
        where=files[0],
        allowed=_names(PAIR_FORMATS),
        hint="set `format`; Moses text wants two paths, or one with {lang} in it",
    )


def segment_format(corpus: CorpusConfig, files: Sequence[Path]) -> SegmentFormat:
    """The format of a monolingual corpus; whatever is not JSON by its suffix is plain text.

    Raises:
        CorpusError: a format that holds pairs.
    """
    if corpus.format == "auto":
        for each in SEGMENT_FORMATS:
            if _suffix(files[0]) in each.suffixes:
                return each
        for pairs in PAIR_FORMATS:
            if _suffix(files[0]) in pairs.suffixes:
                raise CorpusError(
                    f"{_suffix(files[0])} files hold pairs, and this corpus is monolingual",
                    where=files[0],
                    allowed=_names(SEGMENT_FORMATS),
                    hint="set `source` and `target` instead of `language`, or `format: text` to read it as plain lines",
                )
        return next(each for each in SEGMENT_FORMATS if each.name == "text")
    for each in SEGMENT_FORMATS:
        if each.name == corpus.format:
            return each
    raise CorpusError(
        f"format {corpus.format} holds pairs, and this corpus is monolingual", where=files[0], allowed=_names(SEGMENT_FORMATS)
    )
