"""`/translate_file`: a file in, the same file translated out, fetched from an address that expires."""

from __future__ import annotations

import asyncio
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from threading import Event
from urllib.parse import quote

import anyio.to_thread
from fastapi import APIRouter, Request
from fastapi.responses import FileResponse, JSONResponse, Response
from starlette.datastructures import UploadFile

from ..mt.documents import Document, DocumentResult, ReadingOptions, TranslationCancelled, read_document, translate_document
from ..mt.documents import Limits as DocumentLimits
from .answers import ClientLeftError, served_direction, until_left
from .api import Api
from .api_description import describe
from .asked import AUTO, BadRequestError, Fields, flag, language, optional_text, text_field
from .batching import BusyError
from .limits import Limits
from .models import Direction
from .serving import Result
from .stored_files import StoredFiles, safe_name

_SHOWN = 2000  # characters of a file its language is told by


@dataclass(frozen=True)
class FileJob:
    """A file under way, in a thread of its own; `cancel` ends it between two batches."""

    api: Api
    document: Document
    direction: Direction
    model: str | None
    client: Hashable
    left: Event = field(default_factory=Event)

    def run(self) -> DocumentResult:
        """Translate the document.

        Raises:
            TranslationCancelled: the client left.
        """
        return translate_document(self.document, self._translate, cancelled=self.left.is_set)

    def cancel(self) -> None:
        """The client left."""
        self.left.set()

    def _translate(self, texts: Sequence[str]) -> Sequence[Result]:
        """Like any other client's request, but a full queue is waited for: half a file is of no use."""
        while True:
            try:
                return self.api.serving.translate(texts, self.direction, None, self.model, self.client)
            except BusyError as busy:
                if self.left.wait(busy.retry_after):
                    raise


def file_routes(api: Api, files: StoredFiles) -> APIRouter:
    """The endpoints for files."""
    router = APIRouter()
    workers = anyio.CapacityLimiter(api.limits.file_jobs)

    @router.post("/translate_file", **describe("/translate_file"))
    async def translate_file(request: Request) -> Response:
        fields, client = await api.admitted(request)
        name, data = await _upload(fields)
        if workers.available_tokens < 1:
            raise BusyError(30)
        source, target = text_field(fields, "source"), language(text_field(fields, "target"))
        options = ReadingOptions(source_language=None if source == AUTO else language(source).bcp47, target_language=target.bcp47)
        limits = document_limits(api.limits)
        document = await anyio.to_thread.run_sync(lambda: read_document(data, name=name, options=options, limits=limits))
        job = FileJob(api, document, _direction(api, fields, document), optional_text(fields, "model"), client)
        api.shares.characters.spend(client, sum(len(segment.source) for segment in document.segments if segment.translate))
        result = await _result(job, request, workers)
        token = await anyio.to_thread.run_sync(files.put, _new_name(name, job.direction), result.data)
        stored = files.get(token)
        assert stored is not None
        answer: dict[str, object] = {"translatedFileUrl": f"{request.base_url}download_file/{token}.{quote(stored.name)}"}
        if flag(fields, "warnings"):
            answer["report"] = result.lines()
        return JSONResponse(answer)

    @router.get("/download_file/{name}", include_in_schema=False)
    async def download_file(name: str) -> Response:
        stored = files.get(name.partition(".")[0])
        if stored is None:
            return JSONResponse({"error": "no such file, or no longer"}, 404)
        return FileResponse(stored.path, media_type="application/octet-stream", filename=stored.name, headers={"cache-control": "no-store"})

    return router


def document_limits(limits: Limits) -> DocumentLimits:
    """What is read of a file."""
    characters = min(DocumentLimits().segment_characters, limits.characters)
    return DocumentLimits(bytes=limits.body, segments=limits.file_segments, segment_characters=characters)


async def _upload(fields: Fields) -> tuple[str, bytes]:
    given = fields.get("file")
    if not isinstance(given, UploadFile):
        raise BadRequestError("`file` is missing", allowed="a file, as multipart/form-data")
    try:
        return safe_name(given.filename or ""), await given.read()
    finally:
        await given.close()


def _direction(api: Api, fields: Fields, document: Document) -> Direction:
    source, target, model = text_field(fields, "source"), language(text_field(fields, "target")), optional_text(fields, "model")
    if source != AUTO:
        return served_direction(api.serving, language(source), target, model)
    text = "\n".join(segment.source for segment in document.segments[:200])[:_SHOWN]
    found = api.serving.detect(text)
    if found.best is None:
        raise BadRequestError(f"the language of the file cannot be detected: {found.reason}", where="source")
    return served_direction(api.serving, found.best, target, model)


async def _result(job: FileJob, request: Request, workers: anyio.CapacityLimiter) -> DocumentResult:
    work = asyncio.ensure_future(anyio.to_thread.run_sync(job.run, limiter=workers))
    left = asyncio.ensure_future(until_left(request))
    try:
        await asyncio.wait({work, left}, return_when=asyncio.FIRST_COMPLETED)
        if not work.done():
            job.cancel()
            await asyncio.wait({work})
        return work.result()
    except TranslationCancelled:
        raise ClientLeftError from None
    finally:
        job.cancel()
        left.cancel()


def _new_name(name: str, direction: Direction) -> str:
    path = PurePosixPath(name)
    return f"{path.stem}_{direction[1].bcp47}{path.suffix}"
