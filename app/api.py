"""The HTTP API in LibreTranslate's shape, so that its clients work unchanged; and streams, which LibreTranslate has not."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator, Hashable
from dataclasses import dataclass, field
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse
from starlette.concurrency import iterate_in_threadpool, run_in_threadpool

from ..mt.documents import FORMATS
from ..mt.languages import Language
from .access import Access, bearer
from .answers import plan, results_of, served_direction, told
from .api_description import describe
from .asked import Fields, check_text, flag, language, optional_text, read_fields, read_translation, read_wishes, text_field
from .limits import Limits
from .rates import Rate
from .serving import Serving
from .shares import Shares
from .streams import Stream

_log = logging.getLogger(__name__)
_WRONG_A_MINUTE = 30
API_PATHS = ("/translate", "/translate_stream", "/translate_file", "/detect", "/languages", "/frontend/settings", "/health", "/suggest")


class RefusedError(RuntimeError):
    """No key, or a wrong one."""


@dataclass(frozen=True)
class Api:
    """What every endpoint needs.

    Attributes:
        wrong: counts keys and passwords that were none, by address.
        shares: what each client has left this minute.
    """

    serving: Serving
    access: Access
    limits: Limits
    shares: Shares
    wrong: Rate = field(default_factory=lambda: Rate("wrong keys or passwords", _WRONG_A_MINUTE))

    def client(self, request: Request, fields: Fields) -> Hashable:
        """Who asks: a key's or a user's name, else an address.

        Raises:
            RefusedError: keys or users are named and this is none of them.
        """
        name = self.caller(request, fields)
        if name is None and not self.access.open_api:
            raise RefusedError
        return name or _address(request)

    def caller(self, request: Request, fields: Fields) -> str | None:
        """The name behind a key or password, None without a right one.

        Raises:
            TooManyError: too many wrong ones came from this address.
        """
        authorization, key = request.headers.get("authorization"), fields.get("api_key")
        if self.access.open_api or not (authorization or key):
            return None
        self.wrong.check(_address(request))
        name = self.access.key_name(key if isinstance(key, str) else None) or self.access.key_name(bearer(authorization))
        name = name or self.access.user_name(authorization)
        if name is None:
            self.wrong.spend(_address(request))
        return name

    async def admitted(self, request: Request) -> tuple[Fields, Hashable]:
        """The fields of a request and who it is from, counted against the client's share.

        Raises:
            RefusedError, TooManyError, BadRequestError: it is not let in.
        """
        fields = await read_fields(request, self.limits)
        client = self.client(request, fields)
        self.shares.requests.spend(client)
        return fields, client


def _address(request: Request) -> str:
    return request.client.host if request.client else ""


def api_routes(api: Api) -> APIRouter:
    """The endpoints of the API but for files."""
    router = APIRouter()

    @router.post("/translate", **describe("/translate"))
    async def translate(request: Request) -> Response:
        fields, client = await api.admitted(request)
        asked = read_translation(fields, api.limits)
        api.shares.characters.spend(client, asked.characters * (1 + asked.alternatives))
        planned = await run_in_threadpool(plan, asked, api.serving, client)
        results = await results_of(planned.jobs, request)
        return JSONResponse(await run_in_threadpool(planned.answer, results, api.serving))

    @router.post("/translate_stream", **describe("/translate_stream"))
    async def translate_stream(request: Request) -> Response:
        fields, client = await api.admitted(request)
        text = check_text(fields.get("q"), "q")
        source, target = (language(text_field(fields, name)) for name in ("source", "target"))
        wishes = read_wishes(fields, api.limits)
        api.shares.characters.spend(client, len(text) + len(wishes.context))
        model = optional_text(fields, "model")
        direction = served_direction(api.serving, source, target, model)
        stream = api.serving.stream(text, direction, None, model, client, wishes.material(target))
        warnings = flag(fields, "warnings")
        return StreamingResponse(_events(stream, warnings), media_type="text/event-stream", headers={"cache-control": "no-store"})

    @router.post("/detect", **describe("/detect"))
    async def detect(request: Request) -> Response:
        fields, client = await api.admitted(request)
        text = check_text(text_field(fields, "q"), "q")
        api.shares.characters.spend(client, len(text))
        found = await run_in_threadpool(api.serving.detect, text)
        nothing = [{"confidence": 0.0, "language": "und"}]
        return JSONResponse([told(candidate) for candidate in found.candidates] or nothing)

    @router.get("/languages", **describe("/languages"))
    async def languages() -> Response:
        return Response(known, media_type="application/json")

    @router.get("/frontend/settings", **describe("/frontend/settings"))
    async def settings() -> Response:
        return JSONResponse(frontend_settings(api))

    @router.get("/health", **describe("/health"))
    async def health(request: Request) -> Response:
        details = api.access.open_api or api.caller(request, request.query_params) is not None
        return JSONResponse({"status": "ok", **(_details(api.serving) if details else {})})

    @router.post("/suggest", **describe("/suggest"))
    async def suggest() -> Response:
        return JSONResponse({"error": "Suggestions are disabled on this server."}, 403)

    known = json.dumps(language_list(api.serving), ensure_ascii=False, separators=(",", ":")).encode()
    return router


def language_list(serving: Serving) -> list[dict[str, Any]]:
    """Every language that can be translated from, with those it can be translated into, over all models."""
    targets: dict[Language, dict[Language, None]] = {}
    for info in serving.models:
        for source in info.sources:
            targets.setdefault(source, {}).update(dict.fromkeys(info.targets(source)))
    return [
        {"code": source.bcp47, "name": source.name, "targets": [target.bcp47 for target in into]}
        for source, into in sorted(targets.items(), key=lambda item: item[0].name)
    ]


def frontend_settings(api: Api) -> dict[str, Any]:
    """What LibreTranslate tells its own page."""
    info = api.serving.models[0]
    source, target = info.directions[0] if info.directions else (None, None)
    return {
        "charLimit": api.limits.characters,
        "frontendTimeout": 500,
        "apiKeys": bool(api.access.keys),
        "keyRequired": not api.access.open_api,
        "suggestions": False,
        "filesTranslation": True,
        "supportedFilesFormat": [ending for each in FORMATS for ending in each.extensions],
        "language": {"source": _named(source, "auto", "Auto Detect"), "target": _named(target, "en", "English")},
    }


def _named(language: Language | None, code: str, name: str) -> dict[str, str]:
    return {"code": language.bcp47, "name": language.name} if language else {"code": code, "name": name}


def _details(serving: Serving) -> dict[str, Any]:
    models = [
        {
            "name": info.name,
            "directions": [f"{source.bcp47}>{target.bcp47}" for source, target in info.directions],
            "note": info.note,
            "runs on": info.description,
        }
        for info in serving.models
    ]
    return {"models": models, "waiting": serving.waiting, "streams": serving.streaming}


async def _events(stream: Stream, warnings: bool) -> AsyncIterator[str]:
    """Server-sent events: a `{"text": PIECE}` each, then `event: end`, with the warnings if they are wanted, or `event: error`."""
    try:
        async for piece in iterate_in_threadpool(iter(stream)):
            yield f"data: {json.dumps({'text': piece}, ensure_ascii=False)}\n\n"
        ended = {"warnings": stream.result.warnings} if warnings and stream.result else {}
        yield f"event: end\ndata: {json.dumps(ended)}\n\n"
    except Exception:
        _log.exception("a stream failed")
        yield f"event: error\ndata: {json.dumps({'error': 'the translation failed'})}\n\n"
    finally:
        stream.cancel()
