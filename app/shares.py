"""What a client may ask for in a minute, whichever way it comes: the page and the API take from the same share."""

from __future__ import annotations

from collections.abc import Hashable

from .limits import Limits
from .rates import Rate


class Shares:
    """Requests and characters of each client.

    Args:
        limits: says how many a minute.
    """

    def __init__(self, limits: Limits) -> None:
        self.requests = Rate("requests", limits.requests_per_minute)
        self.characters = Rate("characters", limits.characters_per_minute)

    def spend(self, client: Hashable, characters: int) -> None:
        """Take one request with so many characters out of a client's share.

        Raises:
            TooManyError: there is not enough left.
        """
        self.requests.spend(client)
        self.characters.spend(client, characters)
