"""Moses text: two files, line n of one translates line n of the other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from ..config import CorpusConfig
from ..errors import CorpusError
from .lines import UNDECODABLE, byte_lines, count_lines
from .records import Origin, Pair
from .tally import Tally


def read(files: Sequence[Path], _corpus: CorpusConfig, tally: Tally) -> Iterator[Pair]:
    """Pairs of aligned lines, placed at the source file's line. Several pairs of files are read one after the other.

    Raises:
        CorpusError: an odd number of files, or files of different lengths; both before anything is yielded.
    """
    if len(files) % 2:
        raise CorpusError(
            "Moses text is two files, and one is given",
            where=files[0],
            allowed="path: [SOURCE FILE, TARGET FILE], or one path with {lang} in it",
        )
    sides = list(zip(files[::2], files[1::2], strict=True))
    for source, target in sides:
        _check_alignment(source, target)
    return (pair for source, target in sides for pair in _pairs(source, target, tally))


def _check_alignment(source: Path, target: Path) -> None:
    counts = count_lines(source), count_lines(target)
    if counts[0] != counts[1]:
        raise CorpusError(
            f"{counts[0]:,} lines, but {counts[1]:,} in {target}: the two sides are not aligned",
            where=source,
            hint="look for a lost or doubled line near the end of the shorter file",
        )


def _pairs(source: Path, target: Path, tally: Tally) -> Iterator[Pair]:
    for number, (left, right) in enumerate(zip(byte_lines(source), byte_lines(target), strict=True), start=1):
        origin = Origin(str(source), number)
        try:
            yield Pair(left.decode("utf-8"), right.decode("utf-8"), origin)
        except UnicodeDecodeError:
            tally.skip(origin, UNDECODABLE)
