"""Tokenised examples on disk: written while they are tokenised, read as memory maps, so that no corpus is too large for memory.

A folder holds one raw file a column (`examples.Examples`, numbers in the machine's byte order) and `account.json`: the columns' types, the
names of the corpus files and what else is to be known of the corpora. It is made and named complete by `cache.build_once`.
"""

from __future__ import annotations

import hashlib
import shutil
from array import array
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from .cache import build_once, is_complete, locked, read_facts, read_json
from .examples import Column, Example, Examples, ExampleSink, file_number
from .files import sha256_of, write_json

ACCOUNT = "account.json"
WIDE = {"tokens": "i", "ends": "q", "target_starts": "i", "lines": "q", "file_of": "i"}  # `array` type codes: i 4 bytes, q 8
NARROW = {**WIDE, "tokens": "H"}  # 2 bytes, for ids below 65,536
_FLUSH = 1 << 16  # numbers of a column that wait in memory
Account = dict[str, Any]  # JSON
Tokenise = Callable[[ExampleSink], Account]


@dataclass(frozen=True)
class StoredExamples(Examples):
    """Examples in the files of a folder; what is not being read takes no memory."""

    tokens: Column
    ends: Column
    target_starts: Column
    lines: Column
    file_of: Column
    names: list[str]

    def _ids(self, start: int, end: int) -> array[int]:
        stretch = np.asarray(self.tokens[start:end])
        return array(stretch.dtype.char, stretch.tobytes())


class ExampleWriter:
    """Writes examples to a folder as they come; in memory are the last few thousand, and the names of files."""

    def __init__(self, folder: Path, codes: Mapping[str, str]) -> None:
        self._stack = ExitStack()
        self._columns = {name: _ColumnFile(self._stack.enter_context(_path(folder, name).open("wb")), code) for name, code in codes.items()}
        self._folder, self._codes = folder, dict(codes)
        self._names: list[str] = []
        self._numbers: dict[str, int] = {}
        self._tokens = self._count = 0

    def __enter__(self) -> ExampleWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def __len__(self) -> int:
        return self._count

    def add(self, example: Example) -> None:
        """Append one example."""
        assert 1 <= example.target_start < len(example.ids), "an example must have something to predict"
        self._tokens += len(example.ids)
        self._count += 1
        columns = self._columns
        columns["tokens"].extend(example.ids)
        columns["ends"].append(self._tokens)
        columns["target_starts"].append(example.target_start)
        columns["lines"].append(example.origin.line)
        columns["file_of"].append(file_number(example.origin.file, self._names, self._numbers))

    def finish(self, account: Account) -> dict[str, str]:
        """Write the rest and the account; returns the SHA-256 of every file."""
        digests = {_path(self._folder, name).name: column.finish() for name, column in self._columns.items()}
        facts = {"codes": self._codes, "names": self._names, "examples": self._count, "tokens": self._tokens}
        write_json(self._folder / ACCOUNT, {**facts, **account})
        return {**digests, ACCOUNT: sha256_of(self._folder / ACCOUNT)}


class _ColumnFile:
    """Numbers of one type: buffered, hashed and written."""

    def __init__(self, stream: BinaryIO, code: str) -> None:
        self._stream, self._code, self._digest = stream, code, hashlib.sha256()
        self._waiting = array(code)

    def extend(self, numbers: Iterable[int]) -> None:
        """Add numbers.

        Raises:
            OverflowError: one is too large for the type.
        """
        self._waiting.extend(numbers)
        if len(self._waiting) >= _FLUSH:
            self._flush()

    def append(self, number: int) -> None:
        """Add one number."""
        self.extend((number,))

    def finish(self) -> str:
        """Write what waits; returns the SHA-256 of all."""
        self._flush()
        self._stream.flush()
        return self._digest.hexdigest()

    def _flush(self) -> None:
        content = self._waiting.tobytes()
        self._digest.update(content)
        self._stream.write(content)
        self._waiting = array(self._code)


def stored_examples(folder: Path, codes: Mapping[str, str], tokenise: Tokenise) -> tuple[StoredExamples, Account, str]:
    """The examples that lie in `folder`, tokenised now if they do not, or no longer as they were written.

    Of several processes that start at once one tokenises, and the others wait for it.

    Args:
        folder: of this module's making, or absent; its name must stand for everything the tokens depend on.
        codes: the columns' types, `WIDE` or `NARROW`.
        tokenise: fills a sink with examples and returns what else is to be kept.

    Returns:
        The examples, the account, and a line for people about where they came from.

    Raises:
        SourceError: the folder cannot be written; and whatever `tokenise` raises.
    """
    damage = _damage(folder) if folder.exists() else None
    if damage:
        _discard(folder)
    made = False

    def build(target: Path) -> Mapping[str, str]:
        nonlocal made
        made = True
        with ExampleWriter(target, codes) as writer:
            return writer.finish(tokenise(writer))

    build_once(folder, build)
    examples, account = _open(folder)
    said = f"{account['tokens']:,} tokens {'written to' if made else 'read from'} {folder}"
    return examples, account, f"{said} (what was there is damaged: {damage})" if damage else said


def _open(folder: Path) -> tuple[StoredExamples, Account]:
    account: Account = read_json(folder / ACCOUNT)
    columns = {
        name: np.asarray(np.memmap(_path(folder, name), np.dtype(code), mode="r")) for name, code in sorted(account["codes"].items())
    }
    return StoredExamples(names=account["names"], **columns), account


def _damage(folder: Path) -> str | None:
    """What is wrong with a folder of tokens: a file of another size, or of other bytes than were written."""
    if not is_complete(folder):
        return "a file is missing, or shorter or longer than it was written"
    wrong = [name for name, digest in read_facts(folder).items() if sha256_of(folder / name) != digest]
    return f"{wrong[0]} is not as it was written" if wrong else None


def _discard(folder: Path) -> None:
    with locked(folder):
        if folder.exists() and _damage(folder):  # another process may have made it anew by now
            shutil.rmtree(folder)


def _path(folder: Path, column: str) -> Path:
    return folder / f"{column}.bin"
