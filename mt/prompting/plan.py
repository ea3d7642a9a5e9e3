"""The one way a prompt is built: examples, dictionary material, instruction and source text, within a budget of tokens.

Translation, training and `--show-prompt` all call `PromptPlan.build`. Without parts it gives exactly what the template gives.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from ..prompts import PromptTemplate, render_prompt, render_target
from .context import context_block, nearest_first
from .dictionary import Dictionary, without
from .drafts import DraftSource, DraftStyle
from .glossary import Glossary
from .records import Account, Hint, Shot
from .selection import ExampleSource
from .styles import STYLES, Style, insert

if TYPE_CHECKING:
    from ..languages import Language
    from ..specialists import Draft

Size = Callable[[str], int]


@dataclass(frozen=True)
class Framing:
    """What every prompt of a direction has: template, languages, an instruction of the user's own on a line before it, a way of drafts."""

    template: PromptTemplate
    source: Language
    target: Language
    instruction: str = ""
    drafts: DraftStyle | None = None

    def bare(self, text: str) -> str:
        """The prompt of a text, without any material."""
        return (f"{self.instruction}\n" if self.instruction else "") + self._filled(text)

    def example(self, shot: Shot) -> str:
        """An example: the template with its answer, drafts of its text where there are some, and a blank line."""
        return self._filled(self.drafted(shot.source, shot.drafts), shot.language) + render_target(self.template, shot.target) + "\n\n"

    def drafted(self, text: str, drafts: Sequence[Draft]) -> str:
        """A text and below it what others made of it, a line a draft."""
        lines = self.drafts.lines(drafts) if self.drafts else ""
        return f"{text}\n{lines}" if lines else text

    def _filled(self, text: str, language: Language | None = None) -> str:
        return render_prompt(self.template, text, language or self.source, self.target)


@dataclass(frozen=True)
class Built:
    """A prompt and what is in it."""

    prompt: str
    account: Account = field(default_factory=Account)

    @property
    def bare(self) -> bool:
        """Whether it is just the template's prompt."""
        account = self.account
        return not (account.examples or account.hints or account.terms or account.drafts or account.context)


@dataclass(frozen=True)
class PromptPlan:
    """What prompts are built from.

    Attributes:
        examples: chooses in-context examples for a text.
        dictionary: offers translations of its words.
        glossary: asks for terms; its entries go before the dictionary's where both know a word.
        budget: most tokens that all of these may take in a prompt; None for what the model's context has room for.
        instruction: a text before the template's own, on formality, region or domain say; never left out, and not in the budget.
        drafts: of the source text, and of those examples that bring none.
        context: the text that precedes, which is read and not translated.
    """

    examples: ExampleSource | None = None
    dictionary: Dictionary | None = None
    glossary: Glossary | None = None
    budget: int | None = None
    instruction: str = ""
    drafts: DraftSource | None = None
    context: str = ""

    def framing(self, template: PromptTemplate, source: Language, target: Language) -> Framing:
        """What all its prompts have in common."""
        return Framing(template, source, target, self.instruction, self.drafts.style if self.drafts else None)

    @property
    def empty(self) -> bool:
        """Whether every prompt is just the framing's."""
        parts = (self.examples, self.dictionary, self.glossary, self.drafts)
        return all(part is None for part in parts) and not self.context.strip()

    def aligned(self, texts: Sequence[str]) -> PromptPlan:
        """The plan for an input whose segments are the texts, for files of drafts in its order; errors as `FileDrafts.aligned`."""
        return replace(self, drafts=self.drafts.aligned(texts)) if self.drafts else self

    def prepare(self, texts: Sequence[str]) -> None:
        """Have drafts of texts, and of their examples, made together; `build` has them made one by one else. Errors as the systems'."""
        if self.drafts:
            shots = [shot for text in texts for shot in self._shots(text)[0]] if self.examples else []
            self.drafts.prepare([*texts, *(shot.source for shot in shots if _undrafted(shot))])

    def build(self, framing: Framing, text: str, *, size: Size | None = None, most: int | None = None) -> Built:
        """The prompt of a text.

        Args:
            framing: template and languages.
            text: the source text, which is never shortened.
            size: tokens of a prompt.
            most: tokens the prompt may have. Over that, examples are left out, the last chosen first; then dictionary entries, then terms,
                from the end of the text; then drafts, the last system's first; then sentences of the context, the farthest first. The
                source text and its instruction stay, whatever their size.
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
        shots, best_last = self._shots(text)
        if self.drafts:
            shots = tuple(replace(shot, drafts=self.drafts.of(shot.source)) if _undrafted(shot) else shot for shot in shots)
        styles = (
            self.dictionary.style if self.dictionary else STYLES["inline"],
            self.glossary.style if self.glossary else STYLES["glossary"],
        )
        drafts = self.drafts.of(text) if self.drafts else ()
        return Material(shots, best_last, hints, terms, *styles, drafts, nearest_first(self.context))

    def _shots(self, text: str) -> tuple[tuple[Shot, ...], bool]:
        return self.examples.choose(text) if self.examples else ((), False)


@dataclass(frozen=True)
class Material:
    """Everything that may stand in one prompt.

    Attributes:
        shots: examples, the first chosen first.
        best_last: whether the first chosen stands nearest to the source text, or they keep their order.
        hints: of the dictionary.
        terms: of the glossary.
        hint_style, term_style: how these are written.
        drafts: of the source text, one a system.
        context: sentences before the source text, the nearest first.
    """

    shots: tuple[Shot, ...]
    best_last: bool
    hints: tuple[Hint, ...]
    terms: tuple[Hint, ...]
    hint_style: Style
    term_style: Style
    drafts: tuple[Draft, ...] = ()
    context: tuple[str, ...] = ()

    def render(self, framing: Framing, text: str) -> str:
        """The prompt."""
        groups = ((self.terms, self.term_style), (self.hints, self.hint_style))
        slot, _ = insert(text, [(hint, style) for hints, style in groups if style.place == "inline" for hint in hints])
        after = "".join(style.lines(hints) for hints, style in groups if style.place == "after").rstrip("\n")
        if after:
            slot = f"{slot}\n{after}"
        slot = framing.drafted(slot, self.drafts)
        before = [block for hints, style in groups if style.place == "before" and (block := style.lines(hints))]
        shots = self.shots[::-1] if self.best_last else self.shots
        blocks = [*(f"{block}\n" for block in before), context_block(self.context)]
        return "".join([*map(framing.example, shots), *blocks, framing.bare(slot)])

    def within(self, fits: Callable[[Material], bool]) -> Material:
        """As much of it as fits: examples go first, then hints, terms, drafts and context, each kind from its end."""
        kept = self
        for kind in ("shots", "hints", "terms", "drafts", "context"):
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
        drafts, all_drafts = (sum(1 for draft in material.drafts if draft.text) for material in (self, whole))
        context, all_context = len(self.context), len(whole.context)
        return Account(
            examples=len(self.shots),
            hints=len(self.hints),
            terms=len(self.terms),
            examples_left_out=len(whole.shots) - len(self.shots),
            hints_left_out=len(whole.hints) - len(self.hints),
            terms_left_out=len(whole.terms) - len(self.terms),
            drafts=drafts,
            drafts_left_out=all_drafts - drafts,
            drafts_missing=len(whole.drafts) - all_drafts,
            context=context,
            context_left_out=all_context - context,
        )


def _undrafted(shot: Shot) -> bool:
    """Whether the systems are asked for a draft of it: it brings none, and is in the language they are for."""
    return not shot.drafts and shot.language is None
