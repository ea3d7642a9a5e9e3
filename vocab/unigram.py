"""Scores for new pieces of a Unigram tokenizer (Kudo 2018), which takes the segmentation with the highest sum of scores.

A new piece gets the sum of the scores of the base pieces it is made of and a very little more for each piece saved. So it wins against
exactly these pieces in a row, never against another base segmentation: text in which no such row occurs is split as before, and where
new pieces overlap, the segmentation with the fewest tokens wins.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

BONUS = 1e-5  # far below the differences between segmentations (about 0.01 and more), far above rounding errors (1e-12)
_DECIMALS = 11  # a number of 15 digits is read back exactly by every JSON reader
_EARLIER = 0.1  # of the bonus: among segmentations with equally many tokens the one with the earlier, more frequent pieces wins


def unigram_scores(
    pieces: Sequence[str], merges: Iterable[tuple[str, str]], characters: Iterable[str], base: Mapping[str, float]
) -> list[float]:
    """A log-probability a piece, in the order of `pieces`.

    Args:
        pieces: the new ones, characters included.
        merges: how each was built, parts before wholes; a piece with two ways takes the better.
        characters: new pieces that nothing was merged for; nothing competes with them, so they get the base's least score.
        base: scores of the tokenizer's pieces.
    """
    scores = dict(base)
    least = min(base.values())
    for character in characters:
        scores[character] = least
    merges = list(merges)
    for rank, (left, right) in enumerate(merges):
        built = scores[left] + scores[right] + BONUS * (1 - _EARLIER * rank / len(merges))
        whole = left + right
        scores[whole] = max(built, scores[whole]) if whole in scores else built
    return [round(scores[piece], _DECIMALS) for piece in pieces]
