"""How much a client may ask for in a minute: token buckets that fill evenly, so that a client who waited may be quick for a moment."""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from threading import Lock

_CLIENTS = 10_000  # remembered; the one that was away longest is forgotten first, and begins afresh


class TooManyError(RuntimeError):
    """A client asked for more than its share.

    Attributes:
        retry_after: seconds until the same request would be allowed.
    """

    def __init__(self, what: str, retry_after: int) -> None:
        super().__init__(f"slow down: too many {what} a minute")
        self.retry_after = retry_after


@dataclass
class _Bucket:
    left: float
    seen: float


class Rate:
    """So many units a minute for each client.

    Args:
        what: the unit, for messages.
        per_minute: None for no limit.
        clock: seconds.
    """

    def __init__(self, what: str, per_minute: int | None, clock: Callable[[], float] = time.monotonic) -> None:
        self._what, self._per_minute, self._clock = what, per_minute, clock
        self._buckets: OrderedDict[Hashable, _Bucket] = OrderedDict()
        self._lock = Lock()

    def spend(self, client: Hashable, units: int = 1) -> None:
        """Take units out of a client's share. A request larger than the whole share is let through when the share is full, and uses it up.

        Raises:
            TooManyError: there are not enough left.
        """
        if self._per_minute is None:
            return
        with self._lock:
            bucket = self._bucket(client, self._per_minute)
            needed = min(units, self._per_minute)
            self._need(bucket, needed, self._per_minute)
            bucket.left -= needed

    def check(self, client: Hashable) -> None:
        """Whether a client has anything left; nothing is taken.

        Raises:
            TooManyError: not one unit.
        """
        if self._per_minute is None:
            return
        with self._lock:
            self._need(self._bucket(client, self._per_minute), 1, self._per_minute)

    def _bucket(self, client: Hashable, per_minute: int) -> _Bucket:
        """What a client has left by now."""
        now = self._clock()
        bucket = self._buckets.setdefault(client, _Bucket(per_minute, now))
        bucket.left = min(per_minute, bucket.left + (now - bucket.seen) * per_minute / 60)
        bucket.seen = now
        self._buckets.move_to_end(client)
        if len(self._buckets) > _CLIENTS:
            self._buckets.popitem(last=False)
        return bucket

    def _need(self, bucket: _Bucket, units: int, per_minute: int) -> None:
        if bucket.left < units:
            raise TooManyError(self._what, max(1, math.ceil((units - bucket.left) * 60 / per_minute)))
