"""The server as people start it: under load, with its page, until Ctrl-C."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from app_process import ENVIRONMENT, started

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
ROOT = Path(__file__).parents[2]


def test_a_thousand_requests_of_thirty_two_clients_keep_every_promise(tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "scripts/bench/serving.py"), "--toy", "--unbatched", "100", "--json", str(tmp_path / "out.json")]
    subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, timeout=400, check=True)
    measured = json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))
    batched, single = measured["loads"]
    assert (batched["requests"], batched["clients"]) == (1000, 32)
    assert batched["statuses"] == {"200": 1000}  # the queue holds far more than 32 sentences, so not one is turned away
    assert batched["unexplained"] == single["unexplained"] == 0
    assert batched["growth"] <= 0.05
    assert batched["p50"] <= batched["p95"]
    assert measured["gain"] > 1.5


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory, tiny_llama_folder: Path) -> Iterator[tuple[str, subprocess.Popen[str], Path]]:
    folder = tmp_path_factory.mktemp("app")
    with started(folder, "--model", f"tiny={tiny_llama_folder}", "--max-body", "100000") as (address, process):
        yield address, process, folder


def test_the_page_comes_from_this_server_alone(app: tuple[str, subprocess.Popen[str], Path]) -> None:
    address = app[0]
    page = httpx.get(address)
    assert page.status_code == 200
    policy = page.headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "http" not in policy
    assert "frame-ancestors 'none'" in policy
    assert httpx.get(f"{address}/config").json()["analytics_enabled"] is False


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("gradio_api/proxy=http://127.0.0.1:9/", 404),
        ("gradio_api/file=/etc/passwd", 403),
        ("gradio_api/file=http://127.0.0.1:9/", 403),
        ("gradio_api/file=../../../../etc/passwd", 403),
        ("gradio_api/run-history/buckets", 404),
        ("gradio_api/vibe-code/", 404),
        ("gradio_api/dev/reload", 404),
        ("monitoring", 404),
        ("login", 404),
        ("custom_component/a/b/c/d", 404),
        ("static/../../../../etc/passwd", 404),
        ("assets/%2e%2e/%2e%2e/etc/passwd", 404),
    ],
)
def test_gradios_other_doors_are_shut(app: tuple[str, subprocess.Popen[str], Path], path: str, status: int) -> None:
    answer = httpx.get(f"{app[0]}/{path}")
    assert answer.status_code in {status, 403, 404}
    assert "root:" not in answer.text


def _ask_page(address: str, given: object, session: str) -> str:
    """What Gradio's queue answers to a function of the page, with `given` for each of its inputs."""
    functions = [each for each in httpx.get(f"{address}/config").json()["dependencies"] if each["backend_fn"] and each["inputs"]]
    asked = {"data": [given] * len(functions[0]["inputs"]), "fn_index": functions[0]["id"], "session_hash": session}
    joined = httpx.post(f"{address}/gradio_api/queue/join", json=asked)
    assert joined.status_code == 200, joined.text
    answer = ""
    with httpx.stream("GET", f"{address}/gradio_api/queue/data", params={"session_hash": session}, timeout=30) as events:
        for line in events.iter_lines():
            answer += line
            if "close_stream" in line:
                break
    return answer


def test_an_address_sent_to_the_page_as_a_file_is_not_fetched(app: tuple[str, subprocess.Popen[str], Path]) -> None:
    import socket

    address, _, folder = app
    with socket.create_server(("127.0.0.1", 0)) as bait:
        bait.settimeout(1)
        url = f"http://127.0.0.1:{bait.getsockname()[1]}/secret"
        sent = {"path": url, "url": url, "meta": {"_type": "gradio.FileData"}}
        answer = _ask_page(address, sent, "attack")
        with pytest.raises(TimeoutError):
            bait.accept()
    assert '"success":false' in answer
    assert "Traceback" not in answer
    assert "nothing is fetched" not in answer
    assert "nothing is fetched" in (folder / "err.txt").read_text()


def test_an_upload_beyond_the_limit_is_refused_by_the_page_too(app: tuple[str, subprocess.Popen[str], Path]) -> None:
    def endless() -> Iterator[bytes]:
        yield b'--x\r\nContent-Disposition: form-data; name="files"; filename="a.txt"\r\n\r\n'
        for _ in range(1000):
            yield b"x" * 10_000

    try:
        answer = httpx.post(f"{app[0]}/gradio_api/upload", content=endless(), headers={"content-type": "multipart/form-data; boundary=x"})
        assert answer.status_code == 413
    except httpx.WriteError:
        pass  # the server closed while we were writing
    assert httpx.get(f"{app[0]}/health").status_code == 200


def test_ctrl_c_stops_the_server_cleanly_and_leaves_nothing_behind(app: tuple[str, subprocess.Popen[str], Path]) -> None:
    import tempfile

    _, process, folder = app
    own = [path for path in Path(tempfile.gettempdir()).glob("dragoman-files-*") if path.stat().st_uid == os.getuid()]
    process.send_signal(signal.SIGINT)
    begun = time.monotonic()
    assert process.wait(20) == 0
    assert time.monotonic() - begun < 15
    assert (folder / "err.txt").read_text().rstrip().endswith("stopped")
    assert any(not path.exists() for path in own)
