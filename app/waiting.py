"""Who is served next: clients in turn, and of each client its requests in turn, a chunk at a time.

A request of two thousand sentences and a one-liner that comes after it share the next batch, whether they come from two people or from one.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .batching import Ticket
    from .engine import Task


@dataclass(frozen=True)
class Row:
    """One segment of a request."""

    ticket: Ticket
    number: int

    @property
    def text(self) -> str:
        """The segment."""
        return self.ticket.texts[self.number]


@dataclass
class Waiting:
    """Requests with segments that no batch has taken yet. Not safe by itself: the batcher locks around it.

    Attributes:
        segments: how many wait in all.
    """

    segments: int = 0
    _clients: OrderedDict[Hashable, OrderedDict[Ticket, None]] = field(default_factory=OrderedDict)

    def __bool__(self) -> bool:
        return bool(self._clients)

    def add(self, ticket: Ticket) -> None:
        """Put a request behind those of its client, and a new client behind the others."""
        self._clients.setdefault(ticket.client, OrderedDict())[ticket] = None
        self.segments += ticket.left

    def remove(self, ticket: Ticket) -> None:
        """Drop what is left of a request; nothing happens when nothing is."""
        requests = self._clients.get(ticket.client)
        if requests is None or ticket not in requests:
            return
        self.segments -= ticket.left
        del requests[ticket]
        if not requests:
            del self._clients[ticket.client]

    def clear(self) -> list[Ticket]:
        """Drop everything; the requests that were waiting."""
        tickets = [ticket for requests in self._clients.values() for ticket in requests]
        self._clients.clear()
        self.segments = 0
        return tickets

    def take(self, rows: int, characters: int) -> list[Row]:
        """The next batch: segments of one task, `rows` at most and about as many `characters`, never none while something waits.

        Every client with that task gives a chunk before any gives a second one. Who gave goes behind who did not, so a task that was not
        this batch's comes first in a later one.
        """
        task = next(iter(next(iter(self._clients.values())))).task
        chunk = max(1, rows // 8)
        taken: list[Row] = []
        before = -1
        while len(taken) > before:
            before = len(taken)
            for client in list(self._clients):
                if len(taken) >= rows or sum(len(row.text) for row in taken) >= characters:
                    return taken
                taken += self._chunk(client, task, min(chunk, rows - len(taken)))
        return taken

    def _chunk(self, client: Hashable, task: Task, most: int) -> list[Row]:
        """A few segments of a client's request with that task; none when there is none."""
        ticket = next((each for each in self._clients[client] if each.task == task), None)
        if ticket is None:
            return []
        rows = [Row(ticket, number) for number in islice(ticket.numbers, most)]
        self.segments -= len(rows)
        ticket.left -= len(rows)
        self._to_the_back(client, ticket)
        return rows

    def _to_the_back(self, client: Hashable, ticket: Ticket) -> None:
        requests = self._clients[client]
        if ticket.left:
            requests.move_to_end(ticket)
        else:
            del requests[ticket]
        if requests:
            self._clients.move_to_end(client)
        else:
            del self._clients[client]
