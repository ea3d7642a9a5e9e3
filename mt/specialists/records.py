"""What a specialised system gives: a draft of a translation and, where it tells, how sure it is of each word."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from ..languages import Language

Words = tuple[tuple[str, float | None], ...]


@dataclass(frozen=True, slots=True)
class Draft:
    """A translation by another system.

    Attributes:
        text: the translation; empty where the system has none.
        words: its words in order, each with the mean probability of its sub-tokens, 0 to 1, or None where the system gives none.
    """

    text: str
    words: Words = ()

    @classmethod
    def plain(cls, text: str) -> Draft:
        """A draft of a system that says nothing of its words."""
        return cls(text, tuple((word, None) for word in text.split()))

    def written(self, *, confidences: bool) -> str:
        """The draft on one line, `word(0.58)` for each word with a confidence, everything between the words as it is.

        This is how SCALE (arXiv 2309.17061) shows them to a language model.
        """
        pieces: list[str] = []
        done = 0
        for word, confidence in self.words if confidences else ():
            at = self.text.find(word, done)
            if at < 0 or confidence is None:
                continue
            pieces += [self.text[done : at + len(word)], f"({confidence:.2f})"]
            done = at + len(word)
        return " ".join("".join([*pieces, self.text[done:]]).split())


NO_DRAFT = Draft("")


class Specialist(Protocol):
    """A system that was made for a direction."""

    @property
    def name(self) -> str:
        """As the user spelled it."""

    def drafts(self, texts: Sequence[str]) -> list[Draft]:
        """A draft of each text, in order; `NO_DRAFT` where it has none."""


@dataclass(frozen=True)
class Opening:
    """What a specialist is opened with.

    Attributes:
        spelled: the whole specification, `apertium:eng-spa`.
        where: what follows its colon: a mode, a folder, a file, a Hub id.
        source: language of the texts.
        target: language of the drafts.
        beams: of neural systems; 1 is greedy.
        device: of neural systems, as `choose_device` takes it.
    """

    spelled: str
    where: str
    source: Language
    target: Language
    beams: int = 4
    device: str = "auto"
