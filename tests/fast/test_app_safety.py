"""What strangers may try: every attack gets a plain refusal, and the next request is answered as if nothing had been."""

from __future__ import annotations

import base64
import json
import logging
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from app_server import Running, fixed_server, holding, until
from hypothesis import given
from hypothesis import strategies as st

from dragoman.app.access import Access, digest, read_keys, read_users
from dragoman.app.addresses import AppSettings
from dragoman.app.batching import BatchLimits
from dragoman.app.guard import host_name
from dragoman.app.limits import Limits
from dragoman.app.markup_texts import take_apart
from dragoman.app.rates import Rate, TooManyError
from dragoman.app.stored_files import StoredFiles, safe_name
from dragoman.mt.errors import ConfigError

SMALL = Limits(body=20_000, body_seconds=1.0, characters=5_000, segments=500, texts=100, file_segments=50, files=2)


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    with fixed_server(limits=SMALL) as (running, _):
        yield running


@pytest.fixture(autouse=True)
def still_answering(request: pytest.FixtureRequest) -> Iterator[None]:
    yield
    if "server" in request.fixturenames:
        assert request.getfixturevalue("server").translate("after all").json() == {"translatedText": "AFTER ALL"}


def upload(server: Running, name: str, data: bytes, **fields: str) -> httpx.Response:
    return server.client.post("/translate_file", files={"file": (name, data)}, data={"source": "en", "target": "fr", **fields})


def error_of(response: httpx.Response, status: int) -> str:
    assert response.status_code == status, response.text
    assert set(response.json()) == {"error"}
    return str(response.json()["error"])


# ---- bodies ----


def test_an_oversized_body_is_refused_before_it_is_read(server: Running) -> None:
    head = b"POST /translate HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 999999999\r\n\r\n"
    assert server.raw(head).startswith(b"HTTP/1.1 413")
    assert "20,000 bytes" in error_of(server.translate("x" * 30_000), 413)


def test_a_chunked_body_is_cut_off_at_the_limit_while_it_arrives(server: Running) -> None:
    sent = 0

    def endless() -> Iterator[bytes]:
        nonlocal sent
        while sent < 100 << 20:
            sent += 10_000
            yield b"x" * 10_000

    try:
        response = server.client.post("/translate", content=endless(), headers={"content-type": "application/json"})
        assert response.status_code == 413
    except httpx.WriteError:
        pass  # the server closed while we were writing, which is as good
    assert sent < 20 << 20


def test_a_form_and_a_file_beyond_the_limit_are_refused(server: Running) -> None:
    for answer in (upload(server, "a.txt", b"x" * 40_000), server.client.post("/translate", data={"q": "x" * 40_000})):
        assert "larger than" in error_of(answer, 413)


def test_a_body_that_never_comes_is_given_up(server: Running) -> None:
    head = b"POST /translate HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"
    started = time.monotonic()
    assert server.raw(head).startswith(b"HTTP/1.1 408")
    assert time.monotonic() - started < 4


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"nonsense",
        b'"text"',
        b"[1, 2]",
        b"null",
        b"\xff\xfe{}",
        b"[" * 9_000,
        b'{"q":' * 3_000,
        b'{"q": ' + b"9" * 8_000 + b"}",
        b'{"q": "\\ud800", "source": "en", "target": "fr"}',
        b'{"q": ["a", "\\udfff"], "source": "en", "target": "fr"}',
        b'{"q": "a", "source": "\\u0000", "target": "fr"}',
    ],
)
def test_damaged_json_is_a_bad_request(server: Running, body: bytes) -> None:
    error_of(server.client.post("/translate", content=body, headers={"content-type": "application/json"}), 400)


@pytest.mark.parametrize(
    ("kind", "body", "status"),
    [
        ("multipart/form-data", b"no boundary", 400),
        ("multipart/form-data; boundary=x", b"--x\r\nbroken", 400),
        ("multipart/form-data; boundary=x", b"--x\r\n" + b"A: b\r\n" * 2_000 + b"\r\n\r\n--x--", 400),
        ("application/xml", b'<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>', 415),
        ("text/plain", b"hello", 415),
        ("application/x-www-form-urlencoded", b"q=%ZZ&source=en&target=fr", 200),
        ("application/x-www-form-urlencoded", b"&".join(b"f%d=1" % i for i in range(2_000)), 400),
    ],
)
def test_a_damaged_or_foreign_body_is_refused(server: Running, kind: str, body: bytes, status: int) -> None:
    assert server.client.post("/translate", content=body, headers={"content-type": kind}).status_code == status


@pytest.mark.parametrize("line", [b"GARBAGE", b"POST /translate HTTP/1.1\r\nContent-Length: -5", b"\x16\x03\x01\x02\x00"])
def test_what_is_not_http_is_refused(server: Running, line: bytes) -> None:
    answer = server.raw(line + b"\r\nHost: localhost\r\n\r\n", timeout=2)
    assert answer == b"" or b"400" in answer.split(b"\r\n")[0]


def test_too_many_characters_segments_or_texts_are_refused(server: Running) -> None:
    assert "5,000 at most" in error_of(server.translate("x" * 6_000), 413)
    assert "500 at most" in error_of(server.translate("a\n" * 600), 413)
    assert "100 at most" in error_of(server.translate(["a"] * 200), 413)


def test_no_more_requests_at_once_than_the_server_is_meant_for() -> None:
    with fixed_server(limits=Limits(requests=2)) as (server, engine), holding(server, engine) as pool:
        second = pool.submit(server.translate, "second")
        until(lambda: server.serving.waiting == 1)
        refused = server.translate("third")
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "5")
        engine.gate.set()
        assert second.result().status_code == 200


# ---- texts are only texts ----


@pytest.mark.parametrize(
    "text",
    [
        "http://169.254.169.254/latest/meta-data/",
        "file:///etc/passwd",
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "{{7*7}} ${7*7} %(a)s {text}",
        "'; DROP TABLE users; --",
        "\x00\x01\x1b[31m",
        "\u202eevil\u2066",
    ],
)
def test_addresses_markup_and_controls_come_back_as_text(server: Running, text: str) -> None:
    response = server.translate(text)
    assert response.json() == {"translatedText": text.upper()}
    assert response.headers["content-type"] == "application/json"
    assert response.headers["x-content-type-options"] == "nosniff"


def test_a_translation_cannot_become_markup() -> None:
    fragment = take_apart("<p>one &lt;script&gt; two</p>")
    assert fragment.texts == ("one <script> two",)
    assert fragment.join(["<script>alert(1)</script> &amp;"]) == "<p>&lt;script&gt;alert(1)&lt;/script&gt; &amp;amp;</p>"


@given(st.text(alphabet=st.sampled_from("ab <>/!-\"'=&;tcode"), max_size=200))
def test_any_fragment_comes_back_as_it_was_when_nothing_is_translated(text: str) -> None:
    fragment = take_apart(text)
    import html

    assert fragment.join(fragment.texts) == "".join(
        kept + html.escape(inner, quote=False) for kept, inner in zip(fragment.kept, (*fragment.texts, ""), strict=True)
    )
    assert len(fragment.kept) == len(fragment.texts) + 1


@pytest.mark.parametrize(
    "text", ["<" * 100_000, "<a " * 30_000, '<a "' * 30_000, "<b translate=no>x" * 10_000, "<!--" * 20_000, "&" * 100_000]
)
def test_hostile_markup_takes_no_long_time(text: str) -> None:
    started = time.process_time()
    take_apart(text)
    assert time.process_time() - started < 2


# ---- files ----


def test_a_file_comes_back_translated_under_an_address_that_tells_nothing(server: Running) -> None:
    answer = upload(server, "../../etc/letter to you.txt", b"Good day.\r\n\r\n  See you\r\n", warnings="true")
    assert answer.status_code == 200, answer.text
    url = answer.json()["translatedFileUrl"]
    assert url.startswith(f"{server.url}/download_file/")
    assert "letter_to_you_fr.txt" in url
    assert "2 translated" in answer.json()["report"][0]
    got = httpx.get(url)
    assert got.content == b"GOOD DAY.\r\n\r\n  SEE YOU\r\n"
    assert got.headers["content-disposition"] == 'attachment; filename="letter_to_you_fr.txt"'
    assert got.headers["content-type"] == "application/octet-stream"
    assert got.headers["content-security-policy"].startswith("default-src 'none'")


def test_a_detected_language_serves_a_file_too(server: Running) -> None:
    german = "Der schnelle braune Fuchs springt über den faulen Hund.\n".encode()
    assert upload(server, "a.txt", german, source="auto", target="en").status_code == 200


@pytest.mark.parametrize(
    "name",
    [
        "../../../etc/passwd.txt",
        "..\\..\\boot.txt",
        "/etc/cron.d/evil.txt",
        "<script>alert(1)</script>.txt",
        'a"; filename="b.txt',
        "x" * 500 + ".txt",
        "\u202etxt.exe.txt",
        "%2e%2e%2f.txt",
        "con\r\nSet-Cookie: a=b.txt",
        "....txt",
        "🙂.txt",
        "файл.txt",
    ],
)
def test_a_hostile_file_name_is_only_a_name(server: Running, name: str) -> None:
    answer = upload(server, name, b"Good day.\n")
    assert answer.status_code == 200, answer.text
    url = answer.json()["translatedFileUrl"]
    assert url.count("/") == 4
    assert len(url) < 250
    got = httpx.get(url)
    assert got.content == b"GOOD DAY.\n"
    assert "set-cookie" not in got.headers
    assert not any(character in got.headers["content-disposition"] for character in "<>\r\n/\\")


@given(st.text(max_size=300))
def test_a_safe_name_has_no_path_no_control_and_some_length(name: str) -> None:
    safe = safe_name(name)
    assert 0 < len(safe) <= 81
    assert not safe.startswith(".")
    assert not set(safe) & set("/\\\0\r\n\"'<>:; ")


@pytest.mark.parametrize(
    "path",
    [
        "../../../../etc/passwd",
        "..%2f..%2f..%2fetc%2fpasswd",
        "%2e%2e/%2e%2e/etc/passwd",
        "..",
        "etc",
        "\\..\\..\\etc",
        "a" * 5000,
        "%00",
        "/etc/passwd",
    ],
)
def test_no_path_leads_to_a_file_that_was_not_stored(server: Running, path: str) -> None:
    answer = server.raw(f"GET /download_file/{path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
    assert answer.split(b"\r\n")[0].split()[1] in (b"404", b"400", b"307")
    assert b"root:" not in answer


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("a.exe", b"MZ", "does not say what format"),
        ("a", b"text", "does not say what format"),
        ("a.pdf", b"%PDF", "does not say what format"),
        ("a.txt", b"\xff\xfe\xfa", ""),
        ("a.txt", b"line\n" * 60, "50 at most"),
        ("a.po", b'msgid "', ""),
        ("a.csv", b"a,b\n1,2\n", ""),
    ],
)
def test_a_file_that_cannot_be_read_is_a_bad_request(server: Running, name: str, data: bytes, said: str) -> None:
    assert said in error_of(upload(server, name, data), 400)


def test_a_file_field_that_is_no_file_is_named(server: Running) -> None:
    assert "`file` is missing" in error_of(server.client.post("/translate_file", data={"file": "a", "source": "en", "target": "fr"}), 400)
    assert "q: a file where text belongs" in error_of(
        server.client.post("/translate", files={"q": ("a.txt", b"a")}, data={"source": "en", "target": "fr"}), 400
    )


def test_stored_files_expire_and_the_oldest_makes_way() -> None:
    now = 0.0
    files = StoredFiles(Limits(files=2, file_seconds=10), lambda: now)
    first, second, third = (files.put(f"{i}.txt", b"x") for i in range(3))
    assert files.get(first) is None
    assert len(list(files.folder.iterdir())) == 2
    now = 11.0
    assert files.get(second) is files.get(third) is None
    assert list(files.folder.iterdir()) == []
    files.close()
    assert not files.folder.exists()


# ---- hosts and origins ----


@pytest.mark.parametrize(
    "host", ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "evil@localhost", "", "192.168.0.1", "["]
)
def test_a_host_that_is_not_ours_is_refused(server: Running, host: str) -> None:
    assert server.raw(f"GET /health HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode()).startswith(
        (b"HTTP/1.1 421", b"HTTP/1.1 400")
    )


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:1234", "127.0.0.1", "[::1]:80", "localhost."])
def test_a_loopback_host_is_known(server: Running, host: str) -> None:
    assert server.raw(f"GET /health HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode()).startswith(b"HTTP/1.1 200")


def test_names_the_user_gave_and_addresses_of_a_public_server_are_known() -> None:
    access = Access({digest("k" * 20): "me"})
    with fixed_server(host="0.0.0.0", access=access, allow_hosts=("mt.example",)) as (server, _):
        for host, status in (("mt.example", 200), ("10.0.0.7", 200), ("evil.example", 421)):
            assert server.client.get("/health", headers={"host": host}).status_code == status


@given(st.text(max_size=40))
def test_any_host_header_has_a_name_or_none(host: str) -> None:
    assert isinstance(host_name(host), str)


def test_pages_from_elsewhere_may_not_use_the_server_unless_named(server: Running) -> None:
    fields = {"q": "a", "source": "en", "target": "fr"}
    for origin in ("https://evil.example", "null", "http://localhost:1"):
        assert "--cors" in error_of(server.client.post("/translate", data=fields, headers={"origin": origin}), 403)
    own = server.client.post("/translate", data=fields, headers={"origin": server.url})
    assert own.status_code == 200
    assert "access-control-allow-origin" not in own.headers
    with fixed_server(origins=("https://good.example",)) as (shared, _):
        asked = shared.client.options("/translate", headers={"origin": "https://good.example", "access-control-request-method": "POST"})
        assert asked.status_code == 204
        answer = shared.client.post("/translate", data=fields, headers={"origin": "https://good.example"})
        assert answer.headers["access-control-allow-origin"] == asked.headers["access-control-allow-origin"] == "https://good.example"


# ---- failures ----


def test_a_failure_is_a_number_here_and_a_traceback_in_the_log_only(server: Running, caplog: pytest.LogCaptureFixture) -> None:
    logger = logging.getLogger("dragoman")
    before, logger.propagate = logger.propagate, True
    try:
        with caplog.at_level(logging.ERROR):
            for text in ("BOOM", "WRONG"):
                said = error_of(server.translate(text), 500)
                assert "secret" not in said
                number = said.split("error ")[1].split()[0]
                assert f"error {number} at POST /translate" in caplog.text
    finally:
        logger.propagate = before
    assert "Traceback" in caplog.text


def test_one_clients_failure_never_reaches_another() -> None:
    with fixed_server(batches=BatchLimits(rows=16)) as (server, engine), holding(server, engine) as pool:
        texts = [f"text {i}" if i % 4 else f"BOOM {i}" for i in range(12)]
        answers = [pool.submit(server.translate, text) for text in texts]
        until(lambda: server.serving.waiting == 12)
        engine.gate.set()
        for text, answer in zip(texts, answers, strict=True):
            if text.startswith("BOOM"):
                error_of(answer.result(), 500)
            else:
                assert answer.result().json() == {"translatedText": text.upper()}
        assert len(engine.batches[1]) == 12


def test_a_client_that_disconnects_frees_its_place() -> None:
    with fixed_server(batches=BatchLimits(rows=1, queue=20)) as (server, engine), holding(server, engine):
        with pytest.raises(httpx.ReadTimeout):
            httpx.post(f"{server.url}/translate", json={"q": ["gone"] * 19, "source": "en", "target": "fr"}, timeout=0.5)
        until(lambda: server.serving.waiting == 0)
        engine.gate.set()
        assert server.translate(["next"] * 20).status_code == 200
        assert ["gone"] not in engine.batches


def test_a_reader_of_a_stream_who_disconnects_stops_the_model() -> None:
    with fixed_server(limits=Limits(streams=1)) as (server, engine):
        fields = {"q": "a rather long text", "source": "en", "target": "fr"}
        with server.client.stream("POST", "/translate_stream", json=fields) as response:
            assert next(response.iter_lines()) == 'data: {"text": "A"}'
        engine.gate.set()
        until(lambda: server.serving.streaming == 0)
        broken = server.client.post("/translate_stream", json={**fields, "q": "a!b"})
        assert "event: error" in broken.text
        assert "secret" not in broken.text


def test_a_full_queue_is_a_503_with_the_time_to_come_back() -> None:
    with fixed_server(batches=BatchLimits(rows=1, queue=4)) as (server, engine), holding(server, engine) as pool:
        second = pool.submit(server.translate, ["a"] * 4)
        until(lambda: server.serving.waiting == 4)
        refused = server.translate("b")
        assert "busy" in error_of(refused, 503)
        assert int(refused.headers["retry-after"]) >= 1
        engine.gate.set()
        assert second.result().status_code == 200


# ---- keys, users, rates ----


def test_keys_are_asked_for_in_bodies_addresses_and_headers() -> None:
    key = "correct-horse-battery"
    with fixed_server(access=Access({digest(key): "me"})) as (server, _):
        for answer in (server.translate("a"), server.translate("a", api_key="wrong"), server.translate("a", api_key=7)):
            assert "API key" in error_of(answer, 403)
        fields = {"q": "a", "source": "en", "target": "fr"}
        for answer in (
            server.translate("a", api_key=key),
            server.client.post("/translate", data={**fields, "api_key": key}),
            server.client.post("/translate", params={"api_key": key}, json=fields),
            server.client.post("/translate", json=fields, headers={"authorization": f"Bearer {key}"}),
        ):
            assert answer.status_code == 200
        assert server.client.get("/health").json() == {"status": "ok"}
        assert "models" in server.client.get("/health", headers={"authorization": f"Bearer {key}"}).json()
        assert server.client.get("/frontend/settings").json()["keyRequired"] is True


def test_users_are_asked_for_on_every_page_and_may_use_the_api() -> None:
    with fixed_server(access=Access({}, {"ann": digest("password: 1")})) as (server, _):
        assert server.client.get("/docs").status_code == 401
        assert server.client.get("/openapi.json").headers["www-authenticate"].startswith("Basic")
        assert server.client.get("/docs", auth=("ann", "password: 1")).status_code == 200
        for name, password in (("ann", "wrong"), ("bob", "password: 1"), ("", "")):
            assert server.client.get("/docs", auth=(name, password)).status_code == 401
        for header in ("Basic", "Basic ???", "Bearer x", "Basic " + base64.b64encode(b"ann").decode(), "Basic \xff"):
            assert server.client.get("/docs", headers={"authorization": header.encode("latin-1")}).status_code == 401
        assert server.translate("a").status_code == 403
        assert server.client.post("/detect", json={"q": "Hello"}, auth=("ann", "password: 1")).status_code == 200


def test_a_quick_client_is_slowed_down_and_told_for_how_long() -> None:
    with fixed_server(limits=Limits(requests_per_minute=3, characters_per_minute=100)) as (server, _):
        assert server.translate("x" * 90).status_code == 200
        slow = server.translate("x" * 90)
        assert "characters" in error_of(slow, 429)
        assert 1 <= int(slow.headers["retry-after"]) <= 60
        assert server.translate("x").status_code == 200
        assert "requests" in error_of(server.translate("x"), 429)


def test_guessing_passwords_is_slowed_down() -> None:
    with fixed_server(access=Access({}, {"ann": digest("password: 1")})) as (server, _):
        statuses = [server.client.get("/docs", auth=("ann", f"guess {i}")).status_code for i in range(40)]
        assert statuses == [401] * 30 + [429] * 10
        assert server.client.get("/docs", auth=("ann", "password: 1")).status_code == 429
        assert server.client.get("/docs").status_code == 401
        assert server.client.post("/detect", json={"q": "a"}, auth=("ann", "x")).status_code == 429


def test_a_rate_fills_evenly_and_belongs_to_one_client() -> None:
    now = 0.0
    rate = Rate("requests", 60, lambda: now)
    rate.spend("a", 60)
    rate.spend("b", 60)
    with pytest.raises(TooManyError) as refused:
        rate.spend("a", 10)
    assert refused.value.retry_after == 10
    now = 10.0
    rate.spend("a", 10)
    now = 1000.0
    rate.spend("a", 6000)  # more than a minute's share: let through when all of it is there
    with pytest.raises(TooManyError):
        rate.spend("a")


def test_secrets_are_read_from_files_and_kept_as_digests(tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    keys.write_text(f"# keys\n\nabcdefghijklmnopqrst\nann {'z' * 30}\nbob sha256:{digest('y' * 20)}\n")
    found = read_keys(keys)
    access = Access(found)
    assert [access.key_name(key) for key in ("abcdefghijklmnopqrst", "z" * 30, "y" * 20, "nope", "", None)] == ["key-3", "ann", "bob"] + [
        None
    ] * 3
    assert "z" * 30 not in json.dumps(found)
    users = tmp_path / "users"
    users.write_text(f"ann:long:password\nbob:sha256:{digest('secret word')}\n")
    assert read_users(users) == {"ann": digest("long:password"), "bob": digest("secret word")}
    for text in ("short\n", "a b c\n", "", "# none\n"):
        keys.write_text(text)
        with pytest.raises(ConfigError):
            read_keys(keys)
    for text in ("ann\n", "ann:short\n", ":password1\n", ""):
        users.write_text(text)
        with pytest.raises(ConfigError):
            read_users(users)
    with pytest.raises(ConfigError, match="cannot be read"):
        read_keys(tmp_path / "absent")


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "mt.example"])
def test_a_public_address_without_keys_or_users_is_refused(host: str) -> None:
    keys, users = Access({"d": "me"}), Access({}, {"ann": "d"})
    with pytest.raises(ConfigError, match="can be reached by others, and nothing would ask"):
        AppSettings(host=host).check()
    with pytest.raises(ConfigError, match="do not protect the page"):
        AppSettings(host=host, access=keys).check()
    AppSettings(host=host, access=keys, page=False).check()
    AppSettings(host=host, access=users).check()
    with pytest.raises(ConfigError, match="a shared link"):
        AppSettings().check(shared=True)
    AppSettings(host="::1").check()


def test_a_held_engine_does_not_hold_other_endpoints() -> None:
    with fixed_server() as (server, engine), holding(server, engine):
        for path in ("/health", "/languages", "/docs", "/frontend/settings"):
            assert server.client.get(path).status_code == 200
