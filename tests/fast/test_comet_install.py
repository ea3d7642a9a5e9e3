from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from dragoman.eval import comet_install
from dragoman.eval.comet import covers
from dragoman.eval.comet_install import comet_folder, comet_python, install_comet
from dragoman.mt.cache import cache_folder, read_facts
from dragoman.mt.doctor import examine
from dragoman.mt.errors import SourceError
from dragoman.mt.languages import find_language, known_languages

ROOT = Path(__file__).resolve().parents[2]


class Machine:
    """Runs commands as `_run` would, in no time: `venv` leaves a Python, pip a file, and any step can be made to fail."""

    def __init__(self) -> None:
        self.commands: list[list[str]] = []
        self.failure: tuple[str, BaseException] | None = None

    def run(self, command: Sequence[str], report: object) -> list[str]:
        self.commands.append(list(command))
        line = " ".join(command)
        if self.failure and self.failure[0] in line:
            raise self.failure[1]
        if " -m venv " in line:
            binaries = Path(command[-1]) / ("Scripts" if os.name == "nt" else "bin")
            binaries.mkdir(parents=True)
            for name in ("python", "python3.11", "pip", "comet-score"):
                (binaries / name).write_text("")
        if "--requirement" in command:
            (Path(command[0]).parents[1] / "comet").touch()
        return ["2.2.7 2.13.0 4.57.6"]


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    monkeypatch.setenv("DRAGOMAN_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("TORCH_INDEX", raising=False)
    machine = Machine()
    monkeypatch.setattr(comet_install, "_run", machine.run)
    monkeypatch.setattr(comet_install, "_base_python", lambda: "python3")
    return machine


def quiet(_line: str) -> None:
    pass


def test_torch_comes_first_and_from_its_own_index_when_one_is_named(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_INDEX", "file:///cpu-builds")
    install_comet(quiet)
    torch, rest = [command for command in machine.commands if "install" in command]
    assert torch[-3:] == ["--index-url", "file:///cpu-builds", "torch==2.13.0"] and "--no-deps" in torch
    assert "--index-url" not in rest and rest[-2] == "--requirement"


def test_an_installed_environment_is_found_by_the_worker_and_by_doctor(machine: Machine) -> None:
    assert comet_python() is None
    lines: list[str] = []
    python = install_comet(lines.append)
    assert python == comet_python() and python.is_relative_to(comet_folder())
    assert (comet_folder() / "comet").exists()
    assert read_facts(comet_folder())["unbabel-comet"] == "2.2.7"
    assert next(finding for finding in examine() if finding.name == "comet").state == "ok"
    assert [line[:3] for line in lines[:4]] == ["1/4", "2/4", "3/4", "4/4"] and "COMET 2.2.7 is installed" in lines[-1]


def test_no_launcher_is_left_that_names_a_folder_which_is_gone(machine: Machine) -> None:
    python = install_comet(quiet)
    assert {path.name for path in python.parent.iterdir()} == {"python", "python3.11"}


@pytest.mark.parametrize("step", ["-m venv", "torch==", "--requirement", "pip check", "import comet"])
@pytest.mark.parametrize("error", [SourceError("offline"), KeyboardInterrupt()], ids=["failed", "interrupted"])
def test_an_installation_cut_at_any_step_leaves_nothing_and_the_next_one_succeeds(
    machine: Machine, step: str, error: BaseException
) -> None:
    machine.failure = (step, error)
    with pytest.raises(type(error)):
        install_comet(quiet)
    assert comet_python() is None
    assert [path.name for path in cache_folder().iterdir() if not path.name.endswith(".lock")] == []
    machine.failure = None
    assert install_comet(quiet) == comet_python()


def test_what_a_killed_installation_left_is_not_taken_for_one_and_is_cleared_away(machine: Machine) -> None:
    leftover = cache_folder() / ".comet.partial-abc" / "new" / "bin"
    leftover.mkdir(parents=True)
    (leftover / "python").touch()
    assert comet_python() is None
    install_comet(quiet)
    assert not leftover.exists()


def test_a_second_installation_only_checks_the_first(machine: Machine) -> None:
    install_comet(quiet)
    machine.commands.clear()
    assert install_comet(quiet) == comet_python()
    assert [command[-1] for command in machine.commands] == ["import comet"]


def test_a_damaged_environment_is_built_again_and_kept_while_that_fails(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    install_comet(quiet)
    (comet_folder() / "old").touch()
    monkeypatch.setattr(comet_install, "_fingerprint", lambda: "other pins")
    machine.failure = ("--requirement", SourceError("offline"))
    with pytest.raises(SourceError):
        install_comet(quiet)
    assert (comet_folder() / "old").exists() and comet_python() is not None
    machine.failure = None
    install_comet(quiet)
    assert not (comet_folder() / "old").exists() and read_facts(comet_folder())["requirements"] == "other pins"


def test_a_folder_that_is_not_ours_is_never_overwritten(machine: Machine, tmp_path: Path) -> None:
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter1.tex").touch()
    with pytest.raises(SourceError, match="not made by Dragoman"):
        install_comet(quiet, tmp_path / "thesis")
    assert (tmp_path / "thesis" / "chapter1.tex").exists()


def test_offline_the_error_says_what_could_not_be_had_and_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(tmp_path), "PIP_CONFIG_FILE": os.devnull}.items():
        monkeypatch.setenv(name, value)
    pip = [sys.executable, "-m", "pip", "install", "--disable-pip-version-check", "--target", str(tmp_path / "x"), "unbabel-comet==2.2.7"]
    with pytest.raises(SourceError, match=r"No matching distribution found for unbabel-comet==2\.2\.7") as caught:
        comet_install._run(pip, quiet)
    assert "PIP_FIND_LINKS" in str(caught.value.allowed) and caught.value.hint == "when online: dragoman evaluate --install-comet"


def test_without_a_fitting_python_the_error_names_those_that_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comet_install, "_PYTHONS", ("2.99",))
    with pytest.raises(SourceError, match=r"COMET needs Python 2\.99"):
        comet_install._base_python()


def test_every_pin_is_exact_and_keeps_to_what_comet_needs() -> None:
    lines = (ROOT / "eval" / "comet-requirements.txt").read_text(encoding="utf-8").splitlines()
    pins = {pin.name: pin for pin in map(Requirement, (line for line in lines if not line.startswith("#")))}
    assert all(len(pin.specifier) == 1 and str(pin.specifier).startswith("==") for pin in pins.values())
    bounds = ["unbabel-comet==2.2.7", "transformers<5", "numpy<2", "huggingface_hub<1", "protobuf<5", "setuptools<82", "pyarrow<24"]
    for bound in map(Requirement, bounds):
        version = Version(str(pins[bound.name].specifier).removeprefix("=="))
        assert bound.specifier.contains(version), bound


def test_comet_covers_the_hundred_languages_of_xlm_r_and_no_others() -> None:
    rows = (ROOT / "eval" / "comet_languages.tsv").read_text(encoding="utf-8").splitlines()[1:]
    assert len(rows) == 100 == len({row.split("\t")[0] for row in rows})
    # Of the 100, 6 are other spellings of one more (romanised, Zawgyi), and FLORES lacks Breton, Latin and Frisian but has Dari apart.
    assert sum(map(covers, known_languages())) == 100 - 6 - 3 + 1
    assert all(covers(find_language(code)) for code in ("de", "pt-BR", "zh", "zho_Hant", "ar", "sw", "no", "hi-Latn", "br", "cy", "xh"))
    assert not any(covers(find_language(code)) for code in ("yo", "zul_Latn", "gn", "nqo_Nkoo", "nso", "lij_Latn", "ace_Arab", "azb"))


def test_every_code_of_the_table_is_one_that_languages_are_looked_up_under() -> None:
    for row in (ROOT / "eval" / "comet_languages.tsv").read_text(encoding="utf-8").splitlines()[1:]:
        for code in row.split("\t")[1].split("|"):
            iso639_3, script = code.split("_")
            language = find_language(f"{iso639_3}-{script}")
            assert (language.iso639_3, language.script) == (iso639_3, script), row
