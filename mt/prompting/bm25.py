"""BM25 (Robertson et al. 1994) over the words of a few thousand texts: which examples are like a source text."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from itertools import pairwise

from ..lexicons.folding import fold, unspaced

_K1 = 1.5
_B = 0.75


class Bm25:
    """An inverted index over texts, with the formula's usual constants (k1 = 1.5, b = 0.75).

    Terms are folded words. In scripts without spaces they are letters, and pairs of neighbouring letters.
    """

    def __init__(self, texts: Sequence[str]) -> None:
        counts = [Counter(terms(text)) for text in texts]
        lengths = [count.total() for count in counts]
        mean = sum(lengths) / max(1, len(lengths)) or 1.0
        self._size = len(texts)
        self._weights: dict[str, list[tuple[int, float]]] = defaultdict(list)
        for number, (count, length) in enumerate(zip(counts, lengths, strict=True)):
            for term, times in count.items():
                self._weights[term].append((number, times * (_K1 + 1) / (times + _K1 * (1 - _B + _B * length / mean))))

    def scores(self, text: str) -> list[float]:
        """(N,) how much each text is like the given one; 0 where no word is shared."""
        found = [0.0] * self._size
        for term in dict.fromkeys(terms(text)):
            holders = self._weights.get(term, ())
            rarity = math.log(1 + (self._size - len(holders) + 0.5) / (len(holders) + 0.5))
            for number, weight in holders:
                found[number] += rarity * weight
        return found


def terms(text: str) -> list[str]:
    """What two texts can share."""
    folded = fold(text)
    words = [folded.text[start:end] for start, end in folded.words]
    together = [
        one + other
        for (one, other), (left, right) in zip(pairwise(words), pairwise(folded.words), strict=True)
        if left[1] == right[0] and unspaced(one[0]) and unspaced(other[0])
    ]
    return words + together
