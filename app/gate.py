"""The door: pages need a user's password where users are named. The API checks for itself, since keys may stand in bodies."""

from __future__ import annotations

from collections.abc import Collection

from .access import Access
from .guard import App, Receive, Scope, Send, header, refuse
from .rates import Rate, TooManyError


class Gate:
    """HTTP Basic authentication in front of everything but some paths.

    Args:
        access: users and keys.
        elsewhere: paths that check for themselves.
        wrong: counts passwords that were none, by address.
    """

    def __init__(self, app: App, access: Access, elsewhere: Collection[str], wrong: Rate) -> None:
        self._app = app
        self._access = access
        self._elsewhere = frozenset(elsewhere)
        self._wrong = wrong

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http" or not self._access.users or self._open(scope["path"]):
            await self._app(scope, receive, send)
            return
        try:
            known = self._known(header(scope, b"authorization"), scope["client"][0] if scope.get("client") else "")
        except TooManyError as slow:
            await refuse(send, 429, str(slow), {"retry-after": str(slow.retry_after)})
            return
        if known:
            await self._app(scope, receive, send)
        else:
            await refuse(send, 401, "a user name and password are needed", {"www-authenticate": 'Basic realm="dragoman", charset="UTF-8"'})

    def _known(self, authorization: str | None, address: str) -> bool:
        if authorization is None:
            return False
        self._wrong.check(address)
        if self._access.user_name(authorization) is not None:
            return True
        self._wrong.spend(address)
        return False

    def _open(self, path: str) -> bool:
        return path in self._elsewhere or path.startswith("/download_file/")
