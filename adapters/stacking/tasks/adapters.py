"""Several LoRA adapters in one language model: which one is read with, trained, put back, taken off."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from peft import PeftModel
    from torch import Tensor
    from torch.nn import Parameter


def adapter_parameters(model: PeftModel, adapter: str) -> dict[str, Parameter]:
    """The weights of one adapter, by their full names."""
    return {name: parameter for name, parameter in model.named_parameters() if adapter in name.split(".")}


@contextmanager
def reading_with(model: PeftModel, adapter: str) -> Iterator[None]:
    """Inside the block the model reads with `adapter`; afterwards with the one before, and the same weights want gradients as before."""
    before, wanted = model.active_adapter, {name: one.requires_grad for name, one in model.named_parameters()}
    model.set_adapter(adapter)
    try:
        yield
    finally:
        model.set_adapter(before)
        for name, parameter in model.named_parameters():
            if name in wanted:
                parameter.requires_grad_(wanted[name])


@contextmanager
def only_training(model: PeftModel, adapter: str) -> Iterator[list[Parameter]]:
    """Inside the block the model trains, dropout included, and of its weights only `adapter`'s, which are given, want gradients."""
    with reading_with(model, adapter):
        chosen = adapter_parameters(model, adapter)
        for name, parameter in model.named_parameters():
            parameter.requires_grad_(name in chosen)
        model.train()
        try:
            yield list(chosen.values())
        finally:
            model.eval()


def copied(model: PeftModel, adapter: str) -> dict[str, Tensor]:
    """Copies of an adapter's weights."""
    return {name: parameter.detach().clone() for name, parameter in adapter_parameters(model, adapter).items()}


def put_back(model: PeftModel, adapter: str, weights: Mapping[str, Tensor]) -> None:
    """Set an adapter's weights to `weights`, whose names must be the adapter's."""
    import torch

    found = adapter_parameters(model, adapter)
    assert found.keys() == weights.keys()
    with torch.no_grad():
        for name, parameter in found.items():
            parameter.copy_(weights[name])
