"""The one way a prompt is built: examples, dictionary material, instruction and source text, within a budget of tokens.

Translation, training and `--show-prompt` all call `PromptPlan.build`. Without parts it gives exactly what the template gives.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from ..prompts import PromptTemplate, render_prompt, render_target
from .dictionary import Dictionary, without
from .glossary import Glossary
from .records import Account, Hint, Shot
from .selection import ExampleSource
from .styles import STYLES, Style, insert

if TYPE_CHECKING:
    from ..languages import Language

Size = Callable[[str], int]


@dataclass(frozen=True)
class Framing:
    """What every prompt of a direction has: template, languages, and an instruction of the user's own on a line before it."""

    template: PromptTemplate
    source: Language
    target: Language
    instruction: str = ""

    def bare(self, text: str) -> str:
        """The prompt of a text, without any material."""
        return (f"{self.instruction}\n" if self.instruction else "") + self._filled(text)

    def example(self, shot: Shot) -> str:
        """An example: the template with its answer, and a blank line."""
        return self._filled(shot.source) + render_target(self.template, shot.target) + "\n\n"

    def _filled(self, text: str) -> str:
        return render_prompt(self.template, text, self.source, self.target)


@dataclass(frozen=True)
class Built:
    """A prompt and what is in it."""

    prompt: str
    account: Account = field(default_factory=Account)

    @property
    def bare(self) -> bool:
        """Whether it is just the template's prompt."""
        return not (self.account.examples or self.account.hints or self.account.terms)


@dataclass(frozen=True)
class PromptPlan:
    """What prompts are built from.

    Attributes:
        examples: chooses in-context examples for a text.
        dictionary: offers translations of its words.
        glossary: asks for terms; its entries go before the dictionary's where both know a word.
        budget: most tokens that all of these may take in a prompt; None for what the model's context has room for.
        instruction: a text before the template's own, on formality, region or domain say; never left out, and not in the budget.
    """

    examples: ExampleSource | None = None
    dictionary: Dictionary | None = None
    glossary: Glossary | None = None
    budget: int | None = None
    instruction: str = ""

    def framing(self, template: PromptTemplate, source: Language, target: Language) -> Framing:
        """What all its prompts have in common."""
        return Framing(template, source, target, self.instruction)

    @property
    def empty(self) -> bool:
        """Whether every prompt is just the framing's."""
        return self.examples is None and self.dictionary is None and self.glossary is None

    def build(self, framing: Framing, text: str, *, size: Size | None = None, most: int | None = None) -> Built:
        """The prompt of a text.

        Args:
            framing: template and languages.
            text: the source text, which is never shortened.
            size: tokens of a prompt.
            most: tokens the prompt may have. Over that, examples are left out, the last chosen first; then dictionary entries, then terms,
                from the end of the text. The source text and its instruction stay, whatever their size.
        """
        whole = self._material(text)
        kept = whole
        if size is not None and most is not None:
            kept = whole.within(lambda material: size(material.render(framing, text)) <= most)
        return Built(kept.render(framing, text), kept.account(whole))

    def retries(self) -> tuple[PromptPlan, ...]:
        """Plans to try in turn where terms are missing in the translation; none without a glossary that insists."""
        if self.glossary is None or not self.glossary.insists:
            return ()
        inline = replace(self.glossary, style=STYLES["inline"])
        return replace(self, glossary=inline), replace(self, glossary=inline, examples=None, dictionary=None)

    def _material(self, text: str) -> Material:
        terms = self.glossary.find(text) if self.glossary else ()
        hints = without(self.dictionary.find(text), terms) if self.dictionary else ()
        shots, best_last = self.examples.choose(text) if self.examples else ((), False)
        styles = (
            self.dictionary.style if self.dictionary else STYLES["inline"],
            self.glossary.style if self.glossary else STYLES["glossary"],
        )
        return Material(shots, best_last, hints, terms, *styles)


@dataclass(frozen=True)
class Material:
    """Everything that may stand in one prompt.

    Attributes:
        shots: examples, the first chosen first.
        best_last: whether the first chosen stands nearest to the source text, or they keep their order.
        hints: of the dictionary.
        terms: of the glossary.
        hint_style, term_style: how these are written.
    """

    shots: tuple[Shot, ...]
    best_last: bool
    hints: tuple[Hint, ...]
    terms: tuple[Hint, ...]
    hint_style: Style
    term_style: Style

    def render(self, framing: Framing, text: str) -> str:
        """The prompt."""
        groups = ((self.terms, self.term_style), (self.hints, self.hint_style))
        slot, _ = insert(text, [(hint, style) for hints, style in groups if style.place == "inline" for hint in hints])
        after = "".join(style.lines(hints) for hints, style in groups if style.place == "after").rstrip("\n")
        if after:
            slot = f"{slot}\n{after}"
        before = [block for hints, style in groups if style.place == "before" and (block := style.lines(hints))]
        shots = self.shots[::-1] if self.best_last else self.shots
        return "".join([*map(framing.example, shots), *(f"{block}\n" for block in before), framing.bare(slot)])

    def within(self, fits: Callable[[Material], bool]) -> Material:
        """As much of it as fits: examples go first, then hints, then terms, each kind from its end."""
        kept = self
        for kind in ("shots", "hints", "terms"):
            if fits(kept):
                return kept
            items = getattr(kept, kind)
            low, high = 0, len(items)  # `low` of them may fit, `high` do not
            while high - low > 1:
                middle = (low + high) // 2
                low, high = (middle, high) if fits(replace(kept, **{kind: items[:middle]})) else (low, middle)
            kept = replace(kept, **{kind: items[:low]})
        return kept

    def account(self, whole: Material) -> Account:
        """What is in it, and what it lacks of all there was."""
        kept = len(self.shots), len(self.hints), len(self.terms)
        had = len(whole.shots), len(whole.hints), len(whole.terms)
        return Account(*kept, *(before - after for before, after in zip(had, kept, strict=True)))
