"""What a prompt is built from besides the template: hints out of lexicons, and examples."""

from __future__ import annotations

from dataclasses import dataclass

from ..corpora.records import Origin
from ..languages import Language
from ..specialists.records import Draft


@dataclass(frozen=True, slots=True)
class Hint:
    """A stretch of a source text and what it is in the target language.

    Attributes:
        start: of the stretch, in characters of the text.
        end: of it, excluded.
        source: the stretch as it is written, with single spaces.
        targets: its translations, the best first.
        also: its translations into further languages, one tuple a language, empty where that lexicon does not know it.
    """

    start: int
    end: int
    source: str
    targets: tuple[str, ...]
    also: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class Shot:
    """An example for the prompt: a text and its translation.

    Attributes:
        source: the text.
        target: its translation.
        origin: where it stands.
        score: its quality, higher is better; None where the file has none.
        drafts: of the text by specialised systems, where the file has any.
        language: of the text, where the file says that it is another than the one to be translated.
    """

    source: str
    target: str
    origin: Origin
    score: float | None = None
    drafts: tuple[Draft, ...] = ()
    language: Language | None = None


@dataclass(frozen=True, slots=True)
class Account:
    """What of the material is in a prompt, and what was left out for want of room.

    Context is counted in sentences; missing are drafts that a system did not give.
    """

    examples: int = 0
    hints: int = 0
    terms: int = 0
    examples_left_out: int = 0
    hints_left_out: int = 0
    terms_left_out: int = 0
    drafts: int = 0
    drafts_left_out: int = 0
    drafts_missing: int = 0
    context: int = 0
    context_left_out: int = 0

    def __add__(self, other: Account) -> Account:
        return Account(*(getattr(self, name) + getattr(other, name) for name in self.__slots__))

    @property
    def left_out(self) -> int:
        """How many things had no room."""
        return self.examples_left_out + self.hints_left_out + self.terms_left_out + self.drafts_left_out + self.context_left_out
