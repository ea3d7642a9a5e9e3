"""The kinds of specialised systems, one row each, and the one way they are spelled: `KIND:WHERE`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from types import MappingProxyType
from typing import cast

from ..errors import ConfigError, nearest
from .records import Opening, Specialist


@dataclass(frozen=True)
class Kind:
    """A kind of specialised system.

    Attributes:
        name: before the colon of a specification.
        where: what stands after it, for people.
        module: of this package; it has `open_specialist(Opening)` and `files(where)`, the files that decide what drafts become.
        family: of the model, where the kind names one.
    """

    name: str
    where: str
    module: str
    family: str | None = None

    def open(self, opening: Opening) -> Specialist:
        """The system, ready; errors as its own module says."""
        module = import_module(f".{self.module}", __package__)
        options = {"family": self.family} if self.family else {}
        return cast(Callable[..., Specialist], module.open_specialist)(opening, **options)

    def files(self, where: str) -> list[Path]:
        """What a fingerprint of its drafts covers."""
        return list(cast(Callable[[str], Iterable[Path]], import_module(f".{self.module}", __package__).files)(where))


KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        kind.name: kind
        for kind in (
            Kind("apertium", "MODE", "apertium"),
            Kind("nllb", "MODEL", "seq2seq", "nllb"),
            Kind("m2m", "MODEL", "seq2seq", "m2m"),
            Kind("marian", "MODEL", "seq2seq", "marian"),
            Kind("ct2", "FOLDER", "ct2"),
            Kind("file", "FILE", "files"),
        )
    }
)


def split_specification(spelled: str) -> tuple[Kind, str]:
    """`KIND:WHERE` as its kind and the rest.

    Raises:
        ConfigError: no such kind, or nothing after the colon.
    """
    name, _, where = spelled.partition(":")
    if name not in KINDS or not where:
        raise ConfigError(
            f"{spelled!r} names no specialised system",
            allowed=", ".join(f"{kind.name}:{kind.where}" for kind in KINDS.values()),
            hint=nearest(name, KINDS) if name and name not in KINDS else "for example apertium:eng-spa",
        )
    return KINDS[name], where


def open_specialist(opening: Opening) -> Specialist:
    """The system that `opening.spelled` names; its `where` is filled in here.

    Raises:
        ConfigError: no such kind, a mode or language the system lacks, or a program or package that is not installed.
        ModelError, SourceError, CorpusError: as the kind's own module says.
    """
    kind, where = split_specification(opening.spelled)
    return kind.open(replace(opening, where=where))
