"""Forward passes of one model in turn: whoever waits longest goes next.

A batch of long texts takes seconds on a CPU. With turns a stream that runs beside it gets a step of its own after every step of the batch,
so neither waits for the other to end, and two threads never compete for the processor's cores inside one matrix product.
"""

from __future__ import annotations

from collections import deque
from threading import Lock
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch.nn import Module


class Turns:
    """A lock that is given in the order it was asked for.

    `threading.Lock` makes no such promise: a thread that lets go and asks again at once nearly always gets it back.
    """

    def __init__(self) -> None:
        self._inner = Lock()
        self._taken = False
        self._waiting: deque[Lock] = deque()

    def acquire(self) -> None:
        """Wait for one's turn."""
        with self._inner:
            if not self._taken:
                self._taken = True
                return
            mine = Lock()
            mine.acquire()
            self._waiting.append(mine)
        mine.acquire()  # released by whoever hands the turn on

    def release(self) -> None:
        """Hand the turn on."""
        with self._inner:
            if self._waiting:
                self._waiting.popleft().release()
            else:
                self._taken = False


def take_turns(model: Module) -> None:
    """From now on every forward pass of `model` waits for its turn; one that raises hands it on too."""
    turns = Turns()

    def before(_module: Module, _arguments: tuple[Any, ...]) -> None:
        turns.acquire()

    def after(_module: Module, _arguments: tuple[Any, ...], _output: object) -> None:
        turns.release()

    model.register_forward_pre_hook(before)
    model.register_forward_hook(after, always_call=True)
