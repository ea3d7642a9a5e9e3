"""Slow work that a page watches: it runs in a thread, tells how far it is, and stops when the page no longer waits."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from concurrent.futures import wait
from threading import Event, Thread
from typing import Generic, TypeVar

from ..serving import Job

Made = TypeVar("Made")
_TICK = 0.3  # seconds between two looks


class Work(Generic[Made]):
    """One piece of work.

    Args:
        run: does it; it is given this object, to tell progress to and to ask whether to stop.
    """

    def __init__(self, run: Callable[[Work[Made]], Made]) -> None:
        self._run = run
        self._ended = Event()
        self._left = Event()
        self._made: list[Made] = []
        self._error: BaseException | None = None
        self.done = 0
        self.total = 0

    def progress(self, done: int, total: int) -> None:
        """Called by the work."""
        self.done, self.total = done, total

    def cancelled(self) -> bool:
        """Whether nobody waits any more; asked by the work."""
        return self._left.is_set()

    def wait(self, seconds: float) -> bool:
        """Sleep, but no longer than somebody waits; whether nobody does."""
        return self._left.wait(seconds)

    def watch(self) -> Iterator[tuple[int, int]]:
        """Do the work, giving (done, total) whenever it changed. Leaving the iteration cancels the work.

        Raises:
            Exception: whatever the work raised.
        """
        Thread(target=self._work, name="page work", daemon=True).start()
        try:
            told = None
            while not self._ended.wait(_TICK):
                if (self.done, self.total) != told:
                    told = self.done, self.total
                    yield told
        finally:
            self._left.set()
        if self._error is not None:
            raise self._error

    @property
    def made(self) -> Made:
        """What came of it, once `watch` has ended."""
        return self._made[0]

    def _work(self) -> None:
        try:
            self._made.append(self._run(self))
        except BaseException as error:
            self._error = error  # raised again to whoever watches
        finally:
            self._ended.set()


def watch_jobs(jobs: Collection[Job]) -> Iterator[tuple[int, int]]:
    """(segments done, segments) of requests under way, until all have ended. Leaving the iteration, like a failure, cancels them.

    Raises:
        Exception: the first that a job failed with.
    """
    try:
        while wait([job.ticket.future for job in jobs], _TICK).not_done:
            yield sum(job.done for job in jobs), sum(job.total for job in jobs)
        for job in jobs:
            job.ticket.future.result()
    finally:
        for job in jobs:
            job.cancel()
