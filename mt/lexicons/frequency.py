"""How frequent words are: read from a count file or taken from the text at hand, so that a lexicon need not gloss what everybody knows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ..corpora.lines import decoded_lines
from ..corpora.tally import Tally
from ..errors import CorpusError
from .folding import fold, folded_text, in_word, unspaced


def read_counts(path: Path, tally: Tally | None = None) -> Counter[str]:
    """Counts by word, folded: a `word<TAB>count` (or `word count`) a line, as most frequency lists are written.

    Raises:
        CorpusError: unreadable, or no line is a word with a count.
    """
    account = tally if tally is not None else Tally("reading counts")
    counts: Counter[str] = Counter()
    for origin, line in decoded_lines(path, account):
        word, _, number = line.rstrip().replace("\t", " ").rpartition(" ")
        key = folded_text(word)
        if not key or not number.isdecimal():
            account.skip(origin, "not a word and a count")
            continue
        counts[key] += int(number)
        account.keep()
    if not counts:
        raise CorpusError("no word with a count in it", where=path, allowed="`word<TAB>count` lines")
    return counts


def count_words(texts: Iterable[str]) -> Counter[str]:
    """Counts of the words of texts, folded; in scripts without spaces, of their letters."""
    counts: Counter[str] = Counter()
    for text in texts:
        folded = fold(text)
        counts.update(folded.text[start:end] for start, end in folded.words)
    return counts


@dataclass(frozen=True)
class FrequencyLimit:
    """Which sources are too frequent, or stop words, to be looked up.

    Attributes:
        stop_words: words and phrases, folded.
        counts: how often words and phrases occur, folded; empty where that is unknown.
        max_frequency: a source that occurs more often is left out.
        most_frequent: the words of `counts` so high in their order are left out, whatever their count.
    """

    stop_words: frozenset[str] = frozenset()
    counts: Mapping[str, int] = field(default_factory=dict)
    max_frequency: int | None = None
    most_frequent: int = 0

    @classmethod
    def of(
        cls, stop_words: Collection[str], counts: Mapping[str, int] | None, max_frequency: int | None, most_frequent: int
    ) -> FrequencyLimit:
        """The same from words as they are written; the most frequent words become stop words."""
        folded: Counter[str] = Counter()
        for word, count in (counts or {}).items():
            folded[folded_text(word)] += count
        top = (word for word, _ in folded.most_common(most_frequent))
        return cls(frozenset([*(folded_text(word) for word in stop_words), *top]), folded, max_frequency, most_frequent)

    @property
    def active(self) -> bool:
        """Whether anything is left out at all."""
        return bool(self.stop_words) or self.max_frequency is not None

    def excludes(self, text: str, atoms: Sequence[str], frequency: int | None) -> bool:
        """Whether an entry is left out: itself, or every one of its words (but not letters of scripts without spaces) is.

        Args:
            text: the entry's source, folded.
            atoms: of the source, folded.
            frequency: the lexicon's own count of it, used where `counts` does not know it.
        """
        if self.excludes_word(text, frequency):
            return True
        words = [atom for atom in atoms if in_word(atom[0])]
        if text in self.counts or len(words) < 2 or any(unspaced(word[0]) for word in words):
            return False
        return all(map(self.excludes_word, words))

    def excludes_word(self, word: str, frequency: int | None = None) -> bool:
        """Whether a folded text is, as a whole, a stop word or too frequent."""
        if word in self.stop_words:
            return True
        count = self.counts.get(word, frequency)
        return self.max_frequency is not None and count is not None and count > self.max_frequency
