"""Translation as a service inside one process: models, queues and streams behind a few calls that pages and the HTTP API share."""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator, Hashable, Iterator, Sequence
from concurrent.futures import CancelledError
from concurrent.futures import TimeoutError as NotYet
from contextlib import closing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, cast

from ..mt.config import DecodingConfig
from ..mt.errors import ConfigError, nearest
from ..mt.languages import Language
from .adequacy import Adequacy, Estimate
from .batching import Batcher, BatchLimits, Ticket
from .detection import Detection, detect
from .engine import Engine, EngineSource, Material, Task, open_engine
from .limits import Limits, TooLargeError
from .models import Direction, ModelInfo
from .segmentation import Layout, lay_out
from .streams import Pieces, Stream, StreamSlots

if TYPE_CHECKING:
    from ..mt.translator import Translation

Progress = Callable[[int, int], None]
_TICK = 0.2  # seconds between two reports of progress


@dataclass(frozen=True)
class Result:
    """One translated text.

    Attributes:
        source: the text as given.
        text: its translation, its line breaks and outer whitespace those of the source.
        segments: the pieces that went through the model, in order, each with its own warnings.
    """

    source: str
    text: str
    segments: tuple[Translation, ...]

    @property
    def warnings(self) -> tuple[str, ...]:
        """Every warning of a segment, once; names as in `mt.checks.EXPLANATIONS`."""
        return tuple(dict.fromkeys(warning for segment in self.segments for warning in segment.warnings))


@dataclass(frozen=True)
class Job:
    """A request under way."""

    texts: tuple[str, ...]
    layouts: tuple[Layout, ...]
    ticket: Ticket
    served: Served

    @property
    def done(self) -> int:
        """Segments translated so far."""
        return self.ticket.done

    @property
    def total(self) -> int:
        """Segments in all."""
        return len(self.ticket.texts)

    def cancel(self) -> None:
        """Drop what has not been translated yet; `ticket.future` is cancelled."""
        self.served.batcher.cancel(self.ticket)

    def results(self, translations: Sequence[Translation]) -> list[Result]:
        """The texts put together from what `ticket.future` gave."""
        spaced = self.ticket.task.target.spaced
        rest = iter(translations)
        made = []
        for text, layout in zip(self.texts, self.layouts, strict=True):
            mine = tuple(next(rest) for _ in layout.segments)
            made.append(Result(text, layout.join([one.text for one in mine], spaced), mine))
        return made


@dataclass(frozen=True)
class Served:
    """A loaded model with its queue."""

    info: ModelInfo
    engine: Engine
    batcher: Batcher
    slots: StreamSlots


class Serving:
    """Loaded models and what they may be asked.

    Args:
        served: at least one model; the first is the default.
        limits: of a request.
        adequacy: what estimates how much of a text its translation says; by default sentence vectors, loaded when first asked.
    """

    def __init__(self, served: Sequence[Served], limits: Limits | None = None, adequacy: Adequacy | None = None) -> None:
        assert served, "a server without a model"
        self._served = {each.info.name: each for each in served}
        self.limits = limits or Limits()
        self.adequacy = adequacy or Adequacy()

    @classmethod
    def load(
        cls,
        models: Sequence[ModelInfo],
        *,
        backend: str = "auto",
        device: str = "auto",
        dtype: str = "auto",
        batches: BatchLimits | None = None,
        limits: Limits | None = None,
    ) -> Serving:
        """Load models and start their queues.

        Raises:
            DragomanError: a model that cannot be loaded, a device this machine lacks, an unknown back end.
        """
        limits = limits or Limits()
        engines = [open_engine(EngineSource(info.source, device, dtype), backend) for info in models]
        return cls([serve(info, engine, batches, limits.streams) for info, engine in zip(models, engines, strict=True)], limits)

    @property
    def models(self) -> tuple[ModelInfo, ...]:
        """What is served, the default first."""
        return tuple(each.info for each in self._served.values())

    def model_for(self, source: Language, target: Language, name: str | None = None) -> ModelInfo:
        """The model of that name; without one, the first that was trained for the direction, else the first that does not say.

        Raises:
            ConfigError: no model of that name.
        """
        if name is not None:
            if name not in self._served:
                raise ConfigError(f"no model {name!r}", where="model", allowed=nearest(name, self._served))
            return self._served[name].info
        by_fit = sorted(self.models, key=lambda info: 0 if info.trained(source, target) else 1 if not info.directions else 2)
        return by_fit[0]

    def submit(
        self,
        texts: Sequence[str],
        direction: Direction,
        settings: DecodingConfig | None = None,
        model: str | None = None,
        client: Hashable = None,
        material: Material | None = None,
    ) -> Job:
        """Queue texts, each of any length; `Job.ticket.future` gives the segments' translations for `Job.results`.

        Args:
            texts: each translated by itself, line by line.
            direction: source and target language; a trained direction that differs in region only is used instead.
            settings: how to decode; greedy by default.
            model: a name out of `models`; see `model_for`.
            client: whom it is from: clients are served in turn.
            material: a glossary, a dictionary or examples for the prompts.

        Raises:
            TooLargeError: beyond a limit.
            ConfigError: settings that mean nothing, or no such model.
            BusyError: the queue is full.
            ClosedError: the server is shutting down.
        """
        self._check_size(texts)
        served, task = self._task(direction, settings, model, material)
        layouts = tuple(map(lay_out, texts))
        segments = [segment for layout in layouts for segment in layout.segments]
        if len(segments) > self.limits.segments:
            raise TooLargeError(f"{len(segments):,} segments in one request", allowed=f"{self.limits.segments:,} at most")
        return Job(tuple(texts), layouts, served.batcher.submit(segments, task, client), served)

    def translate(
        self,
        texts: Sequence[str],
        direction: Direction,
        settings: DecodingConfig | None = None,
        model: str | None = None,
        client: Hashable = None,
        material: Material | None = None,
        *,
        progress: Progress | None = None,
    ) -> list[Result]:
        """Translate texts and wait for them; arguments and errors as in `submit`.

        Leaving the call by an exception (out of `progress`, say) frees what was still waiting.

        Args:
            progress: called with (segments translated, segments) now and then, and at the end.
        """
        job = self.submit(texts, direction, settings, model, client, material)
        try:
            while True:
                try:
                    translations = job.ticket.future.result(_TICK if progress else None)
                    break
                except NotYet:
                    if job.ticket.future.done():
                        raise
                    if progress is not None:
                        progress(job.done, job.total)
        except BaseException:
            job.cancel()
            raise
        if progress is not None:
            progress(job.total, job.total)
        return job.results(translations)

    def stream(
        self,
        text: str,
        direction: Direction,
        settings: DecodingConfig | None = None,
        model: str | None = None,
        client: Hashable = None,
        material: Material | None = None,
    ) -> Stream:
        """Translate one text while it is read: an iterator of pieces with `cancel()`. Joined, they are `translate([text])[0].text`; the
        stream's `result` is all of that at its end.

        Raises:
            TooLargeError, ConfigError, ClosedError: as in `submit`.
            BusyError: all streams of the model are taken.
        """
        del client  # there are few slots and no queue, so no turns to take
        self._check_size([text])
        served, task = self._task(direction, settings, model, material)
        return served.slots.start(lambda: _pieces(served.engine, text, lay_out(text), task))

    def prompt(
        self,
        text: str,
        direction: Direction,
        settings: DecodingConfig | None = None,
        model: str | None = None,
        material: Material | None = None,
    ) -> str:
        """What the model reads for a text of one segment."""
        served, task = self._task(direction, settings, model, material)
        return served.engine.prompt(text, task)

    def detect(self, text: str, among: Collection[Language] | None = None) -> Detection:
        """Which language a text is in; see `detection.detect`."""
        return detect(text, among)

    def estimates(self, results: Sequence[Result], direction: Direction) -> list[tuple[Estimate, ...]]:
        """How adequate each segment of each result seems; one tuple a result, one estimate a segment of it."""
        pairs = [(segment.source, segment.text) for result in results for segment in result.segments]
        found = iter(self.adequacy.estimates(pairs, direction))
        return [tuple(next(found) for _ in result.segments) for result in results]

    @property
    def waiting(self) -> int:
        """Segments in all queues."""
        return sum(each.batcher.waiting for each in self._served.values())

    @property
    def streaming(self) -> int:
        """Streams that run."""
        return sum(each.slots.running for each in self._served.values())

    def close(self) -> None:
        """Stop streams, fail what waits, and end the threads."""
        for each in self._served.values():
            each.slots.close()
            each.batcher.close()

    def _task(
        self, direction: Direction, settings: DecodingConfig | None, model: str | None, material: Material | None
    ) -> tuple[Served, Task]:
        info = self.model_for(*direction, model)
        source, target = info.trained(*direction) or direction
        decoding = settings or DecodingConfig()
        if decoding.beams > self.limits.beams:
            raise TooLargeError(f"{decoding.beams} beams", where="beams", allowed=f"{self.limits.beams} at most")
        served, task = self._served[info.name], Task(source, target, decoding, material=material)
        served.engine.check(task)
        return served, task

    def _check_size(self, texts: Sequence[str]) -> None:
        for what, found, most in (
            ("texts", len(texts), self.limits.texts),
            ("characters", sum(map(len, texts)), self.limits.characters),
        ):
            if found > most:
                raise TooLargeError(f"{found:,} {what} in one request", allowed=f"{most:,} at most")


def serve(info: ModelInfo, engine: Engine, batches: BatchLimits | None = None, streams: int = 2) -> Served:
    """Put a queue and stream slots before an engine."""
    info = replace(info, description=engine.description)
    return Served(info, engine, Batcher(engine, batches, f"batches of {info.name}"), StreamSlots(streams))


def _pieces(engine: Engine, text: str, layout: Layout, task: Task) -> Pieces:
    joined = ""
    done: list[Translation] = []
    for number, segment in enumerate(layout.segments):
        shown, ends = "", list[object]()
        with closing(_closable(engine.stream(segment, task), ends)) as pieces:
            for piece in filter(None, pieces):
                put = piece if shown else layout.separator(number, joined, task.target.spaced) + piece
                shown += piece
                joined += put
                yield put
        done.append(_told(ends[0], segment, shown, task))
        if not shown and layout.before[number]:
            joined += layout.before[number] or ""
            yield layout.before[number] or ""
    if layout.end:
        yield layout.end
    return Result(text, joined + layout.end, tuple(done))


def _closable(pieces: Iterator[str], ends: list[object]) -> Generator[str]:
    """The pieces; a generator's value, or None of another iterator, goes into `ends`."""
    value: object = yield from cast("Generator[str, None, object]", pieces)
    ends.append(value)


def _told(told: object, source: str, text: str, task: Task) -> Translation:
    """The translation as the engine tells it at the end of its stream, else what can be said of the text it gave."""
    from ..mt.checks import check
    from ..mt.translator import Translation

    if isinstance(told, Translation):
        return told
    return Translation(source, text, 0.0, 0, True, check(source, text, task.source, task.target))


__all__ = ["CancelledError", "Detection", "Job", "Result", "Served", "Serving", "serve"]
