"""A real server on a loopback port, over a tiny real model or over an engine whose every step a test decides."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field

import httpx

from dragoman.app.addresses import AppSettings, address_of, open_socket
from dragoman.app.batching import BatchLimits
from dragoman.app.engine import Task
from dragoman.app.limits import Limits
from dragoman.app.models import ModelInfo
from dragoman.app.server import Server, build_app
from dragoman.app.serving import Serving, serve
from dragoman.mt.errors import ModelError
from dragoman.mt.languages import find_language
from dragoman.mt.translator import Translation

ENGLISH, FRENCH, GERMAN = find_language("eng"), find_language("fra"), find_language("deu")
FIXED = ModelInfo("fixed", "fixed", ((ENGLISH, FRENCH), (GERMAN, ENGLISH)))


@dataclass
class FixedEngine:
    """An engine that turns texts into capitals; it can be held, and a text with BOOM or WRONG in it fails."""

    gate: threading.Event = field(default_factory=threading.Event)
    batches: list[list[str]] = field(default_factory=list)
    tasks: list[Task] = field(default_factory=list)
    entered: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    stopped: threading.Event = field(default_factory=threading.Event)
    description: str = "fixed"

    def __post_init__(self) -> None:
        self.gate.set()

    def check(self, task: Task) -> None: ...

    def translate(self, texts: Sequence[str], task: Task) -> list[Translation]:
        self.batches.append(list(texts))
        self.tasks.append(task)
        self.entered.release()
        assert self.gate.wait(20)
        for text in texts:
            if "BOOM" in text:
                raise RuntimeError(f"secret path of the server {__file__}")
            if "WRONG" in text:
                raise ModelError("the model cannot take it", where="/secret/path")
        return [Translation(text, text.upper(), 0.0, 1, True, ("copied",) if "same" in text else ()) for text in texts]

    def stream(self, text: str, task: Task) -> Iterator[str]:
        try:
            for letter in text.upper():
                assert self.gate.wait(20)
                if letter == "!":
                    raise RuntimeError("secret")
                yield letter
        finally:
            self.stopped.set()

    def prompt(self, text: str, task: Task) -> str:
        return f"{task.source.name} to {task.target.name}: {text}"


@dataclass(frozen=True)
class Running:
    """A server that answers."""

    url: str
    client: httpx.Client
    serving: Serving

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    def translate(self, q: object, **fields: object) -> httpx.Response:
        return self.client.post("/translate", json={"q": q, "source": "en", "target": "fr", **fields})

    def raw(self, request: bytes, timeout: float = 5.0) -> bytes:
        """What comes back for these bytes until the server closes, or falls silent."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=timeout) as connection:
            connection.sendall(request)
            answer = b""
            try:
                while piece := connection.recv(65536):
                    answer += piece
            except (TimeoutError, ConnectionResetError):
                pass
            return answer


def until(true: Callable[[], object], seconds: float = 15.0) -> None:
    """Wait until a call gives something true; fail when it never does."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.005)


@contextmanager
def holding(server: Running, engine: FixedEngine) -> Iterator[ThreadPoolExecutor]:
    """Keep the engine busy with a first text, so that what comes next waits; let it go at the end. Gives a pool to send requests from."""
    engine.gate.clear()
    with ThreadPoolExecutor(16) as pool:
        try:
            first = pool.submit(server.translate, "first")
            assert engine.entered.acquire(timeout=15)
            yield pool
        finally:
            engine.gate.set()
        assert first.result().status_code == 200


@contextmanager
def running(serving: Serving, settings: AppSettings | None = None) -> Iterator[Running]:
    settings = settings or AppSettings(port=0, page=False)
    started = threading.Event()
    server = Server(build_app(serving, settings), started.set)
    opened = open_socket(settings)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [opened]})
    thread.start()
    try:
        assert started.wait(20)
        url = address_of(opened)
        with httpx.Client(base_url=url, timeout=20) as client:
            yield Running(url, client, serving)
    finally:
        server.should_exit = True
        thread.join(10)
        assert not thread.is_alive()


@contextmanager
def fixed_server(
    engine: FixedEngine | None = None,
    batches: BatchLimits | None = None,
    limits: Limits | None = None,
    info: ModelInfo = FIXED,
    **settings: object,
) -> Iterator[tuple[Running, FixedEngine]]:
    engine = engine or FixedEngine()
    limits = limits or Limits()
    serving = Serving([serve(info, engine, batches, limits.streams)], limits)
    asked: dict[str, object] = {"port": 0, "page": False, "limits": limits, **settings}
    try:
        with running(serving, AppSettings(**asked)) as server:  # type: ignore[arg-type]
            yield server, engine
    finally:
        engine.gate.set()
        serving.close()
