"""Translations that are shown while they are generated, each in a thread of its own beside the batches.

A stream does not go through the batcher: it would wait for whole batches, or every batch for it. It has one of a few slots instead, and the
model's forward passes alternate between the slots and the batch (`turns.py`). A reader that stops reading holds no slot for longer than the
model needs for the text, and one that leaves frees it after the step in hand.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from queue import SimpleQueue
from threading import Event, Lock, Thread
from typing import TYPE_CHECKING

from .batching import BusyError, ClosedError

if TYPE_CHECKING:
    from .serving import Result

Pieces = Generator[str, None, "Result | None"]
_RETRY = 5  # seconds


@dataclass(frozen=True)
class _End:
    error: BaseException | None = None


class Stream:
    """The pieces of one translation as they come. Iterate over it once; `cancel` (or `close`) ends it early.

    Attributes:
        result: the whole translation with its warnings, once the iteration has come to its end by itself.
    """

    def __init__(self) -> None:
        self.result: Result | None = None
        self._pieces: SimpleQueue[str | _End] = SimpleQueue()
        self._cancelled = Event()

    def __iter__(self) -> Iterator[str]:
        try:
            while not isinstance(piece := self._pieces.get(), _End):
                yield piece
        finally:
            self.cancel()
        if piece.error is not None:
            raise piece.error

    @property
    def cancelled(self) -> bool:
        """Whether nobody reads any more."""
        return self._cancelled.is_set()

    def cancel(self) -> None:
        """Stop the model after the step in hand; iterating ends. Safe from any thread, any number of times."""
        self._cancelled.set()
        self._pieces.put(_End())

    close = cancel

    def fill(self, pieces: Callable[[], Pieces]) -> None:
        """Read what `pieces` gives to its end, or until the reader leaves; its error is raised to the reader."""
        end = _End()
        try:
            with closing(self._ended(pieces())) as read:
                for piece in read:
                    if self.cancelled:
                        break
                    self._pieces.put(piece)
        except Exception as error:
            end = _End(error)
        self._pieces.put(end)

    def _ended(self, pieces: Pieces) -> Generator[str]:
        self.result = yield from pieces


class StreamSlots:
    """How many streams one model serves at once.

    Args:
        count: of streams; one more is `BusyError`.
    """

    def __init__(self, count: int = 2) -> None:
        self._count = count
        self._running: dict[Stream, Thread] = {}
        self._lock = Lock()
        self._closed = False

    def start(self, pieces: Callable[[], Pieces]) -> Stream:
        """Begin to read what `pieces` gives, in a thread of its own.

        Raises:
            BusyError: all slots are taken.
            ClosedError: after `close`.
        """
        stream = Stream()
        thread = Thread(target=self._run, args=(stream, pieces), name="stream", daemon=True)
        with self._lock:
            if self._closed:
                raise ClosedError
            if len(self._running) >= self._count:
                raise BusyError(_RETRY)
            self._running[stream] = thread
        thread.start()
        return stream

    @property
    def running(self) -> int:
        """Slots that are taken."""
        with self._lock:
            return len(self._running)

    def close(self, timeout: float = 30.0) -> None:
        """Refuse new streams and stop those that run."""
        with self._lock:
            self._closed = True
            running = list(self._running.items())
        for stream, thread in running:
            stream.cancel()
            thread.join(timeout)

    def _run(self, stream: Stream, pieces: Callable[[], Pieces]) -> None:
        try:
            stream.fill(pieces)
        finally:
            with self._lock:
                del self._running[stream]
