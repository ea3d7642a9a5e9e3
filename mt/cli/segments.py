"""Bytes to segments and back: what `dragoman translate` reads and writes. Lines end at `\\n` only; every input segment has one output."""

from __future__ import annotations

import os
import re
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal

import typer

from ..errors import ConfigError, CorpusError
from ..files import is_special

Separation = Literal["line", "blank-line"]
_OWN_EXPLANATIONS = {
    "split": "Too long for the model, so it was translated in parts.",
    "line-breaks": "The translation has line breaks; they are written as \\n, or blank lines left out. --json keeps them.",
    "invalid-utf8": "Bytes that are not UTF-8 were read as U+FFFD.",
}
_BLANK_LINES = re.compile(r"\n\s*\n")


@dataclass(frozen=True)
class Segment:
    """A text to translate and the number of its first line, from 1; `damaged` if bytes of it were not UTF-8."""

    text: str
    line: int
    damaged: bool = False


def read_segments(stream: Iterable[bytes], separated: Separation) -> Iterator[Segment]:
    """Segments of a byte stream that iterates by lines; undecodable bytes become U+FFFD, a byte order mark at the start is dropped."""
    lines = _lines(stream)
    return lines if separated == "line" else _paragraphs(lines)


def plain(output: str, separated: Separation) -> tuple[str, bool]:
    """An output as plain text can hold it, and whether it had to be changed.

    By line: newlines written as the two characters `\\n`. By blank line: blank lines inside an output left out.
    """
    if separated == "line":
        return output.replace("\n", "\\n"), "\n" in output
    kept = _BLANK_LINES.sub("\n", output)
    return kept, kept != output


def _lines(stream: Iterable[bytes]) -> Iterator[Segment]:
    for number, line in enumerate(stream, 1):
        raw = line.removesuffix(b"\n")
        if number == 1:
            raw = raw.removeprefix(b"\xef\xbb\xbf")
        try:
            yield Segment(raw.decode("utf-8"), number)
        except UnicodeDecodeError:
            yield Segment(raw.decode("utf-8", "replace"), number, damaged=True)


def _paragraphs(lines: Iterable[Segment]) -> Iterator[Segment]:
    gathered: list[Segment] = []
    for line in lines:
        if line.text.strip():
            gathered.append(line)
        elif gathered:
            yield _paragraph(gathered)
            gathered = []
    if gathered:
        yield _paragraph(gathered)


def _paragraph(lines: list[Segment]) -> Segment:
    return Segment("\n".join(line.text for line in lines), lines[0].line, any(line.damaged for line in lines))


@contextmanager
def open_input(name: str) -> Iterator[BinaryIO]:
    """The input as a byte stream that iterates by lines; `-` is standard input.

    Raises:
        CorpusError: no such file, or not readable.
    """
    if name == "-":
        if sys.stdin is None:  # closed by the shell: `<&-`
            raise CorpusError("standard input is closed", allowed="a text file, or text on standard input")
        yield sys.stdin.buffer
        return
    try:
        stream = Path(name).open("rb")  # noqa: SIM115 - errors of the block below are not ours
    except OSError as error:
        raise CorpusError(f"cannot be read: {error.strerror}", where=name, allowed="a text file, or - for standard input") from error
    with stream:
        yield stream


class Sink:
    """Where translations go: standard output as they come, or a file that appears whole at the end.

    Args:
        path: the file; None for standard output.
        separated: how segments are told apart.
        as_json: one JSON object a line instead.
    """

    def __init__(self, path: Path | None, separated: Separation, as_json: bool) -> None:
        self.separated: Separation = separated
        self.as_json = as_json
        self._path = path
        self._file: BinaryIO | None = None
        self._written = 0

    @contextmanager
    def opened(self) -> Iterator[Sink]:
        """The sink, ready; a reader that goes away (`| head`) ends the command quietly.

        Raises:
            ConfigError: the output path cannot be written to; told before anything is translated.
        """
        if self._path is not None and is_special(self._path) and not self._path.is_dir():
            with self._path.open("wb") as self._file:  # /dev/null, a named pipe
                yield self
            return
        if self._path is not None:
            with self._staged(self._path) as self._file:
                yield self
            return
        if sys.stdout is None:  # closed by the shell: `>&-`
            raise ConfigError("standard output is closed", allowed="an open standard output, or --output FILE")
        self._file = sys.stdout.buffer
        try:
            yield self
            self.flush()
        except BrokenPipeError:
            # What Python would still write at exit must not raise again.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(0) from None

    def write(self, text: str) -> None:
        """One translation (or JSON object), with what separates it from the others."""
        gap = "\n" if self._written and self.separated == "blank-line" and not self.as_json else ""
        self._written += 1
        self.write_raw(f"{gap}{text}\n")

    def write_raw(self, text: str) -> None:
        """Text as it is, in UTF-8."""
        self.write_bytes(text.encode("utf-8"))

    def write_bytes(self, data: bytes) -> None:
        """Bytes as they are."""
        assert self._file is not None
        self._file.write(data)

    def flush(self) -> None:
        """Hand over what has been written so far."""
        assert self._file is not None
        self._file.flush()

    @contextmanager
    def _staged(self, path: Path) -> Iterator[BinaryIO]:
        """A file beside `path` that takes its place when the block ends well."""
        try:
            if path.is_dir():
                raise IsADirectoryError(21, "is a folder")
            path = path.resolve()  # a link stays one: what it points to is replaced
            path.parent.mkdir(parents=True, exist_ok=True)
            handle, staged = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        except OSError as error:
            raise ConfigError(f"cannot be written: {error.strerror}", where=path, allowed="a file in a folder you may write to") from error
        try:
            with os.fdopen(handle, "wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            Path(staged).chmod(0o644)
            Path(staged).replace(path)
        except BaseException:
            Path(staged).unlink(missing_ok=True)
            raise


class Notes:
    """What people should know about a finished translation, gathered by kind with the lines it concerns."""

    def __init__(self, name: str) -> None:
        self._name = "standard input" if name == "-" else name
        self._lines: dict[str, list[int]] = {}

    def add(self, segment: Segment, warnings: Iterable[str], changed: bool) -> None:
        """Record one segment: its translation's warnings, and whether line breaks in it had to be rewritten."""
        kinds = ["split" if name.startswith("split into") else name for name in warnings]
        for kind in [*kinds, *(["line-breaks"] if changed else []), *(["invalid-utf8"] if segment.damaged else [])]:
            self._lines.setdefault(kind, []).append(segment.line)

    def lines(self) -> Iterator[str]:
        """One line for each kind: how many, what it means, where."""
        from ..checks import EXPLANATIONS

        explanations = {**EXPLANATIONS, **_OWN_EXPLANATIONS}
        for kind, numbers in sorted(self._lines.items()):
            shown = ", ".join(map(str, numbers[:5])) + (", ..." if len(numbers) > 5 else "")
            yield f"warning: {self._name}: {kind} ({len(numbers)}; line {shown}): {explanations[kind]}"
