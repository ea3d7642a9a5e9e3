"""A plain safetensors folder that needs nothing of ours and nothing of peft."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, cast

from ..errors import ConfigError
from ..files import staged_folder
from .loading import check_free, load_whole, write_facts, write_tokenizer

if TYPE_CHECKING:
    from transformers import PreTrainedModel

DTYPES = ("float32", "bfloat16", "float16")


def export_merged(source: str, out: Path, *, dtype: str = "float32", revision: str | None = None, overwrite: bool = False) -> None:
    """Write a model with its adapter added to the weights.

    Args:
        source: as `load_model` takes it.
        out: the folder to write.
        dtype: of the stored weights, a name out of `DTYPES`; float32 translates exactly as the source does, the others take half the room.
        revision: of a Hub id.
        overwrite: replace an earlier export.

    Raises:
        ConfigError: `out` is there, or no such dtype.
        DragomanError: the source cannot be loaded.
    """
    import torch

    if dtype not in DTYPES:
        raise ConfigError(f"no dtype {dtype!r}", where="--dtype", allowed=", ".join(DTYPES))
    check_free(out, overwrite)
    loaded = load_whole(source, revision)
    model = cast("PreTrainedModel", loaded.model)
    model.to(getattr(torch, dtype))
    model.config.dtype = getattr(torch, dtype)
    with staged_folder(out) as folder:
        model.save_pretrained(folder)
        write_tokenizer(loaded, folder)
        write_facts(loaded, folder, "merged")
