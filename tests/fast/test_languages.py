"""Languages: any spelling leads to the same row, unknown ones to a suggestion, and letters to their script."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dragoman.mt.errors import LanguageError
from dragoman.mt.languages import find_language, known_languages, script_matches, script_of

DATA = os.environ.get("DRAGOMAN_DATA")


@pytest.mark.parametrize("spelling", ["fra", "fr", "FR", "fra_Latn", "fra-latn", "French", "french", "fr_FR", "fr_FR.UTF-8", " fr ", "fre"])
def test_every_spelling_of_french_is_french(spelling: str) -> None:
    assert find_language(spelling) == find_language("fra_Latn")


@pytest.mark.parametrize(
    ("macro", "flores"),
    [
        *[("zh", "zho_Hans"), ("no", "nob_Latn"), ("nb", "nob_Latn"), ("ar", "arb_Arab"), ("fa", "pes_Arab"), ("sw", "swh_Latn")],
        *[("ms", "zsm_Latn"), ("lv", "lvs_Latn"), ("et", "est_Latn"), ("az", "azj_Latn"), ("uz", "uzn_Latn"), ("mn", "khk_Cyrl")],
        *[("ps", "pbt_Arab"), ("sq", "als_Latn"), ("yi", "ydd_Hebr"), ("qu", "quy_Latn"), ("or", "ory_Orya"), ("swa", "swh_Latn")],
        *[("zho-CN", "zho_Hans"), ("zho-TW", "zho_Hant"), ("zh_TW", "zho_Hant"), ("zh_Hant", "zho_Hant"), ("cmn", "zho_Hans")],
        *[("iw", "heb_Hebr"), ("ku", "kmr_Latn"), ("fil", "tgl_Latn"), ("prs", "prs_Arab"), ("fa-AF", "prs_Arab"), ("ko-Kore", "kor_Hang")],
    ],
)
def test_macro_and_legacy_codes_give_the_language_flores_has(macro: str, flores: str) -> None:
    assert find_language(macro).flores == flores


@pytest.mark.parametrize(
    ("spelling", "bcp47", "name", "script"),
    [
        ("pt_BR", "pt-BR", "Brazilian Portuguese", "Latn"),
        ("Brazilian Portuguese", "pt-BR", "Brazilian Portuguese", "Latn"),
        ("en_GB", "en-GB", "British English", "Latn"),
        ("sr@latin", "sr-Latn", "Serbian (Latin script)", "Latn"),
        ("sr_RS.UTF-8@latin", "sr-Latn", "Serbian (Latin script)", "Latn"),
        ("sr_Latn", "sr-Latn", "Serbian (Latin script)", "Latn"),
        ("pa-PK", "pa-Arab", "Punjabi (Arabic script)", "Arab"),
        ("br", "br", "Breton", "Latn"),
        ("Upper Sorbian", "hsb", "Upper Sorbian", "Latn"),
        ("ia", "ia", "Interlingua", "Latn"),
        ("dv", "dv", "Divehi", "Thaa"),
    ],
)
def test_regions_scripts_and_languages_outside_flores(spelling: str, bcp47: str, name: str, script: str) -> None:
    language = find_language(spelling)
    assert (language.bcp47, language.name, language.script) == (bcp47, name, script)
    assert (language.flores is None) == (bcp47.split("-")[0] not in {"pt", "en"})


def test_every_known_language_is_found_by_each_of_its_spellings() -> None:
    languages = known_languages()
    assert len(languages) == len({language.bcp47 for language in languages}) == len({language.name for language in languages}) == 205
    for language in languages:
        assert language.flores is not None
        for spelling in (language.flores, language.flores.lower(), language.bcp47, language.name, language.name.upper()):
            assert find_language(spelling) == language
        assert find_language(language.iso639_3).iso639_3 == language.iso639_3


def test_the_table_agrees_with_the_registries() -> None:
    import langcodes

    for language in known_languages():
        assert langcodes.tag_is_valid(language.bcp47), language
        subtag = langcodes.Language.get(language.bcp47, normalize=False).language
        macro = langcodes.standardize_tag(language.iso639_3, macro=True).split("-")[0]
        allowed = {
            language.iso639_3,
            macro,
            langcodes.get(language.iso639_3).language,
            {"tgl": "tl", "twi": "tw", "pbt": "ps"}.get(language.iso639_3),
        }
        assert subtag in allowed, (language, allowed)


@pytest.mark.parametrize(
    ("code", "direction", "tokenizer", "spaced"),
    [
        ("deu_Latn", "ltr", "13a", True),
        ("nqo_Nkoo", "rtl", "13a", True),
        ("urd", "rtl", "13a", True),
        ("ydd", "rtl", "13a", True),
        ("zho_Hant", "ltr", "zh", False),
        ("yue", "ltr", "zh", False),
        ("ja", "ltr", "ja-mecab", False),
        ("ko", "ltr", "ko-mecab", True),
        ("th", "ltr", "char", False),
        ("dzo", "ltr", "char", False),
        ("shn", "ltr", "char", False),
    ],
)
def test_direction_spacing_and_metric_tokenizer_follow_the_script(code: str, direction: str, tokenizer: str, spaced: bool) -> None:
    language = find_language(code)
    assert (language.direction, language.bleu_tokenizer, language.spaced) == (direction, tokenizer, spaced)


@pytest.mark.parametrize(("typo", "near"), [("frensh", "french"), ("fra_Latm", "fra-latn"), ("Germna", "german")])
def test_a_typo_is_answered_with_the_nearest_spellings(typo: str, near: str) -> None:
    with pytest.raises(LanguageError, match=near):
        find_language(typo)


@pytest.mark.parametrize("lookalike", ["klingonish", "frenchy", "english language", "Serbian (Latin skript)", "french canadian"])
def test_a_word_that_only_begins_like_a_name_is_no_language(lookalike: str) -> None:
    with pytest.raises(LanguageError):
        find_language(lookalike)


@pytest.mark.parametrize(
    ("spelling", "bcp47"),
    [
        ("klingon", "tlh"),
        ("KLINGON", "tlh"),
        ("volapuk", "vo"),
        ("Volapu\u0308k", "vo"),
        ("norwegian bokmal", "nb"),
        ("Haitian-Creole", "ht"),
        ("chinese traditional", "zh-Hant"),
        ("n’ko", "nqo"),
        ("upper  sorbian", "hsb"),
    ],
)
def test_a_name_is_known_whatever_its_case_spaces_punctuation_and_accents(spelling: str, bcp47: str) -> None:
    assert find_language(spelling).bcp47 == bcp47


def test_names_that_differ_by_an_accent_stay_apart() -> None:
    assert (find_language("Ache").iso639_3, find_language("Aché").iso639_3) == ("yif", "guq")


@pytest.mark.parametrize(
    "nonsense", ["", " ", "xx", "und", "mul", "qaa", "日本語", "fr fr", "../../etc/passwd", "\0", "a\0b", "\ud800", "a" * 5000]
)
def test_what_is_no_language_is_refused(nonsense: str) -> None:
    with pytest.raises(LanguageError):
        find_language(nonsense)


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=12))
def test_any_text_is_a_language_or_a_language_error(spelling: str) -> None:
    try:
        assert find_language(spelling).name
    except LanguageError as error:
        assert repr(spelling) in str(error)


def test_importing_the_table_loads_neither_the_registries_nor_torch() -> None:
    code = (
        "import sys; from dragoman.mt.languages import find_language; find_language('fr'); print({'langcodes', 'torch'} & set(sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "set()"


def test_marks_and_common_letters_count_with_the_letter_before_them() -> None:
    assert script_of("e\u0301") == {"Latn": 1.0}
    assert script_of("и\u0301д") == {"Cyrl": 1.0}
    assert script_of("ラーメン") == {"Kana": 1.0}
    assert script_of("ߒߞߏ߫") == {"Nkoo": 1.0}
    assert script_of("ab жы") == {"Latn": 0.5, "Cyrl": 0.5}
    assert script_of("12 … 🙂\u0301") == {}


def test_composite_scripts_count_whole() -> None:
    assert script_matches("日本語のテキスト", find_language("ja")) == 1.0
    assert script_matches("한국어 漢字", find_language("ko")) == 1.0
    assert script_matches("한국어", find_language("zh")) == 0.0
    assert script_matches("привет ab", find_language("fr")) == 0.25
    assert script_matches("123", find_language("fr")) == 1.0


@settings(max_examples=60)
@given(st.text())
def test_script_shares_sum_to_one_or_there_are_no_letters(text: str) -> None:
    shares = script_of(text)
    assert not shares or sum(shares.values()) == pytest.approx(1.0)


@pytest.mark.skipif(DATA is None, reason="DRAGOMAN_DATA is not set: no FLORES files")
def test_flores_files_are_written_in_the_script_their_code_says() -> None:
    for path in sorted(Path(DATA or "").glob("flores200/dev/*.dev")):
        language = find_language(path.stem)
        assert language.flores == path.stem
        assert script_matches(path.read_text(encoding="utf-8")[:4000], language) > 0.8, path.stem


@pytest.mark.skipif(DATA is None, reason="DRAGOMAN_DATA is not set: no NTREX files")
def test_every_language_code_of_ntrex_is_known() -> None:
    codes = [path.name.split(".")[1] for path in Path(DATA or "").glob("ntrex128/newstest2019-*.txt")]
    assert len(codes) > 30
    assert all(find_language(code).flores for code in codes)
