"""Dynamic batching: requests that wait together go through the model together, and none of them notices the others.

One thread serves one model. It sleeps while nothing waits; whatever has come in while a batch was being translated forms the next one. So
a lone request never waits for company, and under load batches fill by themselves.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Hashable, Iterator, Sequence
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from dataclasses import dataclass, field
from threading import Condition, Thread
from typing import TYPE_CHECKING

from ..mt.errors import ConfigError
from .waiting import Row, Waiting

if TYPE_CHECKING:
    from ..mt.translator import Translation
    from .engine import Engine, Task

_log = logging.getLogger(__name__)
_LONGEST_WAIT = 60  # seconds a client is told to stay away at most
_SMOOTHING = 0.2  # weight of the newest batch in the running rate


class BusyError(RuntimeError):
    """The queue is full.

    Attributes:
        retry_after: seconds until there probably is room.
    """

    def __init__(self, retry_after: int) -> None:
        super().__init__("busy: too many requests are waiting")
        self.retry_after = retry_after


class ClosedError(RuntimeError):
    """The server is shutting down."""

    def __init__(self) -> None:
        super().__init__("the server is shutting down")


@dataclass(frozen=True)
class BatchLimits:
    """How much goes through the model together, and how much may wait.

    Attributes:
        rows: segments a batch; 1 turns batching off.
        characters: of source text a batch, about; a batch of long segments has fewer rows.
        queue: segments that may wait, of all requests together.
    """

    rows: int = 32
    characters: int = 8000
    queue: int = 4096

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if value < 1:
                raise ConfigError(f"`{name}` is {value}", where="batches", allowed="1 or more")


@dataclass(eq=False)
class Ticket:
    """A request in the batcher.

    Attributes:
        texts: (N,) segments.
        future: its N translations; an exception when one of them failed; cancelled when the client left.
        left: segments no batch has taken yet.
    """

    texts: Sequence[str]
    task: Task
    client: Hashable
    future: Future[list[Translation]] = field(default_factory=Future)
    left: int = field(init=False)
    numbers: Iterator[int] = field(init=False, repr=False)
    _done: dict[int, Translation] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        self.left = len(self.texts)
        self.numbers = iter(range(len(self.texts)))

    @property
    def done(self) -> int:
        """Segments translated so far."""
        return len(self._done)

    def receive(self, number: int, translation: Translation) -> None:
        """Keep one translation; the last one completes the request."""
        self._done[number] = translation
        if len(self._done) == len(self.texts):
            self.settle([self._done[i] for i in range(len(self.texts))])

    def settle(self, outcome: list[Translation] | BaseException) -> None:
        """Complete or fail the request, unless its client has left or it failed before."""
        with suppress(InvalidStateError):
            if isinstance(outcome, BaseException):
                self.future.set_exception(outcome)
            else:
                self.future.set_result(outcome)


class Batcher:
    """The queue in front of one engine and the thread that empties it.

    Args:
        engine: translates the batches.
        limits: see `BatchLimits`.
        name: of the thread.
    """

    def __init__(self, engine: Engine, limits: BatchLimits | None = None, name: str = "batcher") -> None:
        self._engine = engine
        self.limits = limits or BatchLimits()
        self._waiting = Waiting()
        self._changed = Condition()
        self._closed = False
        self._rate = 0.0  # segments a second
        self._thread = Thread(target=self._serve, name=name, daemon=True)
        self._thread.start()

    def submit(self, texts: Sequence[str], task: Task, client: Hashable = None) -> Ticket:
        """Queue a request; its translations arrive in `Ticket.future`.

        A request is taken whole or not at all. One that is larger than the whole queue is taken when nothing else waits.

        Args:
            texts: segments; none of them gives an empty result at once.
            task: direction and settings.
            client: whom it is from; clients are served in turn.

        Raises:
            BusyError: too many segments wait already.
            ClosedError: after `close`.
        """
        ticket = Ticket(tuple(texts), task, client)
        with self._changed:
            if self._closed:
                raise ClosedError
            if self._waiting and self._waiting.segments + len(ticket.texts) > self.limits.queue:
                raise BusyError(self._retry_after())
            if ticket.texts:
                self._waiting.add(ticket)
                self._changed.notify()
        if not ticket.texts:
            ticket.settle([])
        return ticket

    def cancel(self, ticket: Ticket) -> None:
        """Forget a request: its segments leave the queue at once; those in the model's hands are dropped when they come out."""
        with self._changed:
            self._waiting.remove(ticket)
        ticket.future.cancel()

    @property
    def waiting(self) -> int:
        """Segments in the queue."""
        with self._changed:
            return self._waiting.segments

    def close(self, timeout: float = 30.0) -> None:
        """Refuse what comes, fail what waits, and let the batch in work end (waiting `timeout` seconds for it)."""
        with self._changed:
            self._closed = True
            dropped = self._waiting.clear()
            self._changed.notify()
        for ticket in dropped:
            ticket.settle(ClosedError())
        self._thread.join(timeout)

    def _retry_after(self) -> int:
        """Seconds until half of what waits now should be done."""
        if not self._rate:
            return 1
        return min(_LONGEST_WAIT, max(1, math.ceil(self._waiting.segments / self._rate / 2)))

    # ---- the thread ----

    def _serve(self) -> None:
        while rows := self._next_batch():
            started = time.monotonic()
            self._translate(rows)
            rate = len(rows) / max(time.monotonic() - started, 1e-6)
            self._rate += (rate - self._rate) * (_SMOOTHING if self._rate else 1.0)

    def _next_batch(self) -> list[Row]:
        """Sleep until something waits; no rows when the batcher is closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or bool(self._waiting))
            return [] if self._closed else self._waiting.take(self.limits.rows, self.limits.characters)

    def _translate(self, rows: Sequence[Row]) -> None:
        """Translate rows and hand them out; when they fail together they go one by one, so that only the guilty request fails."""
        try:
            translations = self._engine.translate([row.text for row in rows], rows[0].ticket.task)
            assert len(translations) == len(rows), "an engine gives one translation a text"
        except Exception as error:
            if len(rows) == 1:
                self._fail(rows[0].ticket, error)
                return
            _log.info("a batch of %d segments failed (%s); trying them one by one", len(rows), type(error).__name__)
        else:
            for row, translation in zip(rows, translations, strict=True):
                row.ticket.receive(row.number, translation)
            return
        for row in rows:
            if not row.ticket.future.done():
                self._translate([row])

    def _fail(self, ticket: Ticket, error: Exception) -> None:
        with self._changed:
            self._waiting.remove(ticket)
        ticket.settle(error)
