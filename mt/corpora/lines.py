"""Lines of a file as the field counts them: bytes split at `\\n` and nothing else, decoded one by one, `.gz` unpacked on the way.

`str.splitlines` would also split at U+2028, U+0085 or a form feed, which occur inside sentences and would shift every following pair.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from io import BufferedIOBase
from pathlib import Path
from typing import cast

from ..errors import CorpusError
from .records import Origin
from .tally import Tally

_BOM = b"\xef\xbb\xbf"
UNDECODABLE = "not valid UTF-8"


def open_bytes(path: Path) -> BufferedIOBase:
    """A file's bytes, unpacked when its name ends in `.gz`."""
    return cast(BufferedIOBase, gzip.open(path, "rb")) if path.suffix.lower() == ".gz" else path.open("rb")


def byte_lines(path: Path) -> Iterator[bytes]:
    """Lines without their `\\n` or `\\r\\n` and without a byte order mark.

    Raises:
        CorpusError: unreadable, or a damaged `.gz`.
    """
    try:
        with open_bytes(path) as stream:
            for number, line in enumerate(stream):
                content = line[:-1] if line.endswith(b"\n") else line
                content = content[:-1] if content.endswith(b"\r") else content
                yield content.removeprefix(_BOM) if number == 0 else content
    except (gzip.BadGzipFile, zlib.error, EOFError) as error:
        raise CorpusError(f"a damaged gzip file: {error}", where=path, hint="fetch or pack it again") from None
    except OSError as error:
        raise CorpusError(f"cannot be read: {error.strerror or error}", where=path) from None


def read_bytes(path: Path) -> bytes:
    """A whole file, unpacked, without a byte order mark; errors as `byte_lines`."""
    return b"\n".join(byte_lines(path))


def decoded_lines(path: Path, tally: Tally) -> Iterator[tuple[Origin, str]]:
    """Every line that is UTF-8, with its place; the others are counted in the tally."""
    for number, line in enumerate(byte_lines(path), start=1):
        origin = Origin(str(path), number)
        try:
            yield origin, line.decode("utf-8")
        except UnicodeDecodeError:
            tally.skip(origin, UNDECODABLE)


def count_lines(path: Path) -> int:
    """Number of lines; a last one without `\\n` counts, and nothing after the last `\\n` does not."""
    return sum(1 for _ in byte_lines(path))
