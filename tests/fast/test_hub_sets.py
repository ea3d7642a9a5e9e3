"""Test sets fetched by `datasets`: from a folder as the Hub's repositories are laid out, into plain files, aligned by their key."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from dragoman.eval import testset_formats, testsets
from dragoman.eval.hub_sets import fetch_texts
from dragoman.eval.testset_formats import HubTable, shipped_formats
from dragoman.eval.testsets import load_test_set
from dragoman.mt.errors import ConfigError, CorpusError
from dragoman.mt.languages import find_language

ENG, NQO, ZHO, DEU = (find_language(code) for code in ("eng", "nqo", "zho_Hans", "deu"))
TEXTS = {"eng_Latn": ["one\u2028two", "three", "four"], "nqo_Nkoo": ["ߞߋߟߋ߲߫", "ߝߌ߬ߟߊ߬", "ߛߓߊ߬"], "cmn_Hans": ["一", "二", "三"]}


def write_repository(folder: Path, column: str, tables: dict[str, dict[str, Sequence[Any]]]) -> Path:
    """A folder of Parquet files with a README that names the configurations, as on the Hub."""
    datasets = pytest.importorskip("datasets", reason="the package 'datasets' is not installed")
    datasets.disable_progress_bars()
    for name, columns in tables.items():
        (folder / name).mkdir(parents=True)
        for split in ("dev", "devtest"):
            rows = {key: [f"{split} {value}" if key == column and value else value for value in values] for key, values in columns.items()}
            datasets.Dataset.from_dict(rows).to_parquet(folder / name / f"{split}-00000-of-00001.parquet")
    files = {name: [{"split": split, "path": f"{name}/{split}-*"} for split in ("dev", "devtest")] for name in tables}
    head = yaml.safe_dump({"configs": [{"config_name": name, "data_files": each} for name, each in files.items()]})
    (folder / "README.md").write_text(f"---\n{head}---\n", encoding="utf-8")
    return folder


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Empty folders for data, cache and what `datasets` keeps."""
    monkeypatch.setenv("DRAGOMAN_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("DRAGOMAN_CACHE", str(tmp_path / "cache"))
    datasets = pytest.importorskip("datasets", reason="the package 'datasets' is not installed")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "datasets")
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    return tmp_path


@pytest.fixture
def repository(places: Path) -> Path:
    """Three languages; the rows of N'Ko in another order."""
    ids = {"eng_Latn": [1, 2, 3], "nqo_Nkoo": [3, 1, 2], "cmn_Hans": [1, 2, 3]}
    tables = {name: {"id": ids[name], "sentence": [texts[at - 1] for at in ids[name]]} for name, texts in TEXTS.items()}
    return write_repository(places / "flores", "sentence", tables)


def use(monkeypatch: pytest.MonkeyPatch, repository: str | Path, splits: dict[str, int | None] | None = None) -> None:
    """Let `flores200` lie in a folder instead of on the Hub."""
    flores = replace(
        shipped_formats()["flores200"], splits=splits or {"devtest": 3, "dev": 3}, hub=HubTable(str(repository), column="sentence")
    )
    monkeypatch.setattr(testsets, "shipped_formats", lambda: {"flores200": flores})


def test_flores_is_fetched_once_aligned_and_kept_as_the_sets_own_files(
    repository: Path, places: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, repository)
    found = load_test_set("flores200", ENG, NQO)
    assert found.sources == tuple(f"devtest {text}" for text in TEXTS["eng_Latn"])
    assert found.references == (tuple(f"devtest {text}" for text in TEXTS["nqo_Nkoo"]),)
    kept = places / "cache" / "testsets" / "flores200" / "devtest"
    assert (kept / "nqo_Nkoo.devtest").read_text(encoding="utf-8") == "".join(f"devtest {text}\n" for text in TEXTS["nqo_Nkoo"])
    use(monkeypatch, "nowhere/nothing")
    assert load_test_set("flores200", ENG, NQO).references == found.references  # from the cache: the Hub is not asked again
    use(monkeypatch, repository)
    assert load_test_set("flores200:dev", NQO, ENG).sources == tuple(f"dev {text}" for text in TEXTS["nqo_Nkoo"])


def test_a_fetched_file_that_is_not_the_published_one_is_told(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, repository)
    [warning] = load_test_set("flores200", ZHO, ENG).warnings  # Chinese is found by its newer code, whose checksum nobody knows
    assert "eng_Latn.devtest: not the published file" in warning
    digest = hashlib.sha256("".join(f"devtest {text}\n" for text in TEXTS["eng_Latn"]).encode()).hexdigest()
    monkeypatch.setattr(testsets, "shipped_checksums", lambda: {"flores200/devtest/eng_Latn.devtest": digest})
    assert load_test_set("flores200", ZHO, ENG).warnings == ()


def test_a_set_of_ones_own_may_lie_on_the_hub_too(repository: Path, places: Path) -> None:
    folder = places / "data" / "mine"
    folder.mkdir(parents=True)
    layout = "layouts: [{source: '{split}.{src}', reference: '{split}.{tgt}'}]\nsplits: {dev: 3}\n"
    (folder / "testset.yaml").write_text(f"{layout}hub: {{repository: '{repository}', column: sentence}}\n", encoding="utf-8")
    assert load_test_set("mine", ENG, NQO).references[0][0] == f"dev {TEXTS['nqo_Nkoo'][0]}"
    assert (folder / "dev.nqo_Nkoo").is_file()


def test_the_line_count_of_what_was_fetched_is_verified(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, repository, {"devtest": 1012})
    with pytest.raises(CorpusError, match="3 lines, but flores200:devtest has 1,012"):
        load_test_set("flores200", ENG, NQO)


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ({"id": [1, 2], "sentence": ["a", "b"]}, "has 3 rows and deu_Latn 2"),
        ({"id": [1, 2, 4], "sentence": ["a", "b", "c"]}, "not the same 'id'"),
        ({"id": [1, 2, 2], "sentence": ["a", "b", "c"]}, "1 rows share their 'id'"),
        ({"id": [1, 2, 3], "sentence": ["a", "b\nb", "c"]}, "row 2 is not one line"),
        ({"id": [1, 2, 3], "sentence": ["a", None, "c"]}, "row 2 is not one line"),
        ({"id": [1, 2, 3], "text": ["a", "b", "c"]}, "deu_Latn devtest has no column sentence"),
    ],
    ids=["fewer rows", "other rows", "a row twice", "a line break", "no text", "another column"],
)
def test_rows_that_do_not_belong_together_are_refused_and_nothing_is_kept(
    places: Path, monkeypatch: pytest.MonkeyPatch, rows: dict[str, Sequence[Any]], said: str
) -> None:
    english = {"id": [1, 2, 3], "sentence": ["x", "y", "z"]}
    use(monkeypatch, write_repository(places / "odd", "sentence", {"eng_Latn": english, "deu_Latn": rows}))
    with pytest.raises(CorpusError, match=rf"(?s)flores200:devtest from English to German is not here.*{said}"):
        load_test_set("flores200", ENG, DEU)
    assert not (places / "cache").exists()


def test_a_language_that_is_not_there_is_named(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, repository)
    with pytest.raises(CorpusError, match=r"(?s)deu_Latn.*wanted; .*could not be fetched: no German: .*Available"):
        load_test_set("flores200", ENG, DEU)


def test_offline_what_the_package_keeps_is_read(repository: Path, places: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets

    for name in ("eng_Latn", "nqo_Nkoo"):
        datasets.load_dataset(str(repository), name)
        # Where the package keeps what it once fetched from the Hub as `facebook/flores`.
        shutil.copytree(places / "datasets" / "flores" / name, places / "datasets" / "facebook___flores" / name)
    flores = replace(shipped_formats()["flores200"], splits={"devtest": 3})
    monkeypatch.setattr(testsets, "shipped_formats", lambda: {"flores200": flores})
    assert load_test_set("flores200", NQO, ENG).sources == tuple(f"devtest {text}" for text in TEXTS["nqo_Nkoo"])
    with pytest.raises(CorpusError, match="no German"):
        load_test_set("flores200", ENG, DEU)


def test_offline_the_error_names_the_files_wanted_and_both_ways_to_get_them(places: Path) -> None:
    with pytest.raises(CorpusError) as caught:
        load_test_set("flores200", ENG, DEU)
    said = str(caught.value)
    for part in (
        "devtest/{en|eng_Latn|eng}.devtest",
        "deu_Latn",
        "facebook/flores could not be fetched",
        "HF_HUB_OFFLINE",
        "DRAGOMAN_DATA",
    ):
        assert part in said


def test_without_the_package_the_error_names_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(ConfigError, match=r"(?s)package 'datasets'.*not installed.*pip install 'dragoman\[testsets\]'"):
        fetch_texts(HubTable("facebook/flores", "sentence"), "devtest", [ENG, DEU])
    monkeypatch.setenv("DRAGOMAN_DATA", str(tmp_path))
    monkeypatch.setenv("DRAGOMAN_CACHE", str(tmp_path))
    with pytest.raises(CorpusError, match=r"(?s)eng_Latn.*wanted; .*package 'datasets'.*dragoman\[testsets\]'; or put the files there"):
        load_test_set("flores_plus", ENG, DEU)


@pytest.mark.parametrize("layout", ["{source: '*.{src}', reference: '{tgt}'}", "{source: 'fixed', reference: '{tgt}'}"])
def test_a_hub_without_a_place_to_keep_its_files_is_refused(layout: str) -> None:
    fields = yaml.safe_load(f"layouts: [{layout}]\nhub: {{repository: a/b, column: text}}")
    with pytest.raises(ConfigError, match="first layout is where fetched files are kept"):
        testset_formats.check_format(fields, "here")
