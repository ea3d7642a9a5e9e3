"""`dragoman vocab report`: its counts are those of the text, its page holds them, and what cannot be compared is refused."""

from __future__ import annotations

import json
import shutil
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
import typer
from expanded import expand_by_hand
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dragoman.mt.cli import main as command_line
from dragoman.mt.cli.vocab_report import report as command
from dragoman.mt.errors import ConfigError, CorpusError, ModelError
from dragoman.mt.languages import find_language
from dragoman.mt.models import load_model, load_tokenizer
from dragoman.mt.tokenization import encode_plain
from dragoman.vocab.bits_per_byte import bits_per_byte
from dragoman.vocab.generation_time import spread, time_generation
from dragoman.vocab.report import ReportSettings, report_vocabulary
from dragoman.vocab.report_data import DevText, VocabularyReport, to_json
from dragoman.vocab.report_page import write_page
from dragoman.vocab.report_plot import Pair, bars
from dragoman.vocab.segmentation import segment, units

NKO = ("ߒߞߏ ߞߊ߲ ߠߋ߬ ߒߞߏ", "ߞߊ߲ ߒߞߏ", "ߒߞߏ")
ENGLISH = ("The quick brown fox jumps over the lazy dog.", "Save the files?", "Good morning, everyone.", "zq zq")
THAI = ("สวัสดีชาวโลก",)
TEXTS = [
    DevText(find_language("nqo"), NKO, "dev.nqo"),
    DevText(find_language("eng"), ENGLISH, "dev.eng", {"empty side": 2}),
    DevText(find_language("tha"), THAI, "dev.tha"),
]
WORDS = ("ߒߞߏ", "zq", "ߟߊߥߎ")  # without marks: this base splits words at them


@pytest.fixture(scope="module")
def expanded(tiny_llama_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("expanded") / "model"
    expand_by_hand(tiny_llama_folder, folder, WORDS)
    return folder


@pytest.fixture(scope="module")
def found(tiny_llama_folder: Path, expanded: Path) -> VocabularyReport:
    learning = DevText(find_language("nqo"), ("ߟߊߥߎ ߒߞߏ", "ߒߞߏ"), "learning.txt")
    settings = ReportSettings(generate=2, device="cpu")
    return report_vocabulary(str(tiny_llama_folder), str(expanded), TEXTS, learning=learning, settings=settings)


# ---- figures ----


def test_tokens_lines_and_pieces_are_those_of_each_line_alone(found: VocabularyReport, tiny_llama_folder: Path, expanded: Path) -> None:
    before, after = load_tokenizer(tiny_llama_folder), load_tokenizer(expanded)
    for each, text in zip(found.languages, TEXTS, strict=True):
        first = [encode_plain(before, line) for line in text.segments]
        second = [encode_plain(after, line) for line in text.segments]
        assert (each.before.tokens, each.after.tokens) == (sum(map(len, first)), sum(map(len, second)))
        assert each.before.per_segment == each.before.tokens / len(text.segments)
        assert each.speed_up == each.before.tokens / each.after.tokens
        assert each.changed == sum(one != other for one, other in zip(first, second, strict=True))
        new = [piece for ids in second for piece in ids if piece >= 500]
        assert (each.new_pieces, each.new_share) == (len(set(new)), len(new) / each.after.tokens)
    nko, english, thai = found.languages
    assert nko.speed_up > 1.3 and nko.changed_share == 1
    assert english.changed == 1 and english.speed_up > 1  # only "zq zq" has new pieces
    assert thai.changed == 0 and thai.before.per_word is None and thai.speed_up == 1


def test_every_new_piece_is_listed_with_its_counts(found: VocabularyReport, tiny_llama_folder: Path, expanded: Path) -> None:
    after = load_tokenizer(expanded)
    on_dev = Counter(piece for text in TEXTS for line in text.segments for piece in encode_plain(after, line))
    usage = found.usage
    assert usage is not None and [piece.id for piece in usage.pieces] == list(range(500, len(after)))
    assert {piece.id: piece.dev for piece in usage.pieces} == {piece.id: on_dev[piece.id] for piece in usage.pieces}
    by_text = {piece.text: piece for piece in usage.pieces if piece.text}
    assert (by_text["ߒߞߏ"].dev, by_text["ߒߞߏ"].learning) == (on_dev[by_text["ߒߞߏ"].id], 2)
    assert (by_text["ߟߊߥߎ"].dev, by_text["ߟߊߥߎ"].learning) == (0, 1)
    assert by_text["ߟߊߥߎ"] in usage.unused_on_dev and by_text["ߟߊߥߎ"] not in usage.unused_in_learning
    assert usage.longest(1)[0].text == "ߟߊߥߎ" and usage.most_used(1)[0].dev == max(piece.dev for piece in usage.pieces)
    half = next(piece for piece in usage.pieces if piece.text is None)  # part of a character
    assert half.label == half.piece == after.convert_ids_to_tokens(half.id)


def test_bits_per_byte_are_measured_on_each_text_by_each_model(found: VocabularyReport, tiny_llama_folder: Path, expanded: Path) -> None:
    for side, folder in enumerate((tiny_llama_folder, expanded)):
        loaded = load_model(str(folder), device="cpu")
        for each, text in zip(found.languages, TEXTS, strict=True):
            assert each.bits is not None
            assert each.bits[side].value == pytest.approx(bits_per_byte(loaded, text.segments).value, rel=1e-6)
    thai = found.languages[2].bits
    assert thai and thai[0].value == pytest.approx(thai[1].value, rel=0.5)  # new rows cost probability, and nothing else changed


def test_generation_feeds_each_sentence_to_both_models_in_turn(
    tiny_llama_folder: Path, expanded: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dragoman.mt.decoder_state import DecoderState

    steps: list[tuple[int, int]] = []  # (model, token) of every step, BOS first
    start, advance = DecoderState.start, DecoderState.advance
    monkeypatch.setattr(DecoderState, "start", lambda self: steps.append((id(self._model), 1)) or start(self))
    monkeypatch.setattr(DecoderState, "advance", lambda self, ids: steps.append((id(self._model), ids[0])) or advance(self, ids))
    before, after = load_model(str(tiny_llama_folder), device="cpu"), load_model(str(expanded), device="cpu")
    time = time_generation(before, after, NKO, 2)
    ids = [[[1, *encode_plain(each.tokenizer, text)] for text in spread(NKO, 2)] for each in (before, after)]
    assert time.sentences == 2 and time.left_out == 0
    assert time.tokens == tuple(sum(len(each) - 1 for each in side) / 2 for side in ids)
    models = [id(before.model), id(after.model)]
    expected = [(models[side], ids[side][0]) for side in (0, 1)]  # warm-up
    for order in ((0, 1), (1, 0), (0, 1)):
        expected += [(models[side], ids[side][sentence]) for sentence in (0, 1) for side in order]
    assert steps == [(model, token) for model, sentence in expected for token in sentence[:-1]]


def test_seconds_are_the_mean_of_the_sentences_medians(tiny_llama_folder: Path, expanded: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from dragoman.vocab import generation_time

    ticks = iter([9, 9, 1, 10, 2, 20, 30, 3, 50, 4, 2, 20, 3, 30])  # warm-up; then sentence by sentence, who begins changes
    monkeypatch.setattr(generation_time, "_seconds", lambda loaded, ids: float(next(ticks)))
    before, after = load_model(str(tiny_llama_folder), device="cpu"), load_model(str(expanded), device="cpu")
    time = time_generation(before, after, NKO[:2], 5)
    assert time.sentences == 2 and time.seconds == ((2 + 3) / 2, (20 + 30) / 2)
    assert time.speed_up == 0.1


def test_sentences_beyond_the_context_are_counted_and_not_timed(tiny_llama_folder: Path, expanded: Path) -> None:
    before, after = load_model(str(tiny_llama_folder), device="cpu"), load_model(str(expanded), device="cpu")
    time = time_generation(before, after, ["ߒߞߏ" * 400, "ߒߞߏ"], 2)
    assert (time.sentences, time.left_out) == (1, 1)
    with pytest.raises(CorpusError, match="no sentence fits"):
        time_generation(before, after, ["ߒߞߏ" * 400], 2)


def test_texts_to_time_are_taken_at_equal_distances() -> None:
    assert spread("abcdefghij", 3) == ["a", "d", "g"] and spread("ab", 3) == ["a", "b"]


def test_two_tokenizers_of_different_families_are_compared_without_piece_usage(
    tiny_llama_folder: Path, tiny_sentencepiece_folder: Path
) -> None:
    both = report_vocabulary(str(tiny_llama_folder), str(tiny_sentencepiece_folder), TEXTS, settings=ReportSettings(device="cpu"))
    assert both.usage is None and "no expansion of the first" in both.notes[0]
    assert all(each.new_pieces is None and each.bits and each.bits[0].bytes == each.bits[1].bytes for each in both.languages)
    assert to_json(both)["new_pieces"] is None


def test_what_spoils_a_figure_is_noted_beside_it(tiny_llama_folder: Path, expanded: Path) -> None:
    texts = [DevText(find_language("nqo"), ("ߒߞߏ" * 400, "ߒߞߏ"), "dev.nqo")]
    made = report_vocabulary(str(tiny_llama_folder), str(expanded), texts, settings=ReportSettings(generate=2, device="cpu"))
    assert [note.partition(":")[2][:22] for note in made.notes[1:]] == [" 1 line(s) exceed the "] * 1 + [" 1 sentence(s) exceed "]
    assert made.notes[1].startswith("N'Ko, before") and "2 line(s) only" in made.notes[0]


def test_a_pre_tokenizer_that_alone_was_changed_is_a_change(tiny_llama_folder: Path, tmp_path: Path) -> None:
    folder = tmp_path / "split"
    shutil.copytree(tiny_llama_folder, folder)
    fields = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    digits = {"type": "Split", "pattern": {"String": "q"}, "behavior": "Isolated", "invert": False}
    fields["pre_tokenizer"] = {"type": "Sequence", "pretokenizers": [digits, fields["pre_tokenizer"]]}
    (folder / "tokenizer.json").write_text(json.dumps(fields), encoding="utf-8")
    made = report_vocabulary(str(tiny_llama_folder), str(folder), TEXTS[1:2], settings=ReportSettings(weights=False))
    assert made.languages[0].changed > 0 and made.usage is not None and made.usage.pieces == ()


# ---- pieces shown ----


@pytest.mark.parametrize("fixture", ["tiny_llama_folder", "tiny_sentencepiece_folder"])
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(st.characters(exclude_characters="\ufffd", exclude_categories=["Cs", "Cc"]), max_size=12))
def test_the_pieces_shown_are_the_text_and_all_its_pieces(fixture: str, request: pytest.FixtureRequest, text: str) -> None:
    tokenizer = TOKENIZERS.setdefault(fixture, load_tokenizer(request.getfixturevalue(fixture)))
    ids = encode_plain(tokenizer, text)
    shown = units(tokenizer, ids)
    assert sum(unit.pieces for unit in shown) == len(ids)
    if not text.startswith(" "):  # SentencePiece has one piece for its own first space and the text's
        assert "".join(unit.text for unit in shown) == text.replace("▁", " " if "piece" in fixture else "▁")


TOKENIZERS: dict[str, Any] = {}


def test_a_character_spelled_in_bytes_is_shown_once_with_the_number_of_its_pieces(tiny_llama_folder: Path) -> None:
    tokenizer = load_tokenizer(tiny_llama_folder)
    shown = units(tokenizer, segment(tokenizer, ["aߒ"])[0])
    assert [(unit.text, unit.pieces) for unit in shown] == [("a", 1), ("ߒ", 2)]


# ---- JSON and the page ----


class Page(HTMLParser):
    """Elements and text of a page as a browser's parser would see them."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def test_the_json_has_every_figure_and_no_text_lines(found: VocabularyReport) -> None:
    written = json.loads(json.dumps(to_json(found), allow_nan=False))
    nko = written["languages"][0]
    assert nko["language"] == "nqo_Nkoo" and nko["lines"] == 3 and nko["share_of_lines_changed"] == 1
    assert nko["before"]["per_sentence"] / nko["after"]["per_sentence"] == pytest.approx(nko["speed_up_in_tokens"])
    assert written["languages"][1]["skipped"] == {"empty side": 2} and written["languages"][2]["before"]["per_word"] is None
    assert nko["bits_per_byte"]["before"]["tokens"] == nko["before"]["tokens"]
    assert nko["generation"]["sentences"] == 2 and nko["generation"]["speed_up"] > 0
    new = written["new_pieces"]
    assert new["count"] == len(new["pieces"]) == new["used_on_dev"] + len(new["unused_on_dev"])
    assert new["used_in_learning_text"] == new["count"] - len(new["unused_in_learning_text"])
    assert written["learning_text"]["lines"] == 2 and "torch" in written["facts"]["versions"]
    assert NKO[0] not in json.dumps(written, ensure_ascii=False)


def test_the_page_shows_lines_piece_by_piece_in_their_direction(found: VocabularyReport, tmp_path: Path) -> None:
    page = Page(write_page(found, tmp_path / "report.html"))
    lines = [attributes for tag, attributes in page.elements if tag == "dd"]
    assert [each["dir"] for each in lines[:2]] == ["rtl", "rtl"] and lines[0]["lang"] == "nqo"
    assert all(each["dir"] == "ltr" for each in lines if each["lang"] in ("en", "th"))
    spans = [attributes for tag, attributes in page.elements if "piece" in (attributes.get("class") or "").split()]
    assert any(each["title"] == "2 pieces" for each in spans if "spelled" in str(each["class"]))
    assert not [tag for tag, _ in page.elements if tag in ("script", "img", "link", "iframe")]
    bars_drawn = [attributes for tag, attributes in page.elements if tag == "rect"]
    assert len(bars_drawn) == 2 * (2 + 2 * len(TEXTS))  # two plots: a legend and a pair a language
    assert "2 line(s)" not in "".join(page.text) and any("(2 left out)" in text for text in page.text)


def test_hostile_text_stays_text(tiny_llama_folder: Path, expanded: Path, tmp_path: Path) -> None:
    hostile = DevText(find_language("eng"), ("<script>alert(1)</script>", "\u202e</dd><img src=x onerror=alert(1)>"), "<b>dev</b>")
    made = report_vocabulary(str(tiny_llama_folder), str(expanded), [hostile], settings=ReportSettings(weights=False))
    page = Page(write_page(replace(made, notes=("<script>",)), tmp_path / "report.html"))
    assert not [tag for tag, _ in page.elements if tag in ("script", "img", "b")]


def test_bars_are_as_long_as_their_figures() -> None:
    drawing = bars("Tokens", [Pair("N'Ko", 200.0, 50.0), Pair("English", 0.0, 100.0)], 1)
    widths = [float(each.attrib["width"]) for each in drawing.iter("rect")][2:]
    assert [width / widths[0] for width in widths] == [1.0, 0.25, 0.0, 0.5]
    assert "N'Ko: 200.0 before, 50.0 after" in drawing[1].attrib["aria-label"]
    assert bars("Nothing", [Pair("none", 0.0, 0.0)], 1) is not None


# ---- the command ----


@dataclass(frozen=True)
class Outcome:
    code: int
    out: str
    err: str


Dragoman = Callable[..., Outcome]


@pytest.fixture
def dragoman(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Dragoman:
    """`dragoman vocab report` in an empty folder."""
    app, vocab = typer.Typer(), typer.Typer()
    app.callback()(lambda: None)
    vocab.callback()(lambda: None)
    vocab.command("report")(command)
    app.add_typer(vocab, name="vocab")
    monkeypatch.setattr(command_line, "app", app)
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("COLUMNS", "200")

    def call(*arguments: str | Path) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["dragoman", "vocab", "report", *map(str, arguments)])
        code = 0
        try:
            command_line.main()
        except SystemExit as stop:
            code = int(stop.code or 0)
        printed = capsys.readouterr()
        return Outcome(code, printed.out, printed.err)

    return call


def test_the_command_prints_tables_and_writes_json_and_a_page(dragoman: Dragoman, tiny_llama_folder: Path, expanded: Path) -> None:
    Path("dev.nqo").write_text("".join(f"{line}\n" for line in (*NKO, "")), encoding="utf-8")
    Path("dev.eng").write_text("".join(f"{line}\n" for line in ENGLISH), encoding="utf-8")
    models = ["--before", tiny_llama_folder, "--after", expanded, "--text", "nqo=dev.nqo", "--text", "English=dev.eng", "--device", "cpu"]
    done = dragoman(*models, "--learning-text", "dev.nqo", "--generate", "1", "--json", "-", "--report", "report.html")
    assert done.code == 0, done.err
    written = json.loads(done.out)
    assert [each["language"] for each in written["languages"]] == ["nqo_Nkoo", "eng_Latn"]
    assert written["languages"][0]["skipped"] == {"empty side": 1} and written["learning_text"]["skipped"] == {"empty side": 1}
    for wanted in ("tokens a sentence", "bits per byte", "generation", "new pieces", "N'Ko", "note: N'Ko: 3 line(s)", "report: "):
        assert wanted in done.err
    assert Path("report.html").stat().st_size < 200_000
    again = dragoman(*models, "--no-model", "--lines", "2", "--json", "again.json")
    short = json.loads(Path("again.json").read_text(encoding="utf-8"))
    assert again.code == 0 and not again.out and "bits per byte" not in again.err
    assert [each["lines"] for each in short["languages"]] == [2, 2] and short["languages"][0]["bits_per_byte"] is None


def test_a_test_set_is_measured_by_name(
    dragoman: Dragoman, tiny_llama_folder: Path, expanded: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "tiny"
    folder.mkdir()
    (folder / "testset.yaml").write_text("layouts:\n- {source: '{src}.txt', reference: '{tgt}.txt'}\n", encoding="utf-8")
    (folder / "nqo_Nkoo.txt").write_text("\n".join(NKO) + "\n", encoding="utf-8")
    (folder / "eng.txt").write_text("\n".join([*ENGLISH[:2], " "]) + "\n", encoding="utf-8")
    models = ["--before", tiny_llama_folder, "--after", expanded, "--no-model"]
    done = dragoman(*models, "--test-set", folder, "--languages", "nqo,en", "--json", "-")
    assert done.code == 0, done.err
    found = json.loads(done.out)["languages"]
    assert [(each["lines"], each["skipped"]) for each in found] == [(3, {}), (2, {"empty side": 1})]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "no text to measure on"),
        (["--text", "dev.nqo"], "does not say which language"),
        (["--text", "=dev.nqo"], "does not say which language"),
        (["--text", "klingonish=dev.nqo"], "unknown language"),
        (["--text", "nqo=absent.nqo"], "no such file"),
        (["--text", "nqo=empty"], "empty"),
        (["--text", "nqo=blank"], "not one usable row"),
        (["--text", "nqo=latin-1"], "not one usable row"),
        (["--text", "nqo=dev.nqo", "--text", "nqo=dev.nqo"], "given twice"),
        (["--text", "nqo=dev.nqo", "--lines", "0"], "--lines 0"),
        (["--text", "nqo=dev.nqo", "--generate", "-1"], "0 (none) or more"),
        (["--text", "nqo=dev.nqo", "--no-model", "--generate", "3"], "without the models' weights"),
        (["--text", "nqo=dev.nqo", "--batch-tokens", "0"], "1 or more"),
        (["--text", "nqo=dev.nqo", "--learning-text", "absent"], "no such file"),
        (["--text", "nqo=dev.nqo", "--device", "tpu"], "unknown device"),
        (["--text", "nqo=dev.nqo", "--json", "dev.nqo/report.json"], "cannot be written"),
        (["--test-set", "flores200:dev"], "go together"),
        (["--test-set", "no-such-set", "--languages", "eng"], "unknown test set"),
        (["--test-set", "no-such-set", "--languages", "klingonish"], "unknown language"),
        (["--languages", "eng", "--text", "nqo=dev.nqo"], "go together"),
    ],
)
def test_what_cannot_be_measured_is_refused_in_one_message(
    arguments: list[str], message: str, dragoman: Dragoman, tiny_llama_folder: Path, expanded: Path
) -> None:
    Path("dev.nqo").write_text("ߒߞߏ\n", encoding="utf-8")
    Path("empty").touch()
    Path("blank").write_text("\n \n", encoding="utf-8")
    Path("latin-1").write_bytes(b"\xe9t\xe9\n")
    before = sorted(Path.cwd().iterdir())
    done = dragoman("--before", tiny_llama_folder, "--after", expanded, *arguments, "--report", "report.html")
    assert done.code == 2 and message in done.err and done.err.count("error: ") == 1
    assert "Traceback" not in done.err and not done.out and sorted(Path.cwd().iterdir()) == before


def test_the_same_tokenizer_twice_is_refused(tiny_llama_folder: Path) -> None:
    with pytest.raises(ModelError, match="same tokenizer"):
        report_vocabulary(str(tiny_llama_folder), str(tiny_llama_folder), TEXTS)


def test_weights_that_do_not_fit_say_how_to_compare_tokenizers_alone(tiny_llama_folder: Path, expanded: Path, tmp_path: Path) -> None:
    folder = tmp_path / "half-done"
    shutil.copytree(tiny_llama_folder, folder)
    shutil.copy(expanded / "tokenizer.json", folder)
    sources = str(tiny_llama_folder), str(folder)
    with pytest.raises(ModelError, match="only 500 rows") as caught:
        report_vocabulary(*sources, TEXTS, settings=ReportSettings(device="cpu"))
    assert "or --no-model" in str(caught.value)
    assert report_vocabulary(*sources, TEXTS, settings=ReportSettings(weights=False)).usage is not None


def test_no_text_is_refused(tiny_llama_folder: Path, expanded: Path) -> None:
    with pytest.raises(CorpusError, match="no text"):
        report_vocabulary(str(tiny_llama_folder), str(expanded), [])
    with pytest.raises(CorpusError, match="no text"):
        report_vocabulary(str(tiny_llama_folder), str(expanded), [DevText(find_language("nqo"), (" ",), "dev.nqo")])
    with pytest.raises(ConfigError):
        report_vocabulary(str(tiny_llama_folder), str(expanded), TEXTS, settings=ReportSettings(weights=False, generate=1))
