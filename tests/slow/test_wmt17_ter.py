"""MultEval's published p-values for TER on WMT17, all of them; those for BLEU are in the fast tests. TER's statistics take two minutes."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from dragoman.eval.metrics import CorpusScorer
from dragoman.eval.significance import PairedMetric, TestSettings, compare, system_pairs

pytestmark = pytest.mark.slow


def test_the_published_ter_p_values_of_multeval_are_reproduced() -> None:
    data = os.environ.get("DRAGOMAN_DATA")
    if not data:
        pytest.skip("DRAGOMAN_DATA is unset: the WMT17 systems with published p-values are not here")
    folder = Path(data) / "wmt17-significance"
    published = json.loads((folder / "published_p_values.json").read_text(encoding="utf-8"))
    expected = {name: ter for name, (_bleu, ter) in published["multeval_ar_10000_bleu_ter_p"].items()}
    names = [published["baseline"], *expected]

    def lines(path: Path) -> list[str]:
        return path.read_text(encoding="utf-8").split("\n")[:-1]

    scorer = CorpusScorer([lines(folder / "reference.txt")], metrics=["TER"])
    measured = [scorer.statistics(lines(folder / "systems" / f"{name}.txt"))[0] for name in names]
    metric = PairedMetric("TER", measured[0].metric.from_sums, tuple(one.table for one in measured))
    found = {one.first: one.p_value for one in compare([metric], names, system_pairs(16), TestSettings(samples=10))}
    assert found == pytest.approx(expected, abs=published["tolerance_bleu"], rel=0)  # no tolerance of its own is published for TER
    assert sum(0.001 < p < 0.9 for p in expected.values()) >= 4  # not only the clear cases
