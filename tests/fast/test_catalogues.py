from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from parcels import make_wheel

from dragoman.mt.config import CorpusConfig
from dragoman.mt.corpora import read_pairs
from dragoman.mt.corpora.catalogues import catalogue_languages, check_catalogue_language, read
from dragoman.mt.corpora.tally import Tally
from dragoman.mt.errors import CorpusError, DragomanError

HEADER = 'msgid ""\nmsgstr ""\n"Content-Type: text/plain; charset=UTF-8\\n"\n'


def catalogue(messages: Mapping[str, str], extra: str = "") -> bytes:
    entries = "".join(f'\nmsgid "{source}"\nmsgstr "{target}"\n' for source, target in messages.items())
    return f"{HEADER}{entries}{extra}".encode()


def write(folder: Path, locale: str, messages: Mapping[str, str], domain: str = "app", extra: str = "") -> None:
    place = folder / "locale" / locale / "LC_MESSAGES"
    place.mkdir(parents=True, exist_ok=True)
    (place / f"{domain}.po").write_bytes(catalogue(messages, extra))


def pairs(folder: Path, source: str, target: str, tally: Tally | None = None) -> list[tuple[str, str]]:
    corpus = CorpusConfig(path=str(folder), source=source, target=target, format="catalogues")
    return [(pair.source, pair.target) for pair in read([folder], corpus, tally or Tally())]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path, "de", {"File": "Datei", "Save": "Sichern"})
    write(tmp_path, "fr", {"File": "Fichier", "Quit": "Quitter"})
    write(tmp_path, "ar", {"File": "ملف"})
    return tmp_path


def test_english_is_the_message_id_side_in_either_direction(folder: Path) -> None:
    assert pairs(folder, "en", "de") == [("File", "Datei"), ("Save", "Sichern")]
    assert pairs(folder, "deu_Latn", "eng") == [("Datei", "File"), ("Sichern", "Save")]
    assert pairs(folder, "English", "Arabic") == [("File", "ملف")]


def test_a_pair_without_english_is_joined_on_the_message_and_the_rest_is_counted(folder: Path) -> None:
    tally = Tally()
    assert pairs(folder, "fra_Latn", "deu", tally) == [("Fichier", "Datei")]
    assert dict(tally.skipped) == {"message without a translation into French": 1}


def test_messages_of_different_contexts_are_never_joined(tmp_path: Path) -> None:
    verb, noun = '\nmsgctxt "verb"\nmsgid "Order"\nmsgstr "{}"\n', '\nmsgctxt "noun"\nmsgid "Order"\nmsgstr "{}"\n'
    write(tmp_path, "de", {}, extra=verb.format("Bestellen") + noun.format("Reihenfolge"))
    write(tmp_path, "fr", {}, extra=noun.format("Ordre") + verb.format("Commander"))
    assert pairs(tmp_path, "de", "fr") == [("Reihenfolge", "Ordre"), ("Bestellen", "Commander")]


def test_messages_of_different_domains_are_never_joined(tmp_path: Path) -> None:
    write(tmp_path, "de", {"Order": "Reihenfolge"}, domain="lists")
    write(tmp_path, "fr", {"Order": "Commander"}, domain="shop")
    assert pairs(tmp_path, "de", "fr") == []


def test_fuzzy_plural_and_untranslated_messages_are_counted(tmp_path: Path) -> None:
    extra = '\n#, fuzzy\nmsgid "a"\nmsgstr "x"\n\nmsgid "%d b"\nmsgid_plural "%d bs"\nmsgstr[0] "y"\n\nmsgid "c"\nmsgstr ""\n'
    write(tmp_path, "de", {"File": "Datei"}, extra=extra)
    tally = Tally()
    assert pairs(tmp_path, "en", "de", tally) == [("File", "Datei")]
    assert tally.skipped.total() == 3


@pytest.mark.parametrize(
    ("locales", "wanted", "taken"),
    [
        (["pt", "pt_BR"], "pt_BR", "pt_BR"),
        (["pt", "pt_BR"], "pt-BR", "pt_BR"),
        (["pt", "pt_BR"], "por_Latn", "pt"),
        (["pt"], "pt_BR", "pt"),
        (["pt_PT"], "pt_BR", "pt_PT"),
        (["de", "de_CH"], "de", "de"),
        (["de_DE", "de_CH"], "de", "de_DE"),
        (["zh_Hans", "zh_Hant"], "zho_Hant", "zh_Hant"),
        (["zh_CN", "zh_TW"], "zh-Hant", "zh_TW"),
        (["sr", "sr_Latn"], "sr", "sr"),
        (["sr", "sr@latin"], "sr-Latn", "sr@latin"),
        (["ca@valencia", "ca"], "ca", "ca"),
        (["ca@valencia", "ca"], "ca@valencia", "ca@valencia"),
        (["ca@valencia"], "cat", "ca@valencia"),
        (["nb_NO"], "nob_Latn", "nb_NO"),
        (["es_AR", "es_MX", "es"], "es_MX", "es_MX"),
    ],
)
def test_the_nearest_locale_is_taken(tmp_path: Path, locales: list[str], wanted: str, taken: str) -> None:
    for locale in locales:
        write(tmp_path, locale, {"which": locale})
    assert pairs(tmp_path, "en", wanted) == [("which", taken)]


def test_another_script_of_the_language_is_never_taken(tmp_path: Path) -> None:
    write(tmp_path, "sr", {"File": "Датотека"})
    with pytest.raises(CorpusError, match="no catalogue in Serbian"):
        pairs(tmp_path, "en", "sr_Latn")


def test_a_language_that_is_not_there_names_the_near_ones(folder: Path) -> None:
    with pytest.raises(CorpusError, match=r"no catalogue in Dutch[\s\S]*there are 3 languages, the nearest"):
        pairs(folder, "en", "nld")
    with pytest.raises(CorpusError, match=r"only about 2 translated strings, and 60 are wanted"):
        check_catalogue_language([folder], "deu_Latn", at_least=60)
    assert check_catalogue_language([folder], "German") == 2
    with pytest.raises(CorpusError, match="English already"):
        check_catalogue_language([folder], "en")


def test_languages_are_listed_with_their_size_the_richest_first(folder: Path) -> None:
    write(folder, "fr", {"One": "Un", "Two": "Deux", "Three": ""}, domain="other")
    write(folder, ".tx", {"x": "y"})
    assert list(catalogue_languages([folder]).items()) == [("fr", 4), ("de", 2), ("ar", 1)]


@settings(max_examples=25, deadline=None)
@given(
    st.dictionaries(
        st.text(st.characters(codec="utf-8", exclude_characters='\\"\r\n', exclude_categories=["Cc", "Cs", "Zl", "Zp"]), min_size=1),
        st.text("aа中ا\u0301 👩‍", max_size=8),
    )
)
def test_the_estimate_is_the_number_of_pairs_read(tmp_path_factory: pytest.TempPathFactory, messages: dict[str, str]) -> None:
    folder = tmp_path_factory.mktemp("estimate")
    write(folder, "de", messages)
    usable = [text for text in messages.values() if text.strip()]
    assert len(pairs(folder, "en", "de")) == len(usable)
    blank = len([text for text in messages.values() if text and not text.strip()])
    assert catalogue_languages([folder]).get("de", 0) - blank == len(usable)


def test_wheels_are_read_by_name_and_as_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRAGOMAN_CACHE", str(tmp_path / "cache"))
    files = {"app/locale/de/LC_MESSAGES/app.po": catalogue({"File": "Datei"}), "app/__init__.py": b""}
    wheel = make_wheel(tmp_path / "cache" / "wheels", "tiny-app", "1.0", files)
    other = make_wheel(tmp_path / "mine", "other-app", "1.0", {"x/locale/de/LC_MESSAGES/x.po": catalogue({"Save": "Sichern"})})
    corpus = CorpusConfig(path=["pypi:tiny-app", str(other)], source="en", target="de", format="catalogues")
    assert [(pair.source, pair.target) for pair in read_pairs(corpus, Tally())] == [("File", "Datei"), ("Save", "Sichern")]
    assert wheel.is_file()


def test_a_place_without_catalogues_is_an_error_for_users(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRAGOMAN_CACHE", str(tmp_path / "cache"))
    empty = make_wheel(tmp_path, "empty", "1", {})
    for place in (tmp_path / "nowhere", tmp_path, empty):
        with pytest.raises(DragomanError):
            pairs(place, "en", "de")
