"""Word documents: paragraphs translated with their formatting, every other byte of every member as it was."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_documents import Said
from word_files import TYPES, archive, body, made, main_part, word

from dragoman.mt.documents import DocumentResult, read_document, translate_document
from dragoman.mt.documents.xml_texts import escaped, forbidden
from dragoman.mt.errors import CorpusError

docx = pytest.importorskip("docx", reason="python-docx is in the extra `dev`")


def translated(data: bytes, change: Callable[[str], str]) -> DocumentResult:
    return translate_document(read_document(data, "docx"), lambda texts: [Said(change(text)) for text in texts])


def sources(data: bytes) -> list[str]:
    return [segment.source for segment in read_document(data, "docx").segments]


def runs(paragraph: Any) -> list[tuple[str, bool | None]]:
    return [(run.text, run.bold) for run in paragraph.runs]


def report(document: Any) -> None:
    document.add_heading("Yearly report", 1)
    paragraph = document.add_paragraph("We sold ")
    paragraph.add_run("many").bold = True
    paragraph.add_run(" old ")
    paragraph.add_run("books.")
    document.add_paragraph("First point", style="List Bullet")
    table = document.add_table(1, 2)
    table.cell(0, 0).text, table.cell(0, 1).text = "Books & pens <A5>", "1,250"
    section = document.sections[0]
    section.header.paragraphs[0].text, section.footer.paragraphs[0].text = "Head שלום", "Foot 𐌰"


def test_python_docx_reads_every_translated_text_with_its_formatting() -> None:
    data = made(report)
    said = {"We sold <g1>many</g1> old books.": "<g1>Viele</g1> alte Bücher haben wir verkauft."}
    result = translated(data, lambda text: said.get(text, text.upper()))
    assert result.counts == {"translated": 6, "copied": 1, "kept": 0, "failed": 0}
    read = docx.Document(io.BytesIO(result.data))
    heading, sold, point = read.paragraphs
    assert (heading.text, heading.style.name, point.text, point.style.name) == ("YEARLY REPORT", "Heading 1", "FIRST POINT", "List Bullet")
    assert runs(sold) == [("Viele", True), (" alte Bücher haben wir verkauft.", None)]
    assert [cell.text for cell in read.tables[0].rows[0].cells] == ["BOOKS & PENS <A5>", "1,250"]
    assert (read.sections[0].header.paragraphs[0].text, read.sections[0].footer.paragraphs[0].text) == ("HEAD שלום", "FOOT 𐌰")


def test_every_other_member_and_the_archives_order_stay() -> None:
    data = made(report)
    document = read_document(data, "docx")
    assert document.write(document.targets) == document.write({}) == data
    with zipfile.ZipFile(io.BytesIO(data)) as before, zipfile.ZipFile(io.BytesIO(translated(data, str.upper).data)) as after:
        assert [(info.filename, info.date_time, info.compress_type) for info in before.infolist()] == [
            (info.filename, info.date_time, info.compress_type) for info in after.infolist()
        ]
        changed = {name for name in before.namelist() if before.read(name) != after.read(name)}
    assert changed == {"word/document.xml", "word/header1.xml", "word/footer1.xml"}


LINK = '<w:hyperlink r:id="rId4"><w:r><w:rPr><w:u w:val="single"/></w:rPr><w:t>link</w:t></w:r></w:hyperlink>'
NOTE = '<w:r><w:footnoteReference w:id="2"/></w:r>'
MIXED = (
    '<w:p w:rsidR="00A1"><w:pPr><w:jc w:val="center"/></w:pPr><w:r w:rsidR="1"><w:t xml:space="preserve">See the </w:t></w:r>'
    f'<w:proofErr w:type="spellStart"/>{LINK}<w:r><w:t xml:space="preserve"> here</w:t></w:r>{NOTE}<w:r><w:t> and there.</w:t></w:r></w:p>'
)


def test_links_notes_and_breaks_are_tags_that_may_move() -> None:
    assert sources(word(MIXED)) == ["See the <g1>link</g1> here<x2/>and there."]
    made = main_part(translated(word(MIXED), lambda text: "Da<x2/> ist <g1>ein Link</g1>.").data)
    run = '<w:r w:rsidR="1"><w:t xml:space="preserve">'
    link = LINK.replace("<w:t>link", '<w:t xml:space="preserve">ein Link')
    start = '<w:p w:rsidR="00A1"><w:pPr><w:jc w:val="center"/></w:pPr>'
    assert made == f"{start}{run}Da</w:t></w:r>{NOTE}{run} ist </w:t></w:r>{link}{run}.</w:t></w:r></w:p>"


def test_lost_formatting_is_told_and_a_lost_link_fails() -> None:
    bold = "<w:p><w:r><w:t>A </w:t></w:r><w:r><w:rPr><w:b/></w:rPr><w:t>big</w:t></w:r><w:r><w:br/><w:t>dog</w:t></w:r></w:p>"
    result = translated(word(bold + MIXED), lambda text: "ein <g1>großer Hund" if "dog" in text else "ohne Link")
    assert [segment.outcome for segment in result.segments] == ["translated", "failed"]
    assert result.segments[0].target == "ein großer Hund"
    assert "formatting" in result.segments[0].warnings
    assert result.segments[1].reason == "the tags of a link in it were not kept"
    expected = bold.replace("<w:t>A ", '<w:t xml:space="preserve">ein großer Hund').replace(">big<", "><").replace(">dog<", "><")
    assert main_part(result.data) == expected + MIXED


FIELD = (
    '<w:r><w:fldChar w:fldCharType="begin"/></w:r><w:r><w:instrText>PAGE</w:instrText></w:r><w:r><w:fldChar w:fldCharType="separate"/>'
    '</w:r><w:r><w:t>7</w:t></w:r><w:r><w:fldChar w:fldCharType="end"/></w:r>'
)


def test_fields_bookmarks_text_boxes_and_tracked_changes_stay() -> None:
    marked = f'<w:p><w:r><w:t>Page </w:t></w:r><w:bookmarkStart w:id="1"/>{FIELD}<w:bookmarkEnd w:id="1"/><w:r><w:t>of it</w:t></w:r></w:p>'
    inside = "<w:p><w:r><w:t>In a box</w:t></w:r></w:p>"
    box = f"<w:p><w:r><w:t>Out</w:t></w:r><w:r><w:pict><w:txbxContent>{inside}</w:txbxContent></w:pict></w:r></w:p>"
    inserted = '<w:ins w:id="3"><w:r><w:t>word</w:t></w:r></w:ins><w:del><w:r><w:delText>old</w:delText></w:r></w:del>'
    changed = f'<w:p><w:r><w:t xml:space="preserve">New </w:t></w:r>{inserted}</w:p>'
    data = word(marked + box + changed)
    assert sources(data) == ["Page<x1/>of it", "Out", "In a box", "New word"]
    result = translated(data, lambda text: text.replace("Page", "Seite").replace("box", "Kasten").replace("New word", "Neues Wort"))
    text = main_part(result.data)
    assert FIELD in text
    assert text.index("bookmarkStart") < text.index("Seite") < text.index("bookmarkEnd")
    assert box.replace("In a box", "In a Kasten").replace("<w:t>In", '<w:t xml:space="preserve">In') in text
    assert text.endswith(changed.replace("New ", "Neues Wort").replace(">word<", "><"))
    assert result.segments[3].warnings == ("formatting",)
    assert len(result.notes) == 2
    assert sources(result.data) == ["Seite<x1/>of it", "Out", "In a Kasten", "Neues Wort"]


anything = st.text(st.characters(codec="utf-8") | st.sampled_from("<>&g1x2/ אب𐌰\n\t"), max_size=15)


@pytest.fixture(scope="module")
def frame() -> bytes:
    return made(lambda document: None)


@given(
    texts=st.lists(st.tuples(anything, st.sampled_from(["", "<w:b/>", "<w:i/>"])), min_size=1, max_size=5), said=anything, data=st.data()
)
@settings(max_examples=15, deadline=None)
def test_any_text_survives_in_any_formatting(frame: bytes, texts: list[tuple[str, str]], said: str, data: st.DataObject) -> None:
    parts = [("".join(each for each in text if not forbidden(each)), kind) for text, kind in texts]
    content = "".join(f'<w:r><w:rPr>{kind}</w:rPr><w:t xml:space="preserve">{escaped(text)}</w:t></w:r>' for text, kind in parts)
    given = word(f"<w:p>{content}</w:p>")
    document = read_document(given, "docx")
    plain = "".join(text for text, _ in parts).replace("\t", " ").replace("\r", " ").replace("\n", " ")
    assert document.write(document.targets) == given
    if not document.segments:
        assert not plain.strip()
        return
    content_ = document.body.places[0].paragraph.content  # type: ignore[attr-defined]
    assert content_.pattern.sub("", content_.text).split() == plain.split()
    wanted = said + content_.text if data.draw(st.booleans()) else said
    if document.refusal(0, document.fitted(0, wanted)) is None:
        (paragraph,) = docx.Document(io.BytesIO(_whole(frame, document.write({0: wanted})))).paragraphs
        read = document.fitted(0, wanted)
        assert paragraph.text == content_.pattern.sub("", read)


def _whole(empty: bytes, data: bytes) -> bytes:
    """A document that python-docx opens: ours within an empty one of its own."""
    stream = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(empty)) as frame, zipfile.ZipFile(stream, "w") as written:
        for name in frame.namelist():
            written.writestr(name, body(main_part(data)) if name == "word/document.xml" else frame.read(name))
    return stream.getvalue()


def test_what_is_no_word_document_is_refused() -> None:
    for data in (archive({"a.txt": b"x"}), archive({"[Content_Types].xml": "<Types/>"}), archive({"[Content_Types].xml": TYPES})):
        with pytest.raises(CorpusError, match="not a Word document"):
            read_document(data, name="a.docx")
    with pytest.raises(CorpusError, match="is something else"):
        read_document(archive({"[Content_Types].xml": TYPES, "word/document.xml": "<w:a xmlns:w='urn:x'/>"}), name="a.docx")
