"""The evaluation report in a real headless Chromium: it filters, sorts and pages, fits a telephone, and runs nothing a corpus holds."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from browser import CHROMIUM, Seen, open_page
from evaluations import evaluation, hostile_evaluation

from dragoman.eval.records import Evaluation
from dragoman.eval.report import write_report

pytestmark = [pytest.mark.slow, pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium")]


def drive(folder: Path, evaluations: Sequence[Evaluation], steps: str, *, width: int = 1280, **settings: Any) -> Seen:
    """Write the report, open it and run `steps` there."""
    return open_page(write_report(evaluations, folder / "report.html", **settings), steps, width=width)


ENGLISH = [f"Sentence number {index} has a cat." for index in range(120)]
GERMAN = [f"Satz Nummer {index} hat eine Katze." for index in range(120)]
OTHER = [text.replace("Katze", "Maus") if index % 3 else text for index, text in enumerate(GERMAN)]
OTHER[7] = ""


@pytest.fixture(scope="module")
def made() -> Evaluation:
    scores = {
        "alpha": {"chrF++": [90.0] * 120},
        "beta": {"chrF++": [90.0 - (index % 3) * 20 - (index == 7) * 50 for index in range(120)]},
    }
    documents = [f"doc {index // 40}" for index in range(120)]
    return evaluation({"alpha": GERMAN, "beta": OTHER}, GERMAN, sources=ENGLISH, documents=documents, segment_scores=scores)


def test_search_filters_order_and_pages_choose_the_segments(tmp_path: Path, made: Evaluation) -> None:
    seen = drive(
        tmp_path,
        [made],
        """
        const all = numbers(), status = by("status").textContent;
        by("next").click(); const second = numbers();
        put("page", "5"); const last = { numbers: numbers(), disabled: by("next").disabled };
        put("query", "NUMMER 11 HAT", "input"); const found = numbers();
        put("query", "no such words", "input"); const none = by("status").textContent;
        put("query", "", "input");
        put("least", "39", "input"); const large = by("status").textContent; put("least", "0", "input");
        put("document", "1"); put("order", "number"); const inDocument = numbers(); put("document", "");
        put("diagnostic", [...by("diagnostic").options].find((one) => one.textContent === "empty").value); const empty = numbers();
        put("diagnostic", "");
        put("order", "second"); const worse = numbers()[0]; put("order", "lowest");
        put("first", "1"); const lowest = numbers()[0];
        return { all, status, second, last, found, none, large, inDocument, empty, worse, lowest };
        """,
    )
    values = seen.values
    assert values["all"][0] == 8 and len(values["all"]) == 25 and not set(values["all"]) & set(values["second"])
    assert "1 to 25 of 120" in values["status"] and "page 1 of 5" in values["status"]
    assert len(values["last"]["numbers"]) == 20 and values["last"]["disabled"]
    assert values["found"] == [12] and values["none"].startswith("No segment")
    assert "of 41 that match" in values["large"] or "of 40 that match" in values["large"]
    assert values["inDocument"] == list(range(41, 66)) and values["empty"] == [8]
    assert values["worse"] != 8 and values["lowest"] == 8
    assert not seen.console and not values["requests"]


def test_what_only_one_system_has_is_marked_with_its_letter(tmp_path: Path, made: Evaluation) -> None:
    seen = drive(
        tmp_path,
        [made],
        """
        put("query", "nummer 10 hat", "input");
        const marks = (tag) => [...page.querySelectorAll("article " + tag)].map((node) => node.textContent);
        const between = { only_a: marks("del"), only_b: marks("ins"), heading: cards()[0].querySelector("h3").textContent };
        put("second", "-1"); const reference = { only_a: marks("del"), measures: [...by("measure").options].map((one) => one.value) };
        return { between, reference };
        """,
    )
    between = seen.values["between"]
    assert (between["only_a"], between["only_b"]) == (["AKatze"], ["BMaus"]) and "A better by 20.0" in between["heading"]
    assert seen.values["reference"] == {"only_a": [], "measures": ["words that differ, %"]}


def test_a_click_on_a_heading_sorts_the_leaderboard_both_ways(tmp_path: Path, made: Evaluation) -> None:
    seen = drive(
        tmp_path,
        [made],
        """
        const table = page.querySelector("table[data-sortable]"), heading = table.tHead.rows[0].cells[1];
        const names = () => [...table.tBodies[0].rows].map((row) => row.cells[0].textContent);
        const rows = [names()];
        for (let times = 0; times < 2; times++) {
          heading.querySelector("button").click();
          rows.push(names(), heading.getAttribute("aria-sort"));
        }
        return { rows };
        """,
    )
    best, worst = ["alpha", "beta"], ["beta", "alpha"]
    assert seen.values["rows"] == [best, best, "descending", worst, "ascending"]


def test_hostile_text_runs_nothing(tmp_path: Path) -> None:
    seen = drive(
        tmp_path,
        [hostile_evaluation(), hostile_evaluation()],
        """
        put("set", "1"); put("mark", "spans"); put("query", "onerror", "input");
        const inserted = page.querySelectorAll("#browser script, #browser img, section img").length;
        return { pwned: view.pwned ?? null, inserted, cards: cards().length, marks: page.querySelectorAll("article mark").length };
        """,
    )
    assert seen.values == {"pwned": None, "inserted": 0, "cards": 3, "marks": 1, "requests": []}
    assert not seen.console


def test_nothing_runs_off_the_side_of_a_telephone_and_every_control_has_a_label(tmp_path: Path, made: Evaluation) -> None:
    wide = evaluation({f"system with a long name {n}": GERMAN for n in range(12)}, GERMAN, sources=["x" * 300, *ENGLISH[1:]])
    seen = drive(
        tmp_path,
        [made, wide],
        """
        const width = () => page.documentElement.scrollWidth;
        page.querySelectorAll("details").forEach((each) => { each.open = true; });
        const first = width(); put("set", "1"); put("order", "number"); const second = width();
        const controls = [...page.querySelectorAll("#browser input, #browser select")];
        const unnamed = controls.filter((one) => !one.labels.length || !one.labels[0].textContent.trim()).map((one) => one.id);
        const reachable = [...page.querySelectorAll("button, input, select, summary, .scroll")].every((one) => one.tabIndex >= 0);
        return { first, second, unnamed, reachable, controls: controls.length };
        """,
        width=360,
    )
    values = seen.values
    assert values["first"] <= 360 and values["second"] <= 360
    assert values["unnamed"] == [] and values["reachable"] and values["controls"] >= 10
    assert not seen.console


def test_right_to_left_and_unspaced_text_is_shown_and_marked_by_words(tmp_path: Path) -> None:
    arabic = evaluation({"a": ["القط على السجادة"], "b": ["الكلب على السجادة"]}, ["القط على السجادة"], sources=["The cat"], target="arb")
    thai = evaluation({"a": ["แมวกินปลา"], "b": ["หมากินปลา"]}, ["แมวกินปลา"], sources=["Cats eat fish"], target="tha")
    seen = drive(
        tmp_path,
        [arabic, thai],
        """
        const last = () => { const line = [...page.querySelectorAll("article dd")].pop();
          return [view.getComputedStyle(line).direction, line.lang, [...line.querySelectorAll("ins")].map((node) => node.textContent)]; };
        const rtl = last(); put("set", "1");
        return { rtl, thai: last() };
        """,
    )
    assert seen.values["rtl"] == ["rtl", "ar", ["Bالكلب"]]
    assert seen.values["thai"] == ["ltr", "th", ["Bหมา"]]


def test_a_page_past_its_bound_says_how_many_segments_it_shows(tmp_path: Path, made: Evaluation) -> None:
    seen = drive(tmp_path, [made], 'return { note: by("browser-note").textContent, first: numbers()[0] };', most_bytes=3000)
    assert re.match(r"\d+ of 120 segments are in this page", seen.values["note"]) and seen.values["first"] == 8


def test_a_full_test_set_of_sixteen_systems_opens_and_stays_small(tmp_path: Path) -> None:
    count = 1012
    lines = [f"Die Zeile {index} " + "mit vielen gewöhnlichen Wörtern " * 4 for index in range(count)]
    systems = {f"system {n}": lines for n in range(16)}
    scores = {name: {"chrF++": [float(index % 97 + n) for index in range(count)]} for n, name in enumerate(systems)}
    small = evaluation(dict.fromkeys(systems, lines[:2]), lines[:2], sources=lines[:2])
    results = tuple(
        replace(each, system=replace(each.system, hypotheses=tuple(lines)), segment_scores=scores[each.system.name])
        for each in small.results
    )
    full = replace(small, test_set=replace(small.test_set, sources=tuple(lines), references=(tuple(lines),)), results=results)
    seen = drive(tmp_path, [full], 'put("second", "15"); return { cards: cards().length, status: by("status").textContent };')
    assert seen.values["cards"] == 25 and "of 1012" in seen.values["status"]
    assert (tmp_path / "report.html").stat().st_size < 5_000_000
