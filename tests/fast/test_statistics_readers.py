"""Statistics read off whole corpora are those that sacrebleu counts segment by segment, to the last integer."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sacrebleu.metrics.base import Metric
from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF

from dragoman.eval.ngram_statistics import closest_lengths
from dragoman.eval.statistics_readers import BleuReader, ChrfReader, StatisticsReader

METRICS: dict[str, tuple[Callable[[], Metric], Callable[..., StatisticsReader]]] = {
    "BLEU 13a": (BLEU, BleuReader),
    "BLEU none": (lambda: BLEU(tokenize="none", force=True), BleuReader),
    "BLEU intl": (lambda: BLEU(tokenize="intl"), BleuReader),
    "BLEU zh": (lambda: BLEU(tokenize="zh"), BleuReader),
    "BLEU char": (lambda: BLEU(tokenize="char"), BleuReader),
    "chrF": (CHRF, ChrfReader),
    "chrF++": (lambda: CHRF(word_order=2), ChrfReader),
}
# Few words, so that n-grams repeat and clip; no-break, ideographic and zero-width spaces; characters beyond 16 bits; a lone mark.
WORDS = st.sampled_from(
    ["a", "a", "b", "(b)", "c.", "1,5", "-", "国国", "ߞߏ", "מ", "é", "e\u0301", "👍🏽", "\u00a0", "\u3000", "\u200b", "&amp;", "\u0301"]
)
SENTENCES = st.lists(WORDS, max_size=9).map(" ".join)
TEXTS = SENTENCES | st.text(alphabet="ab ,.", max_size=12) | st.text(max_size=10)
CORPORA = st.integers(1, 3).flatmap(
    lambda streams: st.lists(st.lists(TEXTS, min_size=streams + 1, max_size=streams + 1), min_size=1, max_size=5)
)


def assert_equal_to_sacrebleu(name: str, references: Sequence[list[str]], systems: Sequence[list[str]]) -> None:
    make, reader_class = METRICS[name]
    metric, judge = make(), make()
    reader = reader_class(metric, references)
    for hypotheses in systems:
        expected = judge._extract_corpus_statistics(hypotheses, references)
        assert np.array_equal(reader.table(hypotheses), np.asarray(expected, dtype=np.float64))
    assert str(metric.get_signature()) == str(judge.get_signature())


@pytest.mark.parametrize("name", METRICS)
@settings(max_examples=60, deadline=None)
@given(corpus=CORPORA)
@example([["", "", ""], ["a", "", "b"], ["", "a", ""]])
@example([["a a a a", "a a", "a b a c a"], ["a b", "b a b a", "a"]])
@example([["ab", "abx", "abx"], ["ab cd", "cd ab", "ab dc"]])
def test_statistics_are_sacrebleus_on_any_text(name: str, corpus: list[list[str]]) -> None:
    hypotheses, *references = (list(column) for column in zip(*corpus, strict=True))
    # The references as systems too: full matches, and lines of other lengths over the same reading of the references.
    assert_equal_to_sacrebleu(name, references, [hypotheses, *references, hypotheses[::-1]])


def test_an_n_gram_never_reaches_into_the_next_segment() -> None:
    assert_equal_to_sacrebleu("BLEU none", [["a b", "c d", "a b c d"]], [["x a", "b c", "d a b c"], ["a b", "a b", "c d"]])
    assert_equal_to_sacrebleu("chrF++", [["a b", "c d", "abcd"]], [["x a", "b c", "dabc"], ["ab", "ab", "cd"]])


@given(lengths=st.lists(st.integers(0, 6), min_size=1, max_size=4), hypothesis=st.integers(0, 8))
def test_the_closest_reference_length_is_sacrebleus(lengths: list[int], hypothesis: int) -> None:
    found = closest_lengths(np.array([hypothesis]), np.array(lengths)[:, None])
    assert found.tolist() == [BLEU()._get_closest_ref_len(hypothesis, lengths)]


def real_lines(path: Path, limit: int = 250) -> list[str]:
    return path.read_text(encoding="utf-8").split("\n")[:limit]


@pytest.mark.parametrize(
    ("direction", "names"),
    [
        ("en-cs", ["BLEU 13a", "chrF", "chrF++"]),  # two references
        ("en-zh", ["BLEU zh", "BLEU char", "chrF++"]),  # two references, no spaces
        ("en-ja", ["BLEU char", "chrF"]),
        ("liv-en", ["BLEU 13a", "BLEU intl", "chrF++"]),
    ],
)
def test_statistics_are_sacrebleus_on_real_outputs(direction: str, names: list[str]) -> None:
    data = os.environ.get("DRAGOMAN_DATA")
    if not data:
        pytest.skip("DRAGOMAN_DATA is unset: the WMT22 outputs are not here")
    target = direction.split("-")[1]
    references = sorted((Path(data) / "wmt22" / "references").glob(f"generaltest2022.{direction}.ref.*.{target}"))
    systems = sorted((Path(data) / "wmt22" / "system-outputs").glob(f"generaltest2022.{direction}.hyp.*.{target}"))[:2]
    assert references and len(systems) == 2
    for name in names:
        assert_equal_to_sacrebleu(name, [real_lines(path) for path in references], [real_lines(path) for path in systems])


def test_japanese_words_are_counted_as_mecab_splits_them() -> None:
    pytest.importorskip("MeCab", reason="the tokenizer's package is not installed: pip install 'sacrebleu[ja]'")
    references, hypotheses = (
        ["猫が座った。", "今日は早く家に帰った", "", "猫が猫を見た。"],
        ["猫は座った。", "昨日は家に帰った", "猫", "猫が見た。"],
    )
    judge = BLEU(tokenize="ja-mecab")
    expected = judge._extract_corpus_statistics(hypotheses, [references])
    assert np.array_equal(BleuReader(judge, [references]).table(hypotheses), np.asarray(expected))
