"""Filters: each rule names what it drops, and leaves alone what only looks odd."""

from __future__ import annotations

import pytest

from dragoman.mt.corpora import Origin, Pair, Tally
from dragoman.mt.filters import FilterRules, filter_pairs
from dragoman.mt.languages import find_language


def _filtered(texts: list[tuple[str, str]], source: str, target: str, rules: FilterRules | None = None) -> tuple[list[str], Tally]:
    tally = Tally("filtering")
    pairs = [Pair(left, right, Origin("corpus.tsv", number)) for number, (left, right) in enumerate(texts, start=1)]
    kept = filter_pairs(pairs, tally, find_language(source), find_language(target), rules or FilterRules())
    return [pair.target for pair in kept], tally


@pytest.mark.parametrize(
    ("left", "right", "reason"),
    [
        ("Save", "Save", "source and target are the same"),
        ("A bell\x07 rings", "Eine Glocke läutet", "control character"),
        ("A na\ufffdve text", "Ein naiver Text", "control character"),
        ("Yes", "Ja, aber nur unter der Bedingung, dass alles so bleibt, wie es ist", "length ratio over 3"),
        ("Good morning to you", "Доброе утро вам", "target is not in German's script"),
        ("Доброе утро вам", "Guten Morgen euch", "source is not in English's script"),
    ],
)
def test_each_rule_counts_what_it_drops_under_its_own_name(left: str, right: str, reason: str) -> None:
    kept, tally = _filtered([("A house", "Ein Haus"), (left, right)], "en", "de")
    assert kept == ["Ein Haus"]
    assert dict(tally.skipped) == {reason: 1}
    assert tally.places == {reason: ["corpus.tsv:2"]}
    assert (tally.read, tally.kept) == (2, 1)


def test_only_exact_repetitions_are_duplicates() -> None:
    kept, tally = _filtered([("A house", "Ein Haus"), ("A house", "Das Haus"), ("A house", "Ein Haus")], "en", "de")
    assert kept == ["Ein Haus", "Das Haus"]
    assert tally.skipped == {"exact duplicate": 1}


def test_a_dense_script_is_allowed_its_short_lines() -> None:
    english = "The government cannot make apologies for its decision on the quarantine of travellers coming from Spain"
    chinese = "政府不能为从西班牙入境的旅客实行隔离的决定道歉"
    assert len(english) > 4 * len(chinese)
    assert _filtered([(english, chinese)], "en", "zh")[0] == [chinese]
    assert _filtered([(english, "Kurz")], "en", "de")[1].skipped == {"length ratio over 3": 1}


def test_short_strings_numbers_and_line_breaks_pass() -> None:
    texts = [("OK", "In Ordnung"), ("100 %", "100\u00a0%"), ("two\nlines", "zwei\tZeilen\n"), ("Hi 🙂", "Hallo 🙂"), ("ok", "ߌ ߣߌ߫ ߗߋ߫")]
    assert _filtered(texts[:-1], "en", "de")[1].skipped == {}
    assert _filtered(texts[-1:], "en", "nqo")[1].skipped == {}


def test_rules_can_be_switched_off() -> None:
    off = FilterRules(None, 0, None, None, identical=False, duplicates=False, control_characters=False)
    texts = [("Save", "Save"), ("Save", "Save"), ("a\x01", "ж" * 500)]
    assert len(_filtered(texts, "en", "de", off)[0]) == 3
