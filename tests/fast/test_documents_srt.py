"""Subtitles: numbers and times stay, a cue keeps its tags and at most its lines, in every script."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dragoman.mt.documents import Document, read_document
from dragoman.mt.documents.widths import balanced, columns
from dragoman.mt.errors import CorpusError

TIME = "00:00:01,000 --> 00:00:02,500"
text = st.text(st.characters(exclude_categories=["Cs", "Zl", "Zp", "Cc"]), min_size=1, max_size=80).filter(
    lambda text: text.strip() and "-->" not in text
)


def cues(*texts: str, newline: str = "\n") -> bytes:
    return (newline * 2).join(f"{number}\n{TIME}\n{text}".replace("\n", newline) for number, text in enumerate(texts, 1)).encode()


def read(data: bytes) -> Document:
    return read_document(data, name="a.srt")


def written(cue: str, target: str) -> str:
    return read(cues(cue)).write([target]).decode().split(f"{TIME}\n", 1)[1]


@given(st.lists(st.tuples(st.integers(1, 3), text), min_size=1, max_size=4), st.sampled_from(["\n", "\r\n"]))
@settings(max_examples=60, deadline=None)
def test_a_cue_keeps_number_time_and_at_most_its_lines(wanted: list[tuple[int, str]], newline: str) -> None:
    data = cues(*("\n".join(["a line of it"] * count) for count, _ in wanted), newline=newline)
    written = read(data).write([target for _, target in wanted]).decode()
    assert len(re.findall(rf"(?:^|{newline}{newline})\d+{newline}{TIME}{newline}", written)) == len(wanted)
    for number, ((count, target), cue) in enumerate(zip(wanted, written.split(newline * 2), strict=True), 1):
        head, time, *lines = cue.split(newline)
        assert (head, time) == (str(number), TIME)
        assert 1 <= len(lines) <= count
        assert re.sub(r"[\s\u200b]", "", "".join(lines)) == re.sub(r"[\s\u200b]", "", target)


def test_lines_of_a_sentence_are_joined_and_those_of_speakers_are_not() -> None:
    document = read(cues("The quick brown\nfox jumps.", "- Who is\nthere?\n- Me.", "敏捷的棕色\n狐狸跳了。", "สวัสดี\nครับ"))
    assert [segment.source for segment in document.segments] == [
        "The quick brown fox jumps.",
        "- Who is there?\n- Me.",
        "敏捷的棕色狐狸跳了。",
        "สวัสดี ครับ",
    ]
    assert document.segments[0].context == (f"time: {TIME}",)
    assert [segment.origin.line for segment in document.segments] == [3, 8, 14, 19]


def test_the_source_and_what_stands_there_both_leave_a_cue_as_it_is() -> None:
    data = cues("The quick   brown\n  fox jumps. ", "<i>one</i>\n<i>two</i>")
    document = read(data)
    assert document.write(document.targets) == document.write([segment.source for segment in document.segments]) == data


def test_a_translation_is_laid_out_evenly() -> None:
    assert written("The quick brown\nfox jumps.", "Le renard brun rapide saute.") == "Le renard brun\nrapide saute."
    assert written("The quick brown\nfox jumps.", "Il saute.") == "Il saute."
    assert written("One line.", "Une ligne bien plus longue, qui reste une ligne.") == "Une ligne bien plus longue, qui reste une ligne."
    assert written("- Who?\n- Me.", "- Qui ?\n- Moi.") == "- Qui ?\n- Moi."
    assert written("- Who?\n- Me.", "- Qui ?\n\n- Moi.\n- Et moi.").count("\n") == 1
    assert written("The quick brown\nfox jumps.", "敏捷的棕色狐狸跳过去，了。") in (
        "敏捷的棕色狐狸\n跳过去，了。",
        "敏捷的棕色狐\n狸跳过去，了。",
    )


def test_tags_around_a_cue_stay_and_those_inside_are_text() -> None:
    assert read(cues("{\\an8}<i>Hello you</i>")).segments[0].source == "Hello you"
    assert written("{\\an8}<i>Hello you</i>", "Salut toi") == "{\\an8}<i>Salut toi</i>"
    assert written("<i>Hello there my\nold friend</i>", "Salut vieil ami, ça va ?") == "<i>Salut vieil\nami, ça va ?</i>"
    assert written("<i>Hello my</i>\n<i>friend</i>", "Salut mon ami") == "<i>Salut</i>\n<i>mon ami</i>"
    for inside in ("<i>a</i> b <i>c</i>", "<b>a</b> b", "a <i>b</i>", "<i>a", "<i></i>"):
        assert read(cues(inside)).segments[0].source == inside
    assert read(cues("{\\an8}a <i>b</i>")).segments[0].source == "a <i>b</i>"


def test_blank_lines_in_a_cue_missing_numbers_and_strange_times_are_lived_with() -> None:
    times = [b"00:00:01.0 --> 00:00:02.0 X1:1 Y1:2", b"0:00:03 --> 0:00:04", b"00:00:05,0 --> 00:00:06,0"]
    data = b"note\r\n\r\n1\r\n%s\r\nOne\r\n\r\nmore\r\n%s\r\nTwo\r\n5\r\n%s\r\n\r\n" % tuple(times)
    document = read(data)
    assert [segment.source for segment in document.segments] == ["One", "more", "Two"]
    assert document.write(["Un", "plus", "Deux"]) == data.replace(b"One", b"Un").replace(b"more", b"plus").replace(b"Two", b"Deux")
    assert document.notes == ("lines before the first cue, left as they are: 1",)


def test_what_would_break_a_cue_is_refused() -> None:
    document = read(cues("Hello"))
    for target in ("", " \n ", f"1\n{TIME}\nx"):
        assert document.refusal(0, document.fitted(0, target))
        with pytest.raises(CorpusError, match="cannot be written"):
            document.write([target])
    with pytest.raises(CorpusError, match="not one cue"):
        read(b"just text\n")


@given(text, st.integers(1, 4), st.integers(1, 60))
@settings(max_examples=80, deadline=None)
def test_balancing_loses_nothing_and_never_breaks_a_character(text: str, most: int, room: int) -> None:
    lines = balanced(" ".join(text.split()), most, room)
    assert 1 <= len(lines) <= most
    assert re.sub(r"[\s\u200b]", "", "".join(lines)) == re.sub(r"[\s\u200b]", "", text)


def test_lines_end_where_the_script_lets_them() -> None:
    assert balanced("aaa bbb ccc ddd", 2, 8) == ["aaa bbb", "ccc ddd"]
    assert balanced("今日は、いい天気。", 2, 8) == ["今日は、い", "い天気。"]
    assert balanced("「今日」「明日」", 2, 8) == ["「今日」", "「明日」"]
    assert balanced("สวัสดีครับผม", 2, 4) == ["สวัสดีครับผม"]
    assert balanced("สวัสดี\u200bครับผม", 2, 4) == ["สวัสดี", "ครับผม"]
    assert balanced("བཀྲ་ཤིས་བདེ་ལེགས།", 2, 6) == ["བཀྲ་ཤིས་", "བདེ་ལེགས།"]
    assert balanced("안녕하세요 여러분", 2, 8) == ["안녕하세요", "여러분"]
    assert balanced('a <font color="red one">b c</font> d', 3, 3) == ['a <font color="red one">b', "c</font> d"]
    assert columns("e\u0301你\u200d") == 3
