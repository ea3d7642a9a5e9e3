"""Test sets by name: in `DRAGOMAN_DATA`, then in the cache, then fetched by sacrebleu or `datasets`; line counts and checksums verified."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from ..mt.cache import cache_folder
from ..mt.errors import ConfigError, CorpusError, DragomanError, nearest
from ..mt.files import sha256_of, write_atomically
from ..mt.languages import Language
from .outputs import SegmentFile, aligned, read_segments
from .records import TestSet
from .sacrebleu_sets import fetch_set, published_sets
from .testset_formats import FOLDER_FILE, Layout, SetFormat, folder_format, shipped_checksums, shipped_formats

_ALL = "all"


@dataclass(frozen=True)
class _Wanted:
    """A test set's name taken apart: which split and which references of it, and between which languages."""

    name: str
    format: SetFormat
    split: str
    references: str | None
    source: Language | None
    target: Language | None

    @property
    def full_name(self) -> str:
        return ":".join(part for part in (self.name, self.split, self.references) if part)


@dataclass(frozen=True)
class _Found:
    source: Path
    references: tuple[Path, ...]
    names: tuple[str, ...]


def load_test_set(name: str, source: Language | None, target: Language | None) -> TestSet:
    """A test set in one direction.

    Args:
        name: `flores200:devtest`, `ntrex128`, `wmt22`, `wmt22:A+B` (references), a set of sacrebleu's, or a folder with a `testset.yaml`.
        source: language translated from; None only where the set's files do not depend on it.
        target: language translated into.

    Raises:
        ConfigError: an unknown set, split or reference (with the nearest names), or a direction that is not given.
        CorpusError: a file that is not there (says which and where it belongs), or whose line count is wrong.
    """
    base, _, variant = name.partition(":")
    folder = Path(base).expanduser()
    if folder.is_dir() and (folder / FOLDER_FILE).is_file():
        return _load(_wanted(folder.resolve().name, variant, folder_format(folder), source, target), [folder])
    if base in shipped_formats():
        wanted = _wanted(base, variant, shipped_formats()[base], source, target)
        folders = _folders(wanted.format.folder or base)
        if base in published_sets() and not variant and not any(_find(wanted, each) for each in folders):
            return fetch_set(base, *_both(wanted))
        return _load(wanted, folders)
    own = next((each for each in _folders(base) if (each / FOLDER_FILE).is_file()), None)
    if own is not None:
        return _load(_wanted(base, variant, folder_format(own), source, target), [own])
    if name in published_sets():
        return fetch_set(name, *_both(_Wanted(name, SetFormat(()), "", None, source, target)))
    if folder.is_dir():
        folder_format(folder)  # says what a folder needs
    known = {*shipped_formats(), *published_sets()}
    raise ConfigError(
        f"unknown test set {name!r}",
        allowed=nearest(base, known) if nearest(base, known).startswith("did you mean") else ", ".join(sorted(shipped_formats())),
        hint=f"any set sacrebleu knows (wmt14 ... wmt24) is one too, and so is a folder with a {FOLDER_FILE}",
    )


def _folders(name: str) -> list[Path]:
    """Where a set's folder may lie, the first one there is read."""
    data = os.environ.get("DRAGOMAN_DATA")
    return [*([Path(data).expanduser() / name] if data else []), cache_folder() / "testsets" / name]


def _wanted(name: str, variant: str, format_: SetFormat, source: Language | None, target: Language | None) -> _Wanted:
    parts = [part for part in variant.split(":") if part]
    splits = list(format_.splits)
    split = parts.pop(0) if parts and parts[0] in splits else splits[0]
    references = parts.pop(0) if parts and format_.several_references else None
    if parts:
        allowed = [f"{name}:{each}" for each in splits if each] or [name]
        raise ConfigError(f"{name} has no split {parts[0]!r}", allowed=" or ".join(allowed))
    return _Wanted(name, format_, split, references, source, target)


def _both(wanted: _Wanted) -> tuple[Language, Language]:
    if wanted.source is None or wanted.target is None:
        raise ConfigError(f"{wanted.name} is a set of many directions", hint="--pair eng-deu")
    return wanted.source, wanted.target


def _load(wanted: _Wanted, folders: Sequence[Path]) -> TestSet:
    if any("{tgt}" in layout.reference for layout in wanted.format.layouts):
        _both(wanted)
    located = _located(wanted, folders) or _fetched(wanted, folders)
    if located is None:
        raise _absent(wanted, folders)
    folder, found = located
    paths = (found.source, *found.references)
    files = _checked([read_segments(path) for path in paths], wanted)
    documents = _documents(folder, wanted, len(files[0].segments))
    warnings = [warning for path, file in zip(paths, files, strict=True) for warning in _remarks(folder, path, file, wanted)]
    name = ":".join([wanted.full_name.removesuffix(f":{wanted.references}"), "+".join(found.names)]) if found.names else wanted.full_name
    streams = tuple(file.segments for file in files[1:])
    return TestSet(name, wanted.source, wanted.target, files[0].segments, streams, documents, tuple(warnings))


def _located(wanted: _Wanted, folders: Sequence[Path]) -> tuple[Path, _Found] | None:
    return next(((each, match) for each in folders if (match := _find(wanted, each))), None)


def _fetched(wanted: _Wanted, folders: Sequence[Path]) -> tuple[Path, _Found] | None:
    """The files after `datasets` has fetched them into the last of the folders, for a set that is on the Hub."""
    if wanted.format.hub is None:
        return None
    from .hub_sets import fetch_texts

    try:
        texts = fetch_texts(wanted.format.hub, wanted.split, _both(wanted))
    except DragomanError as error:
        raise _absent(wanted, folders, error) from error
    layout = wanted.format.layouts[0]
    for pattern, (name, segments) in zip((layout.source, layout.reference), texts, strict=True):
        path = pattern.replace("{split}", wanted.split).replace("{src}", name).replace("{tgt}", name)
        write_atomically(folders[-1] / path, "".join(f"{segment}\n" for segment in segments))
    return _located(wanted, folders)


def _find(wanted: _Wanted, folder: Path) -> _Found | None:
    """The files of a direction in a folder, by the first layout and spelling of the languages that has them."""
    for layout in wanted.format.layouts if folder.is_dir() else ():
        for filled, direction in _filled(layout, wanted):
            source = _only(folder, filled.source)
            if source is None:
                continue
            if "{ref}" in filled.reference:
                found = _named_references(folder, filled.reference)
                if found:
                    names = _chosen(found, wanted, direction)
                    return _Found(source, tuple(found[name] for name in names), tuple(names))
            elif (reference := _only(folder, filled.reference)) is not None:
                return _Found(source, (reference,), ())
    return None


def _filled(layout: Layout, wanted: _Wanted) -> Iterator[tuple[Layout, str]]:
    """A layout's patterns with split and languages filled in, in every spelling of the languages; and the direction so spelled."""
    text = layout.source + layout.reference
    sides: list[tuple[str, ...]] = []
    for placeholder, language in (("{src}", wanted.source), ("{tgt}", wanted.target)):
        if placeholder in text:
            sides.append(_both(wanted)[len(sides)].spellings)
        else:
            sides.append(language.spellings[:1] if language else ("",))
    for src, tgt in product(*sides):
        source, reference = (
            pattern.replace("{split}", wanted.split).replace("{src}", src).replace("{tgt}", tgt)
            for pattern in (layout.source, layout.reference)
        )
        yield Layout(source, reference), f"{src}-{tgt}"


def _only(folder: Path, pattern: str) -> Path | None:
    if "*" not in pattern:
        path = folder / pattern
        return path if path.is_file() else None
    found = sorted(path for path in folder.glob(pattern) if path.is_file())
    if len(found) > 1:
        raise CorpusError(
            f"{len(found)} files fit {pattern!r}",
            where=folder,
            allowed="one of them",
            hint=f"keep one of {found[0].name}, {found[1].name}, ...",
        )
    return found[0] if found else None


def _named_references(folder: Path, pattern: str) -> dict[str, Path]:
    """References by name, in the order of their names."""
    shape = re.compile(r"([^/.]+)".join(map(re.escape, pattern.split("{ref}"))))
    paths = sorted(folder.glob(pattern.replace("{ref}", "*")))
    return {match[1]: path for path in paths if (match := shape.fullmatch(path.relative_to(folder).as_posix()))}


def _chosen(found: dict[str, Path], wanted: _Wanted, direction: str) -> list[str]:
    usual = wanted.format.references
    asked = wanted.references or usual.get(direction) or usual.get("default", _ALL)
    if asked == _ALL:
        return list(found)
    names = [part if part in found else part.removeprefix("ref") for part in asked.split("+")]
    for name in names:
        if name not in found:
            raise ConfigError(
                f"{wanted.name} has no reference {name!r} for {direction}",
                allowed=", ".join(f"{wanted.name}:{each}" for each in (*found, _ALL)),
            )
    return names


def _checked(files: list[SegmentFile], wanted: _Wanted) -> list[SegmentFile]:
    expected = wanted.format.splits[wanted.split]
    if expected is not None:
        for file in files:
            if len(file.segments) not in (expected, expected + 1):
                raise CorpusError(
                    f"{len(file.segments):,} lines, but {wanted.full_name} has {expected:,}", where=file.path, hint="fetch the set again"
                )
    return aligned(files, expected)


def _documents(folder: Path, wanted: _Wanted, segments: int) -> tuple[str, ...] | None:
    if wanted.format.documents is None:
        return None
    file = folder / wanted.format.documents.replace("{split}", wanted.split)
    return aligned([read_segments(file)], segments)[0].segments


def _remarks(folder: Path, path: Path, file: SegmentFile, wanted: _Wanted) -> Sequence[str]:
    """What a reader must know of a file. A file that is byte for byte the published one needs no remark, whatever its line ends."""
    inside = path.relative_to(folder).as_posix()
    known = wanted.format.sha256.get(inside) or shipped_checksums().get(f"{wanted.name}/{inside}")
    if known is None:
        return file.warnings
    if sha256_of(path) == known:
        return ()
    return (*file.warnings, f"{path}: not the published file (another SHA-256): scores are not comparable with published ones")


def _absent(wanted: _Wanted, folders: Sequence[Path], cause: DragomanError | None = None) -> CorpusError:
    present = next((folder for folder in folders if folder.is_dir()), None)
    layout = wanted.format.layouts[0]
    files = [f"{_spelled_out(pattern, wanted)}" for pattern in (layout.source, layout.reference)]
    sides = " to ".join(side.name for side in (wanted.source, wanted.target) if side)
    unfetched = f"; {cause.problem}" if cause else ""
    other_way = f"{cause.hint}; or " if cause and cause.hint else ""
    return CorpusError(
        f"{wanted.full_name}{f' from {sides}' if sides else ''} is not here: {' and '.join(files)} wanted{unfetched}",
        where=present or folders[0],
        allowed=f"{wanted.format.obtain or 'the files its layouts name'}; looked in {', '.join(map(str, folders))}",
        hint=f"{other_way}put the files there; DRAGOMAN_DATA names the folder that holds {wanted.format.folder or wanted.name}/",
    )


def _spelled_out(pattern: str, wanted: _Wanted) -> str:
    """A pattern with every spelling of a language that would do: `devtest/{liv|liv_Latn}.devtest`."""
    for placeholder, language in (("{src}", wanted.source), ("{tgt}", wanted.target)):
        if language:
            pattern = pattern.replace(placeholder, f"{{{'|'.join(language.spellings)}}}")
    return pattern.replace("{split}", wanted.split)
