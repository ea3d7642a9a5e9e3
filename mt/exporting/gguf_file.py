"""GGUF files (version 3) of Llama-type models, for llama.cpp and what is built on it; the package `gguf` writes them."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from ..errors import ConfigError, ModelError
from ..files import named_errors
from ..gguf import FACTS_FIELD
from ..model_facts import facts_fields
from ..models import LoadedModel
from .gguf_tokenizer import add_tokenizer
from .loading import check_architecture, load_whole

if TYPE_CHECKING:
    import numpy as np
    import torch
    from transformers import PreTrainedModel

# As `--type` spells it: the block type of matrices, and llama.cpp's name of such a file.
GGUF_TYPES = {"f32": ("F32", "ALL_F32"), "f16": ("F16", "MOSTLY_F16"), "q8_0": ("Q8_0", "MOSTLY_Q8_0")}
_BLOCK = 32  # weights of a Q8_0 block; rows that are no multiple stay F16, as llama.cpp's own tool does it
_ARCHITECTURES = ("llama", "mistral")


def export_gguf(source: str, out: Path, *, type_: str = "f16", revision: str | None = None, overwrite: bool = False) -> None:
    """Write a model with its tokenizer as one GGUF file.

    Args:
        source: as `load_model` takes it.
        out: the file to write, `.gguf`.
        type_: a name out of `GGUF_TYPES`; norms are always F32.
        revision: of a Hub id.
        overwrite: replace the file.

    Raises:
        ConfigError: `out` is there or not named `.gguf`, or no such type.
        ModelError: not a Llama-type model, or a tokenizer for which llama.cpp has no name.
        DragomanError: the source cannot be loaded.
    """
    if type_ not in GGUF_TYPES:
        raise ConfigError(f"no type {type_!r}", where="--type", allowed=", ".join(GGUF_TYPES))
    if out.suffix != ".gguf":
        raise ConfigError("not named .gguf", where=out, hint=f"{out}.gguf")
    if out.is_dir():
        raise ConfigError("a folder", where=out, allowed="a file to write")
    if out.exists() and not overwrite:
        raise ConfigError("is there already", where=out, hint="--overwrite replaces it")
    loaded = load_whole(source, revision)
    check_architecture(loaded, _ARCHITECTURES, "GGUF")
    out.parent.mkdir(parents=True, exist_ok=True)
    handle, staged = tempfile.mkstemp(prefix=f".{out.name}.", dir=out.parent)
    os.close(handle)
    try:
        with named_errors(out):
            _write(loaded, Path(staged), type_)
        Path(staged).chmod(0o644)
        Path(staged).replace(out)
    except BaseException:
        Path(staged).unlink(missing_ok=True)
        raise


def _write(loaded: LoadedModel, path: Path, type_: str) -> None:
    import gguf

    block, file_type = GGUF_TYPES[type_]
    writer = gguf.GGUFWriter(path, "llama")
    try:
        _add_settings(writer, loaded, gguf.LlamaFileType[file_type])
        rows = loaded.model.get_input_embeddings().weight.shape[0]
        add_tokenizer(writer, loaded.tokenizer, rows, loaded.source)
        for name, weights in _tensors(loaded):
            kind = gguf.GGMLQuantizationType[block if weights.ndim == 2 else "F32"]
            if kind.name == "Q8_0" and weights.shape[-1] % _BLOCK:
                kind = gguf.GGMLQuantizationType.F16
            writer.add_tensor(name, gguf.quants.quantize(weights, kind), raw_dtype=kind)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
    finally:
        writer.close()


def _add_settings(writer: Any, loaded: LoadedModel, file_type: int) -> None:
    config = cast("PreTrainedModel", loaded.model).config
    heads = config.num_attention_heads
    facts = facts_fields(kind="gguf", base=loaded.source, base_revision=loaded.revision, prompt=loaded.prompt, directions=loaded.directions)
    for add, value in (
        (writer.add_file_type, file_type),
        (writer.add_context_length, config.max_position_embeddings),
        (writer.add_embedding_length, config.hidden_size),
        (writer.add_block_count, config.num_hidden_layers),
        (writer.add_feed_forward_length, config.intermediate_size),
        (writer.add_head_count, heads),
        (writer.add_head_count_kv, getattr(config, "num_key_value_heads", None) or heads),
        (writer.add_layer_norm_rms_eps, config.rms_norm_eps),
        (writer.add_rope_freq_base, float(_rope(loaded)["rope_theta"])),
        (writer.add_rope_dimension_count, _head_size(loaded)),
        (writer.add_vocab_size, loaded.model.get_input_embeddings().weight.shape[0]),
    ):
        add(value)
    writer.add_string(FACTS_FIELD, json.dumps(facts, ensure_ascii=False))


def _head_size(loaded: LoadedModel) -> int:
    config = loaded.model.config
    return int(getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads)


def _rope(loaded: LoadedModel) -> dict[str, Any]:
    """The rotary settings; refused where llama.cpp's Llama has no such kind."""
    found = dict(loaded.model.config.rope_parameters)
    if found.get("rope_type", "default") not in ("default", "llama3"):
        raise ModelError(f"GGUF is not written for rotary positions of the kind {found['rope_type']!r}", where=loaded.source)
    return found


def _tensors(loaded: LoadedModel) -> Iterator[tuple[str, np.ndarray[Any, Any]]]:
    """Weights by llama.cpp's names, float32; those of queries and keys with the halves of each head interleaved, as it rotates them."""
    import gguf

    config = loaded.model.config
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, config.num_hidden_layers)
    tied = loaded.model.get_input_embeddings().weight is loaded.model.get_output_embeddings().weight
    for theirs, weights in loaded.model.state_dict().items():
        if tied and theirs == "lm_head.weight":
            continue
        ours = names.get_name(theirs, try_suffixes=(".weight",))
        if ours is None or theirs.endswith(".bias"):
            raise ModelError(f"GGUF is not written for models with {theirs}", where=loaded.source)
        if theirs.endswith(("q_proj.weight", "k_proj.weight")):
            weights = _interleaved(weights, _head_size(loaded))
        yield ours, weights.float().numpy()
    if _rope(loaded).get("rope_type") == "llama3":
        yield "rope_freqs.weight", _frequency_factors(loaded)


def _interleaved(weights: torch.Tensor, head: int) -> torch.Tensor:
    """(heads * head, d): of each head, row i and row i + head/2 side by side."""
    return weights.view(-1, 2, head // 2, weights.shape[1]).transpose(1, 2).reshape(weights.shape)


def _frequency_factors(loaded: LoadedModel) -> np.ndarray[Any, Any]:
    """(head / 2,) what each plain rotary frequency is divided by in Llama 3.1 and later."""
    import torch

    head = _head_size(loaded)
    plain = _rope(loaded)["rope_theta"] ** -(torch.arange(0, head, 2, dtype=torch.float32) / head)
    scaled: torch.Tensor = loaded.model.model.rotary_emb.inv_freq
    factors: np.ndarray[Any, Any] = (plain / scaled.float().cpu()).numpy()
    return factors
