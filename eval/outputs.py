"""Hypotheses, references and sources from text files: one segment a line, UTF-8 or refused, every repair said."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..mt.corpora.lines import byte_lines, open_bytes
from ..mt.errors import CorpusError, nearest
from ..mt.languages import Language
from ..mt.writing_systems import script_of, writing_system
from .encodings import likely_encoding
from .records import SystemOutput, TestSet

_BOM = b"\xef\xbb\xbf"
_SHOWN = 5
_SAMPLE = 200  # references that tell the script
_KANA = ("Hira", "Kana")
_TOKENIZED = 100  # lines that look tokenised before it is said


@dataclass(frozen=True)
class SegmentFile:
    """A file's segments, one a line, and what was tolerated in it."""

    path: Path
    segments: tuple[str, ...]
    warnings: tuple[str, ...] = ()


def read_segments(path: Path) -> SegmentFile:
    """Every line of a file (`.gz` unpacked), split at `\\n` only. A byte order mark and `\\r\\n` are taken off and warned about.

    Raises:
        CorpusError: missing, empty, or not UTF-8; names the line and the likely encoding.
    """
    if not path.is_file():
        raise _missing(path)
    lines = list(byte_lines(path))
    segments = []
    for number, line in enumerate(lines, 1):
        try:
            segments.append(line.decode("utf-8"))
        except UnicodeDecodeError as error:
            raise _undecodable(path, number, error) from None
    if not segments:
        raise CorpusError("there are no segments: the file is empty", where=path)
    return SegmentFile(path, tuple(segments), tuple(_repairs(path, len(lines))))


def _repairs(path: Path, lines: int) -> list[str]:
    with open_bytes(path) as stream:
        data = stream.read()
    found = []
    if data.startswith(_BOM):
        found.append(f"{path}: a byte order mark was taken off")
    carriage = data.count(b"\r\n")
    if carriage:
        found.append(f"{path}: {carriage:,} of {lines:,} lines ended in \\r\\n; the \\r was taken off")
    return found


def _missing(path: Path) -> CorpusError:
    if not path.parent.is_dir():
        return CorpusError("no such file: its folder does not exist either", where=path, hint=f"the current folder is {Path.cwd()}")
    if path.is_dir():
        return CorpusError("a folder, where a text file is wanted", where=path)
    names = [each.name for each in path.parent.iterdir()]
    near = nearest(path.name, names)
    return CorpusError("no such file", where=path, allowed=near if near.startswith("did you mean") else None)


def _undecodable(path: Path, line: int, error: UnicodeDecodeError) -> CorpusError:
    with open_bytes(path) as stream:
        encoding = likely_encoding(stream.read())
    likely = f"; it looks like {encoding}" if encoding else ""
    return CorpusError(
        f"not valid UTF-8 (byte 0x{error.object[error.start]:02x} at column {error.start + 1}){likely}",
        where=f"{path}:{line}",
        allowed="UTF-8",
        hint=f"iconv -f {encoding or 'ENCODING'} -t UTF-8 {path} > {path.name}.utf8",
    )


def aligned(files: Sequence[SegmentFile], segments: int | None = None) -> list[SegmentFile]:
    """Files that have one segment a line in common; a single blank line too many at a file's end is dropped with a warning.

    Args:
        files: at least one.
        segments: how many they must have; by default as many as the shortest.

    Raises:
        CorpusError: counts differ; says which file has how many.
    """
    wanted = segments if segments is not None else min(len(file.segments) for file in files)
    found = [_without_blank_end(file, wanted) for file in files]
    other = next((file for file in found if len(file.segments) != wanted), None)
    if other is None:
        return found
    fitting = next((file for file in found if len(file.segments) == wanted), None)
    against = f"but {fitting.path} has {wanted:,}" if fitting else f"but the test set has {wanted:,}"
    raise CorpusError(
        f"{len(other.segments):,} lines, {against}",
        where=other.path,
        allowed="files aligned line by line",
        hint="look for blank lines dropped from, or line breaks inside, one of the two",
    )


def _without_blank_end(file: SegmentFile, wanted: int) -> SegmentFile:
    if len(file.segments) != wanted + 1 or file.segments[-1].strip():
        return file
    return SegmentFile(file.path, file.segments[:-1], (*file.warnings, f"{file.path}: one blank line at the end was left out"))


def read_systems(specifications: Sequence[str], segments: int) -> tuple[list[SystemOutput], tuple[str, ...]]:
    """Systems' outputs, and what was tolerated in them.

    Args:
        specifications: `FILE` or `NAME=FILE`. Without a name a system is called after what tells its file from the others.
        segments: of the test set.

    Raises:
        CorpusError: a file that cannot be read or has another number of lines, or one name given to two systems.
    """
    named = _named(specifications)
    files = aligned([read_segments(path) for path in named.values()], segments)
    systems = [SystemOutput(name, file.segments, str(file.path)) for name, file in zip(named, files, strict=True)]
    return systems, tuple(warning for file in files for warning in file.warnings)


def _named(specifications: Sequence[str]) -> Mapping[str, Path]:
    given = [_name_and_path(specification) for specification in specifications]
    short = _distinct_names([path for name, path in given if name is None])
    named: dict[str, Path] = {}
    for name, path in given:
        chosen = name or short[path]
        if chosen in named:
            raise CorpusError(f"two systems are called {chosen!r}", allowed="one name a system", hint="--hypotheses NAME=FILE")
        named[chosen] = path
    return named


def _name_and_path(specification: str) -> tuple[str | None, Path]:
    """`NAME=FILE` taken apart; a file whose own name holds a `=` is still a file."""
    whole = Path(specification).expanduser()
    name, equals, path = specification.partition("=")
    return (name, Path(path).expanduser()) if equals and not whole.is_file() else (None, whole)


def _distinct_names(paths: Sequence[Path]) -> dict[Path, str]:
    """What tells the files apart: `newstest.KIT.en-de.txt` and `newstest.FBK.en-de.txt` are KIT and FBK; whole paths where names do not."""
    names = [path.name.split(".") for path in paths]
    if len({path.name for path in paths}) != len(paths):
        return {path: str(path) for path in paths}
    if len(paths) < 2:
        return {path: path.name for path in paths}
    first, last = min(names), max(names)  # what these two share, all share
    lead = next((at for at, (one, other) in enumerate(zip(first, last, strict=False)) if one != other), 0)
    reverse = [name[::-1] for name in names]
    ends = zip(min(reverse), max(reverse), strict=False)
    tail = next((at for at, (one, other) in enumerate(ends) if one != other), 0)
    cut = [".".join(name[lead : len(name) - tail]) for name in names]
    return {path: short or path.name for path, short in zip(paths, cut, strict=True)}


def files_test_set(references: Sequence[Path], source_file: Path | None, source: Language | None, target: Language | None) -> TestSet:
    """A test set out of files the user names.

    Raises:
        CorpusError: a file that cannot be read, or line counts that differ.
    """
    files = aligned([read_segments(path) for path in (*references, *([source_file] if source_file else []))])
    streams = files[: len(references)]
    sources = files[-1].segments if source_file else None
    name = " + ".join(path.name for path in references)
    warnings = tuple(warning for file in files for warning in file.warnings)
    return TestSet(name, source, target, sources, tuple(file.segments for file in streams), warnings=warnings)


def content_warnings(test_set: TestSet) -> list[str]:
    """What makes scores on a test set say less than they seem to: empty references, a single segment."""
    found = []
    for number, stream in enumerate(test_set.references, 1):
        empty = [at for at, reference in enumerate(stream, 1) if not reference.strip()]
        if empty:
            which = f" of reference {number}" if len(test_set.references) > 1 else ""
            places = ", ".join(map(str, empty[:_SHOWN])) + (", ..." if len(empty) > _SHOWN else "")
            found.append(f"{len(empty):,} of {len(stream):,} segments{which} are empty (lines {places}): nothing can match there")
    if test_set.target is None:
        found += _unnamed_script(test_set.references[0])
    if len(test_set) == 1:
        found.append("one segment only: its scores have no interval and nothing can be tested")
    return found


def tokenized_warning(system: SystemOutput) -> str | None:
    """Told where an output looks tokenised, which raises or lowers BLEU for no reason of quality; by the sign that sacrebleu goes by."""
    lines = sum(hypothesis.endswith(" .") for hypothesis in system.hypotheses)
    if lines < _TOKENIZED:
        return None
    return (
        f"{lines:,} of {len(system.hypotheses):,} lines of {system.name} end in a space and a full stop, as tokenised text does: "
        "BLEU wants plain text and splits it itself (--tokenizer none takes texts as they are)"
    )


def _unnamed_script(references: Sequence[str]) -> list[str]:
    """BLEU counts words: told when the references are in a script that needs another tokenizer, and nobody named the language."""
    shares = script_of("\n".join(references[:_SAMPLE]))
    script = next(iter(shares), "Latn")
    if writing_system(script).bleu_tokenizer == "13a" and script not in _KANA:
        return []
    return [f"the references are in the script {script}, but no language is given: BLEU splits them at spaces (--pair, or --tokenizer)"]
