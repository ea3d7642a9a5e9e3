"""Keys and values of rows that come and go: kept in one block per layer, every row's last token in the same column."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers.cache_utils import Cache, CacheLayerMixin


@dataclass
class Window:
    """What of the blocks a pass through the model reads and writes.

    Attributes:
        first, last: its rows.
        start, end: columns its rows have filled already; what the pass adds comes behind them.
        rows, columns: size of the blocks.
    """

    first: int = 0
    last: int = 0
    start: int = 0
    end: int = 0
    rows: int = 0
    columns: int = 0


class RowCache(Cache):
    """A cache for `transformers` whose window its owner moves."""

    def __init__(self, layers: int) -> None:
        self.window = Window()
        super().__init__(layers=[_RowLayer(self.window) for _ in range(layers)])

    def move(self, rows: slice, columns: slice, end: int) -> None:
        """Make room: columns `columns` of rows `rows` go into fresh blocks of the window's size, ending at column `end`."""
        for layer in self.layers:
            layer.move(rows, columns, end)

    def fill(self, holes: Sequence[int], movers: Sequence[int]) -> None:
        """Copy the window's columns of rows `movers` over rows `holes`."""
        columns = slice(self.window.start, self.window.end)
        for layer in self.layers:
            for block in (layer.keys, layer.values):
                block[list(holes), :, columns] = block[list(movers), :, columns]


class _RowLayer(CacheLayerMixin):
    """One layer's keys and values, (rows, K, columns, head size) each; unused places are zero or what an earlier row left."""

    is_sliding = False

    def __init__(self, window: Window) -> None:
        super().__init__()
        self._window = window

    def lazy_initialization(self, key_states: Tensor, value_states: Tensor) -> None:
        """As in transformers."""
        self.keys, self.values = (self._block(states) for states in (key_states, value_states))
        self.is_initialized = True

    def update(self, key_states: Tensor, value_states: Tensor, *_: Any, **__: Any) -> tuple[Tensor, Tensor]:
        """Write (B, K, Q, head size) behind the window and return all that its rows now have, (B, K, T + Q, head size)."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        window, more = self._window, key_states.shape[2]
        rows = slice(window.first, window.last)
        self.keys[rows, :, window.end : window.end + more] = key_states
        self.values[rows, :, window.end : window.end + more] = value_states
        seen = slice(window.start, window.end + more)
        return self.keys[rows, :, seen], self.values[rows, :, seen]

    def move(self, rows: slice, columns: slice, end: int) -> None:
        """As in `RowCache`."""
        if self.is_initialized:
            self.keys, self.values = (self._moved(block, rows, columns, end) for block in (self.keys, self.values))

    def get_seq_length(self) -> int:
        """As in transformers."""
        return self._window.end - self._window.start

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        """As in transformers."""
        return self.get_seq_length() + query_length, 0

    def get_max_length(self) -> int:
        """As in transformers: there is none."""
        return -1

    def _block(self, like: Tensor) -> Tensor:
        return like.new_zeros(self._window.rows, like.shape[1], self._window.columns, like.shape[3])

    def _moved(self, block: Tensor, rows: slice, columns: slice, end: int) -> Tensor:
        fresh = self._block(block)
        width = columns.stop - columns.start
        fresh[rows, :, end - width : end] = block[rows, :, columns]
        return fresh


def causal_mask(real: Tensor) -> Tensor:
    """(B, Q) true at tokens -> (B, 1, Q, Q) true where a token may look: at real ones up to itself; padding looks at itself."""
    width = real.shape[1]
    square = torch.ones(width, width, dtype=torch.bool, device=real.device)
    return (square.tril() & real[:, None, None, :]) | torch.eye(width, dtype=torch.bool, device=real.device)
