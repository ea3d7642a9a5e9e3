"""`dragoman app`: what is served, where, and what is refused before a model is loaded."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from dragoman.app import server as server_module
from dragoman.app.addresses import AppSettings, address_of, open_socket
from dragoman.app.models import EMBEDDED, choose_models, latest_run
from dragoman.app.server import Server
from dragoman.app.sharing import open_tunnel
from dragoman.mt.cli.app import app_command
from dragoman.mt.errors import ConfigError, SourceError


@pytest.fixture
def runs(tmp_path: Path, tiny_llama_folder: Path) -> Path:
    """`runs/` with an older and a newer finished run, and one that was interrupted after both."""
    for age, name in ((200, "older"), (100, "newer")):
        folder = tmp_path / "runs" / name / "model"
        shutil.copytree(tiny_llama_folder, folder)
        (folder / "dragoman.json").write_text('{"format": 1, "directions": ["eng_Latn-fra_Latn"]}')
        os.utime(folder, (time.time() - age,) * 2)
    (tmp_path / "runs" / "interrupted" / "model").mkdir(parents=True)
    return tmp_path / "runs"


def test_without_a_model_the_latest_finished_run_is_served_else_the_embedded_one(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (chosen,) = choose_models([], runs)
    assert (chosen.name, chosen.note) == ("newer", "")
    assert [(one.bcp47, two.bcp47) for one, two in chosen.directions] == [("en", "fr")]
    assert latest_run(runs / "absent") is None
    monkeypatch.setattr("dragoman.app.models.resolve_model", lambda source: type("Found", (), {"location": str(runs)}))
    (embedded,) = choose_models([], runs / "absent")
    assert (embedded.name, embedded.source) == ("embedded", EMBEDDED)
    assert "never trained to translate" in embedded.note


def test_models_have_short_names_of_their_own(runs: Path) -> None:
    older = str(runs / "older")
    names = [info.name for info in choose_models([older, str(runs / "newer" / "model"), older, f"mine={older}"])]
    assert names == ["older", "newer", "older-2", "mine"]
    with pytest.raises(ConfigError, match="two models are named 'a'"):
        choose_models([f"a={older}", f"a={older}"])
    with pytest.raises(SourceError):
        choose_models([str(runs / "absent")])


class Captured(Server):
    """Remembers the server that the command makes, so that the test can end it."""

    made: Any = None

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        Captured.made = self


def test_the_command_serves_says_where_and_stops_cleanly(
    runs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(runs.parent)
    monkeypatch.setattr(server_module, "Server", Captured)
    thread = threading.Thread(target=app_command, kwargs={"port": 0, "api_only": True, "device": "cpu"})
    thread.start()
    end = time.monotonic() + 30
    said = ""
    while "Ctrl-C" not in said and time.monotonic() < end:
        time.sleep(0.05)
        said += capsys.readouterr().out
    address = said.split()[3].removesuffix("/docs")
    assert httpx.get(f"{address}/health").json()["models"][0]["name"] == "newer"
    assert httpx.post(f"{address}/translate", json={"q": "Dog.", "source": "en", "target": "fr"}).status_code == 200
    monkeypatch.setattr("dragoman.app.serving.detect", lambda *_: 1 / 0)
    number = httpx.post(f"{address}/detect", json={"q": "a"}).json()["error"].split("error ")[1].split()[0]
    logged = capsys.readouterr().err
    assert f"error {number} at POST /detect" in logged
    assert "ZeroDivisionError" in logged
    before = {thread.name for thread in threading.enumerate()}
    Captured.made.should_exit = True
    thread.join(20)
    assert not thread.is_alive()
    assert "batches of newer" in before
    assert "batches of newer" not in {thread.name for thread in threading.enumerate()}
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{address}/health")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"host": "0.0.0.0"}, "nothing would ask who they are"),
        ({"share": True}, "a shared link can be reached by others"),
        ({"port": 70_000}, "no port 70000"),
        ({"batch_rows": 0}, "`rows` is 0"),
        ({"max_queue": -1}, "`queue` is -1"),
        ({"max_body": 0}, "`body` is 0"),
        ({"requests_per_minute": 0}, "`requests_per_minute` is 0"),
        ({"host": "192.0.2.1", "api_key_file": "keys"}, "cannot listen on 192.0.2.1"),
        ({"host": "no.such.host.invalid", "api_key_file": "keys"}, "cannot listen on no.such.host.invalid"),
        ({"auth": "absent"}, "cannot be read"),
        ({"backend": "vulkan"}, "no back end 'vulkan'"),
    ],
)
def test_what_cannot_be_served_is_refused_before_a_model_is_loaded(
    options: dict[str, Any], said: str, runs: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(runs.parent)
    (tmp_path / "keys").write_text("a-key-of-some-length\n")
    paths = {name: tmp_path / options[name] for name in ("auth", "api_key_file") if name in options}
    with pytest.raises(ConfigError) as refused:
        app_command(**{"api_only": True, "port": 0, **options, **paths})
    assert said in str(refused.value)


def test_a_taken_port_is_refused_and_without_a_wish_the_next_one_is_taken() -> None:
    with open_socket(AppSettings(port=0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=f"port {port} is taken"):
            open_socket(AppSettings(port=port))
    with open_socket(AppSettings()) as first, open_socket(AppSettings()) as second:
        assert 7860 <= first.getsockname()[1] < second.getsockname()[1] < 7880
        assert address_of(first) == f"http://127.0.0.1:{first.getsockname()[1]}"


@pytest.mark.skipif(not socket.has_ipv6, reason="no IPv6 here")
def test_an_ipv6_address_stands_in_brackets() -> None:
    try:
        opened = open_socket(AppSettings(host="::1", port=0))
    except ConfigError:
        pytest.skip("the loopback has no IPv6 address")
    with opened:
        assert address_of(opened).startswith("http://[::1]:")


def test_a_tunnel_that_cannot_be_opened_is_told_and_one_that_can_has_an_address(monkeypatch: pytest.MonkeyPatch) -> None:
    import types

    def refused(*_: object) -> str:
        raise RuntimeError("no network")

    networking = types.SimpleNamespace(setup_tunnel=refused)
    monkeypatch.setitem(sys.modules, "gradio", types.SimpleNamespace(networking=networking))
    with pytest.raises(ConfigError, match="no public address is to be had: no network"):
        open_tunnel(1)
    networking.setup_tunnel = lambda *_: "abc.gradio.live"
    assert open_tunnel(1) == "https://abc.gradio.live"


def test_the_verb_is_known_without_what_it_serves_with() -> None:
    heavy = {"torch", "transformers", "fastapi", "starlette", "uvicorn", "gradio", "pydantic"}
    code = f"import sys, dragoman.mt.cli.app; print(sorted({heavy} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
