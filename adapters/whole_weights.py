"""Training a model's own weights: all of them, or only those outside the middle layers (2x2LS: Yamaguchi et al. 2024)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..mt.errors import ModelError

if TYPE_CHECKING:
    from torch import nn
    from transformers import PreTrainedModel

OUTER = 2  # layers that move at either end


def move_weights(model: PreTrainedModel, method: str) -> None:
    """Let the weights that `method` ("full" or "2x2ls") names get gradients, in float32, and no others.

    Raises:
        ModelError: the model's layers cannot be told, so that there is no middle to leave out.
    """
    import torch

    # Half-precision weights lose small updates; autocast computes in the device's format anyway.
    model.to(torch.float32)
    for parameter in model.parameters():
        parameter.requires_grad_(True)
    if method == "2x2ls":
        for layer in list(transformer_layers(model))[OUTER:-OUTER]:
            layer.requires_grad_(False)


def transformer_layers(model: PreTrainedModel) -> nn.ModuleList:
    """The stack of layers: the one list of modules as long as the configuration says.

    Raises:
        ModelError: there is no such list, or several.
    """
    from torch import nn

    count = model.config.get_text_config().num_hidden_layers
    stacks = [module for module in model.modules() if isinstance(module, nn.ModuleList) and len(module) == count]
    if len(stacks) != 1:
        raise ModelError(
            f"{len(stacks)} module lists of {count} layers: the stack of layers cannot be told",
            where="train.method",
            allowed="full, lora or qlora for this architecture",
        )
    return stacks[0]
