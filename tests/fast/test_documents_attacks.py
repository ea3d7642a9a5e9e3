"""Files made to exhaust, escape or mislead: each is refused in words, in no time, and nothing of this machine gets into an answer."""

from __future__ import annotations

import io
import time
import zipfile
from collections.abc import Iterator

import httpx
import pytest
from app_server import Running, fixed_server
from word_files import TYPES, archive, body, main_part, word

from dragoman.app.limits import Limits as AppLimits
from dragoman.mt.documents import Limits, ReadingOptions, read_document
from dragoman.mt.errors import CorpusError

FRENCH = ReadingOptions(source_language="en", target_language="fr")
UNIT = '<xliff version="1.2"><file source-language="en"><body><trans-unit id="1"><source>{}</source></trans-unit></body></file></xliff>'
LAUGHS = (
    "<!DOCTYPE xliff ["
    + "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10 if n else "ha" * 50}">' for n in range(12))
    + "]>"
    + UNIT.format("&a11;")
)
OUTSIDE = '<?xml version="1.0"?><!-- c --><!DOCTYPE xliff [<!ENTITY f SYSTEM "file:///etc/passwd">]>' + UNIT.format("&f;")
XML_ATTACKS = {
    "billion laughs": (LAUGHS, "document type declaration"),
    "external entity": (OUTSIDE, "document type declaration"),
    "external DTD": ('<!DOCTYPE tmx SYSTEM "http://127.0.0.1:9/a.dtd">' + UNIT.format("a"), "document type declaration"),
    "parameter entity": ('<!DOCTYPE x [<!ENTITY % p SYSTEM "http://127.0.0.1:9/"> %p;]>' + UNIT.format("a"), "document type declaration"),
    "undeclared entity": (UNIT.format("&nbsp;"), "not well-formed"),
    "deep": (UNIT.format("<g>" * 150 + "a" + "</g>" * 150), "limit depth"),
    "very deep": ("<a>" * 100_000, "limit depth"),
    "many elements": (UNIT.format("<x/>" * 20_000), "limit elements"),
    "long text": (UNIT.format("a" * 60_000), "limit segment_characters"),
    "broken": (UNIT.format("<g>a"), "not well-formed"),
    "two roots": (UNIT.format("a") + "<b/>", "not well-formed"),
    "control": (UNIT.format("\x01"), "not well-formed"),
    "NUL": (UNIT.format("\0"), "not well-formed"),
    "endless comment": ("<!--" * 20_000, "not well-formed"),
    "endless tag": ("<a " * 20_000, "not well-formed"),
    "other XML": ("<svg/>", "not XLIFF"),
    "HTML": ("<html><body>hi</html>", "not well-formed"),
}


@pytest.mark.parametrize("name", XML_ATTACKS)
@pytest.mark.parametrize("form", ["xliff", "docx"])
def test_hostile_xml_is_refused_in_no_time(name: str, form: str) -> None:
    text, said = XML_ATTACKS[name]
    if form == "docx":
        if said.startswith(("not XLIFF", "limit segment")):
            pytest.skip("a matter of XLIFF")
        data = archive({"[Content_Types].xml": TYPES, "word/document.xml": text})
    else:
        data = text.encode()
    started = time.process_time()
    with pytest.raises(CorpusError, match=said) as caught:
        read_document(data, form, name="a", options=FRENCH, limits=Limits(elements=10_000))
    assert time.process_time() - started < 3
    assert len(str(caught.value)) < 600
    assert "root:" not in str(caught.value)


@pytest.mark.parametrize(
    "piece",
    ['<g id="{}">', '<bpt id="{}"/>a', '<bpt i="{}"/><ept i="{}"/>', "<x{}/>", "&lt;g1&gt;", '<ph id="{}"><sub>a</sub></ph>', "<!-- -->a"],
)
def test_much_of_any_code_is_read_or_refused_in_no_time(piece: str) -> None:
    content = "".join(piece.replace("{}", str(number)) for number in range(600))
    started = time.process_time()
    try:
        document = read_document(UNIT.format(content).encode(), "xliff", options=FRENCH)
    except CorpusError:
        document = None
    if document is not None:
        document.refusal(0, document.fitted(0, "a" + document.segments[0].source))
    assert time.process_time() - started < 3


@pytest.mark.parametrize(
    "content",
    [
        "<w:p>" + '<w:r><w:fldChar w:fldCharType="begin"/><w:t>a</w:t><w:fldChar w:fldCharType="end"/></w:r>' * 500 + "</w:p>",
        "<w:p><w:r><w:rPr>" + "<w:b/>" * 3_000 + "</w:rPr>" + "<w:t>a</w:t><w:tab/>" * 3_000 + "</w:r></w:p>",
        "<w:p>" + "<w:r><w:rPr><w:b/></w:rPr><w:t>a</w:t></w:r><w:r><w:t>b</w:t></w:r>" * 500 + "</w:p>",
        "<w:p><w:r><w:pict>" * 30 + "<w:p><w:r><w:t>a</w:t></w:r></w:p>" + "</w:pict></w:r></w:p>" * 30,
    ],
)
def test_a_paragraph_made_to_take_long_does_not(content: str) -> None:
    started = time.process_time()
    document = read_document(word(content), "docx")
    assert document.write(dict.fromkeys(range(len(document.segments)), "a"))
    assert time.process_time() - started < 5


def spoiled(change: str) -> bytes:
    """An archive with one thing wrong in its list of members."""
    stream = io.BytesIO(word("<w:p/>"))
    with zipfile.ZipFile(stream, "a") as opened:
        if change == "twice":
            with pytest.warns(UserWarning, match="Duplicate"):
                opened.writestr("word/document.xml", "b")
        else:
            opened.writestr(change, "b")
    return stream.getvalue()


def encrypted() -> bytes:
    data = bytearray(archive({"[Content_Types].xml": TYPES}, zipfile.ZIP_STORED))
    data[data.index(b"PK\x01\x02") + 8] |= 1
    return bytes(data)


PARTS = {"[Content_Types].xml": TYPES, "word/document.xml": body("<w:p/>")}


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (archive({**PARTS, "word/media/a.bin": b"\0" * 8_000_000}), "limit ratio"),
        (archive({**PARTS, **{f"{n}.bin": b"\0" * 900_000 for n in range(40)}}), "limit unpacked_bytes"),
        (archive({**PARTS, **{f"{n}": b"" for n in range(300)}}), "limit members"),
        (spoiled("../../etc/cron.d/evil"), "leads outside"),
        (spoiled("/etc/passwd"), "leads outside"),
        (spoiled("word\\..\\..\\a"), "leads outside"),
        (spoiled("C:/a"), "leads outside"),
        (spoiled("twice"), "is there twice"),
        (spoiled("WORD/Document.xml"), "is there twice"),
        (encrypted(), "is encrypted"),
        (archive(PARTS, zipfile.ZIP_BZIP2), "packed by method"),
        (word("<w:p/>")[:-40], "not a ZIP archive"),
        (b"PK\x03\x04", "not a ZIP archive"),
        (word("<w:p/>").replace(b"\x00\x00\x00word/document.xml", b"\x00\x00\x00word/DOCUMENT.xml", 1), "damaged"),
    ],
)  # fmt: skip
def test_a_hostile_archive_is_refused(data: bytes, said: str) -> None:
    limits = Limits(members=200, unpacked_bytes=20_000_000)
    with pytest.raises(CorpusError, match=said):
        read_document(data, name="a.docx", limits=limits)


def test_a_bit_changed_anywhere_is_refused_or_read_but_never_a_crash() -> None:
    data = word("<w:p><w:r><w:t>Good day</w:t></w:r></w:p>")
    for place in range(0, len(data), 7):
        changed = bytearray(data)
        changed[place] ^= 1 << place % 8
        try:
            document = read_document(bytes(changed), "docx")
            document.write(dict.fromkeys(range(len(document.segments)), "x"))
        except CorpusError:
            continue


# ---- through the API ----


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    with fixed_server(limits=AppLimits(body=200_000, file_segments=50)) as (running, _):
        yield running


def upload(server: Running, name: str, data: bytes, **fields: str) -> httpx.Response:
    given = {"source": "en", "target": "fr", **fields}
    return server.client.post("/translate_file", files={"file": (name, data)}, data=given)


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("a.xlf", LAUGHS.encode(), "document type declaration"),
        ("a.tmx", OUTSIDE.encode(), "document type declaration"),
        ("a.docx", archive({**PARTS, "a.bin": b"\0" * 50_000_000}), "limit ratio"),
        ("a.docx", spoiled("../../a"), "leads outside"),
        ("a.docx", b"PK\x03\x04", "not a ZIP archive"),
        ("a.docx", archive({"[Content_Types].xml": TYPES, "word/document.xml": OUTSIDE}), "document type declaration"),
        ("a.xlf", UNIT.format("a").replace("><file", ' trgLang="de"><file').replace("1.2", "2.0").encode(), "into fr"),
        ("a.xlf", ("<a>" * 5_000).encode(), "limit depth"),
    ],
)
def test_the_api_refuses_hostile_files_and_goes_on(server: Running, name: str, data: bytes, said: str) -> None:
    answer = upload(server, name, data)
    assert answer.status_code == 400, answer.text
    assert said in answer.json()["error"]
    assert not any(secret in answer.text for secret in ("root:", "Traceback", "site-packages"))
    assert server.translate("still").json() == {"translatedText": "STILL"}


def test_script_in_texts_and_names_stays_text(server: Running) -> None:
    script = "&lt;script&gt;alert(1)&lt;/script&gt; hello"
    answer = upload(server, "<img src=x onerror=alert(1)>.xlf", UNIT.format(script).encode())
    assert answer.status_code == 200, answer.text
    got = httpx.get(answer.json()["translatedFileUrl"])
    assert b"&lt;SCRIPT&gt;ALERT(1)&lt;/SCRIPT&gt; HELLO</target>" in got.content
    assert b"<SCRIPT" not in got.content
    assert got.headers["content-type"] == "application/octet-stream"
    assert not set(got.headers["content-disposition"]) & set("<>")
    answer = upload(server, "../a.docx", word(f"<w:p><w:r><w:t>{script}</w:t></w:r></w:p>"), warnings="true")
    assert "1 translated" in answer.json()["report"][0]
    got = httpx.get(answer.json()["translatedFileUrl"])
    assert ">&lt;SCRIPT&gt;ALERT(1)&lt;/SCRIPT&gt; HELLO</w:t>" in main_part(got.content)
    memory = '<tmx version="1.4"><header srclang="en"/><body><tu><tuv xml:lang="en"><seg>Hello</seg></tuv></tu></body></tmx>'
    got = httpx.get(upload(server, "a.tmx", memory.encode()).json()["translatedFileUrl"])
    assert got.text == memory.replace("</tuv>", '</tuv><tuv xml:lang="fr"><seg>HELLO</seg></tuv>')
