"""Files that are either whole or absent: written beside their place, flushed, then renamed."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .errors import ConfigError

_NEARLY_NOTHING = 1 << 20  # bytes left on a disk that counts as full


@contextmanager
def named_errors(path: Path) -> Iterator[None]:
    """Errors of writing to `path` as an OSError that names it, whoever raises them.

    On a full disk safetensors raises an error of its own, and `torch.save` a RuntimeError about positions in the file.
    """
    try:
        yield
    except OSError as error:
        error.filename = error.filename or str(path)
        raise
    except Exception as error:
        by_writer = type(error).__name__ == "SafetensorError" or isinstance(error, RuntimeError)
        full = "No space left" in str(error) or shutil.disk_usage(nearest_there(path)).free < _NEARLY_NOTHING
        if by_writer and full:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path)) from error
        raise


def check_writable(path: Path) -> None:
    """Whether a file could be written there, asked before the work whose result it shall hold.

    Raises:
        ConfigError: it is a folder, or below a file, or nobody gave us the right.
    """
    there = nearest_there(path)
    if path.is_dir() or not (path.exists() or there.is_dir()) or not os.access(there, os.W_OK):
        raise ConfigError("cannot be written", where=path, allowed="a file in a folder you may write to")


def may_write(path: Path) -> bool:
    """Whether something could be made at `path`: the nearest folder above it that exists is one we may write to."""
    there = nearest_there(path)
    return there.is_dir() and os.access(there, os.W_OK | os.X_OK)


def is_special(path: Path) -> bool:
    """Something that is there and no regular file: a device or pipe to write into, never to put a file in the place of."""
    return path.exists() and not path.is_file()


def nearest_there(path: Path) -> Path:
    """The path itself, or the nearest folder above it that exists."""
    return next(each for each in (path.absolute(), *path.absolute().parents) if each.exists())


def sha256_of(path: Path) -> str:
    """Hex SHA-256 of a file's bytes."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def write_atomically(path: Path, data: str | bytes) -> None:
    """Write a file so that readers see the old content or the new, never half of it."""
    content = data.encode("utf-8") if isinstance(data, str) else data
    if is_special(path):
        with named_errors(path):
            path.write_bytes(content)
        return
    path = path.resolve()  # a link stays one: what it points to is replaced
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, staged = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with named_errors(path), os.fdopen(handle, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        Path(staged).chmod(0o644)
        Path(staged).replace(path)
    except BaseException:
        Path(staged).unlink(missing_ok=True)
        raise


def write_json(path: Path, value: Any) -> None:
    """Write JSON for people and machines: indented, Unicode as it is."""
    write_atomically(path, json.dumps(value, ensure_ascii=False, indent=2) + "\n")


@contextmanager
def staged_folder(final: Path) -> Iterator[Path]:
    """A folder to fill; renamed to `final` when the block ends well (replacing what was there), removed when it does not."""
    final.parent.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(prefix=f".{final.name}.", dir=final.parent))
    try:
        with named_errors(final):
            yield staging
            _flush(staging)
        staging.chmod(0o755)
        if final.exists():
            old = Path(tempfile.mkdtemp(prefix=f".{final.name}.old.", dir=final.parent))
            final.replace(old / final.name)
            staging.replace(final)
            shutil.rmtree(old)
        else:
            staging.replace(final)
    except BaseException:
        shutil.rmtree(staging, ignore_errors=True)
        raise


def _flush(folder: Path) -> None:
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb") as stream:
                os.fsync(stream.fileno())
