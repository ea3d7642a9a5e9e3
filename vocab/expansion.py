"""`vocabulary.json`: what an expanded model says about its new rows, beside its weights.

Training reads it to train only those rows and to save an adapter over the original base that carries them. Nothing here needs torch.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from ..mt.errors import ConfigError, ModelError
from ..mt.files import write_json
from .additions import Addition

EXPANSION_FILE = "vocabulary.json"
_FORMAT = 1


@dataclass(frozen=True)
class Expansion:
    """Which rows of a model are new, over which base, and where their first values came from.

    Attributes:
        base: source of the model that was expanded, as the user spelled it.
        base_revision: Hub commit or wheel version; None for a path.
        base_tokenizer: digest of its tokenizer (`mt.provenance.tokenizer_digest`).
        addition: digest of the pieces (`addition_digest`).
        first_id: id of the first new piece; the rows before it are the base's, bit for bit.
        count: new pieces, whose ids follow one another.
        rows_before: embedding rows of the base, its padding included.
        rows_after: embedding rows now.
        tied: input embeddings and output head are one matrix.
        method: what initialised the rows, a key of `vocab.initialise.METHODS`.
        origins: rows by what really gave them their values; fallbacks show here.
        seed: of everything random.
        language: what the pieces are for.
        versions: of the packages that decide a result.
        facts: the addition's own facts and the texts the initialisation read.
    """

    base: str
    base_revision: str | None
    base_tokenizer: str
    addition: str
    first_id: int
    count: int
    rows_before: int
    rows_after: int
    tied: bool
    method: str
    origins: dict[str, int]
    seed: int
    language: str
    versions: dict[str, str]
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def new_ids(self) -> range:
        """Ids of the new pieces."""
        return range(self.first_id, self.first_id + self.count)

    def save(self, folder: Path) -> None:
        """Write `vocabulary.json` there, whole or not at all."""
        write_json(folder / EXPANSION_FILE, {"format": _FORMAT, **asdict(self)})


def read_expansion(folder: Path) -> Expansion | None:
    """What the model in `folder` says about its new rows; None where it has none.

    Raises:
        ModelError: damaged, of another format, or with numbers that cannot be.
    """
    path = folder / EXPANSION_FILE
    if not path.is_file():
        return None
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"not readable as JSON: {error}", where=path) from error
    if not isinstance(found, dict) or found.pop("format", None) != _FORMAT:
        raise ModelError("not an expansion of a known format", where=path, allowed=f"format {_FORMAT}")
    names = {one.name for one in fields(Expansion)}
    if set(found) != names:
        raise ModelError(f"other fields than expected: {', '.join(sorted(set(found) ^ names))}", where=path)
    _check_numbers(found, path)
    return Expansion(**found)


def addition_digest(addition: Addition) -> str:
    """SHA-256 of what an addition does to a tokenizer, whatever it was learnt from."""
    acting = [addition.family, addition.scheme, addition.pieces, addition.merges, addition.scores, addition.pre_tokenizer, addition.base]
    return hashlib.sha256(json.dumps(acting).encode()).hexdigest()


def check_output(folder: Path, source: str, *, overwrite: bool) -> None:
    """Refuse an output folder before any work is done for it.

    Raises:
        ConfigError: it is the model to be expanded itself, a file, or a folder with something in it and `overwrite` is not set.
    """
    if folder.exists() and Path(source).expanduser().exists() and folder.samefile(Path(source).expanduser()):
        raise ConfigError("the model to be expanded itself", where=folder, hint="choose another --output")
    if folder.exists() and not folder.is_dir():
        raise ConfigError("a file, where a folder is to be written", where=folder)
    if folder.is_dir() and any(folder.iterdir()) and not overwrite:
        raise ConfigError("the output folder is there already", where=folder, hint="--overwrite, or another --output")


def _check_numbers(found: Mapping[str, Any], path: Path) -> None:
    numbers = [found[name] for name in ("first_id", "count", "rows_before", "rows_after", "seed")]
    whole = all(isinstance(one, int) and not isinstance(one, bool) for one in numbers)
    if not whole or not 0 <= found["first_id"] <= found["rows_before"] or not 0 < found["count"] <= found["rows_after"] - found["first_id"]:
        raise ModelError("its numbers do not fit each other", where=path, allowed="first_id <= rows_before, first_id + count <= rows_after")
