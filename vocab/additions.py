"""An addition: the pieces a tokenizer shall get, as `dragoman vocab learn` writes them and `dragoman vocab expand` reads them.

It belongs to one base tokenizer, whose digest it carries: new ids follow that tokenizer's own, in the order of `pieces`.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from ..mt.errors import ModelError
from ..mt.files import write_json

Family = Literal["byte-bpe", "sentencepiece-bpe", "unigram"]
Scheme = Literal["continued", "auxiliary-first", "added-tokens"]
_FORMAT = 1


@dataclass(frozen=True)
class Addition:
    """New pieces for one tokenizer.

    Attributes:
        family: how the base tokenizer splits words.
        scheme: how the pieces enter: `continued` appends merges learnt on text that the base tokenizer had split already;
            `auxiliary-first` puts the merges of a separate tokenizer before the base's (Yamaguchi et al. 2024); `added-tokens` uses
            `tokenizer.add_tokens`.
        pieces: in the vocabulary's own spelling (byte-level BPE: every byte as a printable character), in the order of their ids.
        merges: pairs of pieces, in order of rank among themselves; empty for Unigram and `added-tokens`.
        scores: one a piece for Unigram (log-probabilities); empty otherwise.
        pre_tokenizer: the widened pre-tokenizer in tokenizer.json's form; None where the base's stays.
        base: digest of the tokenizer it was learnt for (`mt.provenance.tokenizer_digest`).
        language: FLORES or BCP 47 code.
        facts: what it was learnt from and how: texts and their SHA-256, sizes, seed, versions.
    """

    family: Family
    scheme: Scheme
    pieces: tuple[str, ...]
    merges: tuple[tuple[str, str], ...]
    base: str
    language: str
    scores: tuple[float, ...] = ()
    pre_tokenizer: dict[str, Any] | None = None
    facts: dict[str, Any] = field(default_factory=dict)

    def save(self, path: Path) -> None:
        """Write it as one JSON file, whole or not at all."""
        write_json(path, {"format": _FORMAT, **asdict(self)})


def load_addition(path: Path) -> Addition:
    """Read what `Addition.save` wrote.

    Raises:
        ModelError: no such file, not JSON, or not an addition of a known format.
    """
    hint = "dragoman vocab learn --help"
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"cannot be read as learnt pieces: {error}", where=path, hint=hint) from error
    wanted = {"family", "scheme", "pieces", "merges", "base", "language", "scores", "pre_tokenizer", "facts"}
    if not isinstance(fields, dict) or fields.pop("format", None) != _FORMAT or set(fields) != wanted:
        allowed = f"what `dragoman vocab learn` writes, format {_FORMAT}"
        raise ModelError("not a file of learnt pieces", where=path, allowed=allowed, hint=hint)
    if fields["family"] not in get_args(Family) or fields["scheme"] not in get_args(Scheme):
        raise ModelError(f"family {fields['family']!r}, scheme {fields['scheme']!r}: unknown", where=path, hint=hint)
    for name in ("pieces", "scores"):
        fields[name] = tuple(fields[name])
    fields["merges"] = tuple((left, right) for left, right in fields["merges"])
    return Addition(**fields)
