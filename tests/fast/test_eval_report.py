"""The evaluation report holds what the evaluation does, needs nothing from outside, and never lets text become markup."""

from __future__ import annotations

import json
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from evaluations import HOSTILE, evaluation, hostile_evaluation
from hypothesis import given, settings
from hypothesis import strategies as st

from dragoman.eval.breakdown import breakdowns
from dragoman.eval.records import Comparison, Evaluation
from dragoman.eval.report import write_report

REFERENCES = ["Die Katze sitzt auf der Matte.", "Der Hund schläft.", "Die Katze schläft im Haus und der Hund im Garten."]
SOURCES = ["The cat sits on the mat.", "The dog sleeps.", "The cat sleeps in the house and the dog in the garden."]
GOOD = REFERENCES
BAD = ["Katze Matte.", "", "Der Hund schläft im Haus."]


class Page(HTMLParser):
    """Elements, attributes and text of a page, as a browser's parser would see them."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.scripts: list[str] = []
        self.source = path.read_text(encoding="utf-8")
        self._open: list[str] = []
        self.feed(self.source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        while self._open and self._open.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] in ("script", "style"):
            self.scripts.append(data)
        else:
            self.text.append(data)

    @property
    def data(self) -> list[dict[str, Any]]:
        return json.loads(self.scripts[-2])  # type: ignore[no-any-return]


def report(tmp_path: Path, *evaluations: Evaluation, **settings: Any) -> Page:
    return Page(write_report(evaluations, tmp_path / "report.html", **settings))


@pytest.fixture
def made() -> Evaluation:
    return evaluation({"bad": BAD, "good": GOOD}, REFERENCES, sources=SOURCES, documents=["a", "a", "b"])


def test_the_page_asks_for_nothing_from_outside(tmp_path: Path, made: Evaluation) -> None:
    page = report(tmp_path, made)
    asking = {"src", "href", "srcset", "action", "data", "poster"}
    assert not [(tag, attributes) for tag, attributes in page.elements if asking & set(attributes) or tag in ("link", "iframe", "object")]
    assert "url(" not in page.source and "@import" not in page.source and "http:" not in page.source and "https:" not in page.source
    policies = [attributes["content"] for _, attributes in page.elements if attributes.get("http-equiv") == "Content-Security-Policy"]
    assert len(policies) == 1 and "default-src 'none'" in str(policies[0])


def test_hostile_text_in_every_field_stays_text(tmp_path: Path) -> None:
    page = report(tmp_path, hostile_evaluation())
    assert [tag for tag, _ in page.elements].count("script") == 2
    assert "img" not in {tag for tag, _ in page.elements}
    assert not [name for _, attributes in page.elements for name in attributes if name.startswith("on")]
    shown = "".join(page.text)
    assert shown.count("window.pwned=1") >= 8, "the hostile text is shown as text, not dropped"
    assert "\u2028" not in page.scripts[-2] and "<" not in page.scripts[-2]


def test_the_embedded_texts_are_the_given_ones(tmp_path: Path) -> None:
    safe = HOSTILE.replace("\x00", "").replace("\u0085", "").replace("\ud800", "")
    [data] = report(tmp_path, evaluation({safe: [safe, "x"]}, [safe, "y"], sources=["z", safe], documents=[safe, "d"])).data
    assert data["systems"] == [safe] and data["documents"] == [safe, "d"]
    assert [segment[2:5] for segment in data["segments"]] == [["z", [safe], [safe]], [safe, ["y"], ["x"]]]


@given(st.lists(st.text(max_size=20), min_size=1, max_size=3))
@settings(max_examples=25, deadline=None)
def test_any_text_makes_a_page_of_the_same_elements(texts: list[str]) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        page = report(Path(folder), evaluation({"s": texts}, texts, sources=texts))
        plain = report(Path(folder), evaluation({"s": ["a"] * len(texts)}, ["a"] * len(texts), sources=["a"] * len(texts)))
    assert {tag for tag, _ in page.elements} == {tag for tag, _ in plain.elements}
    assert len(page.data[0]["segments"]) == len(texts)


def test_the_best_system_comes_first_with_its_interval_and_signature(tmp_path: Path, made: Evaluation) -> None:
    page = report(tmp_path, made)
    shown = "".join(page.text)
    assert page.data[0]["systems"] == ["good", "bad"]
    assert shown.index("good") < shown.index("bad")
    assert "100.0" in shown and "[100.0, 100.0]" in shown
    assert "chrF++|nrefs:1|case:mixed" in shown and "20 bootstrap samples" in shown


def test_a_system_that_differs_from_the_best_is_marked(tmp_path: Path, made: Evaluation) -> None:
    tests = (Comparison("chrF++", "bad", "good", -60.0, -70.0, -50.0, 0.0004, "paired bootstrap"),)
    shown = "".join(report(tmp_path, replace(made, comparisons=tests)).text)
    assert "best" in shown and "p < 0.001 *" in shown and "(paired bootstrap), not corrected" in shown and "[-70, -50]" in shown


def test_small_scores_have_their_metrics_digits(tmp_path: Path, made: Evaluation) -> None:
    score = made.results[0].scores[0]
    scores = (replace(score, value=0.78, low=0.04, high=1.2), replace(score, name="Unbabel/m", value=0.78125, low=0.5, high=1.00001))
    few = replace(made, results=(replace(made.results[0], scores=scores),), comparisons=())
    text = write_report([few], tmp_path / "r.html").read_text(encoding="utf-8")
    assert ">0.8<" in text and "[0.0, 1.2]" in text
    assert ">0.7812<" in text and "[0.5000, 1.0000]" in text


def test_figures_that_json_has_no_number_for_are_left_out(tmp_path: Path) -> None:
    [data] = report(tmp_path, hostile_evaluation()).data
    assert [segment[5] for segment in data["segments"]] == [[[1.0, 3.0]], [[None, 2.0]], [[3.0, None]]]
    assert data["segments"][0][7] == [[[0, 5, data["segments"][0][7][0][0][2], None]], []]


def test_a_page_past_its_bound_keeps_the_segments_that_tell_systems_apart(tmp_path: Path) -> None:
    count = 200
    scores = {"a": {"chrF++": [50.0] * count}, "b": {"chrF++": [50.0 + (index == 77) * 30 + (index == 99) * 10 for index in range(count)]}}
    systems = {"a": ["satz " * 20] * count, "b": ["wort " * 20] * count}
    large = evaluation(systems, ["satz " * 20] * count, segment_scores=scores)
    page = report(tmp_path, large, most_bytes=900)
    assert [segment[0] for segment in page.data[0]["segments"]] == [78, 100] and page.data[0]["total"] == count
    assert len(page.scripts[-2]) < 2000


@pytest.mark.parametrize("segments", [0, 1])
def test_sets_of_no_or_one_segment_have_a_page(tmp_path: Path, segments: int) -> None:
    one = evaluation({"s": ["Hallo"]}, ["Hallo"], sources=["Hello"])
    if not segments:
        one = Evaluation(replace(one.test_set, sources=(), references=((),)), ())
    assert len(report(tmp_path, one).data[0]["segments"]) == segments
    assert "no evaluation" in "".join(report(tmp_path).text)


def test_several_directions_have_an_overview(tmp_path: Path, made: Evaluation) -> None:
    other = evaluation({"good": GOOD}, REFERENCES, target="nld")
    page = report(tmp_path, made, other)
    assert "Overview" in page.text and "made-up eng_Latn-nld_Latn" in page.text
    assert [tag for tag, _ in page.elements].count("details") >= 2


def test_groups_by_length_and_document_hold_every_segment(made: Evaluation) -> None:
    by_title = {each.title: each for each in breakdowns(made)}
    assert by_title["By length of the source"].groups == (("0–9 words", 2), ("10–19 words", 1))
    assert by_title["By document"].groups == (("a", 2), ("b", 1))
    assert by_title["By document"].figures[1] == (100.0, 100.0)


def test_a_corpus_breakdown_is_the_score_of_the_group(made: Evaluation) -> None:
    from dragoman.eval.metrics import score

    by_title = {each.title: each for each in breakdowns(made)}
    [alone] = score(BAD[2:], [REFERENCES[2:]], metrics=["chrF++"], samples=1)
    assert by_title["By document"].figures[0][1] == pytest.approx(alone.value)


def test_segment_metrics_are_averaged_over_what_they_scored() -> None:
    scores = {"s": {"COMET": [0.5, float("nan"), 0.9]}}
    made = evaluation({"s": GOOD}, REFERENCES, sources=SOURCES, segment_scores=scores, documents=["a", "b", "a"])
    by_title = {each.title: each for each in breakdowns(made)}
    assert by_title["By document"].measure == "mean segment COMET"
    assert by_title["By document"].figures == ((pytest.approx(0.7), None),)


def test_recall_by_frequency_counts_each_word_as_often_as_it_is_found(made: Evaluation) -> None:
    frequent = breakdowns(made, {"die": 10_000, "der": 10_000, "katze": 5})[-1]
    sizes = {name.split(",")[0]: size for name, size in frequent.groups}
    assert sizes == {"unseen": 12, "rare": 2, "mid": 0, "frequent": 5}
    bad, good = frequent.figures
    assert good == (100.0, 100.0, None, 100.0)
    assert bad == (pytest.approx(100 * 5 / 12), 50.0, None, 20.0)


def test_scripts_without_spaces_are_broken_down_by_character() -> None:
    made = evaluation({"s": ["我爱狗"]}, ["我爱猫猫"], sources=["I love cats"], target="zho_Hans")
    last = breakdowns(made)[-1]
    assert last.unit == "characters" and [size for _, size in last.groups] == [4, 0, 0]
    assert last.figures[0][0] == 50.0


def test_right_to_left_targets_say_so(tmp_path: Path) -> None:
    [data] = report(tmp_path, evaluation({"s": ["مرحبا"]}, ["مرحبا"], target="arb")).data
    assert data["target"] == {"lang": "ar", "dir": "rtl"} and data["source"] == {"lang": "en", "dir": "ltr"}
