"""Entries in texts: every script, the longest first, offsets of the original text, and nothing a naive search would not find."""

from __future__ import annotations

import json
import subprocess
import sys
import unicodedata
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dragoman.mt.corpora.records import Origin
from dragoman.mt.corpora.tally import Tally
from dragoman.mt.languages import find_language
from dragoman.mt.lexicons import Entry, Lexicon, Match, Matcher, count_words, folding, read_counts
from dragoman.mt.lexicons.folding import boundary, composed, fold, normalised, tokens

HERE = Origin("lexicon.tsv", 1)


def lexicon(*sources: str, language: str = "eng", target: str = "fra") -> Lexicon:
    entries = tuple(Entry(composed(source), (f"={source}",), (1.0,), HERE) for source in dict.fromkeys(sources))
    return Lexicon("test", find_language(language), find_language(target), entries, Tally())


def matcher(*sources: str, language: str = "eng", lemmas: bool = False, affixes: bool = False, **options: object) -> Matcher:
    return Matcher.of(lexicon(*sources, language=language), lemmas=lemmas, affixes=affixes, **options)  # type: ignore[arg-type]


def found(matches: Sequence[Match], text: str) -> list[tuple[str, str, str]]:
    return [(text[match.start : match.end], match.entry.source, match.tier) for match in matches]


@pytest.mark.parametrize(
    ("language", "sources", "text", "expected"),
    [
        ("eng", ["left"], "Nothing is leftover; turn left.", ["left"]),
        ("eng", ["C++", "C"], "C++ and C", ["C++", "C"]),
        ("eng", ["C++"], "C + + is not", []),
        ("deu", ["straße"], "Die STRASSE und die Straße", ["STRASSE", "Straße"]),
        ("fra", ["l’eau"], "De l'eau.", ["l'eau"]),
        ("rus", ["вода", "чистая вода"], "Чистая  вода\u00a0— это вода, а не водка.", ["Чистая  вода", "вода"]),
        ("rus", ["вода"], "во\u0301да", []),
        ("arb", ["كتاب", "بيت"], "هذا كِتَابٌ جميل في البيت", ["كِتَابٌ"]),
        ("arb", ["كتاب"], "كتـــاب", ["كتـــاب"]),
        ("nqo", ["ߓߏ߲"], "ߓߏ߲ ߞߏߣߐ ߓߏ߲ߘߊ", ["ߓߏ߲"]),
        ("nqo", ["ߓߏ"], "ߓߏ߲", []),
        ("hin", ["हिन्द", "पानी"], "हिन्दी और पानी।", ["पानी"]),
        ("hin", ["अच्छा पानी", "पानी"], "यह अच्छा पानी है", ["अच्छा पानी"]),
        ("zho_Hans", ["人工智能", "人工", "智能", "技术"], "我们研究人工智能技术。", ["人工智能", "技术"]),
        ("zho_Hans", ["API"], "使用API接口，不是APIs", ["API"]),
        ("jpn", ["機械翻訳", "翻訳"], "機械翻訳は翻訳です", ["機械翻訳", "翻訳"]),
        ("tha", ["ปัญญาประดิษฐ์", "งาน"], "ใช้ปัญญาประดิษฐ์ในงาน", ["ปัญญาประดิษฐ์", "งาน"]),
        ("tha", ["กา"], "กำ ก่า กา", ["กา"]),
        ("khm", ["ភាសា"], "ភាសាខ្មែរ", ["ភាសា"]),
        ("lao", ["ພາສາ"], "ພາສາລາວ", ["ພາສາ"]),
        ("mya", ["မြန်မာ"], "မြန်မာနိုင်ငံ", ["မြန်မာ"]),
        ("mya", ["မြန်မ"], "မြန်မာ", []),
        ("eng", ["👩‍👧", "a"], "a 👩‍👧 b", ["a", "👩‍👧"]),
        ("eng", ["𝔘𝔫𝔦"], "x 𝔘𝔫𝔦 y", ["𝔘𝔫𝔦"]),
        ("tur", ["ışık", "istanbul"], "IŞIK ve İSTANBUL", ["IŞIK", "İSTANBUL"]),
        ("eng", ["cafe", "café"], "cafe\u0301 cafe", ["cafe\u0301", "cafe"]),
        ("kor", ["사과"], "\u1109\u1161\u1100\u116a", ["\u1109\u1161\u1100\u116a"]),
        ("eng", [], "nothing", []),
        ("eng", ["word"], "", []),
    ],
)
def test_an_entry_is_found_at_the_boundaries_its_script_has(language: str, sources: list[str], text: str, expected: list[str]) -> None:
    assert [text[match.start : match.end] for match in matcher(*sources, language=language).find(text)] == expected


def test_the_longest_entry_goes_first_and_the_leftmost_of_equals() -> None:
    text = "new york city hall of fame"
    assert found(matcher("new york", "york city hall", "hall", "of fame").find(text), text) == [
        ("york city hall", "york city hall", "surface"),
        ("of fame", "of fame", "surface"),
    ]
    assert [match.entry.source for match in matcher("a b", "b c", "c").find("a b c")] == ["a b", "c"]


def test_a_phrase_that_begins_like_a_longer_one_is_found_where_that_breaks_off() -> None:
    phrases = matcher("in the long run", "in the", "long run", "in")
    assert [match.entry.source for match in phrases.find("in the long run")] == ["in the long run"]
    assert [match.entry.source for match in phrases.find("in the long runs")] == ["in the"]
    assert [match.entry.source for match in phrases.find("in a long run")] == ["in", "long run"]


def test_of_entries_that_differ_in_case_the_one_written_is_found() -> None:
    text = "Polish the polish POLISH"
    assert found(matcher("polish", "Polish").find(text), text) == [
        ("Polish", "Polish", "surface"),
        ("polish", "polish", "surface"),
        ("POLISH", "polish", "folded"),
    ]


@pytest.mark.parametrize(
    ("sources", "text", "expected"),
    [
        (["Haus", "gehen"], "Die Häuser, in die ich ging", [("Häuser", "Haus", "lemma"), ("ging", "gehen", "lemma")]),
        (
            ["künstliche Intelligenz", "Intelligenz"],
            "Mit künstlicher Intelligenz",
            [("künstlicher Intelligenz", "künstliche Intelligenz", "lemma")],
        ),
        (["Häuser"], "Ein Haus", [("Haus", "Häuser", "lemma")]),
        (["Häuser", "Haus"], "Des Hauses", [("Hauses", "Haus", "lemma")]),
    ],
)
def test_a_word_is_found_by_its_lemma(sources: list[str], text: str, expected: list[tuple[str, str, str]]) -> None:
    pytest.importorskip("simplemma", reason="lemmas need the extra `terms`")
    assert found(matcher(*sources, language="deu", lemmas=True).find(text), text) == expected


@pytest.mark.parametrize(
    ("language", "sources", "text", "expected"),
    [
        ("ayr", ["uta"], "utanaka", []),
        ("crh", ["şeer", "büyük şeer"], "Büyük şeerni ve şeerde", ["Büyük şeerni", "şeerde"]),
        ("quy", ["wasi"], "wasikuna wasiy", ["wasiy"]),
        ("ckb", ["کتێب"], "کتێبە", ["کتێبە"]),
        ("arb", ["كتاب"], "الكتاب", ["الكتاب"]),
        ("zho_Hans", ["人工"], "人力", []),
        ("nqo", ["1000"], "100", []),
    ],
)
def test_a_word_of_a_language_without_lemmas_is_found_by_its_stem(
    language: str, sources: list[str], text: str, expected: list[str]
) -> None:
    matches = matcher(*sources, language=language, affixes=True).find(text)
    assert [text[match.start : match.end] for match in matches] == expected
    assert all(match.tier == "affix" for match in matches)


def test_stop_words_and_frequent_words_are_not_found_in_any_form() -> None:
    sources = ("house", "the", "of the", "the house")
    assert [match.entry.source for match in matcher(*sources, stop_words=["The", "of"]).find("the house of the")] == ["the house"]
    assert [match.entry.source for match in matcher("house", "houses", stop_words=["houses"], affixes=True).find("houses house")] == [
        "house"
    ]
    limited = matcher(*sources, counts={"the": 900, "of": 800, "house": 5}, max_frequency=100)
    assert [match.entry.source for match in limited.find("of the house")] == ["the house"]
    assert limited.excluded == 2
    assert [match.entry.source for match in matcher(*sources, counts={"the": 9, "of": 8, "house": 5}, most_frequent=2).find("of the")] == []


def test_an_entrys_own_frequency_counts_where_no_other_is_known() -> None:
    entries = (Entry("water", ("eau",), (1.0,), HERE, 5000), Entry("gravel", ("gravier",), (1.0,), HERE, 3))
    rare = Matcher.of(Lexicon("test", find_language("eng"), find_language("fra"), entries, Tally()), max_frequency=10)
    assert [match.entry.source for match in rare.find("water gravel")] == ["gravel"]


def test_counts_come_from_a_file_or_from_the_text_at_hand(tmp_path: Path) -> None:
    path = tmp_path / "counts.txt"
    path.write_text("The\t12\nthe 3\nbroken line\n\nof\t7\n", encoding="utf-8")
    tally = Tally()
    assert read_counts(path, tally) == {"the": 15, "of": 7}
    assert (tally.kept, tally.skipped.total()) == (3, 2)
    assert count_words(["The house", "the HOUSE!"]) == {"the": 2, "house": 2}
    assert matcher("智能", "人工智能", language="zho_Hans").count(["人工智能", "智能和智能"]) == {"人工智能": 1, "智能": 2}


def test_all_alternatives_and_their_weights_come_with_a_match() -> None:
    entry = Entry("bank", ("banque", "rive"), (0.8, 0.2), HERE)
    (match,) = Matcher.of(Lexicon("test", find_language("eng"), find_language("fra"), (entry,), Tally())).find("Banks")
    assert match.entry.targets == ("banque", "rive") and match.entry.weights == (0.8, 0.2)


LETTERS = [
    *"abcABC ß'’-+.,1  ",
    *"\u0301\u0308\u00ad\u200c\u00a0\n",
    *"вдВй",
    *"كتبِ\u0640",
    *"ߓߏ߲",
    *"हिन्दी",
    *"人工智ア",
    *"กา่ํ",
    *"İıΣςǆ\u1e9e",
    *"\u1109\u1161\u11a8\u00e9\u00c5\u212b",
    "👩",
    "\u200d",
]
TEXTS = st.text(st.sampled_from(LETTERS), max_size=40)
PHRASES = st.lists(st.text(st.sampled_from(LETTERS), min_size=1, max_size=6), max_size=12)


def naive(sources: Sequence[str], text: str) -> list[tuple[int, int]]:
    """Every stretch compared with every entry; quadratic, and written from the rules alone."""
    folded = fold(text)
    wanted = {fold(source).text for source in sources} - {""}
    places = [
        (start, end)
        for start in range(len(folded.text))
        for end in range(start + 1, len(folded.text) + 1)
        if folded.text[start:end] in wanted and boundary(folded.text, start) and boundary(folded.text, end)
    ]
    kept: list[tuple[int, int]] = []
    for start, end in sorted((folded.place(*place) for place in places), key=lambda place: (place[0] - place[1], place[0])):
        if all(end <= other[0] or start >= other[1] for other in kept):
            kept.append((start, end))
    return sorted(kept)


def usable(source: str) -> bool:
    """Whether a source is a term: it neither begins with a mark nor ends or begins with what folding leaves out."""
    text = fold(source).text
    return bool(text) and unicodedata.category(text[0])[0] != "M"


@settings(max_examples=150, deadline=None)
@given(PHRASES, TEXTS)
def test_matching_equals_a_naive_search(sources: list[str], text: str) -> None:
    kept = [composed(source) for source in sources if usable(source) and composed(source)]
    assert [(match.start, match.end) for match in matcher(*kept).find(text)] == naive(kept, text)


@settings(max_examples=150, deadline=None)
@given(PHRASES, TEXTS)
def test_a_match_folds_to_its_entry_and_overlaps_no_other(sources: list[str], text: str) -> None:
    kept = [composed(source) for source in sources if usable(source) and composed(source)]
    end = 0
    for match in matcher(*kept).find(text):
        stretch = text[match.start : match.end]
        assert end <= match.start < match.end <= len(text)
        assert fold(stretch).text == fold(match.entry.source).text
        assert (match.tier == "surface") == (composed(stretch) == match.entry.source)
        assert not text[match.end : match.end + 1] or unicodedata.category(text[match.end])[0] != "M"
        end = match.end


@settings(max_examples=150, deadline=None)
@given(TEXTS)
def test_composition_of_the_text_changes_no_match(text: str) -> None:
    sources = ["é", "abc", "å", "अ", "사", "в", "智"]
    forms = [unicodedata.normalize(form, text) for form in ("NFC", "NFD")]
    matches = [matcher(*sources).find(form) for form in forms]
    assert [match.entry for match in matches[0]] == [match.entry for match in matches[1]]
    for form, each in zip(forms, matches, strict=True):
        assert all(fold(form[match.start : match.end]).text == match.entry.source for match in each)


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=40) | TEXTS)
def test_folding_keeps_every_characters_origin(text: str) -> None:
    folded = fold(text)
    assert folded.text == normalised(text).casefold()
    for start, end in folded.atoms:
        first, last = folded.place(start, end)
        assert 0 <= first < last <= len(text)
    written, places = tokens(text)
    assert len(written) == len(folded.atoms)
    assert places is not None or "".join(written) == text


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=30) | TEXTS)
def test_atoms_lie_between_boundaries(text: str) -> None:
    folded = fold(text)
    edges = {edge for place in folded.atoms for edge in place}
    inner = {at for at in range(len(folded.text) + 1) if boundary(folded.text, at)}
    marks = {at for at in range(len(folded.text)) if unicodedata.category(folded.text[at])[0] == "M"}
    assert edges - marks <= inner


def test_plain_characters_fold_and_part_as_all_others_do() -> None:
    for code in range(sys.maxunicode + 1):
        character = chr(code)
        if folding._PLAIN.fullmatch(character):
            assert unicodedata.normalize("NFC", character) == character
            assert normalised(character) == character.replace("\u2019", "'")
            assert unicodedata.category(character)[0] != "M"
            word = folding._character_class(character) == "a"
            assert word == bool(folding._PLAIN_ATOM.fullmatch(character) and folding.re.fullmatch(r"\w", character))
            assert word or folding._character_class(character) == "o"
            # Case folding makes no word of a sign, nor the other way round.
            assert all((folding._character_class(part) in "am") == word for part in character.casefold())


def test_the_benchmark_runs_at_toy_size() -> None:
    script = Path(__file__).resolve().parents[2] / "scripts" / "bench" / "lexicon.py"
    done = subprocess.run([sys.executable, str(script), "--toy", "--json", "--no-lemmas"], capture_output=True, text=True, check=True)
    figures = json.loads(done.stdout)
    assert figures["entries"] == 2_000 and figures["sentences"] == 500
    assert figures["matches a sentence"] > 10 and min(figures["sentences/s (processor)"]) > 0
