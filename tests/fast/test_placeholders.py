"""Placeholders: found where they are, and nothing taken for one that is text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.mt.checks import check
from dragoman.mt.languages import find_language
from dragoman.mt.placeholders import check_placeholders, find_placeholders, has_words


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("{name} {0:.2f} {} {a.b[0]!r:>10} {имя}", "{name} {0:.2f} {} {a.b[0]!r:>10} {имя}"),
        ("{n, number} {d, date, short} {n, plural, one {# dog} other {# dogs}}", "{n, number}|{d, date, short}|{n, plural,"),
        ("{{ x }} {% if a %}", "{{ x }}|{% if a %}"),
        ("%s %1$s %(name)s %-5.2f %lld %@ %{count} %dpx", "%s %1$s %(name)s %-5.2f %lld %@ %{count} %d"),
        ("${var} and $var$", "${var} $var$"),
        ('<b>x</b><br/> <a href="x y">', '<b>|</b>|<br/>|<a href="x y">'),
        ("{\\an8}AT&amp;T &#160; a\\nb", "{\\an8} &amp; &#160; \\n"),
        ("See https://a.org/b(c)?d=1. (http://e.org/) or www.f.net, me@g.org!", "https://a.org/b(c)?d=1 http://e.org/ www.f.net me@g.org"),
        ("联系me@g.org请看https://a.org/。", "me@g.org https://a.org/"),
        ("100% sure, 20 % de plus, 50%de plus, 5%, AT&T, a < b and c > d", ""),
        ("$5 and $6, {some words}, C:\\Users, %%s, 3, 12:30, a@b", ""),
    ],
)
def test_placeholders_are_found_and_text_is_not(text: str, found: str) -> None:
    assert [each.text for each in find_placeholders(text)] == (found.split("|") if "|" in found else found.split())


@given(st.text("{}%$<>&;\\@:/.sdn01 aé你", max_size=40))
def test_every_placeholder_stands_where_it_says(text: str) -> None:
    position = 0
    for each in find_placeholders(text):
        assert each.start >= position
        assert text[each.start : each.end] == each.text
        position = each.end
    assert check_placeholders(text, text).kept


def test_order_does_not_matter_and_number_does() -> None:
    assert check_placeholders("{a} of <b>{b}</b>", "<b>{b}</b> : {a}").kept
    assert check_placeholders('<a  href="x">', '<a href="x">').kept
    lost = check_placeholders("%s and %s of {n}", "%s de {N}")
    assert (lost.missing, lost.added) == (("%s", "{n}"), ("{N}",))
    assert str(lost) == "missing %s {n}; added {N}"


def test_words_are_letters_outside_placeholders() -> None:
    assert not any(map(has_words, ["", "12:30", "%s <b>{name}</b>", "https://a.org/b", "♪ ...", "{n, number}"]))
    assert all(map(has_words, ["a", "%s of", "{n} 個", "<b>x</b>"]))


def test_a_lost_placeholder_is_a_warning_of_every_translation() -> None:
    english, french = find_language("eng"), find_language("fra")
    assert check("Hello {name}", "Bonjour {nom}", english, french) == ("placeholders",)
    assert check("Hello {name}", "Bonjour {name}", english, french) == ()
    assert check(None, "Bonjour {name}", english, french) == ()


@pytest.mark.parametrize("piece", ["a", "<a ", "{", "%(", "www.", "{a, ", "http://x)", "a@", "{\\", "$a", "&a", "."])
def test_hostile_texts_are_searched_in_no_time(piece: str) -> None:
    import time

    started = time.perf_counter()
    find_placeholders("{" + piece * (50_000 // len(piece)) + "@")
    assert time.perf_counter() - started < 2
