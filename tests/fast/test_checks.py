"""Warnings about outputs: they speak up on the classic failures and stay silent on good translations."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dragoman.mt.checks import EXPLANATIONS, check
from dragoman.mt.languages import find_language

LONG = "The committee decided to postpone the meeting until further notice because of the storm."


def found(source_text: str, output: str, target: str = "fra", source: str = "eng", finished: bool = True) -> tuple[str, ...]:
    return check(source_text, output, find_language(source), find_language(target), finished)


@pytest.mark.parametrize(
    ("source_text", "output", "target"),
    [
        ("Good morning.", "Bonjour.", "fra"),
        ("Save", "Enregistrer les modifications", "deu"),
        ("URL", "URL", "fra"),
        ("Linux kernel", "Linux", "rus"),
        ("%(count)s files", "%(count)s fichiers", "fra"),
        ("12:30", "12:30", "arb"),
        ("Ha ha ha ha ha ha ha ha ha ha!", "Ah ah ah ah ah ah ah ah ah ah !", "fra"),
        ("Wait..............................", "Attendez..............................", "fra"),
        (LONG, "委员会决定因暴风雨推迟会议，直至另行通知。", "zho_Hans"),
        (LONG, "嵐のため、委員会は追って通知があるまで会議を延期することを決定した。", "jpn"),
        (LONG, "قررت اللجنة تأجيل الاجتماع حتى إشعار آخر بسبب العاصفة.", "arb"),
        (LONG, "คณะกรรมการตัดสินใจเลื่อนการประชุมออกไปจนกว่าจะมีการแจ้งให้ทราบเนื่องจากพายุ", "tha"),
        ("", "", "fra"),
        ("  ", "", "fra"),
    ],
)
def test_good_translations_raise_no_warning(source_text: str, output: str, target: str) -> None:
    assert found(source_text, output, target) == ()


@pytest.mark.parametrize(
    ("output", "target", "expected"),
    [
        ("", "fra", {"empty"}),
        (LONG, "fra", {"copied"}),
        (LONG.upper(), "deu", {"copied"}),
        (LONG, "rus", {"copied"}),
        ("Comité décidé", "fra", {"too-short"}),
        ("Комитет решил отложить заседание до дальнейшего уведомления из-за бури.", "fra", {"wrong-script"}),
        ("Le comité a décidé, " + "et encore, " * 12, "fra", {"repetition"}),
        ("委员会决定" + "推迟会议" * 8, "zho_Hans", {"repetition"}),
        ("Le comité a décidé de reporter la réunion. " + " ".join(f"Phrase inutile numéro {n}." for n in range(40)), "fra", {"too-long"}),
    ],
)
def test_each_failure_has_its_name(output: str, target: str, expected: set[str]) -> None:
    assert set(found(LONG, output, target)) == expected


def test_an_output_cut_at_its_limit_is_unfinished() -> None:
    assert found("Good morning.", "Bonjour", finished=False) == ("unfinished",)


def test_a_copy_between_varieties_of_one_language_is_no_copy() -> None:
    assert found(LONG, LONG, target="en-US", source="en-GB") == ()


def test_long_loops_are_found_in_no_time() -> None:
    import time

    started = time.perf_counter()
    assert "repetition" in found("Dog.", "ab" * 20_000)
    found("Dog.", "".join(chr(0x4E00 + (n * n) % 5000) for n in range(20_000)), "zho_Hans")
    assert time.perf_counter() - started < 5


@given(st.text(max_size=60), st.text(max_size=60), st.sampled_from(["fra", "zho_Hans", "arb", "tha"]), st.booleans())
@settings(max_examples=50, deadline=None)
def test_every_warning_has_an_explanation(source_text: str, output: str, target: str, finished: bool) -> None:
    assert set(found(source_text, output, target, finished=finished)) <= set(EXPLANATIONS)
