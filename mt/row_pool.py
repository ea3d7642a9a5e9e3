"""Prompts in a model, row by row: a row that ends makes room for a prompt that waits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch

from .backends.base import weight_in_memory
from .decoder_state import can_share, forward_arguments, shareable
from .prefixes import prompt_embeddings
from .row_cache import RowCache, causal_mask
from .shared_attention import SHARING, Beginning, transformer_of

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel

    from .decoding import Request

_AHEAD = 64  # columns kept free for tokens to come


class RowPool:
    """Rows being continued by a model that `can_pool`.

    A beginning that all prompts share is read once and kept once. All else of a row is right-aligned in a `RowCache`.

    Args:
        model: in evaluation mode.
        padding: an id for places that nobody looks at.
        requests: all that will be admitted.
    """

    refills = True

    def __init__(self, model: PreTrainedModel, padding: int, requests: Sequence[Request]) -> None:
        self._model = model
        self._padding = padding
        self._device = model.get_input_embeddings().weight.device
        self._accepted = forward_arguments(model)
        self._layers: int = model.config.get_text_config(decoder=True).num_hidden_layers
        self._cache = RowCache(self._layers)
        self._mask = torch.zeros(0, 0, dtype=torch.bool, device=self._device)  # (rows, columns), true where a row has a token
        self._lengths: list[int] = []  # of each row, without the beginning
        self._end = 0  # column behind every row's last token
        whole = "kwargs" not in self._accepted or any(request.prefix is not None for request in requests)
        shared = 0 if whole else shareable([request.prompt for request in requests])
        self._beginning = self._read(requests[0].prompt[:shared]) if shared else None

    def __len__(self) -> int:
        return len(self._lengths)

    @property
    def _skipped(self) -> int:
        return len(self._beginning) if self._beginning else 0

    @property
    def _width(self) -> int:
        return max(self._lengths, default=0)

    def weight(self, request: Request) -> int:
        """As in `Pool`."""
        return weight_in_memory(request.length - self._skipped, request.limit)

    def admit(self, requests: Sequence[Request]) -> Tensor:
        """As in `Pool`."""
        skipped = self._skipped
        prompts = [request.prompt[skipped:] for request in requests]
        inputs, real = self._padded(prompts, requests)
        count, width = real.shape
        self._make_room(count, width)
        first, last = len(self), len(self) + count
        self._mask[first:last] = False
        self._mask[first:last, self._end - width : self._end] = real
        positions = skipped + (real.long().cumsum(dim=1) - 1).clamp(min=0)
        self._look(first, last, self._end - width, self._end - width)
        logits = self._forward(inputs, causal_mask(real), positions)
        if self._beginning and len(self._beginning.met) < self._layers:
            self._beginning = None  # the model keeps arguments from its attention: every row reads all of its prompt
            return self.admit(requests)
        self._lengths += real.sum(dim=1).tolist()
        return logits

    def advance(self, tokens: Sequence[int]) -> Tensor:
        """As in `Pool`."""
        if self._end == self._mask.shape[1]:
            self._resize(self._mask.shape[0], self._width)
        positions = torch.tensor(self._lengths, device=self._device)[:, None] + self._skipped
        start = self._end - self._width
        self._mask[: len(self), self._end] = True
        self._look(0, len(self), start, self._end)
        column = torch.tensor(tokens, device=self._device)[:, None]
        logits = self._forward(column, self._mask[: len(self), None, None, start : self._end + 1], positions)
        self._end += 1
        self._lengths = [length + 1 for length in self._lengths]
        return logits

    def keep(self, positions: Sequence[int]) -> list[int]:
        """As in `Pool`: the last rows take the places of dropped ones."""
        kept = set(positions)
        places = [place for place in range(len(positions)) if place not in kept]
        movers = [place for place in positions if place >= len(positions)]
        order = list(range(len(positions)))
        if places:
            self._look(0, len(self), self._end - self._width, self._end)
            self._cache.fill(places, movers)
            self._mask[places] = self._mask[movers]
            for place, mover in zip(places, movers, strict=True):
                order[place] = mover
        self._lengths = [self._lengths[place] for place in order]
        return order

    def _read(self, prompt: Sequence[int]) -> Beginning:
        with torch.no_grad():
            output = self._model(input_ids=torch.tensor([list(prompt)], device=self._device), use_cache=True, **self._last_only())
        return Beginning([(layer.keys, layer.values) for layer in output.past_key_values.layers])

    def _padded(self, prompts: Sequence[Sequence[int]], requests: Sequence[Request]) -> tuple[Tensor, Tensor]:
        """Ids (B, T), or what stands for them (B, T, d), padded on the left; and (B, T), true at tokens."""
        prefixes = [request.prefix for request in requests]
        if any(prefix is not None for prefix in prefixes):
            with torch.no_grad():
                embeddings, mask = prompt_embeddings(self._model, prompts, prefixes, side="left")
            return embeddings, mask.bool()
        width = max(map(len, prompts))
        ids = [[self._padding] * (width - len(prompt)) + list(prompt) for prompt in prompts]
        real = [[False] * (width - len(prompt)) + [True] * len(prompt) for prompt in prompts]
        return torch.tensor(ids, device=self._device), torch.tensor(real, device=self._device)

    def _make_room(self, count: int, width: int) -> None:
        rows, columns = self._mask.shape
        if len(self) + count > rows or width > self._end or self._end == columns:
            self._resize(max(rows, len(self) + count), max(width, self._width))

    def _resize(self, rows: int, end: int) -> None:
        """Blocks of so many rows; what rows have comes to end at column `end`, with room behind it."""
        used = slice(self._end - self._width, self._end)
        mine = slice(0, len(self))
        fresh = torch.zeros(rows, end + _AHEAD, dtype=torch.bool, device=self._device)
        fresh[mine, end - self._width : end] = self._mask[mine, used]
        window = self._cache.window
        window.rows, window.columns = fresh.shape
        self._cache.move(mine, used, end)
        self._mask, self._end = fresh, end

    def _look(self, first: int, last: int, start: int, end: int) -> None:
        window = self._cache.window
        window.first, window.last, window.start, window.end = first, last, start, end

    def _last_only(self) -> dict[str, int]:
        return {"logits_to_keep": 1} if "logits_to_keep" in self._accepted else {}

    def _forward(self, inputs: Tensor, mask: Tensor, positions: Tensor) -> Tensor:
        beginning: dict[str, Any] = {"beginning": self._beginning} if self._beginning else {}
        with torch.no_grad():
            output = self._model(
                **{"input_ids" if inputs.ndim == 2 else "inputs_embeds": inputs},
                attention_mask=mask,
                position_ids=positions,
                past_key_values=self._cache,
                use_cache=True,
                **self._last_only(),
                **beginning,
            )
        logits: Tensor = output.logits[:, -1].float()
        return logits


def can_pool(model: PreTrainedModel) -> bool:
    """Whether rows of this model may come and go: attention over everything, by explicit positions, through torch's kernels."""
    return can_share(model) and getattr(transformer_of(model).config, "_attn_implementation", None) == SHARING
