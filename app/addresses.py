"""Which address the server listens on, and whether it may: a public one only when something asks who comes."""

from __future__ import annotations

import errno
import ipaddress
import socket
from dataclasses import dataclass, field

from ..mt.errors import ConfigError
from .access import Access
from .guard import is_address
from .limits import Limits

DEFAULT_PORT = 7860
_PORTS_TRIED = 20
_HIGHEST_PORT = 65_535
_EVERYWHERE = ("0.0.0.0", "::")


@dataclass(frozen=True)
class AppSettings:
    """How the server is reached and by whom.

    Attributes:
        host: address to listen on.
        port: None for the first free one from 7860 on; 0 for any free one.
        page: serve the page beside the API.
        allow_hosts: further names the server goes by.
        origins: pages from elsewhere that may use it (CORS).
    """

    host: str = "127.0.0.1"
    port: int | None = None
    page: bool = True
    access: Access = field(default_factory=Access)
    limits: Limits = field(default_factory=Limits)
    allow_hosts: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()

    @property
    def everywhere(self) -> bool:
        """Whether it listens on every address of the machine."""
        return self.host in _EVERYWHERE

    @property
    def hosts(self) -> tuple[str, ...]:
        """The names it goes by, beside those of the loopback."""
        return (*self.allow_hosts, *(() if self.everywhere else (self.host,)))

    def check(self, *, shared: bool = False) -> None:
        """Refuse a port there is none of, and to be public without asking who comes.

        Args:
            shared: a tunnel makes it public whatever the address.

        Raises:
            ConfigError: as above.
        """
        if self.port is not None and not 0 <= self.port <= _HIGHEST_PORT:
            raise ConfigError(f"no port {self.port}", where="--port", allowed=f"0 to {_HIGHEST_PORT}")
        if is_loopback(self.host) and not shared:
            return
        where = "--share" if shared else "--host"
        public = f"{'a shared link' if shared else self.host} can be reached by others"
        if self.access.open_api:
            raise ConfigError(
                f"{public}, and nothing would ask who they are",
                where=where,
                allowed="127.0.0.1, or --auth FILE or --api-key-file FILE with it",
            )
        if self.page and not self.access.users:
            raise ConfigError(f"{public}, and API keys do not protect the page", where=where, allowed="--auth FILE with it, or --api-only")


def is_loopback(host: str) -> bool:
    """Whether an address can be reached from this machine only."""
    return host == "localhost" or (is_address(host) and ipaddress.ip_address(host).is_loopback)


def open_socket(settings: AppSettings) -> socket.socket:
    """A socket that listens already, so that its port is nobody else's by the time it is told.

    Raises:
        ConfigError: no such address, the port is taken, or one may not listen there.
    """
    ports = [settings.port] if settings.port is not None else [DEFAULT_PORT + i for i in range(_PORTS_TRIED)]
    for port in ports:
        try:
            return _listen(settings.host, port)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise ConfigError(f"cannot listen on {settings.host}, port {port}: {error.strerror}", where="--host, --port") from error
    taken = f"port {ports[0]} is taken" if len(ports) == 1 else f"ports {ports[0]} to {ports[-1]} are all taken"
    raise ConfigError(taken, where="--port", hint="--port 0 takes any free one")


def _listen(host: str, port: int) -> socket.socket:
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    opened = socket.socket(family, kind, protocol)
    try:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        opened.bind(address)
        opened.listen(2048)
    except BaseException:
        opened.close()
        raise
    return opened


def address_of(opened: socket.socket) -> str:
    """The address to type into a browser, `http://127.0.0.1:7860`; a server on every address is reached by the loopback."""
    host, port = opened.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
