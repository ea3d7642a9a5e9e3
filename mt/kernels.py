"""Faster ways to compute the same training step: blocks compiled by torch, and Liger's Triton kernels for norm, MLP and rotary positions.

Our loss calls the head at target positions only, so Liger's fused head and loss stay off.
"""

from __future__ import annotations

import os
import shutil
import sysconfig
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .config import KernelConfig
from .errors import ConfigError

if TYPE_CHECKING:
    from torch import nn

_OUR_LOSS = {"cross_entropy": False, "fused_linear_cross_entropy": False}


def check_kernels(kernels: KernelConfig, device: str) -> None:
    """Whether what a recipe asks for can be had, asked before anything is read.

    Args:
        kernels: the recipe's block.
        device: as in `DeviceChoice`.

    Raises:
        ConfigError: Liger on a CPU, or not installed; nothing that torch.compile could compile with.
    """
    if kernels.liger is True:
        where = "kernels.liger"
        if not device.startswith("cuda"):
            raise ConfigError(f"Liger's kernels run on a GPU, and this is {device}", where=where, allowed="auto, false")
        if find_spec("liger_kernel") is None:
            raise ConfigError("liger-kernel is not installed", where=where, allowed="auto, false", hint="pip install liger-kernel")
    missing = _missing_for_compile(device) if kernels.compile else None
    if missing:
        raise ConfigError(f"torch.compile needs {missing}", where="kernels.compile", allowed="false, or install it")


def _missing_for_compile(device: str) -> str | None:
    if not any(shutil.which(name) for name in (os.environ.get("CXX", "g++"), "clang++", "g++", "c++", "cl")):
        return "a C++ compiler, and there is none (CXX, g++, clang++)"
    if not (Path(sysconfig.get_paths()["include"]) / "Python.h").is_file():
        return "Python's header files (the package python3-dev, or as your system calls it)"
    return "triton, which is not installed" if device.startswith("cuda") and find_spec("triton") is None else None


def use_liger(model: Any, kernels: KernelConfig, device: str) -> str | None:
    """Put Liger's kernels into a model where the recipe wants them and they can be had; again does no harm. They stay in the process.

    Returns:
        A line for people; None where they are off.

    Raises:
        ConfigError: the recipe asks for them, and Liger does not know the architecture.
    """
    if kernels.liger is False or not device.startswith("cuda") or find_spec("liger_kernel") is None:
        return None
    from liger_kernel.transformers import monkey_patch  # type: ignore[import-not-found]
    from transformers.integrations.liger import apply_liger_kernel

    kind = model.config.model_type
    if kind not in monkey_patch.MODEL_TYPE_TO_APPLY_LIGER_FN:
        if kernels.liger is True:
            known = ", ".join(sorted(monkey_patch.MODEL_TYPE_TO_APPLY_LIGER_FN))
            raise ConfigError(
                f"Liger has no kernels for models of type {kind}", where="kernels.liger", allowed=f"auto, false; it knows {known}"
            )
        return None
    apply_liger_kernel(model, _OUR_LOSS)
    return "Liger's kernels for norm, MLP and rotary positions"


@contextmanager
def compiled_blocks(model: nn.Module, *, enabled: bool) -> Iterator[None]:
    """A block in which a model's layers run as torch.compile makes them while they train; in evaluation mode they run as they are.

    Layers are compiled one by one, not the whole model: they are alike, so that it is quick; head and loss stay as they are.
    """
    layers = list(_layers(model)) if enabled else []
    for layer in layers:
        layer.forward = _compiled_in_training(layer)
    try:
        yield
    finally:
        for layer in layers:
            del layer.forward


def _layers(model: nn.Module) -> Iterator[nn.Module]:
    from transformers.modeling_layers import GradientCheckpointingLayer

    return (module for module in model.modules() if isinstance(module, GradientCheckpointingLayer))


def _compiled_in_training(layer: nn.Module) -> Callable[..., Any]:
    import torch

    plain = layer.forward
    compiled = torch.compile(plain, dynamic=True)  # lengths differ from batch to batch

    def forward(*arguments: Any, **named: Any) -> Any:
        return (compiled if layer.training else plain)(*arguments, **named)

    return forward
