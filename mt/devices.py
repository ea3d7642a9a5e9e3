"""Which device, number format and attention a model gets, and why: the one place where a GPU changes anything."""

from __future__ import annotations

import os
from dataclasses import dataclass
from importlib.util import find_spec

import torch

from .errors import ModelError

_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


@dataclass(frozen=True)
class DeviceChoice:
    """What a model runs on.

    Attributes:
        device: a torch device string.
        dtype: of the weights.
        attention: a transformers `attn_implementation`.
        reason: a sentence for people.
        mixed: training multiplies in bfloat16 (`precision.mixed_precision`), whatever the weights are in.
    """

    device: str
    dtype: torch.dtype
    attention: str
    reason: str
    mixed: bool = False


def choose_device(device: str = "auto", dtype: str = "auto") -> DeviceChoice:
    """Pick device, dtype and attention; `auto` takes the GPU when there is one.

    CPU: float32 (most CPUs emulate bfloat16, 15 to 100 times slower) and sdpa; CPUs with bfloat16 instructions multiply in it when they
    train, unless float32 is asked for. CUDA from compute capability 8.0: bfloat16, and FlashAttention 2 when it is installed. Older GPUs:
    float32, because float16 overflows in training.

    Args:
        device: "auto", "cpu", "cuda" or "cuda:N".
        dtype: "auto", "float32" or "bfloat16".

    Raises:
        ModelError: a wish this machine cannot fulfil.
    """
    if dtype != "auto" and dtype not in _DTYPES:
        raise ModelError(f"unknown dtype {dtype!r}", allowed="auto, float32, bfloat16")
    place, reason = _place(device)
    if place == "cpu":
        return _on_cpu(dtype, reason)
    return _on_cuda(place, dtype, reason)


def _place(device: str) -> tuple[str, str]:
    """The torch device for a wish, and why."""
    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if device == "cpu":
        return "cpu", "CPU as asked"
    if device == "auto":
        return (_own_gpu(gpus), f"GPU found ({torch.cuda.get_device_name(0)})") if gpus else ("cpu", "no GPU found")
    kind, _, index = device.partition(":")
    if kind != "cuda" or (index and not index.isdecimal()):
        raise ModelError(f"unknown device {device!r}", allowed="auto, cpu, cuda, cuda:N")
    if not gpus:
        raise ModelError("cuda was asked for, but torch sees no GPU", allowed="cpu, auto", hint="--device cpu, or a CUDA build of torch")
    if int(index or 0) >= gpus:
        raise ModelError(f"{device} was asked for, but there are {gpus} GPU(s)", allowed=", ".join(f"cuda:{i}" for i in range(gpus)))
    return device if index else _own_gpu(gpus), "GPU as asked"


def _own_gpu(gpus: int) -> str:
    """Under a launcher of several processes each takes the GPU of its own rank, before anything else sets the current device."""
    rank = os.environ.get("LOCAL_RANK", "")
    return f"cuda:{rank}" if rank.isdecimal() and int(rank) < gpus and int(os.environ.get("LOCAL_WORLD_SIZE", "1")) > 1 else "cuda"


def _on_cpu(dtype: str, reason: str) -> DeviceChoice:
    if dtype != "auto":
        return DeviceChoice("cpu", _DTYPES[dtype], "sdpa", f"{reason}; {dtype} as asked", mixed=dtype == "bfloat16")
    instructions = _bfloat16_instructions()
    why = f"float32, in training products in bfloat16 ({instructions})" if instructions else "float32, since this CPU emulates bfloat16"
    return DeviceChoice("cpu", torch.float32, "sdpa", f"{reason}; {why}", mixed=instructions is not None)


def _bfloat16_instructions() -> str | None:
    """The instructions with which this CPU multiplies bfloat16, if it has any."""
    able = torch.cpu.get_capabilities()
    return next((name for name in ("amx_bf16", "avx512_bf16") if able.get(name)), None)


def _on_cuda(place: str, dtype: str, reason: str) -> DeviceChoice:
    major, minor = torch.cuda.get_device_capability(torch.device(place))
    modern = major >= 8
    if dtype == "bfloat16" and not modern:
        raise ModelError(
            f"this GPU (compute capability {major}.{minor}) has no bfloat16",
            allowed="float32, auto",
            hint="--dtype float32",
        )
    chosen = _DTYPES[dtype] if dtype != "auto" else (torch.bfloat16 if modern else torch.float32)
    why = f"{str(chosen).removeprefix('torch.')} {'as asked' if dtype != 'auto' else f'at compute capability {major}.{minor}'}"
    # FlashAttention 2 has half-precision kernels only, and none before Ampere.
    flash = modern and chosen is torch.bfloat16 and find_spec("flash_attn") is not None
    return DeviceChoice(place, chosen, "flash_attention_2" if flash else "sdpa", f"{reason}; {why}", mixed=chosen is torch.bfloat16)
