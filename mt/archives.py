"""Taking files out of wheels (zip archives) that strangers made: nothing lands outside the target folder, nothing is executed."""

from __future__ import annotations

import shutil
import stat
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path, PurePosixPath

from .errors import SourceError


def is_whole(archive: Path) -> bool:
    """Whether every member of a zip archive is there and matches its checksum (CRC-32)."""
    try:
        with zipfile.ZipFile(archive) as opened:
            return opened.testzip() is None
    except (OSError, ValueError, zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError):
        return False


def members(archive: Path) -> list[str]:
    """The names of the files (not folders) in a zip archive, all of them safe to extract, sorted.

    Raises:
        SourceError: not a zip archive, or a member that is absolute, climbs out with `..`, or is a link.
    """
    with _opened(archive) as opened:
        for info in opened.infolist():
            _check_member(archive, info)
        return sorted(info.filename for info in opened.infolist() if not info.is_dir())


def extract(archive: Path, target: Path, wanted: Callable[[str], bool]) -> list[Path]:
    """Extract the members whose name `wanted` accepts into `target`, under their own paths.

    Raises:
        SourceError: as `members`; or a damaged member; or more bytes than the disk has room for.
    """
    chosen = [name for name in members(archive) if wanted(name)]
    extracted: list[Path] = []
    with _opened(archive) as opened:
        needed, free = sum(opened.getinfo(name).file_size for name in chosen), shutil.disk_usage(target).free
        if needed > free:
            raise SourceError(
                f"unpacks to {needed:,} bytes, but only {free:,} are free", where=target, hint="set DRAGOMAN_CACHE to a larger disk"
            )
        for name in chosen:
            path = target.joinpath(*PurePosixPath(name).parts)
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                with opened.open(name) as source, path.open("wb") as sink:
                    shutil.copyfileobj(source, sink, 1 << 20)
            except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
                raise SourceError(f"damaged member {name}: {error}", where=archive, hint="remove the file; it is fetched again") from error
            extracted.append(path)
    return extracted


def _opened(archive: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(archive)
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise SourceError(f"not a readable zip archive: {error}", where=archive, hint="remove the file; it is fetched again") from error


def _check_member(archive: Path, info: zipfile.ZipInfo) -> None:
    """`zipfile` itself strips some of this silently; a wheel that tries it is refused as a whole instead."""
    name, mode = info.filename, info.external_attr >> 16
    kind = stat.S_IFMT(mode)
    if name.startswith("/") or "\\" in name or ":" in name or "\0" in name or ".." in name.split("/"):
        raise SourceError(f"refused: the member {name!r} points outside the archive", where=archive)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise SourceError(f"refused: the member {name!r} is a link or a device", where=archive)
