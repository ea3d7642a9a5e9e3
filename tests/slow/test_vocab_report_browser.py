"""The vocabulary report in a real headless Chromium: it draws, runs right to left where the script does, and fits a telephone."""

from __future__ import annotations

from pathlib import Path

import pytest
from browser import CHROMIUM, open_page

from dragoman.mt.languages import find_language
from dragoman.vocab.fertility import Fertility
from dragoman.vocab.new_pieces import NewPiece, PieceUsage
from dragoman.vocab.report_data import DevText, LanguageReport, Sample, Side, VocabularyReport
from dragoman.vocab.report_page import write_page
from dragoman.vocab.segmentation import Unit

pytestmark = [pytest.mark.slow, pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium")]

HOSTILE = "<img src=x onerror='window.pwned=1'></script><script>window.pwned=1</script>"


def language(code: str, before: tuple[Unit, ...], after: tuple[Unit, ...]) -> LanguageReport:
    text = DevText(find_language(code), ("".join(unit.text for unit in before),), f"dev.{code}")
    return LanguageReport(text, Fertility(4.0, 1.5, 1, 300), Fertility(2.0, 0.75, 1, 150), 1, 2, 0.5, (Sample(before, after),))


@pytest.fixture
def page(tmp_path: Path) -> Path:
    nko = (Unit("ߒ", 2), Unit("ߞ", 2), Unit("ߏ", 2), Unit(" ", 1)) * 30
    report = VocabularyReport(
        Side("a/very/long/folder/name/" * 5, 49_152, "cpu, float32"),
        Side("after", 54_152, "cpu, float32"),
        (
            language("nqo", nko, (Unit("ߒߞߏ ", 1),) * 30),
            language("eng", (Unit(HOSTILE, 3), Unit(" A", 1)), (Unit(HOSTILE, 1), Unit(" A", 1))),
        ),
        PieceUsage(tuple(NewPiece(500 + at, HOSTILE, HOSTILE if at % 2 else "ߒߞߏ", at % 3) for at in range(400))),
        notes=(HOSTILE,),
    )
    return write_page(report, tmp_path / "report.html")


def test_bars_are_drawn_and_text_runs_in_its_direction(page: Path) -> None:
    seen = open_page(
        page,
        """
        const bars = [...page.querySelectorAll("svg rect")].slice(2).map((one) => one.getBoundingClientRect().width);
        const colours = [...new Set([...page.querySelectorAll("svg rect")].map((one) => view.getComputedStyle(one).fill))].length;
        const lines = [...page.querySelectorAll(".samples dd")];
        const directions = lines.map((one) => view.getComputedStyle(one).direction);
        const pieces = [...lines[0].querySelectorAll(".piece")].slice(0, 3).map((one) => one.getBoundingClientRect());
        const shades = [...lines[0].querySelectorAll(".piece")].slice(0, 2).map((one) => view.getComputedStyle(one).backgroundColor);
        return { bars, colours, directions, lefts: pieces.map((one) => one.left), shades };
        """,
    )
    values = seen.values
    assert values["bars"][1] == pytest.approx(values["bars"][0] / 2, rel=0.01) and values["bars"][0] > 200
    assert values["colours"] == 2 and values["shades"][0] != values["shades"][1]
    assert values["directions"] == ["rtl", "rtl", "ltr", "ltr"]
    assert values["lefts"] == sorted(values["lefts"], reverse=True)  # the second piece stands left of the first
    assert not seen.console and not values["requests"]


def test_a_line_broken_into_pieces_is_as_wide_as_the_line_whole(page: Path) -> None:
    """Letters of a joining script still join across pieces."""
    seen = open_page(
        page,
        """
        const line = page.querySelector(".samples dd");
        const range = page.createRange();
        const width = (node) => { range.selectNodeContents(node); return range.getBoundingClientRect().width; };
        line.style.whiteSpace = "nowrap";
        const pieces = width(line);
        line.textContent = line.textContent;
        return { pieces, whole: width(line) };
        """,
    )
    assert seen.values["pieces"] == pytest.approx(seen.values["whole"], rel=0.01)


def test_hostile_text_runs_nothing_and_nothing_runs_off_the_side_of_a_telephone(page: Path) -> None:
    seen = open_page(
        page,
        """
        page.querySelectorAll("details").forEach((each) => { each.open = true; });
        const reachable = [...page.querySelectorAll("summary, .scroll")].every((one) => one.tabIndex >= 0);
        const made = page.querySelectorAll("img, script").length;
        return { width: page.documentElement.scrollWidth, pwned: view.pwned ?? null, made, reachable };
        """,
        width=360,
    )
    assert seen.values["width"] <= 360
    assert (seen.values["pwned"], seen.values["made"], seen.values["reachable"]) == (None, 0, True)
    assert not seen.console
