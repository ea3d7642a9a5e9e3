"""GGUF files, converted once to a safetensors folder that plain transformers loads.

Loading a GGUF file takes half a minute for the smallest models and cannot be saved as it is; the converted folder loads in a second.
"""

from __future__ import annotations

import json
import logging
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, cast

from .cache import build_once
from .errors import ModelError
from .model_facts import FACTS_FILE

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

_log = logging.getLogger(__name__)
_MAGIC = b"GGUF"
FACTS_FIELD = "dragoman.facts"  # in files that `dragoman export gguf` writes: the content of dragoman.json
# What reading a damaged or unknown GGUF file raises inside gguf and transformers.
_READ_ERRORS = (ValueError, KeyError, IndexError, TypeError, AttributeError, OSError, RuntimeError, NotImplementedError)

# `tokenizer.ggml.pre` names whose vocabularies were learned with every digit apart. transformers builds them with the plain GPT-2 split,
# under which digits outside ASCII merge with their neighbours (seen in Burmese, Khmer and Arabic text).
_SINGLE_DIGITS = frozenset({"smollm", "starcoder", "refact", "command-r", "codeshell", "minerva-7b"})

_PROBES = (
    "The year 1984: 3.14 — “quoted”, isn't it?\n\n\tend ",
    "Zażółć gęślą jaźń",
    "١٢٣ مرحبا ၂၀၂၄ ខ្មែរ១២",
    "नमस्ते 👩‍👩‍👧 東京 नि",
    "<|im_start|>user\nhi<|im_end|>",
)


def convert_gguf(gguf_file: Path, target: Path) -> None:
    """Convert a GGUF file to the folder `target`, unless that is there already.

    The folder holds config.json, generation_config.json, model.safetensors, tokenizer.json and tokenizer_config.json with the chat
    template. It is built out of sight and renamed when complete.

    Raises:
        ModelError: not a GGUF file, a damaged one, or an architecture or tokenizer transformers does not read.
        SourceError: `target` exists and is not Dragoman's, or cannot be written.
    """
    build_once(target, lambda folder: write_safetensors(gguf_file, folder))


def write_safetensors(gguf_file: Path, folder: Path) -> dict[str, str]:
    """Convert a GGUF file into an existing folder and return facts about it: `gguf` (file name) and `dtype` of the stored weights.

    Weights are dequantised to float32 and stored as float16 or bfloat16 only where that loses nothing (a GGUF file of that type).
    """
    check_gguf(gguf_file)
    _log.info("converting %s to safetensors, once (half a minute for a small model)", gguf_file.name)
    try:
        digits_apart = _field(gguf_file, "tokenizer.ggml.pre") in _SINGLE_DIGITS
        tokenizer = _load_tokenizer(gguf_file, digits_apart)
        model = _load_model(gguf_file)
    except _READ_ERRORS as error:
        raise ModelError(
            f"cannot be converted: {_first_line(error)}", where=gguf_file, allowed="a GGUF file of an architecture transformers reads"
        ) from error
    dtype = _lossless_dtype(model)
    model.to(dtype)
    model.config.dtype = dtype
    try:
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder, save_jinja_files=False)
    except OSError as error:
        raise ModelError(
            f"cannot be written: {error.strerror or error}", where=folder, hint="free some disk space, or set DRAGOMAN_CACHE"
        ) from error
    _check_tokenizer(tokenizer, folder, gguf_file)
    facts = _field(gguf_file, FACTS_FIELD)
    if isinstance(facts, str):
        (folder / FACTS_FILE).write_text(facts, encoding="utf-8")
    return {"gguf": gguf_file.name, "dtype": str(dtype).removeprefix("torch.")}


def check_gguf(gguf_file: Path) -> None:
    """Refuse what is not a GGUF file, by its first bytes.

    Raises:
        ModelError: missing, unreadable or without the GGUF magic.
    """
    try:
        with gguf_file.open("rb") as file:
            magic = file.read(len(_MAGIC))
    except OSError as error:
        raise ModelError(f"cannot be read: {error.strerror or error}", where=gguf_file) from error
    if magic != _MAGIC:
        raise ModelError(f"not a GGUF file: it starts with {magic!r}", where=gguf_file, allowed="a file that starts with the bytes GGUF")


def _field(gguf_file: Path, name: str) -> object:
    """One metadata field of a GGUF file, None when absent."""
    from gguf import GGUFReader

    field = GGUFReader(gguf_file).fields.get(name)
    return None if field is None else field.contents()


def _load_tokenizer(gguf_file: Path, digits_apart: bool) -> PreTrainedTokenizerBase:
    from tokenizers import pre_tokenizers
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(str(gguf_file.parent), gguf_file=gguf_file.name, local_files_only=True)
    for name in ("name_or_path", "is_local", "local_files_only", "vocab_file"):  # traces of this machine, of no use in the folder
        tokenizer.init_kwargs.pop(name, None)
    _drop_additions(tokenizer, gguf_file)
    if digits_apart:
        backend = tokenizer.backend_tokenizer
        backend.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), backend.pre_tokenizer])
    return cast("PreTrainedTokenizerBase", tokenizer)


def _drop_additions(tokenizer: PreTrainedTokenizerBase, gguf_file: Path) -> None:
    """Without the `<|endoftext|>` that transformers adds to byte-level vocabularies that have none: the model has no row for it."""
    from tokenizers import Tokenizer

    pieces = _field(gguf_file, "tokenizer.ggml.tokens")
    tree = json.loads(tokenizer.backend_tokenizer.to_str())
    known = [added for added in tree["added_tokens"] if not isinstance(pieces, list) or added["id"] < len(pieces)]
    if len(known) < len(tree["added_tokens"]):
        tokenizer._tokenizer = Tokenizer.from_str(json.dumps({**tree, "added_tokens": known}))


def _load_model(gguf_file: Path) -> PreTrainedModel:
    """The dequantised float32 model, rid of what marks it as quantised (transformers refuses to save it otherwise)."""
    import torch
    import transformers

    # Versions that can keep GGUF blocks in memory must be told not to.
    options = {"quantization_config": transformers.GgufConfig(dequantize=True)} if hasattr(transformers, "GgufConfig") else {}
    model = transformers.AutoModelForCausalLM.from_pretrained(
        str(gguf_file.parent), gguf_file=gguf_file.name, dtype=torch.float32, local_files_only=True, **options
    )
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config
    model.hf_quantizer = None
    for name in ("is_quantized", "quantization_method"):
        vars(model).pop(name, None)
    model.config._name_or_path = ""
    vars(model.config).pop("_model_name_or_path", None)
    return cast("PreTrainedModel", model)


def _lossless_dtype(model: PreTrainedModel) -> torch.dtype:
    """The narrowest number format that holds every weight exactly; float32 for block-quantised files."""
    import torch

    for dtype in (torch.float16, torch.bfloat16):
        if all(torch.equal(weight.to(dtype).to(weight.dtype), weight) for weight in model.state_dict().values()):
            return dtype
    return torch.float32


def _check_tokenizer(tokenizer: PreTrainedTokenizerBase, folder: Path, gguf_file: Path) -> None:
    """The saved tokenizer must cut text, and name its special tokens, as the one read from the GGUF file does."""
    from transformers import AutoTokenizer

    saved = AutoTokenizer.from_pretrained(str(folder), local_files_only=True)
    same = all(saved(text)["input_ids"] == tokenizer(text)["input_ids"] for text in _PROBES)
    if not same or saved.special_tokens_map != tokenizer.special_tokens_map or saved.chat_template != tokenizer.chat_template:
        shutil.rmtree(folder, ignore_errors=True)
        raise ModelError(
            "its tokenizer does not survive conversion", where=gguf_file, hint="use this model from a safetensors folder or the Hub"
        )


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
