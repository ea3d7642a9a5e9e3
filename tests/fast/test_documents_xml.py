"""XLIFF and TMX: targets filled with every inline code in its place, states kept up, every other byte as it was."""

from __future__ import annotations

import codecs
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree
from test_documents import Said

from dragoman.mt.documents import Document, DocumentResult, ReadingOptions, read_document, translate_document
from dragoman.mt.errors import CorpusError

FRENCH = ReadingOptions(source_language="en", target_language="fr")
XLIFF_1 = """<?xml version="1.0" encoding="UTF-8"?>
<xliff xmlns="urn:oasis:names:tc:xliff:document:1.2" version="1.2">
  <!-- made <by> hand & kept -->
  <file original="shop.c" source-language="en-US" datatype='plaintext'>
    <body>
      <group id="menu">
        <trans-unit id="open"  resname="menu.open">
          <source>Open the <g id="1" ctype="bold">blue</g> door<x id="2"/> &amp; wait &lt;br&gt;</source>
          <note>a button</note>
        </trans-unit>
      </group>
      <trans-unit id="whole"><source><g id="1"><ph id="2">{0}</ph> Close</g></source><target state="new" xml:lang="fr"/></trans-unit>
      <trans-unit id="done"><source>Dog</source><target state="final">Chien</target><alt-trans><target>a</target></alt-trans></trans-unit>
      <trans-unit id="no" translate="no"><source>ACME</source></trans-unit>
      <trans-unit id="pair"><source>A <bpt id="1">[</bpt>fat<ept id="1">]</ept> cat <mrk mtype="protected">T</mrk></source></trans-unit>
    </body>
  </file>
</xliff>
"""
XLIFF_2 = """<xliff xmlns="urn:oasis:names:tc:xliff:document:2.0" version="2.0" srcLang="en">
 <file id="f1"><unit id="u1"><notes><note>on top</note></notes>
  <segment id="s1"><source>Press <pc id="1">the <ph id="2"/> key</pc> twice</source></segment>
  <ignorable><source> </source></ignorable>
  <segment id="s2" state="initial" subState="my:x"><source>Wait</source><target>Wait</target></segment>
  <segment state="final"><source>Go</source><target>Va</target></segment>
 </unit></file>
</xliff>"""
TMX = """<?xml version="1.0"?>
<tmx version="1.4"><header srclang="en" segtype="sentence" creationtool="x"/>
<body>
  <tu tuid="1"><note>door</note>
    <tuv xml:lang="en"><seg>Open the <hi x="1">blue</hi> door<ph x="2">&lt;b/&gt;</ph> now</seg></tuv>
    <tuv xml:lang="de"><seg>Öffne die <hi x="1">blaue</hi> Tür<ph x="2">&lt;b/&gt;</ph> jetzt</seg></tuv>
  </tu>
  <tu><tuv xml:lang="EN-us"><seg>Dog</seg></tuv><tuv xml:lang="fr-FR"><seg/></tuv></tu>
  <tu><tuv xml:lang="en"><seg>Cat</seg></tuv><tuv xml:lang="fr-FR"><seg>Chat</seg></tuv></tu>
  <tu><tuv xml:lang="de"><seg>Haus</seg></tuv></tu>
</body></tmx>
"""


def translated(document: Document, change: Callable[[str], str], warnings: Sequence[str] = ()) -> DocumentResult:
    return translate_document(document, lambda texts: [Said(change(text), tuple(warnings)) for text in texts])


def french(text: str) -> str:
    for english, other in {"Open the": "Ouvre la", "<g1>blue</g1> door": "porte <g1>bleue</g1>", "wait": "attends", "cat": "chat"}.items():
        text = text.replace(english, other)
    return text


def test_xliff_1_targets_hold_the_codes_and_everything_else_stays() -> None:
    document = read_document(XLIFF_1.encode(), name="a.xlf", options=FRENCH)
    assert [segment.source for segment in document.segments if segment.translate] == [
        "Open the <g1>blue</g1> door<x2/> & wait <br>",
        " Close",
        "A <g1>fat</g1> cat ",
    ]
    assert document.segments[0].context == ("unit: menu.open", "note: a button")
    result = translated(document, french)
    expected = XLIFF_1.replace("datatype='plaintext'>", "datatype='plaintext' target-language=\"fr\">")
    expected = expected.replace(
        "&lt;br&gt;</source>\n",
        '&lt;br&gt;</source>\n          <target state="translated">Ouvre la porte <g id="1" ctype="bold">bleue</g><x id="2"/>'
        " &amp; attends &lt;br&gt;</target>\n",
    )
    expected = expected.replace(
        '<target state="new" xml:lang="fr"/>', '<target state="translated" xml:lang="fr"><g id="1"><ph id="2">{0}</ph> Close</g></target>'
    )
    expected = expected.replace(
        "T</mrk></source>",
        'T</mrk></source><target state="translated">A <bpt id="1">[</bpt>fat<ept id="1">]</ept> chat '
        '<mrk mtype="protected">T</mrk></target>',
    )
    assert result.data.decode() == expected
    assert result.counts == {"translated": 3, "copied": 0, "kept": 2, "failed": 0}


def test_codes_lost_made_up_or_crossed_fail_and_are_marked() -> None:
    document = read_document(XLIFF_1.encode(), name="a.xlf", options=FRENCH)
    said = {"Open the <g1>blue</g1> door<x2/> & wait <br>": "Ouvre <g1>la</g1> porte", "A <g1>fat</g1> cat": "Un </g1>gros<g1> chat"}
    result = translated(document, lambda text: said.get(text, "Ferme <g7>"))
    reasons = [report.reason for report in result.segments if report.outcome == "failed"]
    assert len(reasons) == 3
    assert "tags of the source not kept: lost <x2/>" in reasons
    assert "tags of the source crossed at </g1>" in reasons
    assert "tags of the source not kept: made up <g7>" in reasons
    assert result.data.decode().count('<target state="needs-translation"/>') == 2
    assert '<target state="needs-translation" xml:lang="fr"/>' in result.data.decode()
    again = read_document(result.data, "xliff", options=FRENCH)
    assert sum(segment.translate for segment in again.segments) == 3


def test_what_a_person_should_look_at_needs_review() -> None:
    document = read_document(XLIFF_1.encode(), name="a.xlf", options=FRENCH)
    assert translated(document, french, ["too-long"]).data.decode().count('state="needs-review-translation"') == 3


def test_xliff_2_names_the_language_and_the_state_on_the_segment() -> None:
    document = read_document(XLIFF_2.encode(), name="a.xliff", options=FRENCH)
    assert [segment.source for segment in document.segments if segment.translate] == ["Press <g1>the <x2/> key</g1> twice", "Wait"]
    expected = XLIFF_2.replace('srcLang="en">', 'srcLang="en" trgLang="fr">')
    expected = expected.replace('id="s1"', 'id="s1" state="translated"').replace('state="initial" subState="my:x"', 'state="translated"')
    expected = expected.replace("twice</source>", 'twice</source><target>PRESS <pc id="1">THE <ph id="2"/> KEY</pc> TWICE</target>')
    shout = translated(document, lambda text: text.upper().replace("<G1>", "<g1>").replace("</G1>", "</g1>").replace("X2", "x2"))
    assert shout.data.decode() == expected.replace("<target>Wait", "<target>WAIT")


def test_existing_translations_are_kept_unless_asked_otherwise_and_approved_ones_always() -> None:
    options = ReadingOptions(existing="replace", target_language="fr")
    units = [segment.skip for segment in read_document(XLIFF_1.encode(), "xliff", options=options).segments]
    assert units == ["", "", "", "not to be translated, as it says", ""]
    approved = XLIFF_1.replace('<trans-unit id="done">', '<trans-unit id="done" approved="yes">')
    assert read_document(approved.encode(), "xliff", options=options).segments[2].skip == "already translated and approved"


def test_a_file_for_another_language_is_refused() -> None:
    for text, wrong in ((XLIFF_1, ReadingOptions(source_language="de")), (XLIFF_2, ReadingOptions(source_language="fr"))):
        with pytest.raises(CorpusError, match="so it is not to be translated from"):
            read_document(text.encode(), "xliff", options=wrong)
    german = XLIFF_1.replace("datatype", 'target-language="de-AT" datatype')
    with pytest.raises(CorpusError, match="target-language is de-AT, so it is not to be translated into fr"):
        read_document(german.encode(), "xliff", options=FRENCH)
    assert read_document(german.encode(), "xliff", options=ReadingOptions(target_language="de")).segments
    with pytest.raises(CorpusError, match="version '3"):
        read_document(XLIFF_2.replace('version="2.0"', 'version="3"').encode(), "xliff")


def test_a_memory_gets_the_missing_language_in_the_files_own_spelling() -> None:
    document = read_document(TMX.encode(), name="a.tmx", options=FRENCH)
    assert [segment.source for segment in document.segments if segment.translate] == ["Open the <g1>blue</g1> door<x2/> now", "Dog"]
    assert document.notes == ("units without a text in en, left as they are: 1",)
    expected = TMX.replace("<seg/>", "<seg>Dog</seg>").replace(
        " jetzt</seg></tuv>\n",
        ' jetzt</seg></tuv>\n    <tuv xml:lang="fr-FR"><seg>Ouvre la porte <hi x="1">bleue</hi><ph x="2">&lt;b/&gt;</ph> now</seg></tuv>\n',
    )
    assert translated(document, french).data.decode() == expected
    with pytest.raises(CorpusError, match="which target language is meant"):
        read_document(TMX.encode(), "tmx")


@pytest.mark.parametrize(
    ("mark", "encoding", "declared"),
    [(codecs.BOM_UTF16_LE, "utf-16-le", "UTF-16"), (codecs.BOM_UTF8, "utf-8", "utf-8"), (b"", "iso8859-1", "ISO-8859-1")],
)
def test_encodings_marks_and_line_ends_stay(mark: bytes, encoding: str, declared: str) -> None:
    text = f'<?xml version="1.0" encoding="{declared}"?>\n' + XLIFF_1.partition("\n")[2]
    data = mark + text.replace("\n", "\r\n").encode(encoding)
    document = read_document(data, "xliff", options=FRENCH)
    assert document.write({}) == data
    made = document.write({1: " Fermé\n日本"})
    inside = "Fermé\r\n日本" if encoding != "iso8859-1" else "Fermé\r\n&#26085;&#26412;"
    expected = text.replace("\n", "\r\n").replace("datatype='plaintext'>", "datatype='plaintext' target-language=\"fr\">")
    written = f'<target state="translated" xml:lang="fr"><g id="1"><ph id="2">{{0}}</ph> {inside}</g></target>'
    assert made == mark + expected.replace('<target state="new" xml:lang="fr"/>', written).encode(encoding)
    etree.fromstring(made)


# Text of any kind, and what looks like markup, references and our own tags.
anything = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]) | st.sampled_from("<>&\"'g1x2/;#\r\n אب𐌰"), max_size=25)


@given(source=anything, said=anything, form=st.sampled_from(["xliff", "tmx"]))
@settings(max_examples=50, deadline=None)
def test_any_text_comes_back_as_a_parser_reads_it(source: str, said: str, form: str) -> None:
    from dragoman.mt.documents.xml_texts import escaped, forbidden

    source = "".join(character for character in source if not forbidden(character))
    raw = {
        "xliff": f'<xliff version="1.2"><file source-language="en"><body><trans-unit><source>{escaped(source)}</source></trans-unit>'
        "</body></file></xliff>",
        "tmx": f'<tmx><header srclang="en"/><body><tu><tuv xml:lang="en"><seg>{escaped(source)}</seg></tuv></tu></body></tmx>',
    }[form]
    document = read_document(raw.encode(), form, options=FRENCH)
    (segment,) = document.segments
    assert segment.source == source or not source.strip()
    result = translated(document, lambda text: said)
    (report,) = result.segments
    texts = [element.text for element in etree.fromstring(result.data).iter("target", "seg")]
    if report.outcome in ("translated", "copied"):
        assert texts[-1] == report.target
        assert read_document(result.data, form, options=FRENCH).targets == (report.target,)
    else:
        assert report.outcome == "kept" or forbidden(said) or not said.strip()
