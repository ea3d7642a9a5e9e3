"""A dictionary out of parallel text: IBM Model 1 as it is defined, links both directions agree on, the same every time."""

from __future__ import annotations

import gzip
import os
import random
from collections import defaultdict
from pathlib import Path

import pytest

from dragoman.mt.errors import CorpusError, LanguageError
from dragoman.mt.lexicons import AlignmentSettings, Lexicon, alignment, learn_lexicon, read_lexicon

WORDS = {
    "dog": "chien",
    "cat": "chat",
    "house": "maison",
    "big": "grand",
    "red": "rouge",
    "runs": "court",
    "sleeps": "dort",
    "tree": "arbre",
}


def made_up_pairs(count: int, seed: int = 1) -> list[tuple[str, str]]:
    """Sentences of random words and their translations in another order."""
    generator = random.Random(seed)
    pairs = []
    for _ in range(count):
        words = generator.sample(sorted(WORDS), generator.randint(2, 5))
        targets = [WORDS[word] for word in words]
        generator.shuffle(targets)
        pairs.append((" ".join(words).capitalize() + ".", " ".join(targets) + " !"))
    return pairs


def test_words_that_always_meet_are_translations() -> None:
    lexicon = learn_lexicon(made_up_pairs(200), "eng", "fra")
    assert {entry.source: entry.targets for entry in lexicon.entries} == {word: (target,) for word, target in WORDS.items()}
    assert all(entry.weights == (1.0,) for entry in lexicon.entries)
    assert sum(entry.frequency or 0 for entry in lexicon.entries) == sum(len(pair[0].split()) for pair in made_up_pairs(200))


def test_the_same_pairs_give_the_same_lexicon() -> None:
    assert learn_lexicon(made_up_pairs(100), "eng", "fra") == learn_lexicon(iter(made_up_pairs(100)), "eng", "fra")


def test_two_translations_of_a_word_are_weighted_by_their_share() -> None:
    pairs = [("the bank", "la banque")] * 30 + [("the bank", "la rive")] * 10 + [("the", "la")] * 20
    (bank,) = [entry for entry in learn_lexicon(pairs, "eng", "fra").entries if entry.source == "bank"]
    assert (bank.targets, bank.weights, bank.frequency) == (("banque", "rive"), (0.75, 0.25), 40)
    assert str(bank.origin) == "parallel text:1"
    short = learn_lexicon(pairs, "eng", "fra", AlignmentSettings(alternatives=1))
    assert short.tally.skipped["more than 1 translations"] == 1


def probabilities(pairs: list[tuple[str, str]], iterations: int) -> dict[tuple[str, str], float]:
    """IBM Model 1 with an empty source word, token by token as the paper has it."""
    table: dict[tuple[str, str], float] = defaultdict(lambda: 1.0)
    for _ in range(iterations):
        counts: dict[tuple[str, str], float] = defaultdict(float)
        totals: dict[str, float] = defaultdict(float)
        for first, second in pairs:
            sources = ["", *first.split()]
            for target in second.split():
                sum_ = sum(table[source, target] for source in sources)
                for source in sources:
                    counts[source, target] += table[source, target] / sum_
                    totals[source] += table[source, target] / sum_
        table = defaultdict(float, {pair: count / totals[pair[0]] for pair, count in counts.items()})
    return table


def likeliest(table: dict[tuple[str, str], float], given: list[str], word: str) -> int | None:
    """The number of the word that explains another best, the first of equals; None for the empty word."""
    scores = [table["", word], *(table[each, word] for each in given)]
    best = scores.index(max(scores))
    return best - 1 if best else None


def test_links_are_those_of_the_model_as_it_is_defined() -> None:
    generator = random.Random(3)
    pairs = [
        (" ".join(generator.choices("abcd", k=generator.randint(1, 5))), " ".join(generator.choices("wxyz", k=generator.randint(1, 5))))
        for _ in range(40)
    ]
    sides = [alignment._number([alignment._words(pair[at]) for pair in pairs], 1) for at in (0, 1)]
    found = alignment._pair_up(*sides)
    links = alignment._links(found, 4)
    forward = probabilities(pairs, 4)
    backward = probabilities([(second, first) for first, second in pairs], 4)
    expected: dict[tuple[str, str], int] = defaultdict(int)
    for first, second in pairs:
        sources, targets = first.split(), second.split()
        of_target = [likeliest(forward, sources, target) for target in targets]
        of_source = [likeliest(backward, targets, source) for source in sources]
        for number, at in enumerate(of_target):
            if at is not None and of_source[at] == number:
                expected[sources[at], targets[number]] += 1
    names = [(sides[0].words[one], sides[1].words[other]) for one, other in zip(found.sources, found.targets, strict=True)]
    assert {name: int(link) for name, link in zip(names, links, strict=True) if link} == dict(expected)


def test_pairs_that_cannot_be_aligned_are_noted_and_reading_stops_where_asked() -> None:
    pairs = [("...", "rien"), ("dog " * 101, "chien"), *made_up_pairs(60)]
    lexicon = learn_lexicon(pairs, "eng", "fra", name="made up")
    assert sum(lexicon.tally.noted.values()) == 2
    assert lexicon.tally.places["a sentence pair with a side without words, not looked at"] == ["made up:1"]
    assert min(entry.origin.line for entry in lexicon.entries) == 3
    stopped = learn_lexicon(pairs, "eng", "fra", AlignmentSettings(max_word_pairs=200)).tally.stopped
    assert stopped is not None and "200 pairs of words reached before sentence pair" in stopped


def test_what_cannot_be_learned_is_refused() -> None:
    with pytest.raises(LanguageError, match="Japanese is written without spaces"):
        learn_lexicon(made_up_pairs(10), "eng", "jpn")
    with pytest.raises(CorpusError, match="no word of 1 sentence pairs has a translation"):
        learn_lexicon([("dog", "chien")], "eng", "fra")
    with pytest.raises(CorpusError, match="no word of 0 sentence pairs"):
        learn_lexicon([], "eng", "fra")


@pytest.fixture(scope="module")
def data() -> Path:
    folder = os.environ.get("DRAGOMAN_DATA")
    if not folder:
        pytest.skip("DRAGOMAN_DATA is not set: no real parallel text")
    return Path(folder).resolve()


@pytest.fixture(scope="module")
def captions(data: Path) -> Lexicon:
    """English to French from 6,000 pairs of Multi30k."""
    folder = data / "multi30k" / "data" / "task1" / "raw"
    sides = [gzip.decompress((folder / f"train.{code}.gz").read_bytes()).decode().split("\n")[:6000] for code in ("en", "fr")]
    return learn_lexicon(zip(*sides, strict=True), "eng", "fra")


def agreement(learned: Lexicon, listed: Lexicon, words: int) -> float:
    """Of the most frequent learned words that a dictionary lists, the share whose first translation it lists too."""
    known = {entry.source: entry.targets for entry in listed.entries}
    common = [entry for entry in learned.entries if entry.source in known][:words]
    assert len(common) == words
    return sum(entry.best in known[entry.source] for entry in common) / words


def test_frequent_nouns_of_captions_are_translated(captions: Lexicon) -> None:
    best = {entry.source: entry.best for entry in captions.entries}
    expected = {"man": "homme", "woman": "femme", "dog": "chien", "street": "rue", "water": "eau", "child": "enfant", "horse": "cheval"}
    assert {word: best[word] for word in expected} == expected


def test_learned_translations_mostly_stand_in_a_dictionary_that_people_made(captions: Lexicon, data: Path) -> None:
    """Inflected forms and synonyms that GATITOS does not list count as misses."""
    assert agreement(captions, read_lexicon(data / "gatitos", "eng", "fra"), 300) > 0.6


def test_a_low_resource_language_gets_a_dictionary_from_a_few_thousand_lines(data: Path) -> None:
    sides = [(data / "nllb-seed" / code).read_text(encoding="utf-8").split("\n")[:3000] for code in ("eng_Latn", "fur_Latn")]
    learned = learn_lexicon(zip(*sides, strict=True), "eng", "fur")
    assert {entry.source: entry.best for entry in learned.entries}["population"] == "popolazion"
    assert agreement(learned, read_lexicon(data / "gatitos", "eng", "fur"), 300) > 0.5
