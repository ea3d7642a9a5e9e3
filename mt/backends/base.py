"""What every back end has in common: token ids in, continuations out. Prompts, languages and texts are the translator's business."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from ..prompts import PromptTemplate

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from ...adapters.stacking.model import StackedModel
    from ..config import DecodingConfig
    from ..decoding import Continuation, Ending, Request


_KEPT = 4  # tokens that are only kept cost memory but no work: so many count as one


class Backend(Protocol):
    """A loaded model that continues prompts; safe to be asked from several threads at once."""

    @property
    def name(self) -> str:
        """As `--backend` spells it."""
        ...

    @property
    def description(self) -> str:
        """Back end, device and number format, for people."""
        ...

    @property
    def context(self) -> int | None:
        """Positions the model has, if it says so."""
        ...

    @property
    def stop_ids(self) -> tuple[int, ...]:
        """Ids that end an output."""
        ...

    def check(self, config: DecodingConfig) -> None:
        """Refuse decoding that this back end lacks, before anything waits for it.

        Raises:
            ConfigError: which setting, and what can do it.
        """
        ...

    def queues(self, config: DecodingConfig) -> bool:
        """Whether `continuations` takes any number of requests, the heaviest first, and works on as many at a time as there is room for."""
        ...

    def weight(self, length: int, limit: int, shared: int) -> int:
        """Tokens a request counts for in a batch (`DecodingConfig.batch_tokens`).

        Args:
            length: of its prompt.
            limit: most new tokens.
            shared: leading tokens that its prompt has in common with all others.
        """
        ...

    def continuations(self, requests: Sequence[Request], ending: Ending, config: DecodingConfig) -> Iterator[list[Continuation]]:
        """Continue every prompt; yields all rows, in the order of `requests`, after each step or only when all are done.

        The list is the same one each time. Leaving the iteration stops the work.

        Raises:
            ConfigError: a request holds what this back end lacks.
        """
        ...


def weight_in_memory(length: int, limit: int, shared: int = 0) -> int:
    """A row's tokens where a shared beginning is read once but kept for each row; outputs rarely come near their limit."""
    return length - shared + shared // _KEPT + (limit + 1) // 2


@dataclass(frozen=True)
class Opening:
    """What to open.

    Attributes:
        model: as users spell it: folder, run, Hub id, `pypi:NAME[==VERSION]`, or an export.
        revision: commit, branch or tag of a Hub id.
        device: "auto", "cpu", "cuda" or "cuda:N".
        dtype: "auto", "float32" or "bfloat16"; of an export: "auto".
        prefer_export: on a CPU, open the int8 export beside a run's model instead of the model, where there is one as new as the model.
    """

    model: str
    revision: str | None = None
    device: str = "auto"
    dtype: str = "auto"
    prefer_export: bool = False


@dataclass(frozen=True, eq=False)
class OpenedModel:
    """A model ready to translate with.

    Attributes:
        backend: what continues prompts.
        tokenizer: the model's.
        source: as the user spelled it.
        prompt: the template it was trained with, when it says so.
        directions: what it was trained for, `eng_Latn-fra_Latn`.
        stack: the encoder in front of it, if it has one.
    """

    backend: Backend
    tokenizer: PreTrainedTokenizerBase
    source: str
    prompt: PromptTemplate | None = None
    directions: tuple[str, ...] = ()
    stack: StackedModel | None = None
