"""The package is what pyproject.toml says: one version, every folder in the wheel, every name importable and typed."""

from __future__ import annotations

import importlib
import os
import re
import subprocess
import tomllib
from importlib.metadata import metadata, version
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PACKAGES: list[str] = PROJECT["tool"]["setuptools"]["packages"]
FOLDERS: dict[str, str] = PROJECT["tool"]["setuptools"]["package-dir"]


def library_files(pattern: str) -> list[Path]:
    return [file for folder in FOLDERS.values() for file in (ROOT / folder).rglob(pattern)]


def test_the_version_is_written_in_one_place() -> None:
    assert version("dragoman") == PROJECT["project"]["version"]
    written = [
        file for file in library_files("*.py") if re.search(r"^__version__\s*=\s*[\"']", file.read_text(encoding="utf-8"), re.MULTILINE)
    ]
    assert written == []


def test_the_changelog_begins_with_this_version() -> None:
    first = re.search(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert first is not None
    assert first[1] == PROJECT["project"]["version"]


def test_the_licence_named_is_the_licence_shipped() -> None:
    text = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert metadata("dragoman")["License-Expression"] == "Apache-2.0"
    assert "Apache License" in text
    assert "Version 2.0, January 2004" in text
    assert "END OF TERMS AND CONDITIONS" in text


@pytest.mark.parametrize("package", PACKAGES)
def test_every_package_can_be_imported(package: str) -> None:
    assert importlib.import_module(package).__name__ == package


def test_every_folder_with_code_is_in_the_list_of_packages() -> None:
    """A sub-package left out of the list works in a checkout and is missing from the wheel."""
    found = {
        ".".join([package, *file.parent.relative_to(ROOT / folder).parts])
        for package, folder in FOLDERS.items()
        for file in (ROOT / folder).rglob("*.py")
    }
    assert found == set(PACKAGES)


@pytest.mark.parametrize("folder", FOLDERS.values())
def test_every_mapped_folder_says_that_it_is_typed(folder: str) -> None:
    assert (ROOT / folder / "py.typed").is_file()


def test_every_dependency_is_held_by_the_constraints() -> None:
    """Otherwise two installations of one commit could differ."""
    extras = [line for lines in PROJECT["project"]["optional-dependencies"].values() for line in lines]
    wanted = {name_of(line) for line in (*PROJECT["project"]["dependencies"], *extras)} - {"dragoman"}
    held = {
        name_of(line) for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")
    }
    assert wanted <= held


def name_of(requirement: str) -> str:
    found = re.match(r"[A-Za-z0-9._-]+", requirement)
    assert found is not None
    return re.sub(r"[-_.]+", "-", found[0]).lower()


def test_make_alone_lists_every_target() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    phony = re.search(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)
    assert phony is not None
    shown = subprocess.run(["make", "--no-print-directory"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert sorted(line.split()[1] for line in shown.splitlines()) == sorted(phony[1].split())


@pytest.mark.parametrize("script", [".ci/run", "scripts/check_wheel.sh"])
def test_scripts_can_be_run_and_parse(script: str) -> None:
    assert os.access(ROOT / script, os.X_OK)
    assert subprocess.run(["bash", "-n", ROOT / script], check=False).returncode == 0
