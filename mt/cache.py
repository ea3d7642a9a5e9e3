"""Dragoman's cache: what was fetched or converted once, built out of sight and counted as present only when whole."""

from __future__ import annotations

import contextlib
import glob
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import cast

from filelock import FileLock

from .errors import SourceError
from .files import named_errors, write_json

MANIFEST = "cached.json"


def cache_folder() -> Path:
    """Where fetched and converted files live: `DRAGOMAN_CACHE`, else `dragoman` in the platform's user cache folder. Not created here."""
    chosen = os.environ.get("DRAGOMAN_CACHE")
    if chosen:
        return Path(chosen).expanduser().absolute()
    return _user_cache_folder() / "dragoman"


def _user_cache_folder() -> Path:
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches"
    if os.name == "nt":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    chosen = os.environ.get("XDG_CACHE_HOME", "")
    # The XDG base directory specification: a relative path is invalid and counts as unset.
    return Path(chosen) if Path(chosen).is_absolute() else Path.home() / ".cache"


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Only one process at a time works on `path`; the others wait. The lock is a hidden file beside it.

    Raises:
        SourceError: the folder cannot be created or written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(path.with_name(f".{path.name}.lock"))
        lock.acquire()
    except OSError as error:
        raise _unwritable(path.parent, error) from error
    try:
        yield
    finally:
        lock.release()


@contextlib.contextmanager
def partial_folder(target: Path) -> Iterator[Path]:
    """A hidden temporary folder beside `target`, gone when the block ends (however it ends); leftovers of killed processes go too.

    Call it with `target` locked.
    """
    prefix = f".{target.name}.partial-"
    try:
        for leftover in target.parent.glob(f"{glob.escape(prefix)}*"):
            shutil.rmtree(leftover, ignore_errors=True)
        folder = Path(tempfile.mkdtemp(prefix=prefix, dir=target.parent))
    except OSError as error:
        raise _unwritable(target.parent, error) from error
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def build_once(target: Path, build: Callable[[Path], Mapping[str, str]]) -> Path:
    """`target`, built by `build` unless it is there already, whole.

    `build` fills the empty folder it is given and returns facts about it. A manifest with these facts and every file's size is written
    last, then the folder is renamed to `target`: a folder that exists is a folder that is complete.

    Raises:
        SourceError: `target` exists and is not Dragoman's, or cannot be written; and whatever `build` raises.
    """
    if is_complete(target):
        return target
    with locked(target):
        if is_complete(target):  # another process built it while this one waited
            return target
        _clear(target)
        with partial_folder(target) as folder:
            with named_errors(target):
                facts = build(folder)
            try:
                _seal(folder, facts)
                folder.chmod(0o755)  # mkdtemp's 0700 would lock others out of a shared cache
                folder.replace(target)
            except OSError as error:
                raise _unwritable(target.parent, error) from error
    return target


def _clear(target: Path) -> None:
    """Make way for a rebuild, but only of what Dragoman itself built."""
    if not target.exists():
        return
    if target.is_dir() and not any(target.iterdir()):
        target.rmdir()
    elif (target / MANIFEST).is_file():
        shutil.rmtree(target)
    else:
        raise SourceError(
            "exists and was not made by Dragoman, so it is not overwritten", where=target, hint="choose another folder or remove it"
        )


def _seal(folder: Path, facts: Mapping[str, str]) -> None:
    """Flush every file to disk, then write the manifest."""
    sizes: dict[str, int] = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            path.chmod(0o644)  # some writers leave 0600
            _sync(path)
            sizes[path.relative_to(folder).as_posix()] = path.stat().st_size
    write_json(folder / MANIFEST, {**facts, "files": sizes})


def is_complete(folder: Path) -> bool:
    """Whether a folder built by `build_once` is there with every file at its recorded size."""
    try:
        sizes = cast("dict[str, int]", read_json(folder / MANIFEST)["files"])
        return all((folder / name).stat().st_size == size for name, size in sizes.items())
    except (OSError, ValueError, KeyError, AttributeError, TypeError):
        return False


def read_facts(folder: Path) -> dict[str, str]:
    """What `build` said about a folder (empty when Dragoman did not build it)."""
    try:
        return {name: value for name, value in read_json(folder / MANIFEST).items() if isinstance(value, str)}
    except (OSError, ValueError):
        return {}


def read_json(path: Path) -> dict[str, object]:
    """A JSON object from a file.

    Raises:
        OSError: it cannot be read.
        ValueError: it is not a JSON object in UTF-8.
    """
    tree = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(tree, dict):
        raise ValueError(f"{path}: not a JSON object")  # noqa: TRY004 - one error family for a damaged file
    return tree


def _sync(path: Path) -> None:
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def _unwritable(folder: Path, error: OSError) -> SourceError:
    return SourceError(
        f"cannot be written: {error.strerror or error}",
        where=folder,
        hint="set DRAGOMAN_CACHE to a folder you can write, with room for 2 GB",
    )
