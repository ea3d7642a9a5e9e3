"""Word pairs out of a model: the frequent words of a text, translated there and back; what does not come back is left out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from ..corpora.tally import Tally
from ..errors import CorpusError
from ..languages import Language
from ..lexicons import Lexicon, count_words, translate_lexicon
from ..lexicons.building import build_lexicon
from ..lexicons.folding import folded_text, unspaced
from ..lexicons.records import Row

TranslateWords = Callable[[list[str]], Sequence[str]]
LOST = "a word that does not come back"
_AROUND = " \t.,;:!?\"'()[]«»“”„‘’。，、！？؟،।"


def frequent_words(texts: Iterable[str], count: int) -> list[str]:
    """The most frequent words, folded: of at least two letters (one in scripts without spaces, where a letter is a word), no numbers."""
    counts = count_words(texts)
    words = (word for word, _ in counts.most_common() if word.isalpha() or not word.isascii())
    usable = (word for word in words if not any(map(str.isnumeric, word)) and (len(word) > 1 or unspaced(word)))
    return [word for _, word in zip(range(count), usable, strict=False)]


def mutual_words(
    words: Sequence[str], forward: TranslateWords, backward: TranslateWords, source: Language, target: Language
) -> tuple[Lexicon, list[Tally]]:
    """The words whose translation is translated back to them, and the accounts of both ways.

    Args:
        words: of the source language.
        forward: translates words into the target language, in order.
        backward: the same the other way.
        source: language of the words.
        target: language of their translations.

    Raises:
        CorpusError: not one word comes back.
        ModelError: another number of outputs than of words.
    """
    there = _translated(words, forward, source, target)
    back = _translated(list(dict.fromkeys(entry.best for entry in there.entries)), backward, target, source)
    returned = {entry.source: entry.best for entry in back.entries}
    tally = Tally("comparing words that went there and back")
    rows = []
    for entry in there.entries:
        if folded_text(returned.get(entry.best, "")) == folded_text(entry.source):
            rows.append(Row(entry.source, [(entry.best, None)], entry.origin))
        else:
            tally.skip(entry.origin, LOST)
    if not rows:
        raise _none(source, target)
    return build_lexicon(rows, "mined words", source, target, tally), [there.tally, back.tally, tally]


def _translated(words: Sequence[str], translate: TranslateWords, source: Language, target: Language) -> Lexicon:
    def bare(texts: list[str]) -> list[str]:
        return [output.strip(_AROUND) for output in translate(texts)]

    try:
        return translate_lexicon(words, bare, source.bcp47, target.bcp47, name=f"words of {source.name}")
    except CorpusError:
        raise _none(source, target) from None


def _none(source: Language, target: Language) -> CorpusError:
    return CorpusError(
        f"not one word of {source.name} came through the model to {target.name} and back",
        allowed="a model that knows words of both languages",
        hint="more words, or a dictionary of your own",
    )
