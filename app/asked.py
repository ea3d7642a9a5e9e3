"""What a request asks for, out of JSON, a form or the address: read once, checked, typed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..mt.errors import DragomanError
from ..mt.languages import Language, find_language
from .wishes import Wishes

if TYPE_CHECKING:
    from starlette.requests import Request

    from .limits import Limits

AUTO = "auto"
_FIELDS = 4096
_FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")
# Codes that LibreTranslate used before it took up BCP 47.
_OLDER_CODES = {"zt": "zh-Hant", "pb": "pt-BR"}
_TRUE, _FALSE = ("1", "true", "yes", "on"), ("0", "false", "no", "off", "")


class BadRequestError(DragomanError):
    """A request that cannot be read or means nothing."""


class UnsupportedError(BadRequestError):
    """A body of a kind that is not read here."""


Fields = Mapping[str, Any]


async def read_fields(request: Request, limits: Limits) -> Fields:
    """The fields of a request: those of its address, and over them those of its JSON or form. Files stay as uploads.

    Raises:
        BadRequestError: damaged, nested too deep, or not an object.
        UnsupportedError: neither JSON nor a form.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    given: dict[str, Any] = dict(request.query_params)
    if kind in _FORMS:
        return {**given, **await _form(request, limits)}
    body = await request.body()
    if not body:
        return given
    if kind != "application/json" and not kind.endswith("+json"):
        raise UnsupportedError(
            f"a body of type {kind or 'none'!r}", allowed="application/json, application/x-www-form-urlencoded, multipart/form-data"
        )
    return {**given, **_object(body)}


def _object(body: bytes) -> dict[str, Any]:
    try:
        tree = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise BadRequestError(f"the body is not JSON: {error}") from error
    if not isinstance(tree, dict):
        raise BadRequestError(f"the body is a JSON {type(tree).__name__}", allowed="an object, {...}")
    return tree


async def _form(request: Request, limits: Limits) -> dict[str, Any]:
    from starlette.exceptions import HTTPException

    try:
        form = await request.form(max_files=1, max_fields=_FIELDS, max_part_size=limits.body)
    except HTTPException as error:
        raise BadRequestError(f"the form cannot be read: {error.detail}") from error
    except (ValueError, KeyError) as error:
        raise BadRequestError("the form cannot be read") from error
    return {name: values[0] if len(values := form.getlist(name)) == 1 else list(values) for name in form}


@dataclass(frozen=True)
class TranslationAsked:
    """A request to translate.

    Attributes:
        texts: at least one.
        array: whether they came as an array.
        source: None to detect it.
        html: the texts are HTML.
        alternatives: further translations wanted of each text.
        model: a model's name, None for the one that fits.
        warnings, estimates: what looks wrong, and how adequate it seems, shall be told (additions to LibreTranslate's interface).
        wishes: context, formality and instruction (additions as well).
    """

    texts: tuple[str, ...]
    array: bool
    source: Language | None
    target: Language
    html: bool
    alternatives: int
    model: str | None
    warnings: bool
    estimates: bool
    wishes: Wishes

    @property
    def characters(self) -> int:
        """Of all texts, and of what precedes them."""
        return sum(map(len, self.texts)) + len(self.wishes.context)


def read_translation(fields: Fields, limits: Limits) -> TranslationAsked:
    """What `/translate` is asked.

    Raises:
        BadRequestError: a field is missing or of another kind.
        LanguageError: an unknown language.
    """
    given = fields.get("q")
    texts = given if isinstance(given, list) else [given]
    if given is None or given in ("", []):
        raise BadRequestError("`q` is missing", allowed="a text, or a list of texts")
    checked = tuple(check_text(text, f"q[{number}]" if isinstance(given, list) else "q") for number, text in enumerate(texts))
    source = text_field(fields, "source")
    kind = optional_text(fields, "format") or "text"
    if kind not in ("text", "html"):
        raise BadRequestError(f"format {kind!r} is not supported", where="format", allowed="text, html")
    return TranslationAsked(
        checked,
        isinstance(given, list),
        None if source == AUTO else language(source),
        language(text_field(fields, "target")),
        kind == "html",
        _count(fields, "alternatives", limits.alternatives),
        optional_text(fields, "model"),
        flag(fields, "warnings"),
        flag(fields, "estimate"),
        read_wishes(fields, limits),
    )


def read_wishes(fields: Fields, limits: Limits) -> Wishes:
    """Context, formality and instruction.

    Raises:
        BadRequestError: one of them is no text.
        ConfigError, TooLargeError: as `Wishes.check`.
    """
    context, formality, instruction = (optional_text(fields, name) or "" for name in ("context", "formality", "instruction"))
    return Wishes(context, formality, instruction).check(limits)


def language(spelling: str) -> Language:
    """A language in any spelling, LibreTranslate's older ones among them.

    Raises:
        LanguageError: unknown.
    """
    return find_language(_OLDER_CODES.get(spelling.casefold(), spelling)[:100])


def text_field(fields: Fields, name: str) -> str:
    """A field that must be there."""
    found = optional_text(fields, name)
    if not found:
        raise BadRequestError(f"`{name}` is missing")
    return found


def optional_text(fields: Fields, name: str) -> str | None:
    """A field that may be there, as text."""
    value = fields.get(name)
    if value is None:
        return None
    return check_text(value, name)


def check_text(value: object, where: str) -> str:
    """Text that Unicode can say.

    Raises:
        BadRequestError: another kind of value, or halves of surrogate pairs (JSON can spell them, no encoding can).
    """
    if not isinstance(value, str):
        raise BadRequestError(f"a {_kind(value)} where text belongs", where=where, allowed="text")
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        raise BadRequestError("half of a surrogate pair in the text", where=where, allowed="Unicode text") from None
    return value


def _kind(value: object) -> str:
    names: dict[type, str] = {dict: "mapping", list: "list", bool: "truth value", int: "number", float: "number", type(None): "null"}
    return names.get(type(value), "file")


def _count(fields: Fields, name: str, most: int) -> int:
    value = fields.get(name) or 0
    text = str(value)
    if isinstance(value, bool | float | list | dict) or not (text.isascii() and text.isdigit() and len(text) < 10) or int(text) > most:
        raise BadRequestError(f"`{name}` is not a number that is served", where=name, allowed=f"0 to {most}")
    return int(text)


def flag(fields: Fields, name: str) -> bool:
    """A field that says yes or no; no without it."""
    value = str(fields.get(name, "")).strip().lower()
    if value not in (*_TRUE, *_FALSE):
        raise BadRequestError(f"`{name}` is neither true nor false", where=name, allowed="true, false")
    return value in _TRUE
