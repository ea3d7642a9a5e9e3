"""Test sets that sacrebleu knows and fetches itself (WMT, IWSLT, MTNT ...): the same files and references as `sacrebleu -t NAME`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Protocol

from ..mt.errors import ConfigError, CorpusError
from ..mt.languages import Language
from .outputs import aligned, read_segments
from .records import TestSet


class Dataset(Protocol):
    """What is used of sacrebleu's data sets."""

    name: str
    data: list[str] | None
    langpairs: Mapping[str, object]
    _rawdir: str

    def get_files(self, direction: str, /) -> list[str]:
        """The files of all fields, fetched when they are not there."""
        ...

    def get_source_file(self, direction: str, /) -> str:
        """The source's file."""
        ...

    def get_reference_files(self, direction: str, /) -> list[str]:
        """The references' files."""
        ...

    def fieldnames(self, direction: str, /) -> list[str]:
        """What each of `get_files` is: `src`, `ref`, `docid` ..."""
        ...

    def _get_tarball_filename(self, address: str, /) -> str: ...


@cache
def published_sets() -> Mapping[str, Dataset]:
    """sacrebleu's own table: name -> data set."""
    from sacrebleu.dataset import DATASETS

    return dict(DATASETS)


def fetch_set(name: str, source: Language, target: Language) -> TestSet:
    """A set of sacrebleu's, from its folder (`SACREBLEU`, else `~/.sacrebleu`), fetched by it when it is not there.

    Raises:
        ConfigError: the set does not have that direction.
        CorpusError: not there and not to be fetched; names the file wanted.
    """
    dataset = published_sets()[name]
    direction = _direction(dataset, source, target)
    try:
        paths = [Path(dataset.get_source_file(direction)), *map(Path, dataset.get_reference_files(direction))]
        documents = _document_file(dataset, direction)
    # sacrebleu leaves the process on a wrong checksum, which must not end a session here.
    except (OSError, EOFError, SystemExit) as error:
        raise _unfetched(dataset, name, direction, error) from error
    files = aligned([read_segments(path) for path in paths])
    names = aligned([read_segments(documents)], len(files[0].segments))[0].segments if documents else None
    streams = tuple(file.segments for file in files[1:])
    return TestSet(name, source, target, files[0].segments, streams, names)


def _direction(dataset: Dataset, source: Language, target: Language) -> str:
    known = list(dataset.langpairs)
    for src in source.spellings:
        for tgt in target.spellings:
            if f"{src}-{tgt}" in known:
                return f"{src}-{tgt}"
    raise ConfigError(f"{dataset.name} has no {source.name} to {target.name}", allowed=", ".join(known))


def _document_file(dataset: Dataset, direction: str) -> Path | None:
    fields = list(dataset.fieldnames(direction))
    return Path(dataset.get_files(direction)[fields.index("docid")]) if "docid" in fields else None


def _unfetched(dataset: Dataset, name: str, direction: str, error: BaseException) -> CorpusError:
    raw = Path(dataset._rawdir)
    wanted = [raw / dataset._get_tarball_filename(address) for address in dataset.data or ()]
    missing = next((path for path in wanted if not path.is_file()), raw)
    cause = "its checksum is wrong" if isinstance(error, SystemExit) else str(getattr(error, "reason", error))
    where = "SACREBLEU" if os.environ.get("SACREBLEU") else "the home folder's .sacrebleu, or where SACREBLEU points"
    return CorpusError(
        f"{name} {direction} is not here and sacrebleu could not fetch it ({cause}): {missing.name} wanted",
        where=missing,
        hint=f"where there is a network: sacrebleu -t {name} -l {direction} --echo src, then copy the folder {raw.parent} ({where})",
    )
