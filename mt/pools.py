"""What decoding works on: rows of a model, each a prompt and what came after it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from .backends.base import weight_in_memory
from .decoder_state import DecoderState, can_share, shareable
from .row_pool import RowPool, can_pool

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel

    from .decoding import Request


class Pool(Protocol):
    """Rows at work; they are numbered as they lie."""

    @property
    def refills(self) -> bool:
        """Whether prompts can be admitted beside rows at work."""
        ...

    def weight(self, request: Request) -> int:
        """Tokens a row counts for (`DecodingConfig.batch_tokens`)."""
        ...

    def admit(self, requests: Sequence[Request]) -> Tensor:
        """Add prompts as rows behind those there are: (B, V) float32 logits of the first new token of each."""
        ...

    def advance(self, tokens: Sequence[int]) -> Tensor:
        """Append one token to each row: (B, V) float32 logits of the next."""
        ...

    def keep(self, positions: Sequence[int]) -> list[int]:
        """Drop all rows but these, given in ascending order; returns what row lies where now."""
        ...


def pool_for(model: PreTrainedModel, padding: int, requests: Sequence[Request]) -> Pool:
    """The pool that suits a model in evaluation mode.

    Args:
        model: in evaluation mode.
        padding: an id for places that nobody looks at.
        requests: all that will be admitted.
    """
    return RowPool(model, padding, requests) if can_pool(model) else _BatchPool(model, padding, requests)


class _BatchPool:
    """One batch after the other: for models whose rows cannot lie anywhere."""

    refills = False

    def __init__(self, model: PreTrainedModel, padding: int, requests: Sequence[Request]) -> None:
        self._model = model
        self._padding = padding
        self._shared = shareable([request.prompt for request in requests]) if can_share(model) else 0
        self._state: DecoderState | None = None

    def weight(self, request: Request) -> int:
        """As in `Pool`."""
        return weight_in_memory(request.length, request.limit, self._shared)

    def admit(self, requests: Sequence[Request]) -> Tensor:
        """As in `Pool`, when there are no rows."""
        self._state = DecoderState.of(self._model, requests, self._padding)
        return self._state.start()

    def advance(self, tokens: Sequence[int]) -> Tensor:
        """As in `Pool`."""
        assert self._state is not None, "rows were admitted"
        return self._state.advance(tokens)

    def keep(self, positions: Sequence[int]) -> list[int]:
        """As in `Pool`."""
        if positions:
            assert self._state is not None, "rows were admitted"
            self._state.select(positions)
        return list(positions)
