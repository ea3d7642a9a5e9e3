"""Pair counts over distinct words, kept up to date while pairs are merged: the inner loop of learning BPE (Sennrich et al. 2016)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import pairwise

Pair = tuple[int, int]


class PairCounts:
    """Distinct words as sequences of ids, how often each pair of neighbours occurs, and where.

    Each word stands once with its frequency. A merge touches only the words that hold the pair, so that learning 5,000 pieces costs about
    as much as reading the words a few times.

    Attributes:
        words: each as it is split now.
        pairs: how often a pair of neighbours occurs in the text.
        occurrences: how often an id does.
        tokens: the text's length.
    """

    def __init__(self, words: Iterable[Sequence[int]], frequencies: Iterable[int]) -> None:
        self.words = [list(word) for word in words]
        self.frequencies = list(frequencies)
        self.pairs: Counter[Pair] = Counter()
        self.occurrences: Counter[int] = Counter()
        self.tokens = 0
        self._places: dict[Pair, list[int]] = {}  # indices of words; one that has lost the pair since does no harm
        for index, (word, frequency) in enumerate(zip(self.words, self.frequencies, strict=True)):
            self._add(index, word, frequency)

    def merge(self, pair: Pair, merged: int) -> set[Pair]:
        """Put `merged` for every occurrence of a pair, from the left; gives back the pairs whose counts changed."""
        changed: set[Pair] = set()
        for index in self._places.pop(pair, ()):
            self._merge_in(index, pair, merged, changed)
        self.pairs.pop(pair, None)
        changed.discard(pair)
        return changed

    def collapse(self, index: int, merged: int) -> set[Pair]:
        """Put one id for a whole word."""
        word, frequency = self.words[index], self.frequencies[index]
        changed = set(pairwise(word))
        for pair in pairwise(word):
            self.pairs[pair] -= frequency
        for each in word:
            self.occurrences[each] -= frequency
        self.occurrences[merged] += frequency
        self.tokens -= (len(word) - 1) * frequency
        self.words[index] = [merged]
        return changed

    def exact(self, pair: Pair) -> int:
        """How often merging a pair would put one token for two: less than its count where a token repeats (`aaa` has room for one `aa`)."""
        if pair[0] != pair[1]:
            return self.pairs[pair]
        places = set(self._places.get(pair, ()))
        return sum(_disjoint(self.words[index], pair[0]) * self.frequencies[index] for index in places)

    def _add(self, index: int, word: Sequence[int], frequency: int) -> None:
        self.tokens += len(word) * frequency
        for each in word:
            self.occurrences[each] += frequency
        for pair in pairwise(word):
            self.pairs[pair] += frequency
            self._places.setdefault(pair, []).append(index)

    def _merge_in(self, index: int, pair: Pair, merged: int, changed: set[Pair]) -> None:
        word, frequency = self.words[index], self.frequencies[index]
        left, right = pair
        out: list[int] = []
        position, last, found = 0, len(word) - 1, 0
        while position <= last:
            if word[position] != left or position == last or word[position + 1] != right:
                out.append(word[position])
                position += 1
                continue
            if out:
                self._replace((out[-1], left), (out[-1], merged), index, frequency, changed)
            if position + 1 < last:
                following = word[position + 2]
                self._replace((right, following), (merged, following), index, frequency, changed)
            out.append(merged)
            position += 2
            found += 1
        if found:
            self.words[index] = out
            self.occurrences[left] -= found * frequency
            self.occurrences[right] -= found * frequency
            self.occurrences[merged] += found * frequency
            self.tokens -= found * frequency

    def _replace(self, old: Pair, new: Pair, index: int, frequency: int, changed: set[Pair]) -> None:
        self.pairs[old] -= frequency
        self.pairs[new] += frequency
        self._places.setdefault(new, []).append(index)
        changed.add(old)
        changed.add(new)


def _disjoint(word: Sequence[int], token: int) -> int:
    """Non-overlapping pairs of one token in a row."""
    total = run = 0
    for each in [*word, None]:
        if each == token:
            run += 1
        else:
            total += run // 2
            run = 0
    return total
