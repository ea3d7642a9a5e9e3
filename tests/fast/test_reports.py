"""Reports show what a run has, say what could not be read, and never let text become markup."""

from __future__ import annotations

import json
import logging
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from dragoman.eval import Score
from dragoman.mt.errors import RunError
from dragoman.mt.markup import page, table, text
from dragoman.mt.plots import curves_file, plot_curves, stage_starts, tokens_at
from dragoman.mt.reports import SampleTranslation, StageScores, duration, logged_samples, stage_table, write_report
from dragoman.mt.runlog import read_log

SIGNATURE = "nrefs:1|case:mixed|eff:yes|nc:6|nw:2|space:no|version:2.6.0"
HOSTILE = "<script>alert('x')</script> & \"quotes\""


def scores(value: float) -> list[Score]:
    return [
        Score("BLEU", value / 2, value / 2 - 1, value / 2 + 1, "nrefs:1|tok:13a", 1000, 7),
        Score("chrF++", value, value - 2, value + 2, SIGNATURE, 1000, 7),
    ]


def train(stage: str, step: int, tokens: int) -> dict[str, object]:
    return {"event": "train", "stage": stage, "step": step, "loss": 3.0 - step / 100, "tokens": tokens, "padding": 0.031, "seconds": 1.0}


def evaluate(stage: str, step: int, value: float) -> dict[str, object]:
    return {
        "event": "evaluate",
        "stage": stage,
        "step": step,
        "direction": "eng_Latn-heb_Hebr",
        "scores": [one.to_json() for one in scores(value)],
    }


def end(stage: str, steps: int, tokens: int) -> dict[str, object]:
    return {"event": "stage_end", "stage": stage, "steps": steps, "tokens": tokens, "seconds": 304.0, "best_step": 10}


EVENTS = [
    evaluate("monolingual", 0, 15.0),
    train("monolingual", 10, 1000),
    train("monolingual", 20, 3000),
    evaluate("monolingual", 15, 18.0),
    end("monolingual", 20, 3000),
    train("parallel $x^", 10, 500),
    evaluate("parallel $x^", 10, 41.9),
]


def log_lines(run: Path, *lines: str) -> None:
    with (run / "metrics.jsonl").open("a", encoding="utf-8") as stream:
        stream.writelines(line + "\n" for line in lines)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    folder = tmp_path / "the-run"
    folder.mkdir()
    log_lines(folder, *(json.dumps(event) for event in EVENTS))
    return folder


class Page(HTMLParser):
    """Tags, attributes and visible text of a page, as a browser's parser would see them."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.words: list[str] = []
        self.feed(source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def opened(file: Path) -> Page:
    return Page(file.read_text(encoding="utf-8"))


def test_the_log_gives_typed_events_in_order(run: Path) -> None:
    log = read_log(run)
    assert log.stages == ["monolingual", "parallel $x^"]
    assert [log.tokens_of(stage) for stage in log.stages] == [3000, 500]
    assert log.evaluations[-1].scores == tuple(scores(41.9))
    assert log.problems == ()


def test_lines_that_cannot_be_read_are_named_with_their_place(run: Path) -> None:
    log_lines(run, "[1]", '{"event": "party"}', '{"event": "stage_end", "stage": "s", "steps": 1, "seconds": 2}', '{"event": "tra')
    problems = read_log(run).problems
    assert [problem.split(": ")[0] for problem in problems] == [f"metrics.jsonl:{line}" for line in (8, 9, 10, 11)]
    assert "not an object" in problems[0]
    assert "unknown event 'party'" in problems[1]
    assert "'tokens' is missing" in problems[2]
    assert "stopped while writing" in problems[3]
    assert all(problem in "".join(opened(write_report(run)).words) for problem in problems)


def test_a_line_separator_inside_a_name_does_not_split_an_event(run: Path) -> None:
    log_lines(run, json.dumps(end("a\u2028b\x85c", 1, 1), ensure_ascii=False))
    assert read_log(run).stages[-1] == "a\u2028b\x85c"


def a_test(moment: str, value: float, *hypotheses: str) -> dict[str, object]:
    """A test event as training writes it."""
    rows = [{"source": f"source {n}", "reference": f"reference {n}", "hypothesis": text} for n, text in enumerate(hypotheses)]
    found = [one.to_json() for one in scores(value)]
    return {
        "event": "test",
        "moment": moment,
        "set": "devtest (en-he)",
        "direction": "eng_Latn-heb_Hebr",
        "scores": found,
        "translations": rows,
    }


def test_test_scores_are_shown_at_the_moment_they_were_taken(run: Path) -> None:
    log_lines(run, json.dumps(a_test("after parallel", 44.0)))
    evaluation = read_log(run).evaluations[-1]
    assert (evaluation.stage, evaluation.step, evaluation.set_name) == ("after parallel", None, "devtest (en-he)")
    assert {"after parallel", "test", "devtest (en-he)", "44.0 "} <= set(opened(write_report(run)).words)


def test_samples_come_from_the_log_side_by_side_when_none_are_given(run: Path) -> None:
    log_lines(run, json.dumps(a_test("step 0", 10.0, "hello", "there")), json.dumps(a_test("after parallel", 44.0, "שלום", "שם")))
    samples = logged_samples(read_log(run), count=1)
    assert samples == [SampleTranslation("eng_Latn-heb_Hebr", "source 0", "reference 0", {"step 0": "hello", "after parallel": "שלום"})]
    words = opened(write_report(run)).words
    assert words.index("hello") + 1 == words.index("שלום")


def test_tests_of_a_finished_model_are_not_drawn_as_dev_scores(run: Path) -> None:
    plot_curves(run)
    before = curves_file(run).read_bytes()
    log_lines(run, json.dumps(a_test("after parallel", 99.0)))
    plot_curves(run)
    assert curves_file(run).read_bytes() == before


def test_the_axis_counts_real_tokens_over_all_stages(run: Path) -> None:
    log = read_log(run)
    assert stage_starts(log) == {"monolingual": 0, "parallel $x^": 3000}
    assert [tokens_at(log, evaluation) for evaluation in log.evaluations] == [0, 2000, 3500]


def test_curves_are_a_png_and_leave_pyplot_alone(run: Path) -> None:
    pyplot_before = "matplotlib.pyplot" in sys.modules
    assert plot_curves(run) == curves_file(run)
    assert curves_file(run).read_bytes().startswith(b"\x89PNG")
    assert ("matplotlib.pyplot" in sys.modules) == pyplot_before


def test_curves_without_evaluations_or_with_an_unreadable_recipe_are_drawn_all_the_same(tmp_path: Path) -> None:
    log_lines(tmp_path, json.dumps(train("s", 1, 10)), json.dumps({**train("s", 2, 20), "loss": float("nan")}))
    (tmp_path / "config.yaml").write_text("evaluation: [", encoding="utf-8")
    assert plot_curves(tmp_path) == curves_file(tmp_path)


def test_curves_without_matplotlib_are_skipped_and_the_extra_is_named(
    run: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for module in ("matplotlib", "matplotlib.figure", "matplotlib.backends.backend_agg"):
        monkeypatch.setitem(sys.modules, module, None)
    with caplog.at_level(logging.WARNING):
        assert plot_curves(run) is None
    assert "pip install 'dragoman[plots]'" in caplog.text
    assert not curves_file(run).exists()


def test_curves_of_a_run_that_has_not_trained_are_skipped_with_a_reason(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert plot_curves(tmp_path) is None
    assert "no training step is logged" in caplog.text


def test_a_report_shows_stages_scores_signatures_samples_data_and_settings(run: Path) -> None:
    plot_curves(run)
    (run / "config.yaml").write_text("seed: 1234\n", encoding="utf-8")
    (run / "data.json").write_text(json.dumps({"inputs": [{"path": "train.he", "sha256": "ab12"}]}), encoding="utf-8")
    sample = SampleTranslation("eng_Latn-heb_Hebr", "Hello", "שלום", {"step 0": "Hello", "after stage 2": "שלום לכם"})
    opened_page = opened(write_report(run, [sample]))
    words = "".join(opened_page.words)
    for expected in ("monolingual", "3.1%", "5 min 04 s", "41.9 [39.9, 43.9]", f"chrF++|{SIGNATURE}", "1,000 bootstrap samples, seed 7"):
        assert expected in words
    for expected in ("שלום לכם", "after stage 2", "ab12", "seed: 1234"):
        assert expected in words
    assert [value[:22] for name, value in opened_page.attributes if name == "src"] == ["data:image/png;base64,"]


def test_a_report_asks_nothing_of_the_network(run: Path) -> None:
    plot_curves(run)
    opened_page = opened(write_report(run))
    assert not {"script", "link", "iframe"} & set(opened_page.tags)
    assert all(value.startswith("data:") for name, value in opened_page.attributes if name in ("src", "href"))
    assert "url(" not in "".join(opened_page.words)


def test_text_of_either_direction_is_laid_out_by_its_own_script(run: Path) -> None:
    source = write_report(run, [SampleTranslation("d", "abc", "שלום", {"s": "ߒ ߞߏ"})]).read_text(encoding="utf-8")
    assert all(f'<td class="text" dir="auto">{word}</td>' in source for word in ("abc", "שלום", "ߒ ߞߏ"))


def test_no_text_from_anywhere_becomes_markup(tmp_path: Path) -> None:
    log_lines(tmp_path, json.dumps(end(HOSTILE, 1, 1)), json.dumps({**evaluate(HOSTILE, 1, 5.0), "direction": HOSTILE}), HOSTILE)
    (tmp_path / "config.yaml").write_text(HOSTILE, encoding="utf-8")
    (tmp_path / "data.json").write_text(json.dumps({HOSTILE: [HOSTILE]}), encoding="utf-8")
    sample = SampleTranslation(HOSTILE, HOSTILE, HOSTILE, {HOSTILE: HOSTILE})
    opened_page = opened(write_report(tmp_path, [sample]))
    assert "script" not in opened_page.tags
    assert "".join(opened_page.words).count(HOSTILE) == 12


@given(st.text())
def test_any_text_survives_a_table_cell_or_loses_only_what_html_cannot_hold(given_text: str) -> None:
    source = page("t", table(("h",), [[text(given_text)]]))
    source.encode("utf-8")
    cell = source.split('dir="auto">')[2].split("</td>")[0]
    shown = "".join(Page(f"<td>{cell}</td>").words)
    assert len(shown) == len(given_text)
    assert all(there == asked or there == "\ufffd" for there, asked in zip(shown, given_text, strict=True))


def test_lone_surrogates_are_shown_as_replacement_characters() -> None:
    assert "a\ufffdb" in page("a\ud800b")


def test_an_empty_run_has_a_report_that_says_so(tmp_path: Path) -> None:
    assert "not written anything yet" in "".join(opened(write_report(tmp_path)).words)


def test_damaged_data_is_reported_and_does_not_stop_the_report(run: Path) -> None:
    (run / "data.json").write_text("{", encoding="utf-8")
    words = "".join(opened(write_report(run)).words)
    assert "data.json: " in words
    assert "monolingual" in words


def test_no_run_folder_is_an_error_of_the_user(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="no run folder"):
        write_report(tmp_path / "nowhere")


def test_the_stage_table_shows_intervals_gains_and_signatures() -> None:
    rows = [StageScores("step 0", scores(20.0), 8.1, 0), StageScores("after stage 1 [red]", scores(25.4), 304.0, 39113)]
    console = Console(width=120, record=True, file=None, quiet=False)
    with console.capture() as shown:
        console.print(stage_table(rows))
    printed = shown.get()
    for expected in ("20.0 (18.0-22.0)", "25.4 (23.4-27.4) +5.4", "39,113", "5 min 04 s", "[red]", SIGNATURE):
        assert expected in printed


def test_the_stage_table_holds_rows_without_scores() -> None:
    assert stage_table([StageScores("step 0", [], 1.0, 0), StageScores("after", scores(3.0), 1.0, 5)]).row_count == 2
    assert stage_table([]).row_count == 0


@pytest.mark.parametrize(("seconds", "said"), [(8.13, "8.1 s"), (304, "5 min 04 s"), (7380, "2 h 03 min"), (59.99, "60.0 s")])
def test_durations_read_as_people_say_them(seconds: float, said: str) -> None:
    assert duration(seconds) == said
