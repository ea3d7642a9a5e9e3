"""ZIP archives that strangers made: looked through before anything is unpacked, and written again with some members changed."""

from __future__ import annotations

import copy
import io
import re
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass

from .records import Request

_SMALL = 2**20  # bytes: what unpacks to less does no harm, whatever its ratio
_OUTSIDE = re.compile(r"^[/\\]|^[A-Za-z]:|(?:^|[/\\])\.\.(?:[/\\]|$)|[\0\\]")
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


@dataclass(frozen=True)
class Archive:
    """An archive within the limits, every member of which can be read."""

    request: Request
    members: Mapping[str, zipfile.ZipInfo]

    def read(self, name: str) -> bytes:
        """A member unpacked.

        Raises:
            CorpusError: it is damaged.
        """
        with zipfile.ZipFile(io.BytesIO(self.request.data)) as opened:
            return self._read(opened, self.members[name])

    def _read(self, opened: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
        try:
            with opened.open(info) as member:
                data = member.read(info.file_size + 1)
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, ValueError) as error:
            raise self.request.error(f"its member {info.filename[:80]!r} is damaged: {str(error)[:100]}") from None
        if len(data) != info.file_size:
            raise self.request.error(f"its member {info.filename[:80]!r} is not as long as it says")
        return data

    def write(self, changed: Mapping[str, bytes]) -> bytes:
        """The archive with some members changed; the others keep their bytes, names, dates and order. Unchanged, it is the file itself."""
        if not changed:
            return self.request.data
        made = io.BytesIO()
        with zipfile.ZipFile(io.BytesIO(self.request.data)) as given, zipfile.ZipFile(made, "w") as written:
            written.comment = given.comment
            for name, info in self.members.items():
                data = changed[name] if name in changed else self._read(given, info)
                written.writestr(copy.copy(info), data)
        return made.getvalue()


def open_archive(request: Request) -> Archive:
    """An archive, of which only the list of members has been read.

    Raises:
        CorpusError: no archive, a damaged or encrypted one, names that are double or lead outside; more than the limits allow.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(request.data)) as opened:
            found = opened.infolist()
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError, UnicodeDecodeError) as error:
        raise request.error(f"not a ZIP archive that can be read: {str(error)[:100]}") from None
    limits = request.limits
    if len(found) > limits.members:
        raise request.error(f"an archive of {len(found):,} files", allowed=f"{limits.members:,} at most (limit members)")
    unpacked = sum(info.file_size for info in found)
    if unpacked > limits.unpacked_bytes:
        raise request.error(f"it unpacks to {unpacked:,} bytes", allowed=f"{limits.unpacked_bytes:,} at most (limit unpacked_bytes)")
    names: set[str] = set()
    for info in found:
        if reason := _refused(info, names, limits.ratio):
            raise request.error(f"its member {info.orig_filename[:80]!r} {reason}")
        names.add(info.filename.casefold())
    return Archive(request, {info.filename: info for info in found})


def _refused(info: zipfile.ZipInfo, names: set[str], ratio: int) -> str | None:
    """Why a member is not to be unpacked, or None. `names` are those before it, folded."""
    if _OUTSIDE.search(info.orig_filename):
        return "has a name that leads outside the archive"
    if info.filename.casefold() in names:
        return "is there twice"
    if info.flag_bits & 0x1:
        return "is encrypted"
    if info.compress_type not in _METHODS:
        return f"is packed by method {info.compress_type}, and only stored and deflated files are read"
    if info.file_size > _SMALL and info.file_size > ratio * max(1, info.compress_size):
        return f"unpacks to more than {ratio:,} times its size (limit ratio)"
    return None
