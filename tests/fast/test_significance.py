"""Significance: the same p-values as a plain loop, as sacrebleu and as the published ones; sane where those are not."""

from __future__ import annotations

import json
import os
import random
from pathlib import Path

import numpy as np
import pytest
from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF
from sacrebleu.metrics.ter import TER
from sacrebleu.significance import PairedTest

from dragoman.eval import significance
from dragoman.eval.metrics import CorpusScorer
from dragoman.eval.significance import PairedMetric, TestSettings, compare, resampled_scores, segment_mean, system_pairs
from dragoman.mt.errors import ConfigError

WORDS = [f"w{number}" for number in range(40)]
SACREBLEU = {"BLEU": BLEU, "chrF": CHRF, "chrF++": lambda: CHRF(word_order=2)}  # TER's whole edits tie too often on a small corpus


def noisy(lines: list[str], share: float, seed: int) -> list[str]:
    """Lines with a share of the words replaced."""
    draw = random.Random(seed)
    return [" ".join(draw.choice(WORDS) if draw.random() < share else word for word in line.split()) for line in lines]


@pytest.fixture(scope="module")
def corpus() -> tuple[list[str], dict[str, list[str]]]:
    draw = random.Random(1)
    reference = [" ".join(draw.choices(WORDS, k=draw.randint(6, 14))) for _ in range(60)]
    return reference, {"base": noisy(reference, 0.35, 2), "near": noisy(reference, 0.31, 3), "far": noisy(reference, 0.6, 4)}


def paired(reference: list[str], systems: dict[str, list[str]], names: list[str]) -> list[PairedMetric]:
    scorer = CorpusScorer([reference], metrics=names)
    measured = [scorer.statistics(hypotheses) for hypotheses in systems.values()]
    return [
        PairedMetric(name, columns[0].metric.from_sums, tuple(column.table for column in columns))
        for name, columns in zip(names, zip(*measured, strict=True), strict=True)
    ]


@pytest.mark.parametrize(("ours", "theirs"), [("bootstrap", "bs"), ("randomisation", "ar")])
def test_p_values_are_those_of_sacrebleu_for_the_same_seed(
    corpus: tuple[list[str], dict[str, list[str]]], ours: str, theirs: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    reference, systems = corpus
    monkeypatch.setenv("SACREBLEU_SEED", "7")
    test = PairedTest(list(systems.items()), {name: make() for name, make in SACREBLEU.items()}, [reference], theirs, n_samples=300)
    _, expected = test()
    settings = TestSettings(ours, samples=300, trials=300, seed=7)  # type: ignore[arg-type]
    found = compare(paired(reference, systems, list(SACREBLEU)), list(systems), system_pairs(3), settings)
    shown = {"BLEU": "BLEU", "chrF": "chrF2", "chrF++": "chrF2++"}
    theirs_by_name = {
        (metric, name): result.p_value for metric in shown for name, result in zip(systems, expected[shown[metric]], strict=True)
    }
    for one in found:
        assert one.p_value == pytest.approx(theirs_by_name[one.metric, one.first], abs=0.011), one  # ties count for chance here


@pytest.mark.parametrize(("name", "metric"), [("chrF", CHRF()), ("TER", TER())])
def test_the_randomisation_is_that_of_a_plain_loop(corpus: tuple[list[str], dict[str, list[str]]], name: str, metric: CHRF | TER) -> None:
    reference, systems = corpus
    scorer = CorpusScorer([reference], metrics=[name])
    rows = {system: scorer.statistics(lines)[0].table for system, lines in systems.items()}
    score = {system: metric._compute_score_from_stats(list(table.sum(0))).score for system, table in rows.items()}
    flips = np.random.default_rng(5).integers(2, size=(100, len(reference)), dtype=bool)
    differences = []
    for flip in flips:
        one, other = (np.where(side[:, None], rows["near"], rows["base"]).sum(0) for side in (flip, ~flip))
        differences.append(abs(metric._compute_score_from_stats(list(one)).score - metric._compute_score_from_stats(list(other)).score))
    extreme = sum(difference >= abs(score["near"] - score["base"]) - 1e-9 for difference in differences)
    [found] = compare(paired(reference, systems, [name]), list(systems), [(1, 0)], TestSettings(trials=100, samples=10, seed=5))
    assert found.p_value == (extreme + 1) / 101
    assert found.difference == pytest.approx(score["near"] - score["base"])
    assert found.low <= found.difference <= found.high
    assert (found.first, found.second, found.method) == ("near", "base", "approximate randomisation")


@pytest.mark.parametrize("method", ["bootstrap", "randomisation"])
def test_a_system_against_itself_is_never_significant(corpus: tuple[list[str], dict[str, list[str]]], method: str) -> None:
    reference, systems = corpus
    same = {"one": systems["base"], "two": list(systems["base"])}
    settings = TestSettings(method, samples=50, trials=50)  # type: ignore[arg-type]
    for found in compare(paired(reference, same, ["BLEU", "TER"]), list(same), [(1, 0)], settings):
        assert (found.p_value, found.difference, found.low, found.high) == (1.0, 0.0, 0.0, 0.0)


@pytest.mark.parametrize("method", ["bootstrap", "randomisation"])
def test_a_difference_that_is_there_is_found(corpus: tuple[list[str], dict[str, list[str]]], method: str) -> None:
    reference, systems = corpus
    settings = TestSettings(method, samples=99, trials=99)  # type: ignore[arg-type]
    [found] = compare(paired(reference, systems, ["BLEU"]), list(systems), [(2, 0)], settings)
    assert found.p_value == 0.01
    assert found.high < 0


def test_under_the_null_hypothesis_the_randomisation_rejects_as_often_as_it_says() -> None:
    """Pairs of systems that differ by chance alone: p-values below 0.2 come up in about a fifth of them."""
    draw = np.random.default_rng(3)
    metrics = [segment_mean(f"m{number}", draw.normal(size=(2, 50)).tolist()) for number in range(300)]
    found = compare(metrics, ["a", "b"], [(1, 0)], TestSettings(trials=199, samples=2))
    rejected = np.mean([one.p_value <= 0.2 for one in found])
    assert 0.14 < rejected < 0.26


def test_a_segment_metric_is_resampled_as_a_mean() -> None:
    scores = [[0.1, 0.5, 0.9, 0.3], [0.2, 0.4, 0.8, 0.7]]
    [found] = resampled_scores([segment_mean("COMET", scores)], samples=20, seed=9)
    draws = np.random.default_rng(9).integers(0, 4, size=(20, 4))
    assert found == pytest.approx(np.asarray(scores)[:, draws].mean(axis=2))


def test_flipping_in_blocks_flips_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    table = np.random.default_rng(0).normal(size=(21, 3))
    whole = significance._swapped_sums(table, 150, seed=4)
    monkeypatch.setattr(significance, "_BLOCK", 21 * 33)
    assert np.array_equal(significance._swapped_sums(table, 150, seed=4), whole)


def test_all_pairs_are_each_pair_once_and_the_baseline_is_the_first() -> None:
    assert system_pairs(4) == [(1, 0), (2, 0), (3, 0)]
    assert system_pairs(3, all_pairs=True) == [(1, 0), (2, 0), (2, 1)]
    assert system_pairs(1) == []


@pytest.mark.parametrize("settings", [{"samples": 0}, {"trials": 0}, {"confidence": 1.5}, {"method": "t-test"}])
def test_settings_that_mean_nothing_are_refused(settings: dict[str, float]) -> None:
    with pytest.raises(ConfigError):
        compare([], [], [], TestSettings(**settings))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def wmt17() -> tuple[dict[str, dict[str, float]], dict[str, dict[str, list[float]]], float, list[str], list[PairedMetric]]:
    data = os.environ.get("DRAGOMAN_DATA")
    if not data:
        pytest.skip("DRAGOMAN_DATA is unset: the WMT17 systems with published p-values are not here")
    folder = Path(data) / "wmt17-significance"
    published = json.loads((folder / "published_p_values.json").read_text(encoding="utf-8"))
    moses, multeval = published["moses_bootstrap_2000_bleu_p"], published["multeval_ar_10000_bleu_ter_p"]
    names = [published["baseline"], *moses]

    def lines(path: Path) -> list[str]:
        return path.read_text(encoding="utf-8").split("\n")[:-1]

    scorer = CorpusScorer([lines(folder / "reference.txt")], metrics=["BLEU"], tokenizer="none")
    tables = tuple(scorer.statistics(lines(folder / "systems" / f"{name}.txt"))[0] for name in names)
    metric = PairedMetric("BLEU", tables[0].metric.from_sums, tuple(one.table for one in tables))
    return moses, multeval, published["tolerance_bleu"], names, [metric]


def test_the_published_p_values_of_moses_are_reproduced(wmt17) -> None:  # type: ignore[no-untyped-def]
    moses, _, tolerance, names, metrics = wmt17
    found = {one.first: one.p_value for one in compare(metrics, names, system_pairs(16), TestSettings("bootstrap", samples=10_000))}
    assert found == pytest.approx(moses, abs=tolerance)


def test_the_published_p_values_of_multeval_are_reproduced(wmt17) -> None:  # type: ignore[no-untyped-def]
    _, multeval, tolerance, names, metrics = wmt17
    found = {one.first: one.p_value for one in compare(metrics, names, system_pairs(16), TestSettings(samples=10))}
    assert found == pytest.approx({name: bleu for name, (bleu, _ter) in multeval.items()}, abs=tolerance)
