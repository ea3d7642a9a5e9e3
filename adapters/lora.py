"""LoRA on a causal language model (Hu et al. 2021), plain or on a 4-bit base (QLoRA: Dettmers et al. 2023)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ..mt.errors import ModelError

if TYPE_CHECKING:
    from peft import LoraConfig, PeftModel
    from transformers import PreTrainedModel

    from ..mt.config import TrainableConfig


def lora_config(trainable: TrainableConfig) -> LoraConfig:
    """The peft configuration for a recipe's `train` block."""
    from peft import LoraConfig

    return LoraConfig(
        r=trainable.rank,
        lora_alpha=trainable.alpha,
        lora_dropout=trainable.dropout,
        target_modules=trainable.targets,
        bias="none",
        task_type="CAUSAL_LM",
    )


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


def attach_lora(model: PreTrainedModel, trainable: TrainableConfig) -> PeftModel:
    """Wrap a model so that only fresh rank-r matrices train; B starts at zero, so the outputs are unchanged until the first step.

    Raises:
        ModelError: none of the named target modules is in the model.
    """
    from peft import get_peft_model, prepare_model_for_kbit_training

    if trainable.method == "qlora":
        model = prepare_model_for_kbit_training(model, use_gradient_checkpointing=False)
    try:
        return get_peft_model(model, lora_config(trainable))
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
