"""Documents: only the targets change; every segment is accounted for; what cannot be read, or is too much, is refused by name."""

from __future__ import annotations

import codecs
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dragoman.mt.documents import (
    FORMATS,
    Document,
    DocumentResult,
    Limits,
    ReadingOptions,
    TranslationCancelled,
    read_document,
    translate_document,
)
from dragoman.mt.errors import CorpusError, DragomanError, ModelError

NAMES = [each.name for each in FORMATS if each.name != "docx"]  # an archive has tests of its own
SAMPLES = {
    "txt": "Good morning.\n\n  See you.  \nlast",
    "po": 'msgid ""\nmsgstr "Language: fr\\n"\n\n#: a.c:1\nmsgid "Dog"\nmsgstr "Chien"\n\nmsgid "Cat"\nmsgstr ""\n',
    "csv": 'id,source,target\n1,"Dog, big",Chien\n2,Cat,\n',
    "tsv": "source\ttarget\nDog\tChien\nCat\t\n",
    "srt": "1\n00:00:01,000 --> 00:00:02,000\n<i>Two lines</i>\n<i>of text</i>\n\n2\n00:00:03,000 --> 00:00:04,000\nCat\n",
    "xliff": '<xliff version="1.2"><file source-language="en" target-language="fr"><body>\n<trans-unit id="1,"><source>A <g id="1">Dog</g>'
    '<x id="2"/> b</source><target>Un <x id="2"/><g id="1">Chien</g></target></trans-unit>\n<trans-unit id="2"><source>Cat</source>\n'
    "</trans-unit></body></file></xliff>",
    "tmx": '<tmx version="1.4"><header srclang="en"/><body>\n<tu><tuv xml:lang="en"><seg>Dog <ph x="1,">&lt;b&gt;</ph> big</seg></tuv>\n'
    '<tuv xml:lang="fr"><seg>Gros <ph x="1,">&lt;b&gt;</ph> chien</seg></tuv></tu>\n<tu><tuv xml:lang="en"><seg>Cat</seg></tuv></tu>'
    "</body></tmx>",
}
# What breaks parsers: line ends of three systems, quotes, tags, keywords out of place, text of the whole world.
SHREDS = [
    "\n", "\r\n", "\r", "\n\n", '"', '""', "\\", "\\n", '"\n"', ",", ";", "\t", "|", "#", "#, fuzzy\n", "#~ msgid ",
    'msgid "a"\n', 'msgstr "b"\n', 'msgstr[0] "c"\n', 'msgctxt "d"\n', "1\n", "00:00:01,000 --> 00:00:02,000\n", "-->", "<i>", "</i>",
    "{\\an8}", "- ", "source", "target", "<g1>", "<x2/>", "</g1>", "<source>", "</target>", "<tuv xml:lang='fr'>", "&amp;", "&#13;",
    "<![CDATA[<]]>", "<!-- -->", "<!DOCTYPE a>", "&a;", "&",
    "Good morning", " ", "\u2028", "\x85", "\x0c", "\u200d", "é", "e\u0301", "שלום", "你好", "สวัสดี", "𐌰", "\0", "\ufeff",
]  # fmt: skip
mangled = st.lists(st.sampled_from(SHREDS) | st.text(max_size=5), max_size=25).map("".join)
text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40)


@dataclass(frozen=True)
class Said:
    text: str
    warnings: tuple[str, ...] = ()


def shouting(texts: Sequence[str]) -> list[Said]:
    return [Said(text.upper()) for text in texts]


def report_of(result: DocumentResult, source: str) -> tuple[str, str]:
    return next((each.outcome, each.reason) for each in result.segments if each.source == source)


def spoil(sample: str, shreds: list[tuple[int, str]]) -> str:
    for place, shred in shreds:
        at = place % (len(sample) + 1)
        sample = sample[:at] + shred + sample[at + place % 3 :]
    return sample


def assert_unchanged(data: bytes, kind: str, options: ReadingOptions) -> None:
    """Reading is refused in words, or nothing is lost: by writing what was there, by writing nothing."""
    try:
        document = read_document(data, kind, options=options)
    except CorpusError:
        return
    assert document.write(document.targets, mark_failed=False) == data
    assert document.write({}) == data
    assert document.write({number: segment.target for number, segment in enumerate(document.segments) if segment.target}) == data


@pytest.mark.parametrize("kind", NAMES)
@given(shreds=st.lists(st.tuples(st.integers(0, 10**6), st.sampled_from(SHREDS)), max_size=6), data=st.data())
@settings(max_examples=60, deadline=None)
def test_a_damaged_file_comes_back_byte_for_byte_or_is_refused(kind: str, shreds: list[tuple[int, str]], data: st.DataObject) -> None:
    mark, encoding = data.draw(st.sampled_from([(b"", "utf-8"), (codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le")]))
    options = ReadingOptions(
        existing=data.draw(st.sampled_from(["keep", "replace"])), segments=data.draw(st.sampled_from(["line", "blank-line"]))
    )
    assert_unchanged(mark + spoil(SAMPLES[kind], shreds).encode(encoding), kind, options)


@pytest.mark.parametrize("kind", NAMES)
@given(content=mangled | st.binary(max_size=40))
@settings(max_examples=60, deadline=None)
def test_any_bytes_come_back_or_are_refused(kind: str, content: str | bytes) -> None:
    data = content if isinstance(content, bytes) else content.encode("utf-8", "replace")
    assert_unchanged(data, kind, ReadingOptions(source_column=0, target_column=1))
    assert_unchanged(data, kind, ReadingOptions())


@pytest.mark.parametrize("kind", NAMES)
@given(shreds=st.lists(st.tuples(st.integers(0, 10**6), st.sampled_from(SHREDS)), max_size=3), said=st.lists(text, min_size=1, max_size=5))
@settings(max_examples=60, deadline=None)
def test_whatever_a_translator_says_the_document_keeps_its_segments(kind: str, shreds: list[tuple[int, str]], said: list[str]) -> None:
    """Outputs of any kind never break the file: read again, it has the same segments with the targets the report names."""
    try:
        document = read_document(spoil(SAMPLES[kind], shreds).encode(), kind, options=ReadingOptions(existing="replace"))
    except CorpusError:
        return
    result = translate_document(document, lambda texts: [Said(said[number % len(said)]) for number, _ in enumerate(texts)])
    again = read_document(result.data, kind, options=ReadingOptions(existing="replace"))
    assert len(again.segments) == len(document.segments) == sum(result.counts.values())
    for before, after, current, report in zip(document.segments, again.segments, again.targets, result.segments, strict=True):
        assert after.source == before.source or before.target is None
        if report.outcome == "translated":
            assert current == report.target
        elif before.target is not None and before.skip != "row longer than the header":
            assert after.target == (before.source if report.outcome == "copied" else before.target)


# ---- plain text ----


def test_plain_text_keeps_blank_lines_indentation_and_mixed_line_ends() -> None:
    data = b"\xef\xbb\xbf  One.\r\n\r\n\tTwo. \nThree.\r   \r\nlast"
    result = translate_document(read_document(data, name="a.txt"), shouting)
    assert result.data == b"\xef\xbb\xbf  ONE.\r\n\r\n\tTWO. \nTHREE.\r   \r\nLAST"
    assert [report.origin.line for report in result.segments] == [1, 3, 4, 6]
    assert str(result.segments[1].origin) == "a.txt:3"


def test_paragraphs_are_translated_whole_and_keep_their_line_ends() -> None:
    document = read_document(b"One\r\ntwo\r\n\r\nthree\n", name="a.txt", options=ReadingOptions(segments="blank-line"))
    assert [segment.source for segment in document.segments] == ["One\ntwo", "three"]
    assert document.write(["Un\n\ndeux\ntrois", "a\nb"]) == b"Un\r\ndeux\r\ntrois\r\n\r\na b\n"


def test_a_line_stays_one_line() -> None:
    result = translate_document(read_document(b"One.\nTwo.\n", "txt"), lambda texts: [Said(f"{text}\n\nmore") for text in texts])
    assert result.data == b"One. more\nTwo. more\n"
    assert result.segments[0].warnings == ("added-lines",)


# ---- encodings ----


@pytest.mark.parametrize(
    ("mark", "encoding"),
    [
        (codecs.BOM_UTF8, "utf-8"),
        (codecs.BOM_UTF16_LE, "utf-16-le"),
        (codecs.BOM_UTF16_BE, "utf-16-be"),
        (codecs.BOM_UTF32_LE, "utf-32-le"),
    ],
)
def test_a_byte_order_mark_names_the_encoding_and_stays(mark: bytes, encoding: str) -> None:
    data = mark + "Café 𐌰\r\nשלום".encode(encoding)
    document = read_document(data, "txt")
    assert [segment.source for segment in document.segments] == ["Café 𐌰", "שלום"]
    assert document.write({0: "ü"}) == mark + "ü\r\nשלום".encode(encoding)


def test_another_encoding_is_refused_until_it_is_named() -> None:
    data = "Hôtel\nCafé à Noël\n".encode("cp1252")
    with pytest.raises(CorpusError, match=r"a.txt:1: not valid utf-8") as caught:
        read_document(data, name="a.txt")
    assert "cp1252" in str(caught.value)
    document = read_document(data, "txt", options=ReadingOptions(encoding="cp1252"))
    assert document.segments[1].source == "Café à Noël"
    assert document.write({1: "Ça"}) == "Hôtel\nÇa\n".encode("cp1252")


@pytest.mark.parametrize("name", ["punycode", "idna", "rot13", "zlib", "unicode_escape", "utf-7", "no-such", "a\0b", "utf-16"])
def test_what_is_no_encoding_of_files_is_refused(name: str) -> None:
    with pytest.raises(CorpusError, match=r"no encoding of text files|without a byte order mark"):
        read_document(b"abcd", "txt", options=ReadingOptions(encoding=name))


def test_a_translation_the_encoding_lacks_fails_alone() -> None:
    document = read_document(b"Dog\nCat\n", "txt", options=ReadingOptions(encoding="cp1252"))
    result = translate_document(document, lambda texts: [Said("Собака" if text == "Dog" else "Chat") for text in texts])
    assert result.data == b"Dog\nChat\n"
    assert "cannot be written in cp1252" in report_of(result, "Dog")[1]
    with pytest.raises(CorpusError, match="cannot be written in cp1252"):
        document.write({0: "Собака"})


# ---- translating ----


def test_equal_texts_are_translated_once_and_texts_without_words_not_at_all() -> None:
    asked: list[str] = []

    def translate(texts: Sequence[str]) -> list[Said]:
        asked.extend(texts)
        return shouting(texts)

    document = read_document(b"source,target\nDog,\nDog,\n 12:30 {x},\n,\n%s <b/>,\nCat,chat\n", "csv")
    result = translate_document(document, translate)
    assert asked == ["Dog"]
    assert result.data == b"source,target\nDog,DOG\nDog,DOG\n 12:30 {x}, 12:30 {x}\n,\n%s <b/>,%s <b/>\nCat,chat\n"
    assert result.counts == {"translated": 2, "copied": 2, "kept": 2, "failed": 0}
    assert report_of(result, "Cat") == ("kept", "already translated")


def test_a_text_that_fails_costs_no_other() -> None:
    def translate(texts: Sequence[str]) -> list[Said]:
        if "line 37" in texts:
            raise ModelError("too long")
        return [Said("" if text == "line 50" else text.upper()) for text in texts]

    document = read_document("\n".join(f"line {number}" for number in range(100)).encode(), "txt")
    result = translate_document(document, translate)
    assert result.counts == {"translated": 98, "copied": 0, "kept": 0, "failed": 2}
    assert report_of(result, "line 37") == ("failed", "too long")
    assert report_of(result, "line 50") == ("failed", "an empty translation")
    lines = result.data.decode().split("\n")
    assert [line for line in lines if line.islower()] == ["line 37", "line 50"]
    assert any("failed: document: too long (1; line 38)" in line for line in result.lines())


def test_a_translator_that_returns_too_little_fails_and_nothing_is_misplaced() -> None:
    result = translate_document(read_document(b"One\nTwo\n", "txt"), lambda texts: shouting(texts)[:-1])
    assert result.counts["failed"] == 2
    assert result.data == b"One\nTwo\n"


def test_outer_white_space_is_the_sources() -> None:
    document = read_document(b'msgid " Dog\\n"\nmsgstr ""\n', "po")
    assert b'msgstr " chien\\n"' in translate_document(document, lambda texts: [Said("\nchien ")]).data


def test_lost_and_invented_placeholders_are_told() -> None:
    document = read_document(b"Hello {name}, see <b>%s</b>\nBye {name}\n", "txt")
    said = {"Hello {name}, see <b>%s</b>": "<b>%s</b> Bonjour {nom}", "Bye {name}": "{name}, salut"}
    first, second = translate_document(document, lambda texts: [Said(said[text], ("copied",)) for text in texts]).segments
    assert first.warnings == ("copied", "placeholders")
    assert (first.placeholders.missing, first.placeholders.added) == (("{name}",), ("{nom}",))
    assert second.warnings == ("copied",)


def test_progress_comes_after_every_batch_and_cancelling_writes_nothing() -> None:
    document = read_document("\n".join(f"line {number}" for number in range(10)).encode(), "txt")
    seen: list[tuple[int, int]] = []
    translate_document(document, shouting, progress=lambda *numbers: seen.append(numbers), batch=4)
    assert seen == [(4, 10), (8, 10), (10, 10)]
    with pytest.raises(TranslationCancelled) as caught:
        translate_document(document, shouting, progress=lambda *numbers: seen.append(numbers), cancelled=lambda: len(seen) > 4, batch=4)
    assert (caught.value.done, caught.value.total) == (8, 10)


def test_numbers_that_do_not_fit_the_document_are_refused() -> None:
    document = read_document(b"One\nTwo\n", "txt")
    for targets in ({2: "x"}, {-1: "x"}, ["x"]):
        with pytest.raises(CorpusError, match="but there are 2"):
            document.write(targets)  # type: ignore[arg-type]


# ---- reading ----


def test_the_format_comes_from_the_name(tmp_path: Path) -> None:
    for name, extension in ((each.name, extension) for each in FORMATS for extension in each.extensions if each.name in NAMES):
        path = tmp_path / f"FILE{extension.upper()}"
        path.write_bytes(SAMPLES[name].encode())
        document = read_document(path)
        assert (document.format, document.name) == (name, str(path))
    with pytest.raises(CorpusError, match="does not say what format") as caught:
        read_document(b"x", name="a.pdf")
    assert ".po" in str(caught.value)
    with pytest.raises(CorpusError, match="did you mean srt"):
        read_document(b"x", "srtt")
    with pytest.raises(CorpusError, match="cannot be read"):
        read_document(tmp_path / "nothing.txt")


def limited(data: str, kind: str, **limits: int) -> Document:
    options = ReadingOptions(source_column=0, target_column=1)
    return read_document(data.encode(), kind, name="f", options=options, limits=Limits(**limits))


@pytest.mark.parametrize("kind", NAMES)
def test_what_exceeds_a_limit_is_refused_by_its_name(kind: str, tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match=r"limit bytes"):
        limited(SAMPLES[kind], kind, bytes=10)
    with pytest.raises(CorpusError, match=r"limit segments\)"):
        limited(SAMPLES[kind], kind, segments=1)
    with pytest.raises(CorpusError, match=r"limit segment_characters"):
        limited(SAMPLES[kind].replace("1,", "long,"), kind, segment_characters=2)
    path = tmp_path / f"a.{kind}"
    path.write_text(SAMPLES[kind], encoding="utf-8")
    with pytest.raises(CorpusError, match=r"limit bytes"):
        read_document(path, limits=Limits(bytes=10))
    with pytest.raises(CorpusError, match=r"limit columns"):
        limited(",".join("abc") + "\n", "csv", columns=2)


@pytest.mark.parametrize("kind", NAMES)
@pytest.mark.parametrize(
    "piece", ["\n", '"', '"a"\n', "a\n", 'msgid "a"\n', ",", "<", "{\\an8}", "- a\n", "1\n00:00:01,000 --> 00:00:02,000\n"]
)
def test_much_of_anything_is_read_or_refused_in_no_time(kind: str, piece: str) -> None:
    import time

    started = time.perf_counter()
    data = ('msgid "' if kind == "po" else "source\n") + piece * (50_000 // len(piece))
    try:
        read_document(data.encode(), kind, options=ReadingOptions(target_column=1))
    except DragomanError as error:
        assert len(str(error)) < 1000
    assert time.perf_counter() - started < 5
