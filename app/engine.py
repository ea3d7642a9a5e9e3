"""What turns texts into translations behind the server: one interface, over any back end of `mt.backends`.

An engine is one loaded model. It is asked from a batching thread and, at the same time, from the threads of streams, so both calls must be
safe beside each other; the hf back end takes turns forward pass by forward pass (`turns.py`).
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from threading import Lock
from typing import TYPE_CHECKING, Protocol

from ..mt.backends import OpenedModel, Opening, choose_backend, open_model
from ..mt.config import DecodingConfig
from ..mt.errors import ConfigError
from ..mt.languages import Language

if TYPE_CHECKING:
    from ..mt.prompting.plan import PromptPlan
    from ..mt.prompts import PromptTemplate
    from ..mt.translator import Translation, Translator

_log = logging.getLogger(__name__)
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


class ModelEngine:
    """A model behind one of the back ends, with the translator of `dragoman translate`.

    Args:
        opened: the model.
        whole: opens the model that `opened` is an export of, for tasks an export cannot do (sampling, forced terms); it is called when
            the first of them comes.
    """

    def __init__(self, opened: OpenedModel, whole: Callable[[], OpenedModel] | None = None) -> None:
        self._opened = _taking_turns(opened)
        self._whole = whole
        self._other: OpenedModel | None = None
        self._translators: OrderedDict[Task, Translator] = OrderedDict()
        self._lock = Lock()

    @property
    def description(self) -> str:
        """As in `Engine`."""
        return self._opened.backend.description

    def check(self, task: Task) -> None:
        """As in `Engine`."""
        from ..mt.decoding import check_decoding

        check_decoding(task.decoding)
        if self._whole is None:
            _check(self._opened, task)

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
                opened = self._able(task)
                template = task.template or opened.prompt or load_template(DEFAULT_TEMPLATE)
                plan = task.material.plan if task.material else None
                kept = self._translators[task] = Translator(opened, template, task.source, task.target, task.decoding, plan=plan)
                if len(self._translators) > _TRANSLATORS:
                    self._translators.popitem(last=False)
            self._translators.move_to_end(task)
            return kept

    def _able(self, task: Task) -> OpenedModel:
        """The model for a task: the whole one where the export's back end refuses."""
        if self._whole is None:
            return self._opened
        try:
            _check(self._opened, task)
        except ConfigError as refused:
            if self._other is None:
                _log.info("%s; the whole model is loaded beside it", refused.problem)
                self._other = _taking_turns(self._whole())
            return self._other
        return self._opened


def _check(opened: OpenedModel, task: Task) -> None:
    """Refuse what the back end lacks."""
    opened.backend.check(task.decoding)
    glossary = task.material.plan.glossary if task.material else None
    if glossary is not None and glossary.forces and opened.backend.name != "hf":
        raise ConfigError(f"{opened.backend.name} cannot force terms into the output", allowed="--backend hf")


def _taking_turns(opened: OpenedModel) -> OpenedModel:
    from ..mt.backends.hf import HfBackend
    from .turns import take_turns

    if isinstance(opened.backend, HfBackend):
        take_turns(opened.backend.loaded.model)
    return opened


@dataclass(frozen=True)
class EngineSource:
    """What to open: a model as users spell it, and where it shall run."""

    model: str
    device: str = "auto"
    dtype: str = "auto"


def open_engine(source: EngineSource, backend: str = "auto") -> Engine:
    """Load a model with a back end of `mt.backends`; on a CPU "auto" takes a run's int8 export where there is one.

    Raises:
        ConfigError: no such back end, or its package is not installed.
        DragomanError: whatever is wrong with the model or the device.
    """
    asked = Opening(source.model, device=source.device, dtype=source.dtype, prefer_export=True)
    kind, opening = choose_backend(asked, backend)
    whole = partial(open_model, asked, "hf") if opening.model != asked.model else None
    return ModelEngine(kind.open(opening), whole)
