"""The transformers model in this process, decoded by our own loop (`decoding.py`, `beams.py`): every model that can be loaded."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from ..config import DecodingConfig
from ..models import LoadedModel, context_length, load_model
from ..tokenization import padding_id, stop_ids
from .base import OpenedModel, Opening, weight_in_memory

if TYPE_CHECKING:
    from ..decoding import Continuation, Ending, Request


class HfBackend:
    """A loaded model; it is left as it was found: training mode, generation settings, and torch's random state unless sampling.

    But for torch's attention, which is given a form that also knows beginnings which rows share (`let_share`).
    """

    name = "hf"

    def __init__(self, loaded: LoadedModel) -> None:
        from ..shared_attention import let_share

        self.loaded = loaded
        let_share(loaded.model)
        self._padding = padding_id(loaded.tokenizer)

    @property
    def description(self) -> str:
        """As in `Backend`."""
        choice = self.loaded.choice
        return f"hf on {choice.device}, {str(choice.dtype).removeprefix('torch.')}"

    @property
    def context(self) -> int | None:
        """As in `Backend`."""
        return context_length(self.loaded.model)

    @property
    def stop_ids(self) -> tuple[int, ...]:
        """As in `Backend`."""
        return stop_ids(self.loaded.model, self.loaded.tokenizer)

    def check(self, config: DecodingConfig) -> None:
        """As in `Backend`: everything that means something can be done."""

    def queues(self, config: DecodingConfig) -> bool:
        """As in `Backend`: but for beams."""
        return config.beams == 1

    def weight(self, length: int, limit: int, shared: int) -> int:
        """As in `Backend`."""
        from ..decoder_state import SHARED_FROM, can_share

        return weight_in_memory(length, limit, shared if shared >= SHARED_FROM and can_share(self.loaded.model) else 0)

    def continuations(self, requests: Sequence[Request], ending: Ending, config: DecodingConfig) -> Iterator[list[Continuation]]:
        """As in `Backend`: after each step, with beams once."""
        from ..beams import beam_search
        from ..decoding import decode, evaluation_mode

        model = self.loaded.model
        with evaluation_mode(model):
            if config.beams > 1:
                yield beam_search(model, requests, ending, config, self._padding)
            else:
                yield from decode(model, requests, ending, config, self._padding)


def opened_model(loaded: LoadedModel) -> OpenedModel:
    """A model that is loaded already, behind the interface of all back ends."""
    return OpenedModel(HfBackend(loaded), loaded.tokenizer, loaded.source, loaded.prompt, loaded.directions, loaded.stack)


def open_hf(opening: Opening) -> OpenedModel:
    """Load a model; an adapter is merged into float32 weights, which is faster and loses nothing.

    Raises:
        DragomanError: whatever is wrong with the source or the device.
    """
    import torch

    from ..devices import choose_device

    exact = choose_device(opening.device, opening.dtype).dtype == torch.float32
    loaded = load_model(opening.model, revision=opening.revision, device=opening.device, dtype=opening.dtype, merge_adapter=exact)
    return opened_model(loaded)
