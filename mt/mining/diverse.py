"""Examples of several other languages (LDP: linguistically diverse prompts, arXiv 2306.11372).

A model that sees French, Chinese and Swahili put into English learns from the prompt that the task is "into English", whatever the source;
no sentence of the low-resource language itself is needed. The other way, its own back-translations serve as examples (`back_translate`).
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

from ..corpora import word_count
from ..corpora.records import Pair
from ..corpora.tally import Tally
from ..languages import Language
from ..lexicons.folding import folded_text
from .records import Example

SHOWN = "a translation shown already, from another language"


def diverse_examples(
    pools: Mapping[Language, Sequence[Pair]], hub: Language, each: int, *, longest: int = 40, seed: int = 1
) -> tuple[list[Example], Tally]:
    """Examples in turn from each language, so that any first few are of as many languages.

    Args:
        pools: pairs into the hub language, by their source language.
        hub: language of all targets.
        each: examples a language.
        longest: most words of a side.
        seed: decides which pairs are taken.

    Each target is used once, where pools hold translations of the same texts. Pairs that were looked at and skipped are counted.
    """
    tally = Tally("choosing examples")
    seen: set[str] = set()
    chosen: dict[Language, list[Example]] = {}
    for number, (language, pairs) in enumerate(pools.items()):
        order = list(pairs)
        random.Random(f"{seed}\t{number}\t{language.bcp47}").shuffle(order)
        chosen[language] = _taken(order, language, hub, each, longest, seen, tally)
    turns = max(map(len, chosen.values()), default=0)
    return [own[turn] for turn in range(turns) for own in chosen.values() if turn < len(own)], tally


def _taken(
    pairs: Sequence[Pair], language: Language, hub: Language, count: int, longest: int, seen: set[str], tally: Tally
) -> list[Example]:
    taken: list[Example] = []
    for pair in pairs:
        if len(taken) == count:
            break
        key = folded_text(pair.target)
        if max(word_count(pair.source, language), word_count(pair.target, hub)) > longest:
            tally.skip(pair.origin, f"over {longest} words")
        elif key in seen:
            tally.skip(pair.origin, SHOWN)
        else:
            seen.add(key)
            tally.keep()
            taken.append(Example(pair.source, pair.target, pair.origin, language=language))
    return taken
