"""How test sets lie on disk, as data: the shipped table and the `testset.yaml` of a folder of one's own."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml
from pydantic import ConfigDict, TypeAdapter, ValidationError, with_config

from ..mt.errors import ConfigError

FOLDER_FILE = "testset.yaml"
_STRICT = ConfigDict(extra="forbid", frozen=True)
_PLACEHOLDERS = {"src", "tgt", "split", "ref"}
_MARKS = re.compile(r"\*|{\w+}")


@with_config(_STRICT)
@dataclass(frozen=True)
class Layout:
    """Path patterns of a source and of its references, with `{src} {tgt} {split} {ref}` and `*`."""

    source: str
    reference: str

    def __post_init__(self) -> None:
        for pattern in (self.source, self.reference):
            unknown = set(re.findall(r"{(\w*)}", pattern)) - _PLACEHOLDERS
            if unknown or Path(pattern).is_absolute() or ".." in Path(pattern).parts:
                raise ValueError(f"{pattern!r}: a path inside the folder, with placeholders out of {{src}} {{tgt}} {{split}} {{ref}}")


@with_config(_STRICT)
@dataclass(frozen=True)
class HubTable:
    """A data set of the Hub (or a folder like one) with a configuration a language, whose splits are called as the test set's are.

    Attributes:
        repository: its id, or a folder.
        column: the one with the text.
        key: the one that tells which rows of two languages belong together, and their order.
        revision: branch, tag or commit; None is the main branch.
    """

    repository: str
    column: str
    key: str = "id"
    revision: str | None = None


@with_config(_STRICT)
@dataclass(frozen=True)
class SetFormat:
    """One test set; the keys are explained at the top of `testsets.yaml`.

    Attributes:
        layouts: tried in turn.
        splits: name -> lines it must have, None unchecked; the first is the default.
        references: `default`, or a direction as its files spell it -> references read unless others are asked for, joined by `+`.
        sha256: path inside the folder -> checksum the file must have.
    """

    layouts: tuple[Layout, ...]
    folder: str = ""
    splits: Mapping[str, int | None] = field(default_factory=lambda: {"": None})
    references: Mapping[str, str] = field(default_factory=lambda: {"default": "all"})
    documents: str | None = None
    sha256: Mapping[str, str] = field(default_factory=dict)
    obtain: str = ""
    hub: HubTable | None = None

    def __post_init__(self) -> None:
        first = self.layouts[0] if self.layouts else Layout("", "")
        if self.hub and ("{src}" not in first.source or "{tgt}" not in first.reference or {"*", "{ref}"} & set(_MARKS.findall(str(first)))):
            raise ValueError("with a hub, the first layout is where fetched files are kept: {src} and {tgt}, no * and no {ref}")

    @property
    def several_references(self) -> bool:
        """Whether references have names of their own."""
        return any("{ref}" in layout.reference for layout in self.layouts)


@cache
def shipped_formats() -> Mapping[str, SetFormat]:
    """The sets of `testsets.yaml`, by name."""
    tree = yaml.safe_load(files(__package__).joinpath("testsets.yaml").read_text(encoding="utf-8"))
    return {name: check_format(fields, f"testsets.yaml: {name}") for name, fields in tree.items()}


@cache
def shipped_checksums() -> Mapping[str, str]:
    """`set/path` -> SHA-256 of the published file, for the files known."""
    text = files(__package__).joinpath("testsets.tsv").read_text(encoding="utf-8")
    return dict(line.split("\t") for line in text.split("\n")[1:] if line)


def folder_format(folder: Path) -> SetFormat:
    """What a folder's `testset.yaml` says.

    Raises:
        ConfigError: no such file, not YAML, a key that is not known or of another kind.
    """
    path = folder / FOLDER_FILE
    if not path.is_file():
        raise ConfigError(
            f"the folder has no {FOLDER_FILE}",
            where=folder,
            allowed='layouts: [{source: "{src}.txt", reference: "{tgt}.txt"}]',
            hint=f"write one: docs/evaluate.md, or the top of eval/testsets.yaml, lists its keys; then --test-set {folder}",
        )
    try:
        tree = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"not readable as YAML: {error}", where=path) from error
    return check_format(tree, str(path))


def check_format(fields: Any, where: str) -> SetFormat:
    """A format out of parsed YAML.

    Raises:
        ConfigError: a key that is missing, unknown or of another kind.
    """
    try:
        return TypeAdapter(SetFormat).validate_python(fields)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"]))
        raise ConfigError(f"{key or 'the file'}: {first['msg']}", where=where, allowed=", ".join(SetFormat.__dataclass_fields__)) from error
