"""What turns texts into translations behind the server: one interface, a row a back end.

An engine is one loaded model. It is asked from a batching thread and, at the same time, from the threads of streams, so both calls must be
safe beside each other; the hf back end takes turns forward pass by forward pass (`turns.py`).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING, Protocol

from ..mt.config import DecodingConfig
from ..mt.errors import ConfigError, nearest
from ..mt.languages import Language

if TYPE_CHECKING:
    from ..mt.models import LoadedModel
    from ..mt.prompting.plan import PromptPlan
    from ..mt.prompts import PromptTemplate
    from ..mt.translator import Translation, Translator

_TRANSLATORS = 32  # prepared directions and settings kept; each is small


@dataclass(frozen=True, eq=False)
class Material:
    """What prompts hold besides template and source: a glossary, a dictionary, examples.

    Two are never the same (a glossary of fifty thousand terms is not compared with another): keep one object as long as it is used, and
    requests that share it are batched together.
    """

    plan: PromptPlan


@dataclass(frozen=True)
class Task:
    """What texts have in common that can go through a model together: direction and decoding.

    Attributes:
        source, target: the languages, as the prompt shall name them.
        decoding: how translations are generated.
        template: the prompt, instead of the model's own.
        material: what the prompts hold besides.
    """

    source: Language
    target: Language
    decoding: DecodingConfig = field(default_factory=DecodingConfig)
    template: PromptTemplate | None = None
    material: Material | None = None


class Engine(Protocol):
    """A loaded model."""

    @property
    def description(self) -> str:
        """Back end, device and number format, for people."""
        ...

    def check(self, task: Task) -> None:
        """Refuse a task that cannot be done, before anything waits for it.

        Raises:
            ConfigError: decoding settings that mean nothing, or that this back end lacks.
        """
        ...

    def translate(self, texts: Sequence[str], task: Task) -> list[Translation]:
        """Translations in the order of the texts.

        Raises:
            DragomanError: a text that cannot be translated; then none of the batch is.
        """
        ...

    def stream(self, text: str, task: Task) -> Iterator[str]:
        """The translation of one text, piece by piece; leaving the iteration stops the model."""
        ...

    def prompt(self, text: str, task: Task) -> str:
        """What the model reads for a text."""
        ...


class HfEngine:
    """The transformers model in this process, with the translator of `dragoman translate`."""

    def __init__(self, loaded: LoadedModel) -> None:
        from .turns import take_turns

        self._loaded = loaded
        self._translators: OrderedDict[Task, Translator] = OrderedDict()
        self._lock = Lock()
        take_turns(loaded.model)

    @property
    def description(self) -> str:
        """As in `Engine`."""
        choice = self._loaded.choice
        return f"hf on {choice.device}, {str(choice.dtype).removeprefix('torch.')}"

    def check(self, task: Task) -> None:
        """As in `Engine`."""
        from ..mt.decoding import check_decoding

        check_decoding(task.decoding)

    def translate(self, texts: Sequence[str], task: Task) -> list[Translation]:
        """As in `Engine`; the texts go through the model in batches of `task.decoding.batch_tokens`."""
        return self._translator(task).translate(texts)

    def stream(self, text: str, task: Task) -> Iterator[str]:
        """As in `Engine`."""
        return self._translator(task).stream(text)

    def prompt(self, text: str, task: Task) -> str:
        """As in `Engine`."""
        return self._translator(task).prompt(text)

    def _translator(self, task: Task) -> Translator:
        from ..mt.prompts import DEFAULT_TEMPLATE, load_template
        from ..mt.translator import Translator

        with self._lock:
            kept = self._translators.get(task)
            if kept is None:
                template = task.template or self._loaded.prompt or load_template(DEFAULT_TEMPLATE)
                plan = task.material.plan if task.material else None
                kept = self._translators[task] = Translator(self._loaded, template, task.source, task.target, task.decoding, plan=plan)
                if len(self._translators) > _TRANSLATORS:
                    self._translators.popitem(last=False)
            self._translators.move_to_end(task)
            return kept


@dataclass(frozen=True)
class EngineSource:
    """What to open: a model as users spell it, and where it shall run."""

    model: str
    device: str = "auto"
    dtype: str = "auto"


def _open_hf(source: EngineSource) -> Engine:
    import torch

    from ..mt.devices import choose_device
    from ..mt.models import load_model

    exact = choose_device(source.device, source.dtype).dtype == torch.float32
    # Merging an adapter into float32 weights is faster and loses nothing.
    return HfEngine(load_model(source.model, device=source.device, dtype=source.dtype, merge_adapter=exact))


@dataclass(frozen=True)
class BackEnd:
    """A way to run models.

    Attributes:
        name: as `--backend` spells it.
        about: what it is, for the documentation.
        open: load a model; raises DragomanError.
    """

    name: str
    about: str
    open: Callable[[EngineSource], Engine]


BACK_ENDS: Mapping[str, BackEnd] = {
    each.name: each for each in (BackEnd("hf", "transformers in this process; every model that `dragoman translate` loads", _open_hf),)
}
# Asked for by name often enough to be told more than "unknown".
_NOT_YET = {
    "ct2": "CTranslate2 (int8 on CPU) needs a model exported to its format, and this version of Dragoman exports none",
    "ctranslate2": "CTranslate2 (int8 on CPU) needs a model exported to its format, and this version of Dragoman exports none",
    "vllm": "vLLM is a server of its own and this version of Dragoman cannot talk to it",
}


def open_engine(source: EngineSource, backend: str = "hf") -> Engine:
    """Load a model with a back end.

    Raises:
        ConfigError: no such back end, with what is missing for those that are planned.
        DragomanError: whatever is wrong with the model or the device.
    """
    found = BACK_ENDS.get(backend)
    if found is None:
        problem = f"no back end {backend!r}" + (f": {_NOT_YET[backend]}" if backend in _NOT_YET else "")
        raise ConfigError(problem, where="--backend", allowed=nearest(backend, BACK_ENDS))
    return found.open(source)
