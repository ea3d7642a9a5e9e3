"""The inner loop of learning: its counts, its merges and its rules, against slow and simple versions of themselves."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, models

from dragoman.vocab.byte_bpe import byte_characters, is_aligned, spelled, unspelled
from dragoman.vocab.continued import Learnt, Limits, continue_bpe
from dragoman.vocab.merging import PairCounts
from dragoman.vocab.unigram import unigram_scores

LETTERS = "abcde"
VOCABULARY = {letter: number for number, letter in enumerate(LETTERS)}
WORDS = st.dictionaries(st.text(LETTERS, min_size=1, max_size=9), st.integers(1, 20), min_size=1, max_size=25)


def ids(word: str) -> tuple[int, ...]:
    return tuple(VOCABULARY[letter] for letter in word)


def learn(words: dict[str, int], **limits: int) -> Learnt:
    return continue_bpe({ids(word): count for word, count in words.items()}, VOCABULARY, Limits(**{"least_uses": 0, **limits}))  # type: ignore[arg-type]


@settings(max_examples=150, deadline=None)
@given(WORDS, st.lists(st.tuples(st.integers(0, 7), st.integers(0, 7)), max_size=4))
def test_counts_are_those_of_the_words_as_they_are_now(words: dict[str, int], merges: list[tuple[int, int]]) -> None:
    counts = PairCounts([ids(word) for word in words], words.values())
    for place, pair in enumerate(merges):
        expected = counts.exact(pair)
        before = counts.tokens
        counts.merge(pair, 5 + place)
        assert before - counts.tokens == expected
        fresh = PairCounts(counts.words, counts.frequencies)
        assert +counts.pairs == +fresh.pairs
        assert +counts.occurrences == +fresh.occurrences
        assert counts.tokens == fresh.tokens


def slow_bpe(words: dict[str, int], pieces: int) -> list[tuple[str, str]]:
    split = {word: list(word) for word in words}
    merges: list[tuple[str, str]] = []
    numbers = dict(VOCABULARY)
    while len(merges) < pieces:
        pairs: Counter[tuple[str, str]] = Counter()
        for word, parts in split.items():
            for pair in pairwise(parts):
                pairs[pair] += words[word]
        saving = [pair for pair in pairs if saved(split, words, pair) >= 2]
        if not saving:
            break
        best = min(saving, key=lambda pair: (-pairs[pair], numbers[pair[0]], numbers[pair[1]]))
        merges.append(best)
        numbers.setdefault("".join(best), len(numbers))
        for word, parts in split.items():
            split[word] = merged(parts, best)
    return merges


def saved(split: dict[str, list[str]], words: dict[str, int], pair: tuple[str, str]) -> int:
    return sum((len(parts) - len(merged(parts, pair))) * words[word] for word, parts in split.items())


def merged(parts: list[str], pair: tuple[str, str]) -> list[str]:
    out: list[str] = []
    place = 0
    while place < len(parts):
        joined = tuple(parts[place : place + 2]) == pair
        out.append("".join(pair) if joined else parts[place])
        place += 2 if joined else 1
    return out


@settings(max_examples=100, deadline=None)
@given(WORDS)
def test_merges_are_those_of_counting_everything_anew_each_time(words: dict[str, int]) -> None:
    found = learn(words, pieces=6)
    assert found.merges[:6] == slow_bpe(words, len(found.merges))[:6]


@settings(max_examples=100, deadline=None)
@given(WORDS, st.booleans())
def test_the_tokenizers_library_splits_words_as_learning_did(words: dict[str, int], whole_words: bool) -> None:
    found = continue_bpe({ids(word): count for word, count in words.items()}, VOCABULARY, Limits(8, least_uses=0), whole_words=whole_words)
    vocabulary = {**VOCABULARY, **{piece: 5 + place for place, piece in enumerate(found.pieces)}}
    library = Tokenizer(models.BPE(vocab=vocabulary, merges=found.merges, ignore_merges=whole_words))
    assert sum(len(library.encode(word).ids) * count for word, count in words.items()) == found.tokens_after


@settings(max_examples=100, deadline=None)
@given(WORDS, st.integers(1, 8))
def test_every_piece_keeps_its_least_uses(words: dict[str, int], least: int) -> None:
    found = learn(words, pieces=50, least_uses=least, least_gain=least)
    vocabulary = {**VOCABULARY, **{piece: 5 + place for place, piece in enumerate(found.pieces)}}
    library = Tokenizer(models.BPE(vocab=vocabulary, merges=found.merges))
    uses: Counter[str] = Counter()
    for word, count in words.items():
        for token in library.encode(word).tokens:
            uses[token] += count
    assert [piece for piece in found.pieces if uses[piece] < least] == []


def test_a_piece_that_always_goes_on_is_not_used_up() -> None:
    assert learn({"abc": 10}, pieces=5, least_uses=0).pieces == ["ab", "abc"]
    assert learn({"abc": 10}, pieces=5, least_uses=1).pieces == ["ab"]
    assert learn({"abc": 10, "abd": 1}, pieces=5, least_uses=1).pieces == ["ab", "abc"]


def test_forbidden_pairs_and_refused_pieces_are_never_made_and_hidden_ones_only_on_the_way() -> None:
    words = {ids("abc"): 10}
    assert continue_bpe(words, VOCABULARY, Limits(5, least_uses=0, forbidden={(0, 1)})).pieces == ["bc", "abc"]
    assert continue_bpe(words, VOCABULARY, Limits(5, least_uses=0, refused={"ab"})).pieces == ["bc", "abc"]
    assert continue_bpe(words, VOCABULARY, Limits(5, least_uses=0, hidden={"ab"})).pieces == ["abc"]


def test_a_piece_with_two_ways_to_build_it_has_two_merges_and_one_id() -> None:
    vocabulary = {**VOCABULARY, "ab": 5, "bc": 6}
    found = continue_bpe({(5, 2): 9, (0, 6): 7}, vocabulary, Limits(5))
    assert found.pieces == ["abc"]
    assert found.merges == [("ab", "c"), ("a", "bc")]


# ---- spellings and scores ----


@given(st.binary(max_size=40))
def test_bytes_survive_their_spelling(content: bytes) -> None:
    assert unspelled(spelled(content)) == content
    assert spelled(content).isprintable()


def test_the_spelling_is_that_of_the_tokenizers_library() -> None:
    from tokenizers import pre_tokenizers

    assert set(byte_characters()) == set(pre_tokenizers.ByteLevel.alphabet())
    word = "ߊ߲ naïve 👩"
    ((library, _),) = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False).pre_tokenize_str(word)
    assert spelled(word.encode()) == library


def test_a_piece_may_be_whole_characters_or_a_beginning_of_one() -> None:
    for good in (b"", b"ab", "ߊ߲".encode(), b"\xdf", b"\xe0\xb8", b"\xf0\x9f\x98"):
        assert is_aligned(good), good
    for bad in (b"\x8a", "ߊ".encode() + b"\xdf", b"a\xe0", b"\xb8\x81", b"\xff", b"\xc3a"):
        assert not is_aligned(bad), bad


def test_a_unigram_piece_is_worth_a_little_more_than_its_parts() -> None:
    base = {"a": -1.0, "b": -2.0, "c": -3.0}
    ab, abc, x, ax = unigram_scores(["ab", "abc", "x", "ax"], [("ab", "c"), ("a", "b"), ("ab", "c"), ("a", "x")][1:], ["x"], base)
    assert -3 < ab < -2.9999
    assert ab - 3 < abc < -5.9999
    assert x == -3
    assert -4 < ax < -3.9999
