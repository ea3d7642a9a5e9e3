"""A dictionary out of parallel text: words aligned in both directions, and the links both agree on counted.

The alignment model is IBM Model 1 (Brown et al. 1993) with an empty word on either side, trained by expectation maximisation. A link stands
where each word is the likeliest explanation of the other (the intersection of both directions' best alignments); a translation is listed
when it has enough links, a large enough share of the source's links, and a large enough Dice coefficient.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..corpora.records import Origin
from ..corpora.tally import Tally
from ..errors import CorpusError, LanguageError
from ..languages import Language, find_language
from .folding import fold
from .records import Entry, Lexicon

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Integers = NDArray[np.integer[Any]]

_Words = list[tuple[str, str]]  # a sentence's words, folded and as they are written
_EMPTY_WORD = 0  # number of the word that explains what has no counterpart
_CHUNK = 10_000  # sentence pairs crossed at once
_LONGEST = 100  # words of a side: a longer pair aligns badly and costs the most


@dataclass(frozen=True)
class AlignmentSettings:
    """What is learned and what of it is listed.

    Attributes:
        iterations: of expectation maximisation.
        min_count: links a translation needs, and occurrences a word needs to be looked at.
        min_probability: share of a source word's links, 0 to 1.
        min_dice: twice the links over the occurrences of both words, 0 to 1.
        alternatives: translations listed of a word.
        max_word_pairs: reading stops after sentence pairs with so many pairs of words; each takes about 100 bytes of memory.
    """

    iterations: int = 5
    min_count: int = 3
    min_probability: float = 0.1
    min_dice: float = 0.1
    alternatives: int = 5
    max_word_pairs: int = 20_000_000


@dataclass(frozen=True)
class _Side:
    """One side of a corpus: words numbered from 1, `counts[0]` unused; sentence `s` is `tokens[starts[s]:starts[s + 1]]`."""

    words: list[str]
    counts: Integers
    tokens: Integers
    starts: Integers


@dataclass(frozen=True)
class _Occurrences:
    """Every pair of words that stand in one sentence pair, empty words included; all arrays but the last two are (N,).

    Attributes:
        pair: number of the pair of words.
        source: number of the source token, or -1 for the empty word.
        target: the same of the target.
        sources: (P,) source word of each pair of words.
        targets: (P,) target word.
    """

    pair: Integers
    source: Integers
    target: Integers
    sources: Integers
    targets: Integers


def learn_lexicon(
    pairs: Iterable[tuple[str, str]], source: str, target: str, settings: AlignmentSettings | None = None, *, name: str = "parallel text"
) -> Lexicon:
    """A lexicon of single words from sentence pairs; the same pairs give the same lexicon.

    Args:
        pairs: (source, target) sentences.
        source: language of the first.
        target: language of the second.
        settings: thresholds and training.
        name: of the lexicon, and of the place its entries' origins name; their line is the pair's number.

    Weights are the shares of a source word's links, `frequency` its occurrences. Each is spelled as it most often is in the text. Words are
    what stands between spaces and punctuation, so both languages must be written with spaces.

    Raises:
        LanguageError: a language without spaces between words.
        CorpusError: nothing that passes the thresholds.
    """
    settings = settings or AlignmentSettings()
    languages = _spaced(source), _spaced(target)
    tally = Tally("learning entries")
    texts = list(_usable(pairs, settings, name, tally))
    lines = [line for line, _, _ in texts]
    first = _number([words for _, words, _ in texts], settings.min_count)
    second = _number([words for _, _, words in texts], settings.min_count)
    entries: tuple[Entry, ...] = ()
    if len(first.words) > 1 and len(second.words) > 1:
        found = _pair_up(first, second)
        entries = tuple(_entries(_links(found, settings.iterations), found, first, second, lines, settings, name, tally))
    if not entries:
        raise CorpusError(
            f"no word of {len(texts):,} sentence pairs has a translation that passes the thresholds", where=name, hint="lower `min_count`"
        )
    return Lexicon(name, *languages, entries, tally)


def _spaced(spelling: str) -> Language:
    language = find_language(spelling)
    if not language.spaced:
        raise LanguageError(f"{language.name} is written without spaces", where=spelling, allowed="a language with spaces between words")
    return language


def _usable(pairs: Iterable[tuple[str, str]], settings: AlignmentSettings, name: str, tally: Tally) -> Iterable[tuple[int, _Words, _Words]]:
    """The number of each sentence pair from 1, and both sides."""
    looked_at = 0
    for number, (first, second) in enumerate(pairs, start=1):
        if looked_at > settings.max_word_pairs:
            tally.stopped = f"{settings.max_word_pairs:,} pairs of words reached before sentence pair {number:,}, the rest was not read"
            return
        sides = _words(first), _words(second)
        if not sides[0] or not sides[1]:
            tally.note(Origin(name, number), "a sentence pair with a side without words, not looked at")
        elif max(map(len, sides)) > _LONGEST:
            tally.note(Origin(name, number), f"a sentence pair with a side of over {_LONGEST} words, not looked at")
        else:
            looked_at += len(sides[0]) * len(sides[1])
            yield number, *sides


def _words(text: str) -> _Words:
    folded = fold(text)
    return [(folded.text[start:end], folded.spelling(start, end)) for start, end in folded.words]


def _number(sentences: Sequence[_Words], min_count: int) -> _Side:
    """Words with enough occurrences numbered, the others left out."""
    import numpy as np

    counts = Counter(form for sentence in sentences for form, _ in sentence)
    spellings: dict[str, Counter[str]] = {}
    for sentence in sentences:
        for form, spelling in sentence:
            spellings.setdefault(form, Counter())[spelling] += 1
    forms = [form for form in spellings if counts[form] >= min_count]
    numbers = {form: number for number, form in enumerate(forms, start=1)}
    kept = [[numbers[form] for form, _ in sentence if form in numbers] for sentence in sentences]
    starts = np.cumsum([0, *map(len, kept)], dtype=np.int64)
    tokens = np.fromiter((number for sentence in kept for number in sentence), dtype=np.int64, count=int(starts[-1]))
    # Of spellings that are equally frequent the one in lower case is no beginning of a sentence.
    words = ["", *(max(spellings[form].items(), key=lambda item: (item[1], item[0].islower(), item[0]))[0] for form in forms)]
    return _Side(words, np.array([0, *(counts[form] for form in forms)], dtype=np.int64), tokens, starts)


def _pair_up(source: _Side, target: _Side) -> _Occurrences:
    import numpy as np

    first, source_token = _with_empty_words(source)
    second, target_token = _with_empty_words(target)
    rows, columns = np.diff(source.starts) + 1, np.diff(target.starts) + 1
    begins = np.cumsum(rows) - rows, np.cumsum(columns) - columns
    width = len(target.words)
    keys, at_source, at_target = [], [], []
    for start in range(0, len(rows), _CHUNK):
        here = slice(start, start + _CHUNK)
        sizes = rows[here] * columns[here]
        sentence = start + np.repeat(np.arange(len(sizes)), sizes)
        within = np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        one = begins[0][sentence] + within // columns[sentence]
        other = begins[1][sentence] + within % columns[sentence]
        real = (first[one] != _EMPTY_WORD) | (second[other] != _EMPTY_WORD)
        one, other = one[real], other[real]
        keys.append(first[one] * width + second[other])
        at_source.append(source_token[one].astype(np.int32))
        at_target.append(target_token[other].astype(np.int32))
    known, pair = np.unique(np.concatenate(keys), return_inverse=True)
    return _Occurrences(pair.astype(np.int32), np.concatenate(at_source), np.concatenate(at_target), known // width, known % width)


def _with_empty_words(side: _Side) -> tuple[Integers, Integers]:
    """The words of all sentences, each with an empty word before it, and the token each stands for (-1 for empty words)."""
    import numpy as np

    places = side.starts[:-1]
    return np.insert(side.tokens, places, _EMPTY_WORD), np.insert(np.arange(len(side.tokens)), places, -1)


def _links(found: _Occurrences, iterations: int) -> Integers:
    """How often each pair of words is linked: (P,)."""
    import numpy as np

    forward = _best(found.pair, found.target, found.sources, iterations)
    backward = _best(found.pair, found.source, found.targets, iterations)
    linked = forward & backward & (found.source >= 0) & (found.target >= 0)
    return np.bincount(found.pair[linked], minlength=len(found.sources))


def _best(pair: Integers, explained: Integers, given: Integers, iterations: int) -> NDArray[np.bool_]:
    """Which occurrences are the best explanation of their token: (N,) of bool.

    Args:
        pair: (N,) number of the pair of words.
        explained: (N,) token that is explained, -1 for none (an empty word explains, but is not explained).
        given: (P,) word that explains.
        iterations: of expectation maximisation.
    """
    import numpy as np

    used = np.flatnonzero(explained >= 0)
    pair, token = pair[used], explained[used]
    probability = np.ones(len(given))
    for _ in range(iterations):
        share = probability[pair]
        share /= np.bincount(token, share)[token]
        expected = np.bincount(pair, share, minlength=len(given))
        probability = expected / np.maximum(np.bincount(given, expected)[given], np.finfo(float).tiny)
    likelihood = probability[pair]
    most = np.zeros(int(token.max(initial=-1)) + 1)
    np.maximum.at(most, token, likelihood)
    likeliest = np.flatnonzero(likelihood == most[token])
    _, firsts = np.unique(token[likeliest], return_index=True)  # the first of equals
    best = np.zeros(len(explained), dtype=bool)
    best[used[likeliest[firsts]]] = True
    return best


def _entries(
    links: Integers,
    found: _Occurrences,
    source: _Side,
    target: _Side,
    lines: Sequence[int],
    settings: AlignmentSettings,
    name: str,
    tally: Tally,
) -> Iterable[Entry]:
    import numpy as np

    linked = np.bincount(found.sources, links, minlength=len(source.words))
    share = links / np.maximum(linked[found.sources], 1)
    dice = 2 * links / np.maximum(source.counts[found.sources] + target.counts[found.targets], 1)
    reasons = {
        f"fewer than {settings.min_count} links": links < settings.min_count,
        f"less than {settings.min_probability:g} of the source's links": share < settings.min_probability,
        f"a Dice coefficient under {settings.min_dice:g}": dice < settings.min_dice,
    }
    left = links > 0
    for reason, fails in reasons.items():
        _skip(tally, name, reason, int(np.count_nonzero(left & fails)))
        left &= ~fails
    order = np.flatnonzero(left)
    order = order[np.lexsort((order, -share[order], found.sources[order]))]
    first = _first_sentences(source)
    by_source: dict[int, list[int]] = {}
    for pair in order.tolist():
        by_source.setdefault(int(found.sources[pair]), []).append(pair)
    for word, candidates in sorted(by_source.items(), key=lambda item: -int(source.counts[item[0]])):
        kept = candidates[: settings.alternatives]
        _skip(tally, name, f"more than {settings.alternatives} translations", len(candidates) - len(kept))
        tally.kept += len(kept)
        targets = tuple(target.words[int(found.targets[pair])] for pair in kept)
        weights = tuple(round(float(share[pair]), 4) for pair in kept)
        yield Entry(source.words[word], targets, weights, Origin(name, lines[first[word]]), int(source.counts[word]))


def _skip(tally: Tally, name: str, reason: str, rows: int) -> None:
    """Candidates stand in many lines, so their place is the corpus."""
    if rows:
        tally.skipped[reason] += rows
        tally.places.setdefault(reason, [name])


def _first_sentences(side: _Side) -> list[int]:
    """For each word, the number of the first sentence it stands in, from 0."""
    import numpy as np

    sentences = np.zeros(len(side.words), dtype=np.int64)
    sentence = np.repeat(np.arange(len(side.starts) - 1), np.diff(side.starts))
    sentences[side.tokens[::-1]] = sentence[::-1]
    return [int(number) for number in sentences]
