"""Directions as users write them: `eng-deu,deu-eng`, or the name of a list (`flores46`)."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

import yaml

from ..mt.errors import ConfigError, nearest
from ..mt.languages import Language, find_language
from ..mt.model_facts import parse_direction

Pair = tuple[Language, Language]


@cache
def _lists() -> dict[str, dict[str, str]]:
    tree: dict[str, dict[str, str]] = yaml.safe_load(files(__package__).joinpath("pairs.yaml").read_text(encoding="utf-8"))
    return tree


def parse_pairs(given: str) -> list[Pair]:
    """The directions of `eng-deu,deu-eng`, each once.

    Raises:
        LanguageError: a language nobody knows.
        ConfigError: nothing given.
    """
    found = [parse_direction(part.strip()) for part in given.split(",") if part.strip()]
    if not found:
        raise ConfigError("no direction is given", allowed="eng-deu, or several: eng-deu,deu-eng")
    return list(dict.fromkeys(found))


def named_pairs(name: str) -> list[Pair]:
    """The directions of a named list: into every language, then out of every language.

    Raises:
        ConfigError: no such list.
    """
    if name not in _lists():
        raise ConfigError(f"unknown list of pairs {name!r}", allowed=nearest(name, _lists()), hint="--pair eng-deu,deu-eng")
    entry = _lists()[name]
    pivot = find_language(entry["pivot"])
    others = [find_language(code) for code in entry["languages"].split()]
    return [(pivot, other) for other in others] + [(other, pivot) for other in others]
