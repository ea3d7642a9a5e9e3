"""What stands between the network and the server: checks that hold for every path, each a small ASGI application around the next.

They are plain ASGI, not `BaseHTTPMiddleware`, which hides from an endpoint that its client has left.
"""

from __future__ import annotations

import asyncio
import ipaddress
import json
import logging
import secrets
from collections.abc import Callable, Collection, Mapping
from typing import Any
from urllib.parse import urlsplit

from .limits import Limits

Scope = dict[str, Any]
Message = dict[str, Any]
Receive = Callable[[], Any]
Send = Callable[[Message], Any]
App = Callable[[Scope, Receive, Send], Any]

_log = logging.getLogger(__name__)
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=()"),
)
# Nothing comes from elsewhere, so an injected address has nowhere to go; the page's own scripts are inline.
_PAGE_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; "
    "font-src 'self' data:; connect-src 'self'; worker-src 'self' blob:; object-src 'none'; base-uri 'self'; form-action 'self'; "
    "frame-ancestors 'none'"
)


def header(scope: Scope, name: bytes) -> str | None:
    """The last header of that (lower-case) name, None without one."""
    return next((value.decode("latin-1") for key, value in reversed(scope["headers"]) if key == name), None)


async def refuse(send: Send, status: int, problem: str, headers: Mapping[str, str] | None = None) -> None:
    """Answer with an error in LibreTranslate's form."""
    body = json.dumps({"error": problem}).encode()
    raw = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    raw += [(name.lower().encode(), value.encode()) for name, value in (headers or {}).items()]
    await send({"type": "http.response.start", "status": status, "headers": raw})
    await send({"type": "http.response.body", "body": body})


class Failures:
    """No traceback leaves the server: it is logged under a number that the client is told. Security headers go on every answer."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False

        async def secured(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                message = {**message, "headers": _secured(message["headers"])}
            await send(message)

        try:
            await self._app(scope, receive, secured)
        except Exception:
            number = secrets.token_hex(4)
            _log.exception("error %s at %s %s", number, scope["method"], scope["path"])
            if started:
                raise _CutError(number) from None
            await refuse(secured, 500, f"something went wrong here (error {number} in the server's log)")


class _CutError(RuntimeError):
    """An answer broke off after it had begun; the connection must end, since nothing else can tell the client."""


def _secured(given: Collection[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    there = {name.lower() for name, _ in given}
    html = any(name.lower() == b"content-type" and value.startswith(b"text/html") for name, value in given)
    policy = _PAGE_POLICY if html else "default-src 'none'; frame-ancestors 'none'"
    wanted = [*_HEADERS, (b"content-security-policy", policy.encode())]
    return [*given, *((name, value) for name, value in wanted if name not in there)]


class KnownHosts:
    """Only requests that name us as their host: a web page elsewhere cannot reach the server by pointing its own name here (DNS rebinding).

    Loopback names are known, and what the user bound or named. An address (not a name) is let through where the server listens on every
    address: a rebound name is never an address.

    Args:
        hosts: names and addresses the user gave.
        any_address: the server listens on all of the machine's addresses.
    """

    def __init__(self, app: App, hosts: Collection[str] = (), any_address: bool = False) -> None:
        self._app = app
        self._hosts = LOOPBACK | {host.casefold() for host in hosts}
        self._any_address = any_address

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})  # nothing here speaks WebSocket
        elif not self._known(header(scope, b"host")):
            await refuse(send, 421, "this server does not go by that name (see --allow-host)")
        else:
            await self._app(scope, receive, send)

    def _known(self, host: str | None) -> bool:
        name = host_name(host or "")
        return name in self._hosts or (self._any_address and is_address(name))


def host_name(host: str) -> str:
    """The name in a Host header or authority, without port and brackets; empty when it is none."""
    try:
        return (urlsplit(f"//{host}").hostname or "").rstrip(".") if "@" not in host and "/" not in host else ""
    except ValueError:
        return ""


def is_address(name: str) -> bool:
    """Whether a host is an IP address."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


class SameOrigin:
    """Pages from elsewhere may not use the server with their visitor's browser, unless they were named.

    Args:
        origins: `https://example.org`, as browsers spell it; these get CORS headers.
    """

    def __init__(self, app: App, origins: Collection[str] = ()) -> None:
        self._app = app
        self._origins = frozenset(origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        origin = header(scope, b"origin") if scope["type"] == "http" else None
        if origin is None:
            await self._app(scope, receive, send)
        elif origin in self._origins:
            await self._shared(origin, scope, receive, send)
        elif origin.partition("://")[2] == header(scope, b"host"):
            await self._app(scope, receive, send)
        else:
            await refuse(send, 403, "pages from elsewhere may not use this server (see --cors)")

    async def _shared(self, origin: str, scope: Scope, receive: Receive, send: Send) -> None:
        allowed = [(b"access-control-allow-origin", origin.encode("latin-1")), (b"vary", b"Origin")]
        if scope["method"] == "OPTIONS":
            methods = [(b"access-control-allow-methods", b"GET, POST"), (b"access-control-allow-headers", b"content-type, authorization")]
            await send({"type": "http.response.start", "status": 204, "headers": [*allowed, *methods, (b"access-control-max-age", b"600")]})
            await send({"type": "http.response.body", "body": b""})
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message["headers"], *allowed]}
            await send(message)

        await self._app(scope, receive, with_headers)


class _RefusedError(Exception):
    def __init__(self, status: int, problem: str) -> None:
        super().__init__(problem)
        self.status, self.problem = status, problem


class Bodies:
    """Bodies within bounds of size and time, counted while they arrive; and no more requests at once than the server is meant for."""

    def __init__(self, app: App, limits: Limits) -> None:
        self._app = app
        self._limits = limits
        self._answering = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
        elif _announced(scope) > self._limits.body:
            await refuse(send, 413, self._too_large(), {"connection": "close"})
        elif self._answering >= self._limits.requests:
            await refuse(send, 503, "busy: too many requests at once", {"retry-after": "5", "connection": "close"})
        else:
            self._answering += 1
            try:
                await self._answer(scope, receive, send)
            finally:
                self._answering -= 1

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = False
        refusals: list[_RefusedError] = []

        async def watched(message: Message) -> None:
            nonlocal started
            if refusals and not started:
                return  # a 500 that somebody inside makes of the refusal
            started = True
            await send(message)

        try:
            await self._app(scope, self._counted(receive, refusals), watched)
        except Exception:
            if started or not refusals:
                raise
        if refusals and not started:
            await refuse(send, refusals[0].status, refusals[0].problem, {"connection": "close"})

    def _counted(self, receive: Receive, refusals: list[_RefusedError]) -> Receive:
        limits, read, whole = self._limits, 0, False
        deadline = asyncio.get_running_loop().time() + limits.body_seconds

        async def counted() -> Message:
            nonlocal read, whole
            if whole:
                message: Message = await receive()  # waits for the client to leave
                return message
            try:
                async with asyncio.timeout_at(deadline):
                    message = await receive()
            except TimeoutError:
                refusals.append(_RefusedError(408, f"the request did not arrive within {limits.body_seconds:g} seconds"))
                raise refusals[0] from None
            read += len(message.get("body", b""))
            if read > limits.body:
                refusals.append(_RefusedError(413, self._too_large()))
                raise refusals[0]
            whole = message["type"] != "http.request" or not message.get("more_body", False)
            return message

        return counted

    def _too_large(self) -> str:
        return f"the request is larger than {self._limits.body:,} bytes"


def _announced(scope: Scope) -> int:
    """Bytes of the body as the client announces them; 0 where it does not."""
    length = header(scope, b"content-length") or "0"
    return int(length) if length.isascii() and length.isdigit() and len(length) < 20 else 0
