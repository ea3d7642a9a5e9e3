"""`dragoman.json`: what a finished run says beside its weights, so that `translate` needs no options and no paths of another machine."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from .errors import ConfigError, LanguageError, ModelError
from .languages import Language, find_language
from .prompts import PromptTemplate, template_fields, template_from_fields

FACTS_FILE = "dragoman.json"
_FORMAT = 1


@dataclass(frozen=True)
class ModelFacts:
    """What the model was trained from and for.

    Attributes:
        base: the source of the weights under an adapter, as the recipe spelled it.
        base_revision: the Hub commit (or wheel version) it had then.
        prompt: the template it was trained with.
        directions: pairs of language codes, `eng_Latn-fra_Latn`.
    """

    base: str | None = None
    base_revision: str | None = None
    prompt: PromptTemplate | None = None
    directions: tuple[str, ...] = ()


def read_model_facts(folder: Path) -> ModelFacts:
    """The facts beside a model; empty ones where there is no `dragoman.json`.

    Raises:
        ModelError: damaged, of a later format, or a field of another kind than it should be.
        ConfigError: its prompt template is not one.
    """
    path = folder / FACTS_FILE
    if not path.is_file():
        return ModelFacts()
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"not readable as JSON: {error}", where=path) from error
    if not isinstance(fields, dict) or fields.get("format") != _FORMAT:
        found = fields.get("format") if isinstance(fields, dict) else type(fields).__name__
        raise ModelError(
            f"format {found!r} is not known here", where=path, allowed=f"format {_FORMAT}", hint="a newer Dragoman may read it"
        )
    prompt = fields.get("prompt")
    return ModelFacts(
        base=_text(fields, "base", path),
        base_revision=_text(fields, "base_revision", path),
        prompt=template_from_fields(prompt, f"{path}: prompt") if isinstance(prompt, dict) else None,
        directions=_directions(fields, path),
    )


def facts_fields(
    *, kind: str, base: str, base_revision: str | None, prompt: PromptTemplate | None, directions: Sequence[str], **more: object
) -> dict[str, object]:
    """What `read_model_facts` reads back, as plain data."""
    fields = {"format": _FORMAT, "kind": kind, "base": base, "base_revision": base_revision, "directions": list(directions), **more}
    return {**fields, "prompt": template_fields(prompt)} if prompt else fields


def parse_direction(direction: str) -> tuple[Language, Language]:
    """The languages of `eng_Latn-fra_Latn`; codes may hold hyphens themselves (`eng_Latn-sr-Latn`).

    Raises:
        LanguageError: no hyphen has a language on both sides.
    """
    pieces = direction.split("-")
    for cut in range(1, len(pieces)):
        try:
            return find_language("-".join(pieces[:cut])), find_language("-".join(pieces[cut:]))
        except LanguageError:
            continue
    raise LanguageError(f"no direction: {direction!r}", allowed="two language codes with a hyphen between, eng_Latn-fra_Latn")


def choose_direction(trained: Sequence[str], source: str | None, target: str | None) -> tuple[Language, Language]:
    """The languages to translate between: as asked for, what is missing taken from the model's own directions when only one fits.

    Args:
        trained: a model's directions, `eng_Latn-fra_Latn`.
        source: any spelling of a language, or None.
        target: the same.

    Raises:
        LanguageError: an unknown spelling.
        ConfigError: a side is missing and the model's directions do not decide it.
    """
    wanted = find_language(source) if source else None, find_language(target) if target else None
    if wanted[0] and wanted[1]:
        return wanted[0], wanted[1]
    fitting = [
        pair
        for pair in dict.fromkeys(map(parse_direction, trained))
        if all(one in (None, has) for one, has in zip(wanted, pair, strict=True))
    ]
    if len(fitting) == 1:
        return fitting[0]
    missing = [name for name, one in zip(("--from", "--to"), wanted, strict=True) if one is None]
    problem = (
        "several directions of the model fit"
        if fitting
        else "no direction of the model fits"
        if trained
        else "the model names no direction"
    )
    raise ConfigError(
        f"{problem}, so {' and '.join(missing)} must be given",
        allowed=f"trained: {', '.join(trained)}" if trained else None,
        hint="--from eng --to fra",
    )


def _text(fields: Mapping[str, object], key: str, path: Path) -> str | None:
    value = fields.get(key)
    if value is None or isinstance(value, str):
        return value
    raise ModelError(f"`{key}` is {value!r}", where=path, allowed="text or null")


def _directions(fields: Mapping[str, object], path: Path) -> tuple[str, ...]:
    given = fields.get("directions", [])
    if not isinstance(given, list) or not all(isinstance(one, str) and "-" in one for one in given):
        raise ModelError(f"`directions` is {given!r}", where=path, allowed='a list such as ["eng_Latn-fra_Latn"]')
    return tuple(given)
