"""Attention over a beginning that all rows share, kept once, and over what each row has besides.

The shared part becomes one matrix product for all rows (Hydragen, Juravsky et al. 2024); the scores of both parts meet in one softmax.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel

SHARING = "dragoman_shared"  # torch's attention, but for calls that bring a beginning


@dataclass
class Beginning:
    """Keys and values of the tokens that every row begins with.

    Attributes:
        layers: of each layer keys and values, (1, K, S, head size) with K key heads.
        met: the layers whose attention has read it; a model that keeps arguments from its attention would leave this empty.
    """

    layers: list[tuple[Tensor, Tensor]]
    met: set[int] = field(default_factory=set)

    def __len__(self) -> int:
        return self.layers[0][0].shape[2]


def let_share(model: PreTrainedModel) -> bool:
    """Give a model that uses torch's attention the one of this file, which equals it until a beginning comes; whether it has it now."""
    body = transformer_of(model)
    if getattr(body.config, "_attn_implementation", None) == "sdpa":
        AttentionInterface.register(SHARING, attend)
        AttentionMaskInterface.register(SHARING, sdpa_mask)
        body.set_attn_implementation(SHARING)
    return getattr(body.config, "_attn_implementation", None) == SHARING


def transformer_of(model: Any) -> Any:
    """The transformers model inside wrappers: of processes, of a stack, of peft."""
    model = getattr(model, "module", model)
    model = getattr(model, "llm", model)
    return model.get_base_model() if hasattr(model, "get_base_model") else model


def attend(
    module: torch.nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    *,
    scaling: float | None = None,
    beginning: Beginning | None = None,
    **options: Any,
) -> tuple[Tensor, None]:
    """An attention function as transformers calls them.

    Args:
        module: the attention layer.
        query: (B, H, Q, head size).
        key, value: (B, K, T, head size), of the rows alone.
        attention_mask: (B, 1, Q, T), true where a query may look; with a beginning it must be given.
        scaling: of the scores.
        beginning: what stands before every row, all of it open to every query.
        options: of torch's attention.

    Returns:
        (B, Q, H, head size), and no weights.
    """
    if beginning is None:
        found: tuple[Tensor, None] = sdpa_attention_forward(module, query, key, value, attention_mask, scaling=scaling, **options)
        return found
    if attention_mask is None:
        raise ValueError("attention over a shared beginning needs the mask of what comes after it")
    layer: int = module.layer_idx  # type: ignore[assignment]
    beginning.met.add(layer)
    first_keys, first_values = (part[0] for part in beginning.layers[layer])  # (K, S, head size)
    rows, heads, length, size = query.shape
    key_heads, shared = first_keys.shape[:2]
    grouped = query.reshape(rows, key_heads, -1, size) * (size**-0.5 if scaling is None else scaling)  # (B, K, G Q, head size)
    together = grouped.transpose(0, 1).reshape(key_heads, -1, size)  # (K, B G Q, head size)
    before = (together @ first_keys.mT).view(key_heads, rows, -1, shared).transpose(0, 1)
    own = (grouped @ key.mT).view(rows, heads, length, -1).masked_fill(~attention_mask, torch.finfo(query.dtype).min)
    weights = torch.cat([before, own.view(rows, key_heads, -1, key.shape[2])], dim=-1).softmax(dim=-1, dtype=torch.float32).to(query.dtype)
    over_first = weights[..., :shared].transpose(0, 1).reshape(key_heads, -1, shared) @ first_values
    result = weights[..., shared:] @ value + over_first.view(key_heads, rows, -1, value.shape[-1]).transpose(0, 1)
    return result.view(rows, heads, length, -1).transpose(1, 2).contiguous(), None
