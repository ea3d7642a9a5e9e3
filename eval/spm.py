"""spBLEU's tokenizer (Goyal et al. 2022) from a SentencePiece model that lies on this machine."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from ..mt.cache import cache_folder
from ..mt.errors import ConfigError
from ..mt.files import sha256_of

if TYPE_CHECKING:
    from sacrebleu.metrics.bleu import BLEU

MODEL_NAME = "flores200.model"


class LocalPieces:
    """Splits lines into the pieces of a SentencePiece model, joined by spaces, as sacrebleu's own tokenizers do.

    The signature holds the file's name and digest: two files of one name are two metrics.
    """

    def __init__(self, model: Path) -> None:
        from sentencepiece import SentencePieceProcessor

        self._processor = SentencePieceProcessor()
        self._processor.Load(str(model))
        self._name = f"{model.stem}-{sha256_of(model)[:8]}"
        self._pieces = lru_cache(maxsize=2**16)(self._processor.EncodeAsPieces)  # references come again with every system

    def __call__(self, line: str) -> str:
        """The pieces of one line, joined by spaces."""
        return " ".join(self._pieces(line))

    def signature(self) -> str:
        """The part of a BLEU signature after `tok:`."""
        return self._name


def cached_model() -> Path | None:
    """The model kept in Dragoman's cache as `spm/flores200.model`, if there is one."""
    path = cache_folder() / "spm" / MODEL_NAME
    return path if path.is_file() else None


def local_bleu(model: Path) -> BLEU:
    """BLEU over the pieces of a model file.

    Raises:
        ConfigError: no such file, or not a SentencePiece model.
    """
    from sacrebleu.metrics.bleu import BLEU

    if not model.is_file():
        raise ConfigError(
            "no such SentencePiece model",
            where=model,
            allowed="spBLEU's model file",
            hint=f"put it at {cache_folder() / 'spm' / MODEL_NAME}",
        )
    try:
        tokenizer = LocalPieces(model)
    except (RuntimeError, OSError) as error:
        raise ConfigError(f"not a SentencePiece model: {error}", where=model) from error
    metric = BLEU(tokenize="none")
    metric.tokenizer = tokenizer
    metric.tokenizer_signature = tokenizer.signature()
    return metric
