"""Prompt templates: how a source text is put before a model, and what the model must continue with.

A template is data (a YAML file): `prompt` with `{source_language}`, `{target_language}` and exactly one `{text}`, and `target` with
exactly one `{target}`. Other braces are ordinary characters. Substitution is a single pass, so braces inside a text are never looked at.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from .errors import ConfigError, nearest

if TYPE_CHECKING:
    from .languages import Language

DEFAULT_TEMPLATE = "alma"

_PLACEHOLDER = re.compile(r"\{([a-z_]+)\}")
_ALLOWED = {"prompt": frozenset({"source_language", "target_language", "text"}), "target": frozenset({"target"})}
_REQUIRED = {"prompt": "text", "target": "target"}
_KEYS = ("name", "prompt", "target", "description")


@dataclass(frozen=True)
class PromptTemplate:
    """A prompt and the form of its answer; the answer follows the prompt without anything between.

    Raises:
        ConfigError: an unknown placeholder, or not exactly one `{text}` in `prompt` and one `{target}` in `target`.
    """

    name: str
    prompt: str
    target: str
    description: str = ""

    def __post_init__(self) -> None:
        for part in ("prompt", "target"):
            _check_placeholders(self.name, part, getattr(self, part))


def _check_placeholders(name: str, part: str, pattern: str) -> None:
    found = _PLACEHOLDER.findall(pattern)
    allowed = ", ".join(f"{{{key}}}" for key in sorted(_ALLOWED[part]))
    for key in found:
        if key not in _ALLOWED[part]:
            raise ConfigError(f"template {name!r}: unknown placeholder {{{key}}} in `{part}`", allowed=allowed)
    required = _REQUIRED[part]
    if found.count(required) != 1:
        raise ConfigError(
            f"template {name!r}: `{part}` has {found.count(required)} times {{{required}}}",
            allowed=f"it once; {allowed}",
        )


def template_names() -> tuple[str, ...]:
    """Names of the shipped templates, sorted."""
    return tuple(sorted(entry.name.removesuffix(".yaml") for entry in _shipped().iterdir() if entry.name.endswith(".yaml")))


def load_template(name_or_path: str | Path) -> PromptTemplate:
    """A shipped template by name, or any template by the path of its YAML file.

    Raises:
        ConfigError: no such template or file, unknown or missing keys, wrong placeholders.
    """
    spelled = str(name_or_path)
    if spelled in template_names():
        return _parse((_shipped() / f"{spelled}.yaml").read_text(encoding="utf-8"), f"{spelled}.yaml")
    path = Path(spelled)
    if not path.is_file():
        raise ConfigError(
            f"no prompt template {spelled!r}",
            allowed=nearest(spelled, template_names()),
            hint="a shipped name, or the path of a YAML file",
        )
    try:
        return _parse(path.read_text(encoding="utf-8"), str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot be read: {error}", where=path) from error


def template_from_fields(fields: Mapping[str, object], where: str) -> PromptTemplate:
    """A template from the fields a YAML or `dragoman.json` file holds; `template_fields` is the inverse.

    Raises:
        ConfigError: unknown or missing keys, values that are not text, wrong placeholders.
    """
    unknown = [str(key) for key in fields if key not in _KEYS]
    if unknown:
        raise ConfigError(f"unknown key {unknown[0]!r} in a prompt template", where=where, allowed=nearest(unknown[0], _KEYS))
    values = {"description": "", **fields}
    for key in _KEYS:
        if not isinstance(values.get(key), str):
            raise ConfigError(f"a prompt template needs `{key}` as text", where=where, allowed=", ".join(_KEYS))
    return PromptTemplate(**{key: str(values[key]) for key in _KEYS})


def template_fields(template: PromptTemplate) -> dict[str, str]:
    """The template as plain data, for a run's `dragoman.json`."""
    return asdict(template)


def render_prompt(template: PromptTemplate, text: str, source: Language, target: Language) -> str:
    """The prompt for one source text, the text unchanged whatever it contains."""
    values = {"source_language": source.name, "target_language": target.name, "text": text}
    return _PLACEHOLDER.sub(lambda match: values[match[1]], template.prompt)


def render_target(template: PromptTemplate, text: str) -> str:
    """What the model must continue the prompt with to answer `text` (without EOS)."""
    return _PLACEHOLDER.sub(lambda _: text, template.target)


def read_answer(template: PromptTemplate, output: str) -> str:
    """The translation inside a model's continuation: without the template's text around it and without outer whitespace.

    Nothing else is cut, so answers of several lines stay whole.
    """
    before, _, after = template.target.partition("{target}")
    return output.strip().removeprefix(before.strip()).removesuffix(after.strip()).strip()


def _shipped() -> resources.abc.Traversable:
    return resources.files(f"{__package__}.templates")


def _parse(text: str, where: str) -> PromptTemplate:
    try:
        fields = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"not valid YAML: {error}", where=where) from error
    if not isinstance(fields, dict):
        raise ConfigError("a prompt template is a mapping of keys", where=where, allowed=", ".join(_KEYS))
    return template_from_fields(fields, where)
