"""LoRA on a causal language model (Hu et al. 2021), plain or on a 4-bit base (QLoRA: Dettmers et al. 2023).

Beside the low-rank matrices an adapter may hold embeddings: the rows of a new vocabulary, or all of them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..mt.errors import ModelError

if TYPE_CHECKING:
    from peft import LoraConfig, PeftModel
    from transformers import PreTrainedModel

    from ..mt.config import TrainableConfig


def lora_config(trainable: TrainableConfig, embeddings: Mapping[str, Any] | None = None) -> LoraConfig:
    """The peft configuration for a recipe's `train` block; `embeddings` as `embedding_settings` gives them."""
    from peft import LoraConfig

    return LoraConfig(
        **(embeddings or {}),
        r=trainable.rank,
        lora_alpha=trainable.alpha,
        lora_dropout=trainable.dropout,
        target_modules=trainable.targets,
        bias="none",
        task_type="CAUSAL_LM",
    )


def embedding_settings(model: PreTrainedModel, trainable: TrainableConfig, new_rows: range) -> dict[str, Any]:
    """What peft must be told so that the wanted embeddings move: in an untied model the head's rows too.

    Args:
        model: a model without an adapter.
        trainable: its `embeddings` says which.
        new_rows: ids of the new vocabulary; empty when the model has none.
    """
    if trainable.embeddings == "frozen":
        return {}
    names = embedding_names(model)
    if trainable.embeddings == "all":
        return {"modules_to_save": names, "ensure_weight_tying": len(names) == 1}
    return {"trainable_token_indices": {name: list(new_rows) for name in names}}


def embedding_names(model: PreTrainedModel) -> list[str]:
    """Full names of the modules that hold a row a token: the input embedding and, when it is not tied to it, the head."""
    modules = [model.get_input_embeddings()]
    if not model.config.get_text_config().tie_word_embeddings:
        modules.append(model.get_output_embeddings())
    return [next(name for name, module in model.named_modules() if module is wanted) for wanted in modules]


def check_targets(model: PreTrainedModel, trainable: TrainableConfig) -> None:
    """Whether LoRA finds something in the model to attach to; known before anything is trained.

    Raises:
        ModelError: none of the named target modules is in the model, or the pattern is no regular expression.
    """
    from peft.tuners.tuners_utils import check_target_module_exists

    if trainable.targets == "all-linear":
        return
    config = lora_config(trainable)
    try:
        if trainable.targets and any(check_target_module_exists(config, name) for name, _ in model.named_modules()):
            return
        reason = "nothing in the model has that name"
    except re.error as error:
        reason = f"not a regular expression: {error}"
    raise ModelError(f"{trainable.targets!r}: {reason}", where="train.targets", allowed=f"all-linear, or some of {_linears(model)}")


def _linears(model: PreTrainedModel) -> str:
    names = {name.rsplit(".", 1)[-1] for name, module in model.named_modules() if type(module).__name__.startswith("Linear")}
    return ", ".join(sorted(names))


def attach_lora(model: PreTrainedModel, trainable: TrainableConfig, new_rows: range = range(0)) -> PeftModel:
    """Wrap a model so that only fresh rank-r matrices train, and the embeddings `trainable` names.

    B starts at zero and the embeddings as they are, so the outputs are unchanged until the first step.

    Raises:
        ModelError: none of the named target modules is in the model.
    """
    from peft import get_peft_model, prepare_model_for_kbit_training

    embeddings = embedding_settings(model, trainable, new_rows)
    if trainable.method == "qlora":
        model = prepare_model_for_kbit_training(model, use_gradient_checkpointing=False)
    try:
        return get_peft_model(model, lora_config(trainable, embeddings))
    except ValueError as error:
        raise ModelError(
            f"LoRA cannot be attached: {error}",
            where="train.targets",
            allowed=f"all-linear, or some of {_linears(model)}",
        ) from error


def merge_lora(model: PeftModel) -> PreTrainedModel:
    """The base model with the adapter's product added to its weights, the adapter gone."""
    merged: PreTrainedModel = model.merge_and_unload()
    return merged
