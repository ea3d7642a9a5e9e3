"""Formats that are text: a layout says where the targets stand, and `TextBody` does the writing for all of them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from .encodings import DecodedText
from .spans import Splice, splice


class Layout(Protocol):
    """Where the targets of a text format stand; see `Body` for what `current`, `fitted` and `refusal` are."""

    @property
    def current(self) -> Sequence[str | None]: ...  # noqa: D102

    def fitted(self, number: int, target: str) -> str: ...  # noqa: D102

    def refusal(self, number: int, target: str) -> str | None: ...  # noqa: D102

    def splices(self, targets: Mapping[int, str], failed: Collection[int]) -> Iterable[Splice]:
        """The edits that put these (fitted, changed) targets in their places and mark the failed ones."""


@dataclass(frozen=True)
class TextBody:
    """A `Body` made of a text and its layout."""

    decoded: DecodedText
    layout: Layout

    @property
    def current(self) -> Sequence[str | None]:
        """What stands at each target's place."""
        return self.layout.current

    def fitted(self, number: int, target: str) -> str:
        """A target as its place can hold it."""
        return self.layout.fitted(number, target)

    def refusal(self, number: int, target: str) -> str | None:
        """Why a target cannot be written: by the format, or by the file's encoding."""
        if "\0" in target:
            return "a NUL character"
        return self.layout.refusal(number, target) or self.decoded.unwritable(target)

    def remarks(self, number: int, target: str) -> Sequence[str]:
        """None: what these formats change about a target is seen in it."""
        del number, target
        return ()

    def write(self, targets: Mapping[int, str], failed: Collection[int], doubtful: Collection[int] = ()) -> bytes:
        """The file with these targets."""
        del doubtful  # none of these formats has a mark for them
        changed = {number: target for number, target in targets.items() if target != self.current[number]}
        return self.decoded.encode(splice(self.decoded.text, self.layout.splices(changed, failed)))
