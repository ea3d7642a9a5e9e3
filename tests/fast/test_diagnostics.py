"""Diagnostics count what is wrong with a system's outputs, and say nothing that cannot be told."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dragoman.eval.diagnostics import EXPLANATIONS, diagnose
from dragoman.eval.language_detection import Detector, language_detector
from dragoman.eval.records import Diagnostic
from dragoman.mt.errors import CorpusError
from dragoman.mt.languages import Language, find_language

ENGLISH, GERMAN, FRENCH = (find_language(code) for code in ("eng", "deu", "fra"))
LONG = "The committee decided to postpone the meeting until further notice because of the storm."
LANG = "Der Ausschuss beschloss, die Sitzung wegen des Sturms bis auf Weiteres zu verschieben."


def always(label: str, probability: float = 1.0) -> Detector:
    return Detector("fixed", frozenset({"en", "de", "fr", "it"}), lambda _text: (label, probability))


def counts(diagnostics: tuple[Diagnostic, ...]) -> dict[str, tuple[int, ...]]:
    return {each.name: each.segments for each in diagnostics if each.count}


def test_every_kind_is_counted_with_its_segments() -> None:
    hypotheses = [LANG, "", LONG, "immer " * 12, "Комитет решил отложить заседание до дальнейшего уведомления", LANG * 5, "Vertagt."]
    told = counts(diagnose(hypotheses, [LONG] * 7, ENGLISH, GERMAN, detector=always("de")))
    assert told == {
        "wrong-language": (5,),
        "empty": (2,),
        "copied": (3,),
        "repetition": (4,),
        "too-long": (6,),
        "too-short": (7,),
    }


def test_a_share_is_of_all_segments() -> None:
    by_name = {each.name: each for each in diagnose(["", LANG, LANG, LANG], [LONG] * 4, ENGLISH, GERMAN, detector=always("de"))}
    assert by_name["empty"].share == 0.25 and by_name["copied"].share == 0.0


def test_without_a_source_only_what_the_output_shows_is_told() -> None:
    told = diagnose(["", LONG, "na " * 20], None, None, GERMAN, detector=always("en"))
    assert [each.name for each in told] == ["wrong-language", "empty", "repetition", "language-unsure"]
    assert counts(told) == {"wrong-language": (2, 3), "empty": (1,), "repetition": (3,)}


def test_without_a_target_nothing_is_said_about_languages() -> None:
    told = diagnose([LONG, "x"], [LONG, LONG], None, None)
    assert [each.name for each in told] == ["empty", "copied", "repetition"]
    assert counts(told) == {"copied": (1,)}


def test_an_empty_output_for_an_empty_source_is_right() -> None:
    assert counts(diagnose([""], [""], ENGLISH, GERMAN, detector=always("de"))) == {}


@pytest.mark.parametrize(
    ("text", "detector", "target", "verdict"),
    [
        (LONG, always("en"), GERMAN, False),
        (LANG, always("de"), GERMAN, True),
        (LANG, always("de", 0.3), GERMAN, True),
        ("Ja, gut.", always("en"), GERMAN, None),
        (LONG, always("en", 0.8), GERMAN, None),
        (LONG, always("en"), find_language("fur"), False),
        (LONG, always("it"), find_language("fur"), None),
    ],
    ids=[
        "another language",
        "the target",
        "the target, hardly",
        "too short",
        "unsure",
        "untranslated into a language unknown to it",
        "a relative of an unknown",
    ],
)
def test_the_detector_speaks_only_when_it_can_know(text: str, detector: Detector, target: Language, verdict: bool | None) -> None:
    assert detector.verdict(text, ENGLISH, target) is verdict


def test_a_name_that_stays_is_not_a_wrong_language() -> None:
    told = counts(diagnose(["Rechtsanwaltskanzlei Müller"], ["Rechtsanwaltskanzlei Müller ."], GERMAN, ENGLISH, detector=always("de")))
    assert "wrong-language" not in told


def test_a_latin_name_in_a_short_chinese_sentence_is_not_a_wrong_language() -> None:
    told = counts(
        diagnose(["您的账户是anjahoehn。"], ["Your account is anjahoehn."], ENGLISH, find_language("zho_Hans"), detector=always("zh"))
    )
    assert "wrong-language" not in told


def test_sides_of_different_lengths_are_refused() -> None:
    with pytest.raises(CorpusError, match="2 hypothesis lines but 1 source lines"):
        diagnose(["a", "b"], ["a"], None, None)


@given(
    st.lists(st.tuples(st.text(max_size=30), st.text(max_size=30)), max_size=5), st.sampled_from(["deu", "zho_Hans", "arb", "nqo", "tha"])
)
@settings(max_examples=40, deadline=None)
def test_any_text_is_counted_under_known_names(pairs: list[tuple[str, str]], code: str) -> None:
    target = find_language(code)
    for sources in (None, [source for source, _ in pairs]):
        told = diagnose([output for _, output in pairs], sources, ENGLISH, target, detector=always("en"))
        assert {each.name for each in told} <= set(EXPLANATIONS)
        assert all(each.count == len(each.segments) <= len(pairs) for each in told)


def flores(code: str, lines: int) -> list[str]:
    data = os.environ.get("DRAGOMAN_DATA")
    if not data:
        pytest.skip("DRAGOMAN_DATA is unset: no FLORES-200")
    return (Path(data) / "flores200" / "devtest" / f"{code}.devtest").read_text(encoding="utf-8").split("\n")[:lines]


@pytest.mark.parametrize(
    ("output", "target", "least"), [("fra_Latn", "spa_Latn", 0.95), ("ukr_Cyrl", "rus_Cyrl", 0.95), ("eng_Latn", "fur_Latn", 0.85)]
)
def test_real_text_in_another_language_of_the_same_script_is_found(output: str, target: str, least: float) -> None:
    if language_detector() is None:
        pytest.skip("py3langid is not installed")
    told = {each.name: each for each in diagnose(flores(output, 100), None, ENGLISH, find_language(target))}
    assert told["wrong-language"].share >= least


@pytest.mark.parametrize("code", ["spa_Latn", "ind_Latn", "ces_Latn", "zho_Hant", "hin_Deva", "arb_Arab", "nqo_Nkoo", "tha_Thai"])
def test_real_translations_raise_no_false_alarm(code: str) -> None:
    told = {each.name: each for each in diagnose(flores(code, 100), flores("eng_Latn", 100), ENGLISH, find_language(code))}
    alarms = {name: each.count for name, each in told.items() if each.count and name != "language-unsure"}
    assert sum(alarms.values()) <= 1, alarms


def test_the_detector_says_its_name_and_version() -> None:
    detector = language_detector()
    if detector is None:
        pytest.skip("py3langid is not installed")
    assert detector.name.startswith("py3langid 0.") and "de" in detector.languages
