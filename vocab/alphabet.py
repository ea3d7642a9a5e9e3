"""Characters a SentencePiece vocabulary does not have: without them a script is spelled in bytes, or lost as `<unk>`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping

from .families import SPACE

COVERAGE = 0.9995  # of the text's characters, SentencePiece's own default: the rest are one-offs


def missing_characters(words: Mapping[str, int], vocabulary: Collection[str], refused: Collection[str], most: int) -> list[str]:
    """The characters of a text that are no pieces yet, the most frequent first.

    Args:
        words: pieces of normalised text with their frequencies.
        vocabulary: pieces the tokenizer has.
        refused: characters that are not to be added.
        most: how many at most.
    """
    found: Counter[str] = Counter()
    for word, frequency in words.items():
        for character in word:
            found[character] += frequency
    total = found.total()
    missing: list[str] = []
    covered = 0
    for character, count in sorted(found.items(), key=lambda item: (-item[1], item[0])):
        if covered > COVERAGE * total or len(missing) == most:
            break
        covered += count
        if character not in vocabulary and character not in refused and character != SPACE and not character.isspace():
            missing.append(character)
    return missing
