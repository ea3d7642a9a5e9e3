"""Every published BLEU and chrF of the WMT22 general task for the directions whose system outputs are at hand.

Left out are the COMET rows alone: they are of wmt20-comet-da, whose weights come from the Hub. Japanese BLEU is by characters, as the
campaign computed it, so it needs no MeCab.
"""

from __future__ import annotations

import os
import runpy
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow
BENCH = runpy.run_path(str(Path(__file__).resolve().parents[2] / "scripts" / "bench" / "wmt22.py"))


@pytest.fixture(scope="module")
def folder() -> Path:
    data = os.environ.get("DRAGOMAN_DATA")
    if not data:
        pytest.skip("DRAGOMAN_DATA is unset: the published WMT22 scores are not here")
    return Path(data) / "wmt22"


def test_only_comet_rows_are_left_out(folder: Path) -> None:
    published, left_out = BENCH["published_rows"](folder)
    assert len(published) == 410
    assert [reason.split(":")[0] for reason in left_out] == ["COMET"]


@pytest.mark.parametrize("direction", ["liv-en", "en-liv", "de-en", "en-de", "en-cs", "zh-en", "en-zh", "en-ja"])
def test_published_scores_are_reproduced(folder: Path, direction: str) -> None:
    published, _ = BENCH["published_rows"](folder)
    wanted = {row: value for row, value in published.items() if row[0] == direction}
    assert wanted
    found = BENCH["scores"](folder, direction, list(wanted))
    assert found == pytest.approx(wanted, abs=0.005, rel=0)
