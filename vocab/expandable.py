"""Whether a model can be expanded with an addition: everything that is known before a row is computed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ..mt.errors import ModelError
from ..mt.provenance import tokenizer_digest
from .additions import Addition
from .expansion import Expansion, addition_digest, read_expansion
from .stored_weights import holds_tensor

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from ..mt.models import LoadedModel

_MERGE_FIRST = "merge the adapter first: train with save=merged, or merge_and_unload() in peft"


def check_expandable(loaded: LoadedModel, addition: Addition) -> None:
    """Refuse what could only be expanded wrongly.

    Raises:
        ModelError: 4-bit weights; an adapter over an expanded model, or one that carries new rows; pieces that are in the model already, or
            were learnt for another tokenizer; embeddings and head that are not tied as the configuration says, or no head at all.
    """
    base = base_model(loaded)
    where = loaded.source
    if getattr(base, "is_quantized", False) or getattr(base.config, "quantization_config", None) is not None:
        raise ModelError("quantised weights cannot get new rows", where=where, hint="expand the full-precision model, quantise afterwards")
    expansion = known_expansion(loaded)
    if expansion is not None and base is not loaded.model:
        raise ModelError(
            f"an adapter over a model that was expanded already ({expansion.count:,} pieces for {expansion.language})",
            where=where,
            hint=_MERGE_FIRST,
        )
    if expansion is not None and expansion.addition == addition_digest(addition):
        raise ModelError(
            f"was expanded with these {expansion.count:,} pieces already", where=where, hint=f"expand {expansion.base} instead"
        )
    if not addition.pieces:
        raise ModelError("the addition has no pieces", where=where, hint="dragoman vocab learn --help")
    _check_tokenizer(loaded, addition, expansion)
    check_tying(base, where)


def base_model(loaded: LoadedModel) -> PreTrainedModel:
    """The transformers model itself, from under an adapter where there is one."""
    wrapped = loaded.model
    return wrapped.get_base_model() if hasattr(wrapped, "merge_and_unload") else wrapped


def known_expansion(loaded: LoadedModel) -> Expansion | None:
    """What the model's folder, its run, or the base under its adapter says about new rows."""
    source = Path(loaded.source).expanduser()
    for folder in (source, source / "model", Path(base_model(loaded).name_or_path or ".missing")):
        found = read_expansion(folder) if folder.is_dir() else None
        if found is not None:
            return found
    return None


def _check_tokenizer(loaded: LoadedModel, addition: Addition, expansion: Expansion | None) -> None:
    digest = tokenizer_digest(loaded.tokenizer)
    if digest == addition.base:
        return
    expanded = f" (expanded for {expansion.language} already)" if expansion is not None else ""
    raise ModelError(
        f"the pieces were learnt for another tokenizer ({addition.base[:12]}) than this model's{expanded} ({digest[:12]})",
        where=loaded.source,
        hint=f"dragoman vocab learn --model {loaded.source}",
    )


def check_tying(model: PreTrainedModel, where: str) -> bool:
    """Whether input embeddings and output head are one matrix; refuses a model in which configuration and weights disagree.

    Raises:
        ModelError: no head; or the configuration says tied and the weights differ; or it says untied and no head is stored, so that the one
            in memory is random.
    """
    embeddings, head = model.get_input_embeddings(), model.get_output_embeddings()
    if head is None:
        raise ModelError("no output head in this architecture", where=where, allowed="a causal language model")
    says_tied = bool(getattr(model.config.get_text_config(), "tie_word_embeddings", False))
    is_tied = head.weight is embeddings.weight
    setting = f"tie_word_embeddings is {str(says_tied).lower()} in config.json"
    if says_tied and not is_tied:
        raise ModelError(
            f"{setting}, but the stored output head differs from the input embeddings",
            where=where,
            hint="set it to false in config.json if the head was trained apart, else remove the head from the weights",
        )
    if is_tied and not says_tied:
        raise ModelError(f"{setting}, but embeddings and output head are one tensor", where=where, hint="set it to true in config.json")
    name = next(name for name, each in model.named_parameters(remove_duplicate=False) if each is head.weight)
    folder = Path(model.name_or_path or ".missing")
    if not says_tied and any(folder.glob("*.safetensors")) and not holds_tensor(folder, name):
        raise ModelError(
            f"{setting}, but no output head ({name}) is stored: the model would run with a random one",
            where=where,
            hint="set it to true in config.json if the head is the embeddings, else fetch the missing weights",
        )
    return is_tied
