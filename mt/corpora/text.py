"""Plain monolingual text. A document is a line, a run of lines up to a blank one, or a whole file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from ..config import CorpusConfig
from .lines import decoded_lines
from .records import Origin, Segment
from .tally import Tally


def read(files: Sequence[Path], corpus: CorpusConfig, tally: Tally) -> Iterator[Segment]:
    """Documents of every file in turn; the lines of one are joined by a newline. A line that is not UTF-8 is counted and left out."""
    for path in files:
        lines = decoded_lines(path, tally)
        if corpus.documents == "line":
            yield from (Segment(line, origin) for origin, line in lines)
        else:
            yield from _documents(lines, at_blank=corpus.documents == "blank-line")


def _documents(lines: Iterator[tuple[Origin, str]], *, at_blank: bool) -> Iterator[Segment]:
    """Runs of lines as documents, each placed at its first line; blank lines inside a file-long document stay."""
    start: Origin | None = None
    run: list[str] = []
    for origin, line in lines:
        if line.strip():
            start = start or origin
            run.append(line.strip())
        elif at_blank:
            if start is not None:
                yield Segment("\n".join(run), start)
            start, run = None, []
        elif start is not None:
            run.append("")
    if start is not None:
        yield Segment("\n".join(run), start)
