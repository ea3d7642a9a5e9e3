"""Scores equal sacrebleu's and the published ones; intervals equal a plain resampling loop."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sacrebleu.metrics import BLEU, CHRF, TER

from dragoman.eval import Score, bootstrap, check_metrics, find_metric, score
from dragoman.eval.metrics import CorpusScorer
from dragoman.mt.errors import ConfigError, CorpusError
from dragoman.mt.languages import find_language

HYPOTHESES = ["the cat sat on the mat .", "a dog", "", "שלום, עולם!", "ߒ ߠߐ߬ ߞߏ", "he went home early today", "👩‍🔬 ok"]
REFERENCE_A = ["the cat sat on a mat .", "two dogs", "nothing here", "שלום עולם", "ߒ ߠߐ߬ ߞߏ ߟߎ", "he went home early yesterday", "👩‍🔬 okay"]
REFERENCE_B = ["a cat was on the mat .", "a dog", "", "שלום, עולם", "ߒ ߞߏ", "he left early", "ok"]

SACREBLEU = {"BLEU": BLEU, "chrF": CHRF, "chrF++": lambda: CHRF(word_order=2), "TER": TER}

WORDS = st.sampled_from(["the", "cat", "sat", "on", "מים", "ߞߏ", "国", "कि", "é", "👍🏽", ".", "a,"])
SENTENCES = st.lists(WORDS, max_size=8).map(" ".join)
CORPORA = st.lists(st.tuples(SENTENCES, SENTENCES, SENTENCES), min_size=1, max_size=6)


def resample_in_a_loop(name: str, hypotheses: list[str], references: list[list[str]], samples: int, seed: int) -> list[float]:
    """The textbook bootstrap: draw segments, score the drawn corpus, again and again."""
    metric = SACREBLEU[name]()
    rows = metric._extract_corpus_statistics(hypotheses, references)
    draws = np.random.default_rng(seed).integers(0, len(rows), size=(samples, len(rows)))
    return [metric._aggregate_and_compute([rows[i] for i in draw]).score for draw in draws]


@pytest.mark.parametrize("name", SACREBLEU)
@settings(max_examples=40, deadline=None)
@given(corpus=CORPORA)
def test_segment_scores_are_sacrebleus_sentence_scores(name: str, corpus: list[tuple[str, str, str]]) -> None:
    hypotheses, first, second = (list(column) for column in zip(*corpus, strict=True))
    metric = BLEU(effective_order=True) if name == "BLEU" else SACREBLEU[name]()
    expected = [metric.sentence_score(row[0], row[1:]).score for row in corpus]
    [found] = CorpusScorer([first, second], metrics=[name]).statistics(hypotheses)
    assert found.segments.tolist() == pytest.approx(expected, abs=1e-9)


def test_the_references_side_is_worked_out_once_for_all_systems(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    plain = BLEU._preprocess_segment
    monkeypatch.setattr(BLEU, "_preprocess_segment", lambda metric, line: [read.append(line), plain(metric, line)][1])
    scorer = CorpusScorer([REFERENCE_A], metrics=["BLEU"])
    values = [scorer.statistics(lines)[0].value for lines in (HYPOTHESES, REFERENCE_B, HYPOTHESES)]
    assert read == [*REFERENCE_A, *HYPOTHESES, *REFERENCE_B, *HYPOTHESES]
    assert values[0] == values[2] == score(HYPOTHESES, [REFERENCE_A], metrics=["BLEU"], samples=1)[0].value
    assert values[1] != values[0]


@pytest.mark.parametrize("name", SACREBLEU)
@pytest.mark.parametrize("references", [[REFERENCE_A], [REFERENCE_A, REFERENCE_B]], ids=["one reference", "two references"])
def test_value_and_signature_are_sacrebleus_own(name: str, references: list[list[str]]) -> None:
    metric = SACREBLEU[name]()
    expected = metric.corpus_score(HYPOTHESES, references).score
    [found] = score(HYPOTHESES, references, metrics=[name], samples=10)
    assert found.value == expected
    assert found.signature == str(metric.get_signature())
    assert f"nrefs:{len(references)}" in found.signature


@pytest.mark.parametrize("name", SACREBLEU)
def test_the_interval_is_that_of_a_plain_resampling_loop(name: str) -> None:
    values = resample_in_a_loop(name, HYPOTHESES, [REFERENCE_A, REFERENCE_B], samples=300, seed=7)
    [found] = score(HYPOTHESES, [REFERENCE_A, REFERENCE_B], metrics=[name], samples=300, seed=7, confidence=0.9)
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(values, [0.05, 0.95])))
    assert found.low < found.value < found.high


@pytest.mark.parametrize("name", SACREBLEU)
@settings(max_examples=40, deadline=None)
@given(corpus=CORPORA)
def test_formulas_over_many_sums_equal_sacrebleus_over_one(name: str, corpus: list[tuple[str, str, str]]) -> None:
    """Holds on the corners too: empty lines, no match at all, orders nobody reaches."""
    hypotheses, first, second = (list(column) for column in zip(*corpus, strict=True))
    metric = SACREBLEU[name]()
    rows = metric._extract_corpus_statistics(hypotheses, [first, second])
    sums = np.cumsum(np.asarray(rows, dtype=np.float64), axis=0)
    expected = [metric._aggregate_and_compute(rows[: end + 1]).score for end in range(len(rows))]
    assert find_metric(name).from_sums(sums).tolist() == pytest.approx(expected, abs=1e-9)


@settings(max_examples=20, deadline=None)
@given(corpus=CORPORA)
def test_intervals_stay_in_the_scale_and_in_order(corpus: list[tuple[str, str, str]]) -> None:
    hypotheses, reference, _ = (list(column) for column in zip(*corpus, strict=True))
    for found in score(hypotheses, [reference], metrics=["BLEU", "chrF", "chrF++"], samples=20):
        assert 0.0 <= found.low <= found.high <= 100.0 + 1e-9


def test_drawing_in_blocks_draws_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = np.concatenate(list(bootstrap.draw_counts(11, 50, seed=3)))
    monkeypatch.setattr(bootstrap, "_BLOCK", 40)
    blocks = list(bootstrap.draw_counts(11, 50, seed=3))
    assert len(blocks) == 17
    assert np.array_equal(np.concatenate(blocks), whole)
    assert (whole.sum(axis=1) == 11).all()


def test_the_same_seed_gives_the_same_interval_and_another_seed_another() -> None:
    first, again = (score(HYPOTHESES, [REFERENCE_A], samples=50, seed=1) for _ in range(2))
    assert first == again
    assert first != score(HYPOTHESES, [REFERENCE_A], samples=50, seed=2)


def test_one_segment_has_an_interval_of_no_width() -> None:
    for found in score(["the cat sat on the mat"], [["the cat sat on a mat"]], samples=5):
        assert found.low == pytest.approx(found.value)
        assert found.high == pytest.approx(found.value)


def test_bleu_takes_the_tokenizer_of_the_target_language_unless_told_otherwise() -> None:
    chinese = find_language("zho_Hans")
    hypotheses, references = ["我喜欢猫。"], [["我喜欢狗。"]]
    [of_language] = score(hypotheses, references, metrics=["BLEU"], target=chinese, samples=2)
    [overridden] = score(hypotheses, references, metrics=["BLEU"], target=chinese, tokenizer="char", samples=2)
    [default] = score(hypotheses, references, metrics=["BLEU"], samples=2)
    assert ["tok:zh" in of_language.signature, "tok:char" in overridden.signature, "tok:13a" in default.signature] == [True] * 3


def test_a_score_survives_json() -> None:
    found = score(HYPOTHESES, [REFERENCE_A], samples=10)
    assert [Score.from_json(json.loads(json.dumps(one.to_json()))) for one in found] == found


def test_a_score_of_another_shape_is_refused() -> None:
    with pytest.raises(KeyError):
        Score.from_json({"name": "BLEU", "value": 1.0})


def test_metric_names_are_found_whatever_their_case() -> None:
    assert find_metric("bleu").name == "BLEU"
    assert find_metric("CHRF++").name == "chrF++"


def test_an_unknown_metric_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"(?s)unknown metric 'chrf\+'.*chrF\+\+"):
        score(HYPOTHESES, [REFERENCE_A], metrics=["chrf+"])


def test_an_unknown_tokenizer_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"(?s)unknown BLEU tokenizer '13b'.*13a"):
        score(HYPOTHESES, [REFERENCE_A], tokenizer="13b")


def test_a_tokenizer_without_its_package_names_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    import sacrebleu.tokenizers.tokenizer_ja_mecab as japanese

    monkeypatch.setattr(japanese, "MeCab", None)
    with pytest.raises(ConfigError, match=r"(?s)ja-mecab.*pip install 'sacrebleu\[ja\]'"):
        score(HYPOTHESES, [REFERENCE_A], metrics=["BLEU"], tokenizer="ja-mecab")
    with pytest.raises(ConfigError, match="ja-mecab"):
        check_metrics(["chrF++", "BLEU"], target=find_language("ja"))


def test_a_tokenizer_model_that_cannot_be_fetched_says_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import sacrebleu.tokenizers.tokenizer_spm as spm

    def offline(*_args: object) -> None:
        raise OSError("no route")

    monkeypatch.setattr(spm, "SACREBLEU_DIR", str(tmp_path))
    monkeypatch.setattr(spm, "download_file", offline)
    with pytest.raises(ConfigError, match=r"(?s)flores200.*no route.*next: run once with network access"):
        score(HYPOTHESES, [REFERENCE_A], metrics=["BLEU"], tokenizer="flores200")


def test_different_line_counts_name_both() -> None:
    with pytest.raises(CorpusError, match="7 hypothesis lines but 6 lines in reference 2"):
        score(HYPOTHESES, [REFERENCE_A, REFERENCE_B[:-1]])
    with pytest.raises(CorpusError, match="7 lines in reference 1 but 6 in reference 2"):
        CorpusScorer([REFERENCE_A, REFERENCE_B[:-1]], metrics=["BLEU"])


@pytest.mark.parametrize(
    ("hypotheses", "references", "said"),
    [([], [[]], "no segments"), (["a"], [], "no reference"), (["a"], ["a"], "one flat list")],
    ids=["no segments", "no reference stream", "a flat list"],
)
def test_nothing_to_score_is_refused(hypotheses: list[str], references: list[list[str]], said: str) -> None:
    with pytest.raises(CorpusError, match=said):
        score(hypotheses, references)


@pytest.mark.parametrize("settings", [{"samples": 0}, {"confidence": 1.0}, {"confidence": 0.0}])
def test_impossible_bootstrap_settings_are_refused(settings: dict[str, float]) -> None:
    with pytest.raises(ConfigError):
        score(HYPOTHESES, [REFERENCE_A], **settings)


def test_scoring_does_not_import_torch() -> None:
    code = "import sys; from dragoman.eval import score; score(['a b'], [['a c']], samples=2); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


PUBLISHED = [  # rows of the WMT22 general task: direction, system, the suffix of the metric, its references, BLEU's tokenizer
    ("en-de", "OpenNMT", "A", "A", None),
    ("en-de", "OpenNMT", "all", "AB", None),
    ("en-cs", "CUNI-Bergamot", "B", "B", None),
    ("en-liv", "Liv4ever", "A", "A", None),
    ("en-zh", "HuaweiTSC", "A", "A", "zh"),
    ("en-ja", "KYB", "A", "A", "char"),
]


def lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").split("\n")[:-1]


@pytest.mark.parametrize(("pair", "system", "suffix", "streams", "tokenizer"), PUBLISHED, ids=lambda value: str(value))
def test_published_wmt22_scores_are_reproduced(pair: str, system: str, suffix: str, streams: str, tokenizer: str | None) -> None:
    data = os.environ.get("DRAGOMAN_DATA")
    if not data:
        pytest.skip("DRAGOMAN_DATA is unset: the published WMT22 scores are not here")
    folder, language = Path(data) / "wmt22", pair.split("-")[1]
    rows = (line.split("\t") for line in lines(folder / "automatic-scores.tsv"))
    published = {metric: float(value) for row_pair, row_system, _, _, metric, value in rows if (row_pair, row_system) == (pair, system)}
    hypotheses = lines(folder / "system-outputs" / f"generaltest2022.{pair}.hyp.{system}.{language}")
    references = [lines(folder / "references" / f"generaltest2022.{pair}.ref.{stream}.{language}") for stream in streams]
    bleu, chrf = score(hypotheses, references, metrics=["BLEU", "chrF"], tokenizer=tokenizer, samples=100)
    assert bleu.value == pytest.approx(published[f"bleu-{suffix}"], abs=0.005)
    assert chrf.value == pytest.approx(published[f"chrf-{suffix}"], abs=0.005)
    assert bleu.low < bleu.value < bleu.high
