"""Test sets by name: the right files in the right direction, verified; errors that say which file is wanted where."""

from __future__ import annotations

import hashlib
import os
import sys
from pathlib import Path
from urllib.error import URLError

import pytest

from dragoman.eval.pairs import named_pairs, parse_pairs
from dragoman.eval.sacrebleu_sets import published_sets
from dragoman.eval.testset_formats import shipped_checksums, shipped_formats
from dragoman.eval.testsets import load_test_set
from dragoman.mt.errors import ConfigError, CorpusError, LanguageError
from dragoman.mt.languages import Language, find_language

ENG, DEU, ZHO = (find_language(code) for code in ("eng", "deu", "zho_Hans"))
OWN = 'layouts: [{source: "{split}.{src}", reference: "{split}.{tgt}"}]\nsplits: {test: 2, dev: null}\ndocuments: "{split}.docs"\n'


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty data folder, an empty cache, and no network."""
    monkeypatch.setenv("DRAGOMAN_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("DRAGOMAN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setitem(sys.modules, "datasets", None)
    (tmp_path / "data").mkdir()
    return tmp_path / "data"


def put(folder: Path, **files: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        path = folder / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder


def own_set(folder: Path) -> Path:
    texts = {
        "test.en": "one\ntwo\n",
        "test.deu": "eins\nzwei\n",
        "test.docs": "d1\nd2\n",
        "dev.en": "a\n",
        "dev.deu": "b\n",
        "dev.docs": "d\n",
    }
    return put(folder, **{"testset.yaml": OWN}, **texts)


def real(name: str) -> Path:
    folder = os.environ.get("DRAGOMAN_DATA")
    if not folder:
        pytest.skip(f"DRAGOMAN_DATA is unset: {name} is not here")
    return Path(folder) / name


def test_a_folder_of_ones_own_is_a_test_set(data: Path, tmp_path: Path) -> None:
    found = load_test_set(str(own_set(tmp_path / "mine")), ENG, DEU)
    assert (found.name, found.direction) == ("mine:test", "eng_Latn-deu_Latn")
    assert (found.sources, found.references, found.documents) == (("one", "two"), (("eins", "zwei"),), ("d1", "d2"))
    assert load_test_set(f"{tmp_path / 'mine'}:dev", DEU, ENG).references == (("a",),)


@pytest.mark.parametrize("place", ["data", "cache/testsets"])
def test_a_folder_in_the_data_or_the_cache_is_found_by_name(data: Path, tmp_path: Path, place: str) -> None:
    own_set(tmp_path / place / "mine")
    assert load_test_set("mine", ENG, DEU).sources == ("one", "two")


def test_the_data_folder_goes_before_the_cache(data: Path, tmp_path: Path) -> None:
    own_set(tmp_path / "cache" / "testsets" / "mine")
    put(own_set(data / "mine"), **{"test.en": "first\nsecond\n"})
    assert load_test_set("mine", ENG, DEU).sources == ("first", "second")


def test_a_wrong_line_count_names_both(data: Path, tmp_path: Path) -> None:
    folder = put(own_set(tmp_path / "mine"), **{"test.deu": "eins\n"})
    with pytest.raises(CorpusError, match=r"test\.deu: 1 lines, but mine:test has 2"):
        load_test_set(str(folder), ENG, DEU)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("layouts: [{source: a, reference: b}]\nsplit: {x: 1}\n", r"split: .*testset|split: "),
        ("layouts: [{source: '{lang}', reference: b}]\n", "placeholders out of"),
        ("layouts: [{source: ../../etc, reference: b}]\n", "a path inside the folder"),
        ("a: [\n", "not readable as YAML"),
        ("", "the file"),
    ],
    ids=["unknown key", "unknown placeholder", "path outside", "no YAML", "empty"],
)
def test_a_description_that_cannot_be_used_is_refused_with_its_key(data: Path, tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        load_test_set(str(put(tmp_path / "mine", **{"testset.yaml": text})), ENG, DEU)


def test_a_folder_without_a_description_is_told_what_to_write(data: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"(?s)has no testset\.yaml.*layouts:"):
        load_test_set(str(put(tmp_path / "mine", **{"a.txt": "x"})), ENG, DEU)


def test_checksums_are_verified(data: Path, tmp_path: Path) -> None:
    good = hashlib.sha256(b"one\ntwo\n").hexdigest()
    for checksum, warned in ((good, False), ("0" * 64, True)):
        folder = put(own_set(tmp_path / "mine"), **{"testset.yaml": OWN + f"sha256: {{test.en: '{checksum}'}}\n"})
        assert bool(load_test_set(str(folder), ENG, DEU).warnings) == warned


def test_a_changed_copy_of_a_published_set_is_warned_about(data: Path) -> None:
    put(data / "flores200", **{f"dev__{code}.dev": "x\n" * 997 for code in ("eng_Latn", "deu_Latn")})
    found = load_test_set("flores200:dev", ENG, DEU)
    assert len(found.warnings) == 2
    assert "not the published file" in found.warnings[0]


def test_a_missing_file_is_named_with_its_place(data: Path) -> None:
    with pytest.raises(
        CorpusError,
        match=r"(?s)flores200: flores200:devtest from English to German is not here: .*deu_Latn.*DRAGOMAN_DATA",
    ):
        load_test_set("flores200", ENG, DEU)


def test_unknown_sets_and_splits_name_the_nearest(data: Path) -> None:
    with pytest.raises(ConfigError, match=r"(?s)unknown test set 'flores20'.*did you mean flores200"):
        load_test_set("flores20", ENG, DEU)
    with pytest.raises(ConfigError, match=r"(?s)no split 'test'.*flores200:devtest or flores200:dev"):
        load_test_set("flores200:test", ENG, DEU)
    with pytest.raises(ConfigError, match="--pair"):
        load_test_set("flores200", None, None)


@pytest.mark.parametrize(("source", "target", "expected"), [(ENG, DEU, "eins"), (DEU, ENG, "one")])
def test_a_tatoeba_folder_is_read_in_both_directions(data: Path, source: Language, target: Language, expected: str) -> None:
    put(data / "tatoeba", **{"deu-eng__test.src": "eins\n", "deu-eng__test.trg": "one\n"})
    assert load_test_set("tatoeba", source, target).references == ((expected,),)


def test_a_pattern_that_fits_two_files_is_not_guessed_at(data: Path) -> None:
    files = {f"tatoeba-test-v{year}.eng-deu.{side}": "x\n" for year in (2020, 2021) for side in ("eng", "deu")}
    put(data / "tatoeba", **files)
    with pytest.raises(CorpusError, match="2 files fit"):
        load_test_set("tatoeba", ENG, DEU)


def test_offline_a_set_of_sacrebleus_names_the_file_and_where_it_goes(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = published_sets()["wmt14"]

    def offline(*_: object) -> str:
        raise URLError("no route")

    monkeypatch.setattr(type(dataset), "get_files", offline)
    with pytest.raises(
        CorpusError, match=r"(?s)wmt14.*could not fetch it \(no route\): wmt14\.test-filtered\.tgz wanted.*sacrebleu -t wmt14 -l en-de"
    ):
        load_test_set("wmt14", ENG, DEU)


def test_a_set_of_sacrebleus_is_read_from_its_folder(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fields = {"src": "one\ntwo\n", "ref": "eins\nzwei\n", "docid": "d1\nd2\n", "genre": "n\nn\n", "origlang": "en\nen\n"}
    put(tmp_path / "sacrebleu", **{f"wmt14.en-de.{field}": text for field, text in fields.items()})
    monkeypatch.setattr(published_sets()["wmt14"], "_outdir", str(tmp_path / "sacrebleu"))
    found = load_test_set("wmt14", ENG, DEU)
    assert (found.sources, found.references, found.documents) == (("one", "two"), (("eins", "zwei"),), ("d1", "d2"))
    with pytest.raises(ConfigError, match=r"(?s)no English to Chinese.*en-de"):
        load_test_set("wmt14", ENG, ZHO)


def test_every_shipped_format_is_read_and_every_checksum_belongs_to_one() -> None:
    assert {"flores200", "ntrex128", "wmt22", "tatoeba"} <= set(shipped_formats())
    assert {name.split("/")[0] for name in shipped_checksums()} <= set(shipped_formats())
    assert all(len(checksum) == 64 for checksum in shipped_checksums().values())


def test_flores_is_found_by_any_spelling_of_its_languages() -> None:
    real("flores200")
    found = load_test_set("flores200", find_language("en"), find_language("N'Ko"))
    assert (found.name, len(found), found.warnings) == ("flores200:devtest", 1012, ())
    assert len(load_test_set("flores200:dev", DEU, ZHO)) == 997


@pytest.mark.parametrize("source", ["eng", "deu", "zho_Hans"])
def test_ntrex_knows_its_documents_in_every_direction(source: str) -> None:
    real("ntrex128")
    found = load_test_set("ntrex128", find_language(source), find_language("swh"))
    assert found.documents is not None
    assert (len(found), len(set(found.documents)), found.warnings) == (1997, 123, ())  # published with \r\n: no repair to speak of


@pytest.mark.parametrize(
    ("name", "target", "read", "streams"),
    [
        ("wmt22", "deu", "wmt22:A", 1),
        ("wmt22", "ces", "wmt22:B", 1),
        ("wmt22:all", "ces", "wmt22:B+C", 2),
        ("wmt22:refB", "zho", "wmt22:B", 1),
    ],
)
def test_wmt22_takes_the_references_asked_for_and_else_sacrebleus(name: str, target: str, read: str, streams: int) -> None:
    real("wmt22")
    found = load_test_set(name, ENG, find_language(target))
    assert (found.name, len(found.references), len(found)) == (read, streams, 2037)


def test_wmt22_names_the_references_there_are() -> None:
    real("wmt22")
    with pytest.raises(ConfigError, match=r"(?s)no reference 'Z'.*wmt22:A, wmt22:B, wmt22:all"):
        load_test_set("wmt22:Z", ENG, DEU)


def test_directions_are_written_in_any_spelling() -> None:
    assert parse_pairs("eng-deu, de-en,eng_Latn-deu_Latn") == [(ENG, DEU), (DEU, ENG)]
    assert len(named_pairs("flores46")) == 90
    with pytest.raises(LanguageError):
        parse_pairs("eng-xyzzy")
    with pytest.raises(ConfigError, match="flores46"):
        named_pairs("flores64")
