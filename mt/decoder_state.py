"""A batch of prompts in a model: attention mask and key/value cache, a step at a time."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch

from .prefixes import Prefix, prompt_embeddings

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from .decoding import Request

SHARED_FROM = 32  # leading tokens that all prompts of a batch share: from here on reading them once pays


class DecoderState:
    """A batch being decoded: attention mask and key/value cache, row by row in step with the caller's rows."""

    def __init__(
        self, model: PreTrainedModel, prompts: Sequence[Sequence[int]], padding: int, prefixes: Sequence[Prefix | None] = ()
    ) -> None:
        self._model = model
        device = model.get_input_embeddings().weight.device
        self._cache: object | None = None
        self._accepted = forward_arguments(model)
        if any(prefix is not None for prefix in prefixes):
            with torch.no_grad():
                embeddings, self._mask = prompt_embeddings(model, prompts, prefixes, side="left")  # (B, T, d), (B, T)
            self._prompts = embeddings
            return
        width = max(len(prompt) for prompt in prompts)
        rows = [[padding] * (width - len(prompt)) + list(prompt) for prompt in prompts]
        self._mask = torch.tensor([[0] * (width - len(prompt)) + [1] * len(prompt) for prompt in prompts], device=device)  # (B, T)
        self._prompts = torch.tensor(rows, device=device)  # (B, T)
        if can_share(model) and (shared := shareable(prompts)):
            self._read_once(prompts, shared, padding)

    @classmethod
    def of(cls, model: PreTrainedModel, requests: Sequence[Request], padding: int) -> DecoderState:
        """The prompts of requests, with what stands in them besides ids."""
        return cls(model, [request.prompt for request in requests], padding, [request.prefix for request in requests])

    def _read_once(self, prompts: Sequence[Sequence[int]], shared: int, padding: int) -> None:
        """Read the tokens that all prompts begin with in one row, and give every row its keys and values."""
        device = self._mask.device
        self._mask = torch.ones((1, shared), dtype=torch.long, device=device)
        self._forward(torch.tensor([list(prompts[0][:shared])], device=device))
        self._cache.batch_repeat_interleave(len(prompts))  # type: ignore[union-attr]
        rests = [prompt[shared:] for prompt in prompts]
        width = max(map(len, rests))
        ones = [1] * shared
        self._mask = torch.tensor([ones + [0] * (width - len(rest)) + [1] * len(rest) for rest in rests], device=device)  # (B, T)
        self._prompts = torch.tensor([[padding] * (width - len(rest)) + list(rest) for rest in rests], device=device)

    def start(self) -> torch.Tensor:
        """Read the prompts: (B, V) float32 logits of each row's first new token."""
        return self._forward(self._prompts)

    def advance(self, tokens: Sequence[int]) -> torch.Tensor:
        """Append one token to each row: (B, V) float32 logits of the next."""
        column = torch.tensor(tokens, device=self._mask.device).unsqueeze(1)
        self._mask = torch.cat([self._mask, torch.ones_like(column)], dim=1)
        return self._forward(column)

    def select(self, rows: Sequence[int]) -> None:
        """Keep these rows, in this order; a row may come several times (beams) or not at all (finished)."""
        index = torch.tensor(rows, device=self._mask.device)
        self._mask = self._mask[index]
        self._cache.reorder_cache(index)  # type: ignore[union-attr]

    def _forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Ids (B, T), or what stands for them (B, T, d)."""
        read = {"input_ids" if inputs.ndim == 2 else "inputs_embeds": inputs}
        positions = (self._mask.cumsum(dim=1) - 1).clamp(min=0)[:, -inputs.shape[1] :]
        optional = {"position_ids": positions, "logits_to_keep": 1}
        with torch.no_grad():
            output = self._model(
                **read,
                attention_mask=self._mask,
                past_key_values=self._cache,
                use_cache=True,
                **{name: value for name, value in optional.items() if name in self._accepted},
            )
        self._cache = output.past_key_values
        logits: torch.Tensor = output.logits[:, -1].float()
        return logits


def can_share(model: PreTrainedModel) -> bool:
    """Whether a beginning that prompts share can be read once.

    Padding then stands between it and the rest, which only attention by explicit positions and over everything bears.
    """
    config = model.config.get_text_config(decoder=True)
    layers = set(getattr(config, "layer_types", None) or ["full_attention"])
    windowed = getattr(config, "sliding_window", None) is not None and getattr(config, "use_sliding_window", True)
    return "position_ids" in forward_arguments(model) and layers == {"full_attention"} and not windowed


def shared_prefix(prompts: Sequence[Sequence[int]]) -> int:
    """How many leading tokens all prompts have in common, the last token of none among them."""
    first, last = min(map(tuple, prompts)), max(map(tuple, prompts))  # in this order every other prompt lies between them
    most = min(len(prompt) for prompt in prompts) - 1
    return next((number for number in range(most) if first[number] != last[number]), max(0, most))


def shareable(prompts: Sequence[Sequence[int]]) -> int:
    """How many leading tokens of all prompts are worth reading once: 0, or as many as they share."""
    shared = shared_prefix(prompts) if len(prompts) > 1 else 0
    return shared if shared >= SHARED_FROM else 0


def forward_arguments(model: PreTrainedModel) -> frozenset[str]:
    """Names that the model's `forward` takes."""
    base = model.get_base_model() if hasattr(model, "get_base_model") else model
    return frozenset(inspect.signature(base.forward).parameters)
