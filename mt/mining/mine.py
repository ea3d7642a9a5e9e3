"""Examples out of monolingual text and a model (SM-UMT: self-mined in-context examples, arXiv 2410.11006).

1. Word pairs: frequent words of the target language, through the model there and back; or a dictionary of one's own.
2. Word-by-word drafts of source sentences: (draft, sentence) are first examples, of translation into the source language.
3. With those, the most similar in words each time, the model translates target sentences into the source language.
4. What looks wrong is left out; the rest is scored, and the best are kept.

Their targets are what people wrote, so a prompt with them never shows the model bad target text.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ..corpora.records import Segment
from ..corpora.tally import Tally
from ..errors import CorpusError
from ..languages import Language
from ..lexicons import Lexicon, Matcher
from ..prompting.dictionary import turned_round
from ..prompting.plan import PromptPlan
from ..prompting.records import Shot
from ..prompting.selection import ExampleSource
from .backtranslation import Translate, back_translate
from .drafts import word_by_word
from .records import Example
from .scoring import Similarity, draft_similarity
from .words import frequent_words, mutual_words


@dataclass(frozen=True)
class MiningSettings:
    """How examples are mined.

    Attributes:
        words: most word pairs to ask the model for.
        shots: drafts in a prompt for back-translation.
        min_coverage: share of a sentence's words that must be in the dictionary for its draft to be an example.
        min_score: the lowest score of an example that is kept.
        keep: most examples, the best; None for all.
    """

    words: int = 500
    shots: int = 5
    min_coverage: float = 0.3
    min_score: float = 0.0
    keep: int | None = None


@dataclass(frozen=True)
class Mined:
    """What was mined.

    Attributes:
        examples: the best first.
        lexicon: the word pairs, from the target language into the source language.
        tallies: the account of every step.
    """

    examples: tuple[Example, ...]
    lexicon: Lexicon
    tallies: tuple[Tally, ...]


def mine(
    source_text: Sequence[Segment],
    target_text: Sequence[Segment],
    source: Language,
    target: Language,
    translate: Translate,
    settings: MiningSettings | None = None,
    *,
    lexicon: Lexicon | None = None,
    similarity: Similarity | None = None,
) -> Mined:
    """Examples of translation from the source into the target language.

    Args:
        source_text: monolingual sentences.
        target_text: the same of the target language; the targets of the examples.
        source: language to translate from.
        target: language to translate into.
        translate: the model, in both directions.
        settings: see there.
        lexicon: from the target into the source language, in place of words that the model translates.
        similarity: scores examples; by default, against word-by-word drafts.

    Raises:
        CorpusError: not one word pair, or not one example that is kept.
    """
    chosen = settings or MiningSettings()
    tallies: list[Tally] = []
    if lexicon is None:
        lexicon, tallies = _word_pairs(target_text, target, source, translate, chosen.words)
    matcher = Matcher.of(lexicon)
    shots, drafted = _first_examples(source_text, Matcher.of(turned_round(lexicon)), target, chosen.min_coverage)
    plan = PromptPlan(ExampleSource.of(shots, chosen.shots, "bm25")) if shots else PromptPlan()
    translated = Tally("translating back")
    found = back_translate(target_text, target, source, plan, translate, translated)
    scored = Tally("scoring")
    kept = _best(found, similarity or draft_similarity(matcher, source), chosen, scored)
    tallies += [drafted, translated, scored]
    if not kept:
        reasons = "; ".join(line.strip() for tally in tallies for line in tally.lines()[1:])
        raise CorpusError(f"not one example is left ({reasons})", allowed="more text, a better model or a lower threshold")
    return Mined(tuple(kept), lexicon, tuple(tallies))


def _word_pairs(
    text: Sequence[Segment], language: Language, into: Language, translate: Translate, count: int
) -> tuple[Lexicon, list[Tally]]:
    words = frequent_words((segment.text for segment in text), count)

    def forward(texts: list[str]) -> list[str]:
        return [one.text for one in translate(texts, language, into, PromptPlan())]

    def backward(texts: list[str]) -> list[str]:
        return [one.text for one in translate(texts, into, language, PromptPlan())]

    return mutual_words(words, forward, backward, language, into)


def _first_examples(text: Sequence[Segment], matcher: Matcher, target: Language, min_coverage: float) -> tuple[list[Shot], Tally]:
    """Examples of translation into the language of the text: drafts as sources, the sentences themselves as targets."""
    tally = Tally("drafting word by word")
    shots = []
    for segment in text:
        draft = word_by_word(matcher, segment.text, target)
        if draft.coverage < max(min_coverage, 1e-9):
            tally.skip(segment.origin, f"under {min_coverage:.0%} of the words in the dictionary")
        else:
            tally.keep()
            shots.append(Shot(draft.text, segment.text, segment.origin, draft.coverage))
    return shots, tally


def _best(examples: Sequence[Example], similarity: Similarity, settings: MiningSettings, tally: Tally) -> list[Example]:
    if not examples:
        return []
    scored = [replace(one, score=score) for one, score in zip(examples, similarity(examples), strict=True)]
    ranked = sorted(scored, key=lambda one: -(one.score or 0.0))
    kept: list[Example] = []
    for example in ranked:
        if (example.score or 0.0) < settings.min_score:
            tally.skip(example.origin, f"a score under {settings.min_score}")
        elif settings.keep is not None and len(kept) >= settings.keep:
            tally.skip(example.origin, f"not among the best {settings.keep}")
        else:
            tally.keep()
            kept.append(example)
    return kept
