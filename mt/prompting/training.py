"""Training with terms in the prompt (LlamaIT, DragFT: arXiv 2402.15061): a model that saw terms kept to learns to keep to them.

A term goes into a pair's prompt only where its translation stands in the reference, and only that translation, so that what the prompt asks
for is always what the loss rewards. The prompt is built by the same plan as in translation.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from ..corpora.records import Pair
from ..corpora.tally import Tally
from ..languages import Language
from ..lexicons import Lexicon, Matcher
from ..lexicons.folding import folded_text
from ..prompts import PromptTemplate
from .dictionary import Dictionary
from .plan import Framing, Material
from .records import Hint
from .styles import STYLES, Style
from .term_success import check_terms

LexiconStyle = Literal["glossary", "inline", "chain", "before", "after"]
TERMS = "with terms in the prompt"


@dataclass(frozen=True)
class TermPrompts:
    """Prompts of training pairs, some of them with terms.

    Attributes:
        dictionary: finds the terms, with all their translations.
        framing: template and languages.
        style: how a prompt names them.
        share: of the pairs with such terms, how many get some: 0 to 1.
        seed: with a pair's texts it decides which, whatever the order of the corpus.
    """

    dictionary: Dictionary
    framing: Framing
    style: Style
    share: float
    seed: int

    @classmethod
    def of(
        cls, lexicon: Lexicon, template: PromptTemplate, source: Language, target: Language, style: LexiconStyle, share: float, seed: int
    ) -> TermPrompts:
        """Prompts of one direction; the lexicon runs the same way."""
        chosen = STYLES[style]
        return cls(Dictionary(Matcher.of(lexicon), chosen), Framing(template, source, target), chosen, share, seed)

    def prompt(self, pair: Pair, tally: Tally) -> str:
        """The prompt of a pair; one with terms is noted in the tally."""
        terms = self.terms(pair)
        if terms:
            tally.note(pair.origin, TERMS)
        return Material((), False, (), terms, self.style, self.style).render(self.framing, pair.source)

    def terms(self, pair: Pair) -> tuple[Hint, ...]:
        """The terms that a pair's prompt gets: none, or one up to all of those that occur in the reference, drawn at random."""
        draw = random.Random(f"{self.seed}\t{pair.source}\t{pair.target}")
        if draw.random() >= self.share:
            return ()
        found = self.usable(pair)
        if not found:
            return ()
        kept = set(draw.sample(range(len(found)), draw.randint(1, len(found))))
        return tuple(hint for number, hint in enumerate(found) if number in kept)

    def usable(self, pair: Pair) -> tuple[Hint, ...]:
        """Every term of the source with the first of its translations that stands in the reference, each in a place of its own."""
        reference = folded_text(pair.target)
        found: list[Hint] = []
        for hint in self.dictionary.find(pair.source):
            for text in hint.targets:
                asked = [*found, replace(hint, targets=(text,))]
                if folded_text(text) in reference and _all_met(asked, pair.target, self.framing.target):
                    found = asked
                    break
        return tuple(found)


def _all_met(hints: Sequence[Hint], reference: str, target: Language) -> bool:
    return all(check.met == check.required for check in check_terms(hints, reference, target, inflected=False))
