"""BPE that goes on where a tokenizer stopped: merges learnt on words it has split already, to be appended to its own.

All base merges come first and build nothing but base pieces, so a word is split by the base before any new merge can apply. Where no new
pair occurs, the segmentation is the base's.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from heapq import heapify, heappop, heappush

from .merging import Pair, PairCounts


@dataclass(frozen=True)
class Limits:
    """When to stop, and what never to merge.

    Attributes:
        pieces: how many new pieces at most.
        least_gain: tokens of the text a piece must save when it is made.
        least_uses: tokens that must stay of every new piece when a longer one takes it up. BPE needs its intermediate pieces, and one that
            always goes on to the same longer piece would be a row of the embeddings that no text ever trains.
        forbidden: pairs of base ids.
        refused: pieces that are not to be made.
        hidden: pieces that may be made on the way to longer ones, but are not among the result.
        allowed: whether a spelling may be a piece; None lets all be.
        reuse: a merge may also build a piece that the tokenizer has already; it costs no new one.
    """

    pieces: int
    least_gain: int = 2
    least_uses: int = 1
    forbidden: Collection[Pair] = ()
    refused: Collection[str] = ()
    hidden: Collection[str] = ()
    allowed: Callable[[str], bool] | None = None
    reuse: bool = False


@dataclass
class Learnt:
    """New pieces in the order of their ids, the merges that build them, and the tokens each saved when it was made.

    A piece that can be built in two ways has two merges. `tokens` is the length of the text after each piece. `complete` says that the
    wanted number was reached; otherwise nothing more was to be gained.
    """

    pieces: list[str] = field(default_factory=list)
    merges: list[tuple[str, str]] = field(default_factory=list)
    gains: list[int] = field(default_factory=list)
    tokens_before: int = 0
    tokens_after: int = 0
    complete: bool = False


def continue_bpe(
    words: Mapping[tuple[int, ...], int],
    vocabulary: Mapping[str, int],
    limits: Limits,
    *,
    first: int | None = None,
    whole_words: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Learnt:
    """Learn merges on the words of a text as a tokenizer splits them.

    Args:
        words: distinct words as ids, and how often each occurs.
        vocabulary: pieces and ids to build from.
        limits: see there.
        first: ids in `vocabulary` from here on are new pieces as well (characters the tokenizer did not have).
        whole_words: the tokenizer takes a word that is a piece as it is, whatever the merges say (Llama-3's `ignore_merges`).
        progress: called with pieces made and wanted.

    Ties go to the pair with the smaller ids, so that the same text always gives the same pieces.
    """
    return _Run(words, vocabulary, limits, first, whole_words).learn(progress)


class _Run:
    """One run of learning: the counts, a heap of candidates (lazily kept), and the pieces made so far."""

    def __init__(
        self,
        words: Mapping[tuple[int, ...], int],
        vocabulary: Mapping[str, int],
        limits: Limits,
        first: int | None,
        whole_words: bool,
    ) -> None:
        self.counts = PairCounts(words.keys(), words.values())
        self.base = vocabulary
        self.limits = limits
        self.next = max(vocabulary.values(), default=-1) + 1
        self.first = self.next if first is None else first
        self.spelling = {piece_id: piece for piece, piece_id in vocabulary.items()}
        self.new: dict[str, int] = {}
        self.at = {self._spelled(word): index for index, word in enumerate(words)} if whole_words else {}
        self.learnt = Learnt(tokens_before=self.counts.tokens)
        self.heap: list[tuple[int, Pair]] = []
        self.barred: set[Pair] = set(limits.forbidden)

    def learn(self, progress: Callable[[int, int], None] | None) -> Learnt:
        self.heap = [(-count, pair) for pair, count in self.counts.pairs.items() if pair not in self.barred]
        heapify(self.heap)
        while self.heap and len(self.learnt.pieces) < self.limits.pieces:
            count, pair = heappop(self.heap)
            now = self.counts.pairs.get(pair, 0)
            if now != -count:  # counted before an overlapping merge; the pair is on the heap with its present count as well
                continue
            if now < self.limits.least_gain:
                break
            self._take(pair)
            if progress is not None:
                progress(len(self.learnt.pieces), self.limits.pieces)
        self.learnt.complete = len(self.learnt.pieces) >= self.limits.pieces
        self.learnt.tokens_after = self.counts.tokens
        return self.learnt

    def _take(self, pair: Pair) -> None:
        """Merge a pair, unless it may not be a piece (then never) or would use a new piece up (then it waits for its count to change)."""
        spelling = self.spelling[pair[0]] + self.spelling[pair[1]]
        if pair in self.barred:
            return
        known = self.new.get(spelling, self.base.get(spelling) if self.limits.reuse else None)
        if known is None and not self._may_be(spelling):
            self.barred.add(pair)
            return
        saved = self.counts.exact(pair)
        if saved < self.limits.least_gain or self._uses_up(pair, saved):
            return
        before = self.counts.tokens
        merged = self.next + len(self.new) if known is None else known
        changed = self.counts.merge(pair, merged)
        self.learnt.merges.append((self.spelling[pair[0]], self.spelling[pair[1]]))
        if known is None:
            self.new[spelling] = merged
            self.spelling[merged] = spelling
            changed |= self._whole_word(spelling, merged)
            if spelling not in self.limits.hidden:
                self.learnt.pieces.append(spelling)
                self.learnt.gains.append(before - self.counts.tokens)
        for each in changed:
            count = self.counts.pairs[each]
            if count > 0 and each not in self.barred:
                heappush(self.heap, (-count, each))

    def _may_be(self, spelling: str) -> bool:
        allowed = self.limits.allowed is None or self.limits.allowed(spelling)
        return allowed and spelling not in self.base and spelling not in self.limits.refused

    def _uses_up(self, pair: Pair, saved: int) -> bool:
        taken = saved * (2 if pair[0] == pair[1] else 1)
        return any(part >= self.first and self.counts.occurrences[part] - taken < self.limits.least_uses for part in pair)

    def _spelled(self, word: tuple[int, ...]) -> str:
        return "".join(self.spelling[each] for each in word)

    def _whole_word(self, spelling: str, merged: int) -> set[Pair]:
        index = self.at.get(spelling)
        if index is None or len(self.counts.words[index]) < 2:
            return set()
        return self.counts.collapse(index, merged)
