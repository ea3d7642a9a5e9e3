"""Splits: training shares nothing with dev and test, not even in another guise."""

from __future__ import annotations

import random
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dragoman.mt.corpora import Origin, Pair
from dragoman.mt.errors import CorpusError
from dragoman.mt.splits import held_out_split, near_duplicate

SYLLABLES = ["ba", "de", "fi", "go", "ku", "la", "me", "ni", "po", "ru", "sa", "te", "vi", "wo", "zu", "ха", "ко", "ši", "ña", "lö"]


def _sentence(chance: random.Random, words: int) -> str:
    return " ".join("".join(chance.choices(SYLLABLES, k=chance.randint(1, 4))) for _ in range(words))


def _pairs(texts: list[tuple[str, str]]) -> list[Pair]:
    return [Pair(source, target, Origin("x.tsv", line)) for line, (source, target) in enumerate(texts, start=1)]


def _corpus(size: int, seed: int = 0) -> list[Pair]:
    chance = random.Random(seed)
    return _pairs([(_sentence(chance, chance.randint(3, 12)), _sentence(chance, chance.randint(3, 12))) for _ in range(size)])


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Delete page", "delete  page!"),
        ("Page %(number)s of 10", "page {total} of 200"),
        ("Hello <b>%s</b>", "hello <i>%d</i>"),
        ("The page %(title)s has been created.", "The page %(title)s has been moved."),
        ("A man in a red shirt is running", "A man in a blue shirt is running"),
        ("你好世界朋友们", "你好世界朋友"),
        ("caf\u00e9 noir", "cafe\u0301 noir"),
        ("שלום עולם", "שלום, עולם!"),
        ("…", "…"),
    ],
)
def test_near_duplicates_are_seen_through_their_guise(one: str, other: str) -> None:
    assert near_duplicate(one, other)
    assert near_duplicate(other, one)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Save", "Save the page and go on editing"),
        ("Add page", "Add image"),
        ("!!!", "???"),
        ("A dog runs across the field", "Two children play chess in a park"),
        ("สวัสดีครับ", "ขอบคุณมาก"),
        ("你好", "再见"),
    ],
)
def test_strings_that_share_a_little_are_not_near_duplicates(one: str, other: str) -> None:
    assert not near_duplicate(one, other)


@pytest.mark.parametrize("seed", range(5))
def test_a_near_duplicate_of_either_side_leaves_training(seed: int) -> None:
    pairs = _corpus(40)
    other = _corpus(40, seed=1)
    by_source = [
        Pair(f"{pair.source.upper()}!", new.target, Origin("s.tsv", pair.origin.line)) for pair, new in zip(pairs, other, strict=True)
    ]
    by_target = [Pair(new.source, f"... {pair.target}", Origin("t.tsv", pair.origin.line)) for pair, new in zip(pairs, other, strict=True)]
    split = held_out_split([*pairs, *by_source, *by_target], dev=4, test=4, seed=seed)
    held = {(pair.origin.file, pair.origin.line) for pair in (*split.dev, *split.test)}
    twins = {(file, line) for name, line in held for file in ({"x.tsv": ("s.tsv", "t.tsv")}.get(name, ("x.tsv",)))}
    assert twins
    assert twins <= {(pair.origin.file, pair.origin.line) for pair in split.removed}


def test_every_pair_ends_up_in_exactly_one_part_and_in_order() -> None:
    pairs = _pairs(
        [(f"Page {number % 7} of {word}", f"Seite {word}") for number, word in enumerate(_sentence(random.Random(9), 60).split())]
    )
    split = held_out_split([*pairs, *_corpus(40)], dev=5, test=5, seed=2)
    assert sum(map(len, (split.train, split.dev, split.test, split.removed))) == len(pairs) + 40
    assert {*split.train, *split.dev, *split.test, *split.removed} == {*pairs, *_corpus(40)}
    assert list(split.train) == [pair for pair in (*pairs, *_corpus(40)) if pair in set(split.train)]


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 6), st.integers(1, 6))
def test_nothing_in_training_resembles_dev_or_test_and_they_not_each_other(seed: int, dev: int, test: int) -> None:
    chance = random.Random(seed)
    words = [_sentence(chance, 1) for _ in range(10)]
    pairs = _pairs([(" ".join(chance.choices(words, k=5)), " ".join(chance.choices(words, k=5))) for _ in range(50)])
    split = held_out_split(pairs, dev, test, seed)
    assert (len(split.dev), len(split.test)) == (dev, test)
    held = [*split.dev, *split.test]
    for pair in split.train:
        assert not any(near_duplicate(pair.source, other.source) or near_duplicate(pair.target, other.target) for other in held)
    for pair in split.dev:
        assert not any(near_duplicate(pair.source, other.source) or near_duplicate(pair.target, other.target) for other in split.test)
    for pair in split.removed:
        assert any(near_duplicate(pair.source, other.source) or near_duplicate(pair.target, other.target) for other in held)


def test_the_same_seed_gives_the_same_split_and_another_seed_another() -> None:
    pairs = _corpus(80)
    assert held_out_split(pairs, 5, 5, seed=1) == held_out_split(pairs, 5, 5, seed=1)
    assert held_out_split(pairs, 5, 5, seed=1).test != held_out_split(pairs, 5, 5, seed=2).test


def test_held_out_strings_have_three_words_while_there_are_enough() -> None:
    chance = random.Random(5)
    short = [(f"{_sentence(chance, 1)}{number}", f"{_sentence(chance, 1)}{number}") for number in range(100)]
    long = [(pair.source, pair.target) for pair in _corpus(10)]
    split = held_out_split(_pairs([*short, *long]), dev=4, test=4, seed=1)
    assert all(len(pair.source.split()) >= 3 for pair in (*split.dev, *split.test))


@pytest.mark.parametrize(("count", "dev", "problem"), [(3, 3, "cannot be held out of 3"), (50, 10, "differ enough")])
def test_a_corpus_too_small_or_too_alike_is_refused(count: int, dev: int, problem: str) -> None:
    pairs = _pairs([(f"Page {number} of the book", f"Seite {number} des Buches") for number in range(count)])
    with pytest.raises(CorpusError, match=problem):
        held_out_split(pairs, dev, 0, seed=1)


def test_holding_out_everything_that_differs_leaves_nothing_to_train_on() -> None:
    pairs = _pairs([(f"Page {number} of the book", f"Seite {number} des Buches") for number in range(50)])
    with pytest.raises(CorpusError, match="nothing is left"):
        held_out_split(pairs, 1, 0, seed=1)


def test_three_thousand_strings_against_two_hundred_take_under_three_seconds() -> None:
    pairs = _corpus(3000)
    started = time.process_time()
    held_out_split(pairs, 100, 100, seed=1)
    assert time.process_time() - started < 3
