"""What the page is made of, without a browser: languages, differences, terms, sessions, exports, slow work."""

from __future__ import annotations

import json
import threading
import unicodedata
from pathlib import Path
from typing import Any

import pytest
from app_server import ENGLISH, FIXED, FRENCH, GERMAN, FixedEngine, Running, running
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("gradio")

from dragoman.app.access import Access
from dragoman.app.addresses import AppSettings
from dragoman.app.asked import BadRequestError
from dragoman.app.limits import Limits
from dragoman.app.models import ModelInfo
from dragoman.app.page import build_page
from dragoman.app.pages import controls, languages, telling
from dragoman.app.pages.admission import Admission
from dragoman.app.pages.compare import Compared
from dragoman.app.pages.differences import differences, tokens
from dragoman.app.pages.downloads import saved
from dragoman.app.pages.exports import correction_files, preference_files
from dragoman.app.pages.files import report
from dragoman.app.pages.glossary import _found, _lexicon, highlighted
from dragoman.app.pages.scores import reference_scores
from dragoman.app.pages.session import MOST_CHARACTERS, Session
from dragoman.app.pages.work import Work, watch_jobs
from dragoman.app.serving import Serving, serve
from dragoman.app.shares import Shares
from dragoman.mt.config import CorpusConfig, DecodingConfig
from dragoman.mt.corpora.jsonl import read_pairs
from dragoman.mt.corpora.tally import Tally
from dragoman.mt.documents import read_document, translate_document
from dragoman.mt.errors import CorpusError
from dragoman.mt.languages import find_language
from dragoman.mt.lexicons import Matcher

UNSAID = ModelInfo("unsaid", "unsaid")


def serving_of(*infos: ModelInfo, engine: FixedEngine | None = None) -> Serving:
    return Serving([serve(info, engine or FixedEngine()) for info in infos])


# ---- languages ----


def test_languages_are_listed_by_name_with_their_codes() -> None:
    serving = serving_of(UNSAID)
    choices = languages.source_choices(serving)
    assert choices[0] == ("Detect language", languages.DETECT)
    assert ("French (fr, fra_Latn)", "fr") in choices
    assert len({code for _, code in choices}) == len(choices) > 200
    serving.close()


def test_only_trained_languages_are_offered_where_every_model_says_so() -> None:
    serving = serving_of(FIXED)
    assert [code for _, code in languages.source_choices(serving)] == ["auto", "en", "de"]
    assert [code for _, code in languages.target_choices(serving)] == ["en", "fr"]
    assert languages.first_direction(serving) == (ENGLISH, FRENCH)
    serving.close()


def test_what_speaks_against_the_chosen_language_is_said() -> None:
    serving = serving_of(UNSAID)
    (remark,) = languages.remarks(serving, "Это совсем не английский.", "en", "fr")
    assert "not in the script of English" in remark
    assert languages.remarks(serving, "Good morning.", "fr", "fr")[-1] == "Source and target are both French."
    assert languages.remarks(serving, "  ", "en", "en") == []
    assert languages.remarks(serving, "12 + 3", "auto", "fr")[0].startswith("Not sure which language this is: no letters")
    serving.close()


def test_a_direction_that_no_model_was_trained_for_is_refused() -> None:
    serving = serving_of(FIXED)
    assert controls.chosen(serving, "x", "en", "fr", "") == ((ENGLISH, FRENCH), "fixed")
    with pytest.raises(BadRequestError, match="not available"):
        controls.chosen(serving, "x", "fr", "de", "")
    with pytest.raises(BadRequestError, match="cannot be told"):
        controls.chosen(serving, "123", "auto", "fr", "")
    serving.close()


def test_controls_make_the_decoding_they_show() -> None:
    plain = DecodingConfig()
    assert controls.decoding(1, None, False, 1, 1, plain.length_penalty, plain.repetition_penalty, plain.seed) == plain
    assert controls.decoding(4, 20, True, 0.5, 0.9, 1.2, 1.1, None) == DecodingConfig(4, 20, True, 0.5, 0.9, 1.2, 1.1, seed=0)


# ---- differences ----


@given(st.text(max_size=60), st.text(max_size=60), st.booleans())
def test_pieces_of_two_texts_joined_are_the_texts_and_share_what_is_shared(one: str, other: str, spaced: bool) -> None:
    left, right = differences(one, other, spaced)
    assert "".join(piece.text for piece in left) == one
    assert "".join(piece.text for piece in right) == other
    assert "".join(piece.text for piece in left if piece.shared) == "".join(piece.text for piece in right if piece.shared)


@given(st.text(alphabet="añe\u0301कि\u0947ក្ษ 中", max_size=40), st.booleans())
def test_a_combining_mark_stays_with_its_letter(text: str, spaced: bool) -> None:
    for number, token in enumerate(tokens(text, spaced)):
        if number and unicodedata.category(token[0])[0] == "M":
            assert unicodedata.category(tokens(text, spaced)[number - 1][-1])[0] not in "LM"


def test_words_differ_as_words_and_characters_where_there_are_no_words() -> None:
    assert [piece.text for piece in differences("the old house", "the new house", True)[1] if not piece.shared] == ["new"]
    assert [piece.text for piece in differences("今天很好", "今日很好", False)[1] if not piece.shared] == ["日"]


def test_texts_too_long_to_compare_are_said_to_differ_whole() -> None:
    one, other = "a " * 3000, "b " * 3000
    assert differences(one, other, True) == ([(one, False)], [(other, False)])


def test_scores_against_a_reference_are_per_text_and_lines_are_segments() -> None:
    scores, remarks = reference_scores(["the cat sat down\non it", "a dog\nran"], "the cat sat down\non it", find_language("eng"))
    assert scores["chrF++"][0] == pytest.approx(100)
    assert scores["BLEU"][0] > scores["BLEU"][1]
    assert remarks == []


def test_a_vote_prefers_one_column_to_every_other_but_not_to_its_equal() -> None:
    compared = Compared(ENGLISH, FRENCH, "x", {"A": "one", "B": "two", "C": "three"}, {"A": "u", "B": "v", "C": "u"})
    session = Session().with_votes(compared.votes("A"))
    assert [(vote.chosen, vote.rejected, vote.chosen_by, vote.rejected_by) for vote in session.votes] == [("u", "v", "one", "two")]


# ---- sessions ----


def test_corrections_read_back_as_the_pairs_they_are(tmp_path: Path) -> None:
    session = Session().with_entry(ENGLISH, FRENCH, "m", "Good\nmorning “x”", "Bon jour").with_entry(GERMAN, ENGLISH, "m", "Hallo", "Hello")
    session = session.with_correction(1, "Bonjour\n« x »").with_correction(2, "Hello")
    files = correction_files(session)
    assert list(files) == ["corrections.en-fr.jsonl"]
    path = tmp_path / "corrections.en-fr.jsonl"
    path.write_text(files[path.name], encoding="utf-8")
    for source, target in (("en", "fr"), ("eng_Latn", "fra_Latn"), ("English", "French")):
        tally = Tally()
        (pair,) = read_pairs([path], CorpusConfig(str(path), source=source, target=target), tally)
        assert (pair.source, pair.target) == ("Good\nmorning “x”", "Bonjour\n« x »")
        assert not tally.skipped


def test_preferences_hold_votes_and_corrections_and_read_back(tmp_path: Path) -> None:
    session = Session().with_entry(ENGLISH, FRENCH, "m", "One", "Une").with_correction(1, "Un")
    session = session.with_votes(Compared(ENGLISH, FRENCH, "Two", {"A": "m", "B": "n"}, {"A": "Deux", "B": "Duo"}).votes("B"))
    session = session.with_entry(GERMAN, ENGLISH, "m", "Hallo", "Helo").with_correction(2, "Hello")
    files = preference_files(session)
    assert list(files) == ["preferences.en-fr.jsonl", "preferences.de-en.jsonl"]
    rows = [json.loads(line) for line in files["preferences.en-fr.jsonl"].strip().split("\n")]
    assert [(row["source"], row["chosen"], row["rejected"], row["chosen_by"], row["rejected_by"]) for row in rows] == [
        ("Two", "Duo", "Deux", "n", "m"),
        ("One", "Un", "Une", "correction", "m"),
    ]
    path = tmp_path / "preferences.en-fr.jsonl"
    path.write_text(files[path.name], encoding="utf-8")
    for side, texts in (("chosen", ["Duo", "Un"]), ("rejected", ["Deux", "Une"])):
        pairs = read_pairs([path], CorpusConfig(str(path), source="en", target="fr", columns=["source", side]), Tally())
        assert [(pair.source, pair.target) for pair in pairs] == [("Two", texts[0]), ("One", texts[1])]
    assert preference_files(Session()) == {}


def test_a_session_forgets_its_oldest_translations_and_counts_them() -> None:
    session = Session()
    for _ in range(5):
        session = session.with_entry(ENGLISH, FRENCH, "m", "x", "y" * (MOST_CHARACTERS // 3))
    assert session.dropped == 3
    assert [entry.number for entry in session.entries] == [4, 5]
    assert session.with_entry(ENGLISH, FRENCH, "m", "  ", "y") is session


# ---- what is said ----


def test_an_error_is_told_without_the_folders_of_the_server() -> None:
    error = CorpusError("not one usable entry", where="/srv/secret/upload/terms.tsv:3", allowed="two columns", hint="/srv/secret")
    assert telling.said(error) == "terms.tsv:3: not one usable entry (allowed: two columns)"


def test_an_error_that_holds_markup_is_escaped() -> None:
    import gradio as gr

    with pytest.raises(gr.Error) as caught, telling.errors_shown():
        raise CorpusError("no <script>alert(1)</script>")
    assert caught.value.message == "no &lt;script&gt;alert(1)&lt;/script&gt;"
    assert caught.value.print_exception is False


def test_remarks_and_warnings_are_escaped_and_explained() -> None:
    shown = telling.notes(["<b>x</b>"], ["copied", "copied", "split into 3 parts"])
    assert "&lt;b&gt;x&lt;/b&gt;" in shown
    assert shown.count("untranslated") == 1
    assert "translated in parts" in shown
    assert telling.notes([]) == ""


# ---- terms ----


def test_pasted_terms_are_found_marked_and_counted() -> None:
    lexicon = _lexicon("fox\trenard\nlazy dog\tchien <b>\nlazy dog\tchien paresseux\n", None, (ENGLISH, FRENCH))
    shown = _found("The fox & the lazy dog.", "Le renard et <i>.", lexicon)
    assert "<mark" in shown
    assert "Terms found in the text: 2." in shown
    assert "50%" in shown
    assert "<i>" not in shown and "&lt;i&gt;" in shown


def test_marking_terms_leaves_the_text_itself_whole() -> None:
    lexicon = _lexicon("fox\trenard\n", None, (ENGLISH, FRENCH))
    text = "A fox, a FOX."
    node = highlighted(text, Matcher.of(lexicon).find(text), ENGLISH, output=True)
    assert "".join(node.itertext()) == text
    assert [mark.text for mark in node.iter("mark")] == ["fox", "FOX"]


def test_a_glossary_that_is_missing_empty_or_of_another_kind_is_refused(tmp_path: Path) -> None:
    for pasted, upload in (("", None), ("", str(tmp_path / "terms.tsv.gz")), ("", str(tmp_path / "terms.exe"))):
        with pytest.raises(BadRequestError):
            _lexicon(pasted, upload, (ENGLISH, FRENCH))
    with pytest.raises(CorpusError):
        _lexicon("no tab here", None, (ENGLISH, FRENCH))


# ---- files and slow work ----


def test_a_file_report_counts_everything_and_lists_what_is_wrong() -> None:
    serving = serving_of(FIXED)
    document = read_document(b"Good\nWRONG <b>\nthe same\n12\n", name="a.txt")
    made = translate_document(document, lambda texts: serving.translate(texts, (ENGLISH, FRENCH)), batch=2)
    shown = report(made)
    assert "4 texts: " in shown and "1 failed" in shown and "1 copied" in shown
    assert "the model cannot take it" in shown
    assert "untranslated" in shown
    assert "<b>" not in shown
    serving.close()


def test_downloads_lie_under_safe_names_in_folders_that_cannot_be_guessed(tmp_path: Path) -> None:
    first, second = (saved(str(tmp_path), {"../../<x>.txt": b"a"})[0] for _ in range(2))
    assert first != second
    for path in (first, second):
        assert Path(path).resolve().is_relative_to(tmp_path.resolve())
        assert "<" not in path


def test_work_tells_its_progress_and_its_errors() -> None:
    go = threading.Event()

    def run(work: Work[str]) -> str:
        work.progress(1, 2)
        go.wait(10)
        return "made"

    work = Work(run)
    watched = work.watch()
    assert next(watched) == (1, 2)
    go.set()
    assert list(watched) == []
    assert work.made == "made"

    def fail(_: Work[str]) -> str:
        raise CorpusError("broken")

    with pytest.raises(CorpusError):
        list(Work(fail).watch())


def test_work_that_nobody_watches_any_more_is_told_to_stop() -> None:
    stopped = threading.Event()

    def run(work: Work[None]) -> None:
        work.progress(0, 1)
        if work.wait(10):
            stopped.set()

    watched = Work(run).watch()
    next(watched)
    watched.close()
    assert stopped.wait(5)


def test_jobs_that_nobody_watches_any_more_leave_the_queue() -> None:
    engine = FixedEngine()
    engine.gate.clear()
    serving = serving_of(FIXED, engine=engine)
    jobs = [serving.submit([text], (ENGLISH, FRENCH)) for text in ("one", "two", "three")]
    watched = watch_jobs(jobs)
    next(watched)
    watched.close()
    assert serving.waiting == 0
    engine.gate.set()
    serving.close()


# ---- the page ----


def test_the_page_has_its_tabs_and_names_every_control() -> None:
    serving = serving_of(FIXED, UNSAID)
    config: dict[str, Any] = build_page(serving, Admission(Shares(serving.limits), Access())).get_config_file()
    tabs = [one["props"]["label"] for one in config["components"] if one["type"] == "tabitem"]
    assert tabs == ["Translate", "Compare", "Glossary", "Files", "Evaluate", "History"]
    named = ("textbox", "dropdown", "slider", "number", "checkbox", "file", "checkboxgroup")
    assert all(one["props"].get("label") for one in config["components"] if one["type"] in named)
    serving.close()


def test_the_page_says_what_the_model_is_worth() -> None:
    from dragoman.app.models import EMBEDDED_NOTE

    serving = serving_of(ModelInfo("<i>", "x", ((ENGLISH, FRENCH),), EMBEDDED_NOTE))
    with running(serving, AppSettings(port=0)) as server:
        html = json.dumps(server.client.get("/config").json())
    assert "never trained to translate" in html
    assert "trained for English to French" in html
    assert "&lt;i&gt;" in html
    serving.close()


def ask_page(server: Running, button: str, values: dict[str, Any]) -> str:
    """What the page answers to a button: every event of its function, `values` being those of controls by their name."""
    config = server.client.get("/config").json()
    controls = {each["id"]: each["props"] for each in config["components"]}
    function = next(each for each in config["dependencies"] if button in [controls[place[0]].get("elem_id") for place in each["targets"]])
    data = [values.get(controls[number].get("elem_id"), controls[number].get("value")) for number in function["inputs"]]
    asked = {"data": data, "fn_index": function["id"], "session_hash": f"made-up-{len(values)}"}
    assert server.client.post("/gradio_api/queue/join", json=asked).status_code == 200
    answer = ""
    with server.client.stream("GET", "/gradio_api/queue/data", params={"session_hash": asked["session_hash"]}, timeout=120) as events:
        for line in events.iter_lines():
            answer += line
            if "close_stream" in line:
                break
    return answer


def test_the_page_is_bound_by_the_same_share_as_the_api_whatever_session_it_names() -> None:
    limits = Limits(requests_per_minute=2)
    serving = Serving([serve(FIXED, FixedEngine())], limits)
    with running(serving, AppSettings(port=0, limits=limits)) as server:
        answered = ask_page(server, "translate-go", {"translate-text": "Good morning", "translate-estimate": False})
        assert '"success":true' in answered and '"success":false' not in answered
        assert server.translate("x").status_code == 200
        assert server.translate("x").status_code == 429
        refused = ask_page(server, "translate-go", {"translate-text": "Good morning"})
        assert "slow down: too many requests a minute; try again in" in refused
        assert '"success":false' in refused
    serving.close()
