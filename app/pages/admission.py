"""Who asks on the page, and how much of it: counted against the same share as requests to the API."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

import gradio as gr

from ..access import Access
from ..shares import Shares


@dataclass(frozen=True)
class Admission:
    """The page's door to the models.

    Attributes:
        shares: what each client may ask for in a minute.
        access: knows the users' names.
    """

    shares: Shares
    access: Access

    def admit(self, request: gr.Request, *texts: str) -> None:
        """Count one request with these texts.

        Raises:
            TooManyError: the client's share is used up.
        """
        self.shares.spend(self._client(request), sum(map(len, texts)))

    def _client(self, request: gr.Request) -> Hashable:
        """A user's name, else an address: a page's session would not do, since a client makes up as many as it likes."""
        name = self.access.user_name(request.headers.get("authorization"))
        return name or (request.client.host if request.client else "")
