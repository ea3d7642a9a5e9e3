"""What the OpenAPI document says of each endpoint, as data: bodies are read by hand, so the framework cannot tell."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Field:
    """A field of a request."""

    name: str
    about: str
    required: bool = False
    kind: str = "string"


@dataclass(frozen=True)
class Endpoint:
    """An endpoint as it is described.

    Attributes:
        example: a JSON body to try.
        answer: what comes back, as an example.
    """

    path: str
    summary: str
    fields: tuple[Field, ...] = ()
    example: str = ""
    answer: str = ""
    ours: bool = False


_Q = Field("q", "a text, or (as JSON) a list of texts, which are translated together", True)
_SOURCE = Field("source", "language of the texts in any spelling (en, eng, eng_Latn, English), or auto", True)
_TARGET = Field("target", "language wanted", True)
_KEY = Field("api_key", "an API key, where the server asks for one; `Authorization: Bearer KEY` does as well")
_CONTEXT = Field("context", "text that precedes, read by the model and not translated (addition)")
_FORMALITY = Field("formality", "formal or informal (addition); models that never read instructions may ignore it")
_INSTRUCTION = Field("instruction", "a line of your own before the prompt (addition)")
_MODEL = Field("model", "name of a model (addition); by default the first that was trained for the direction")

ENDPOINTS = (
    Endpoint(
        "/translate",
        "Translate texts",
        (
            _Q,
            _SOURCE,
            _TARGET,
            Field("format", "text or html; in HTML the tags stay and the texts between them are translated one by one"),
            Field("alternatives", "further translations of each text: samples, duplicates left out", kind="integer"),
            _KEY,
            _MODEL,
            _CONTEXT,
            _FORMALITY,
            _INSTRUCTION,
            Field("warnings", "true: also say what looks wrong with each translation (addition)", kind="boolean"),
            Field("estimate", "true: also estimate how adequate each segment is, in `estimates` (addition)", kind="boolean"),
        ),
        '{"q": "Good morning!", "source": "en", "target": "fr"}',
        '{"translatedText": "Bonjour !"}',
    ),
    Endpoint(
        "/translate_stream",
        "Translate one text and get it piece by piece, as server-sent events",
        (
            Field("q", "a text", True),
            Field("source", "language of the text", True),
            _TARGET,
            _KEY,
            _MODEL,
            _CONTEXT,
            _FORMALITY,
            _INSTRUCTION,
            Field("warnings", "true: the last event says what looks wrong", kind="boolean"),
        ),
        '{"q": "Good morning!", "source": "en", "target": "fr"}',
        'data: {"text": "Bon"}',
        ours=True,
    ),
    Endpoint(
        "/translate_file",
        "Translate a file; the answer says where to fetch it",
        (
            Field("file", "the file, as multipart/form-data", True, "binary"),
            _SOURCE,
            _TARGET,
            _KEY,
            _MODEL,
            Field("warnings", "true: also say what became of the segments (addition)", kind="boolean"),
        ),
        "",
        '{"translatedFileUrl": "http://127.0.0.1:7860/download_file/..."}',
    ),
    Endpoint(
        "/detect",
        "Say which language a text is probably in",
        (Field("q", "a text", True), _KEY),
        '{"q": "Wie geht es dir heute?"}',
        '[{"confidence": 97.5, "language": "de"}]',
    ),
    Endpoint(
        "/languages",
        "The languages served, each with those it can be translated into",
        (),
        "",
        '[{"code": "en", "name": "English", "targets": ["fr"]}]',
    ),
    Endpoint("/frontend/settings", "Limits and defaults, for pages", (), "", '{"charLimit": 200000, "keyRequired": false}'),
    Endpoint("/health", "Whether the server answers; with the right to use it also its models and queue", (), "", '{"status": "ok"}'),
    Endpoint("/suggest", "Always refused: suggestions are not collected", (), "", '{"error": "Suggestions are disabled on this server."}'),
)
_BY_PATH = {each.path: each for each in ENDPOINTS}


def describe(path: str) -> dict[str, Any]:
    """Keyword arguments of the route at `path`."""
    endpoint = _BY_PATH[path]
    described: dict[str, Any] = {"summary": endpoint.summary, "response_model": None}
    if endpoint.fields:
        described["openapi_extra"] = {"requestBody": {"required": True, "content": _content(endpoint)}}
    return described


def _content(endpoint: Endpoint) -> dict[str, Any]:
    schema = {
        "type": "object",
        "properties": {each.name: {**_type(each), "description": each.about} for each in endpoint.fields},
        "required": [each.name for each in endpoint.fields if each.required],
    }
    kinds = ("multipart/form-data",) if endpoint.path == "/translate_file" else ("application/json", "application/x-www-form-urlencoded")
    return {kind: {"schema": schema} for kind in kinds}


def _type(field: Field) -> dict[str, Any]:
    if field.kind == "binary":
        return {"type": "string", "format": "binary"}
    if field.about.startswith("a text, or"):
        return {"oneOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}
    return {"type": field.kind}
