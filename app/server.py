"""The server: the API and the page in one application behind the guards, and the loop that runs it."""

from __future__ import annotations

import logging
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, JSONResponse, Response
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from ..mt.errors import ConfigError, CorpusError, DragomanError, LanguageError
from .addresses import AppSettings
from .answers import ClientLeftError
from .api import API_PATHS, Api, RefusedError, api_routes
from .api_page import api_page
from .asked import BadRequestError, UnsupportedError
from .batching import BusyError, ClosedError
from .files_api import file_routes
from .gate import Gate
from .guard import Bodies, Failures, KnownHosts, SameOrigin
from .limits import TooLargeError
from .rates import TooManyError
from .serving import Serving
from .shares import Shares
from .stored_files import StoredFiles

_LEFT = 499  # nginx's number for "client closed request": nobody reads it, it stands in logs
_log = logging.getLogger(__name__)


def build_app(serving: Serving, settings: AppSettings) -> FastAPI:
    """The application: API, files, page (where asked for) and what guards them.

    Raises:
        ConfigError: settings that would let strangers in, or a page without gradio to make it.
    """
    settings.check()
    files = StoredFiles(settings.limits)
    app = FastAPI(title="Dragoman", version=version("dragoman"), docs_url=None, redoc_url=None, lifespan=_closing(files))
    shares = Shares(settings.limits)
    api = Api(serving, settings.access, settings.limits, shares)
    app.include_router(api_routes(api))
    app.include_router(file_routes(api, files))

    @app.get("/docs", include_in_schema=False)
    async def docs(request: Request) -> Response:
        return HTMLResponse(api_page(str(request.base_url).rstrip("/")))

    _answer_errors(app)
    if settings.page:
        _mount_page(app, serving, settings, shares, files.folder / "page")
    for guard, options in (
        (Gate, {"access": settings.access, "elsewhere": API_PATHS, "wrong": api.wrong}),
        (Bodies, {"limits": settings.limits}),
        (SameOrigin, {"origins": settings.origins}),
        (KnownHosts, {"hosts": settings.hosts, "any_address": settings.everywhere}),
        (Failures, {}),
    ):
        app.add_middleware(guard, **options)  # each goes around those before it
    return app


def _closing(files: StoredFiles) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    """A lifespan at whose end the files are gone."""

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        try:
            yield
        finally:
            files.close()

    return lifespan


def _mount_page(app: FastAPI, serving: Serving, settings: AppSettings, shares: Shares, folder: Path) -> None:
    if find_spec("gradio") is None:
        raise ConfigError(
            "the page needs gradio, which is not installed", allowed="--api-only without it", hint="pip install 'dragoman[app]'"
        )
    from .mounting import mount_page

    mount_page(app, serving, settings, shares, folder)


# ---- errors as answers ----


def _answer_errors(app: FastAPI) -> None:
    """Every error a client may see, in LibreTranslate's form; whatever is not here is a 500 with a number (`Failures`)."""
    for kind, status in (
        (UnsupportedError, 415),
        (TooLargeError, 413),
        (BadRequestError, 400),
        (LanguageError, 400),
        (CorpusError, 400),
        (ConfigError, 400),
        (RefusedError, 403),
        (TooManyError, 429),
        (BusyError, 503),
        (ClosedError, 503),
        (ClientLeftError, _LEFT),
        (ClientDisconnect, _LEFT),
    ):
        app.add_exception_handler(kind, _handler(status))
    app.add_exception_handler(HTTPException, _http_error)


def _handler(status: int) -> Callable[[Request, Exception], Response]:
    def answer(_request: Request, error: Exception) -> Response:
        waited = getattr(error, "retry_after", None)
        headers = {"Retry-After": str(waited)} if waited is not None else {}
        return JSONResponse({"error": _said(error)}, status, headers)

    return answer


def _said(error: Exception) -> str:
    if isinstance(error, RefusedError):
        return "an API key is needed, and this is none that is known here"
    if not isinstance(error, DragomanError):
        return str(error)
    place = f"{error.where}: " if error.where else ""
    return f"{place}{error.problem}" + (f" (allowed: {error.allowed})" if error.allowed else "")


def _http_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return JSONResponse({"error": error.detail}, error.status_code, error.headers)


# ---- running ----


class Server(uvicorn.Server):
    """A uvicorn server that says when it can be reached.

    Args:
        app: from `build_app`.
        started: called once requests are answered.
    """

    def __init__(self, app: FastAPI, started: Callable[[], None] | None = None) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                log_level="warning",
                log_config=None,
                access_log=False,  # texts and keys may stand in addresses
                proxy_headers=False,  # anybody can write them
                server_header=False,
                ws="none",
                lifespan="on",
                timeout_keep_alive=10,
                timeout_graceful_shutdown=3,
            )
        )
        self._when_started = started

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """As uvicorn's, with the call afterwards."""
        await super().startup(sockets)
        if self.started and self._when_started is not None:
            self._when_started()
