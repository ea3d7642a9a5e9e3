"""The Gradio page at `/`, with everything off that Gradio brings and this server does not want."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .addresses import AppSettings
from .guard import App, Receive, Scope, Send, refuse
from .serving import Serving
from .shares import Shares

if TYPE_CHECKING:
    from fastapi import FastAPI

# What the page itself asks for; everything else Gradio would answer (proxies, histories, code editing, monitoring) is not there.
_PAGE = ("/", "/config", "/theme.css", "/favicon.ico", "/manifest.json", "/robots.txt", "/gradio_api/info", "/gradio_api/startup-events")
_BELOW = ("/assets/", "/static/", "/svelte/", "/pwa_icon")
_CALLS = tuple(
    f"/gradio_api/{name}"
    for name in ("queue/", "heartbeat/", "upload", "upload_progress", "file=", "cancel", "reset", "app_id", "component_server", "theme.css")
)


def mount_page(app: FastAPI, serving: Serving, settings: AppSettings, shares: Shares, folder: Path) -> None:
    """Put the page at `/`; the routes that are there already go before it.

    Args:
        shares: of clients, which the API takes from too.
        folder: where Gradio may put what is uploaded.
    """
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # read when gradio is imported
    os.environ["GRADIO_TEMP_DIR"] = str(folder)
    import gradio
    from gradio import processing_utils

    from .page import build_page, page_options
    from .pages.admission import Admission

    processing_utils.async_ssrf_protected_get = _fetch_nothing
    blocks = build_page(serving, Admission(shares, settings.access))
    gradio.mount_gradio_app(
        app,
        blocks,
        path="/",
        show_error=False,
        max_file_size=settings.limits.body,
        run_history=False,
        enable_monitoring=False,
        ssr_mode=False,
        mcp_server=False,
        pwa=False,
        footer_links=[],
        **page_options(),
    )
    app.add_middleware(OnlyThePage)


async def _fetch_nothing(url: str) -> Any:
    """In the place of Gradio's own download of addresses that a client sends."""
    raise ValueError(f"nothing is fetched: {url[:100]!r}")


class OnlyThePage:
    """Gradio's paths, those of the page only."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        path = scope.get("path", "")
        gradios = path.startswith(("/gradio_api", "/monitoring", "/login", "/logout", "/runs", "/dev", "/vibe"))
        if scope["type"] == "http" and gradios and not (path.rstrip("/") in _PAGE or path.startswith(_CALLS)):
            await refuse(send, 404, "nothing here")
        else:
            await self._app(scope, receive, send)
