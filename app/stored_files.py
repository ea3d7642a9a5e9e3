"""Results to be downloaded: in a folder of our own, under names of our own, for a while."""

from __future__ import annotations

import re
import secrets
import shutil
import tempfile
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from threading import Lock

from .limits import Limits

_UNSAFE = re.compile(r"[^\w.-]+")
_LONGEST_NAME = 80


@dataclass(frozen=True)
class StoredFile:
    """A file that can be fetched.

    Attributes:
        name: what it is called when it is saved; never part of a path here.
    """

    name: str
    path: Path
    expires: float


class StoredFiles:
    """Files under random tokens. A token is the only way to one: nothing a client sends is ever part of a path.

    Args:
        limits: how many are kept, and how long; the oldest makes way.
        clock: seconds.
    """

    def __init__(self, limits: Limits, clock: Callable[[], float] = time.monotonic) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="dragoman-files-"))  # readable by us only
        self._limits, self._clock = limits, clock
        self._files: OrderedDict[str, StoredFile] = OrderedDict()
        self._lock = Lock()

    def put(self, name: str, data: bytes) -> str:
        """Keep a file; the token it is fetched by."""
        token = secrets.token_urlsafe(24)
        path = self.folder / secrets.token_hex(16)
        path.write_bytes(data)
        with self._lock:
            self._files[token] = StoredFile(safe_name(name), path, self._clock() + self._limits.file_seconds)
            while len(self._files) > self._limits.files:
                self._files.popitem(last=False)[1].path.unlink(missing_ok=True)
            self._forget_old()
        return token

    def get(self, token: str) -> StoredFile | None:
        """The file of a token; None when there is none, or its time is over."""
        with self._lock:
            self._forget_old()
            return self._files.get(token)

    def close(self) -> None:
        """Remove the folder."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _forget_old(self) -> None:
        now = self._clock()
        for token in [token for token, file in self._files.items() if file.expires <= now]:
            self._files.pop(token).path.unlink(missing_ok=True)


def safe_name(name: str) -> str:
    """A name to save under: the last part of a path, letters, digits, dots, hyphens and underscores; never hidden, never long."""
    last = PurePosixPath(name.replace("\\", "/")).name
    stem, dot, ending = _UNSAFE.sub("_", last).rpartition(".")
    ending = ending[:16]
    stem = stem.lstrip(".")[: _LONGEST_NAME - len(ending)]
    return f"{stem or ('file' if dot else '')}{dot}{ending}" or "file"
