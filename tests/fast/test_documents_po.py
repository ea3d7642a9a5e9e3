"""Catalogues: polib judges that the targets say what was meant, and that nothing else changed."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polib
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dragoman.mt.documents import Document, ReadingOptions, read_document, translate_document
from dragoman.mt.errors import CorpusError

# polib reads neither \a nor a NUL, and takes \r in a file for a line end, as it should be escaped.
text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\a"), max_size=120)
HEADER = (
    'msgid ""\nmsgstr ""\n"Content-Type: text/plain; charset=UTF-8\\n"\n'
    '"Language: fr\\n"\n"Plural-Forms: nplurals=2; plural=(n > 1);\\n"\n\n'
)


def parsed(data: bytes) -> polib.POFile:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.po"
        path.write_bytes(data)
        return polib.pofile(str(path))


def read(content: str, **options: Any) -> Document:
    return read_document(content.encode(), name="a.po", options=ReadingOptions(**options))


def everything_else(entry: polib.POEntry) -> tuple[object, ...]:
    comments = (entry.comment, entry.tcomment, entry.occurrences, entry.previous_msgid)
    return (entry.msgid, entry.msgctxt, entry.msgid_plural, *comments, entry.obsolete)


@dataclass(frozen=True)
class Said:
    text: str
    warnings: tuple[str, ...] = ()


@given(
    entries=st.lists(st.tuples(text.filter(str.strip), text, st.none() | text, st.booleans()), min_size=1, max_size=5),
    targets=st.lists(text, min_size=5, max_size=5),
    newline=st.sampled_from(["\n", "\r\n"]),
    width=st.sampled_from([0, 30, 78]),
)
@settings(max_examples=60, deadline=None)
def test_polib_reads_the_intended_targets_and_all_else_as_it_was(
    entries: list[tuple[str, str, str | None, bool]], targets: list[str], newline: str, width: int
) -> None:
    catalogue = polib.POFile(wrapwidth=width)
    for number, (msgid, msgstr, context, fuzzy) in enumerate(entries):
        flags = ["fuzzy"] if fuzzy else []
        catalogue.append(polib.POEntry(msgid=f"{number} {msgid}", msgstr=msgstr, msgctxt=context, flags=flags, occurrences=[("a.c", 1)]))
    data = str(catalogue).replace("\n", newline).encode()
    document = read_document(data, "po")
    assert document.write(document.targets, mark_failed=False) == data
    assert [segment.source for segment in document.segments] == [entry.msgid for entry in parsed(data)]
    wanted = [target.replace("\r\n", "\n") for target in targets[: len(entries)]]
    after, before = parsed(document.write(wanted)), parsed(data)
    assert [entry.msgstr for entry in after] == wanted
    assert [(everything_else(entry), entry.flags) for entry in after] == [(everything_else(entry), entry.flags) for entry in before]


PLURAL = HEADER + (
    '# translator\'s\n#. for the button\n#: a.c:1\n#, c-format\n#| msgid "old"\n'
    'msgctxt "menu"\nmsgid "%d file"\nmsgid_plural "%d files"\nmsgstr[0] ""\nmsgstr[1] ""\n\n'
    '#, fuzzy\nmsgid "Open"\nmsgstr "Fermer"\n\nmsgid "Save"\nmsgstr "Enregistrer"\n\n#~ msgid "Gone"\n#~ msgstr "Parti"\n'
)


def test_segments_know_their_context_place_and_why_they_are_left() -> None:
    document = read(PLURAL)
    one, many, fuzzy, done = document.segments
    assert [(segment.source, segment.target) for segment in (one, many)] == [("%d file", ""), ("%d files", "")]
    assert one.context == (
        "context: menu",
        "note: translator's",
        "comment: for the button",
        "used in: a.c:1",
        'before: msgid "old"',
        "plural form 1 of 2",
    )
    assert [segment.origin.line for segment in document.segments] == [15, 16, 20, 23]
    assert fuzzy.translate
    assert done.skip == "already translated"
    assert [segment.translate for segment in read(PLURAL, existing="replace").segments] == [True] * 4
    assert [note.split(";")[0] for note in document.notes] == [
        "obsolete entries, left as they are: 1",
        "plural entries: 1 with 2 forms, the first at line 12",
    ]


@pytest.mark.parametrize(
    ("rule", "forms", "sources"),
    [
        ("nplurals=2; plural=(n != 1);", 2, "1*"),
        ("nplurals=1; plural=0;", 1, "*"),
        ("nplurals=6; plural=(n==0 ? 0 : n==1 ? 1 : n==2 ? 2 : n%100>=3 && n%100<=10 ? 3 : n%100>=11 ? 4 : 5);", 6, "*1****"),
        ("nplurals=2; plural=n/0;", 2, "1*"),
        ("nplurals=2; plural=__import__('os');", 2, "1*"),
        ("", 2, "1*"),
    ],
)
def test_the_form_for_one_thing_is_translated_from_the_singular(rule: str, forms: int, sources: str) -> None:
    header = f'msgid ""\nmsgstr "Plural-Forms: {rule}\\n"\n\n'
    content = header + 'msgid "1"\nmsgid_plural "*"\n' + "".join(f'msgstr[{form}] ""\n' for form in range(forms))
    assert "".join(segment.source for segment in read(content).segments) == sources


def test_a_failed_message_is_marked_fuzzy_once_and_only_a_line_is_added() -> None:
    document = read(PLURAL, existing="replace")
    data = document.write([None, None, None, None])
    assert data.decode() == PLURAL.replace("#, c-format", "#, fuzzy, c-format").replace('msgid "Save"', '#, fuzzy\nmsgid "Save"')
    assert [entry.fuzzy for entry in parsed(data)] == [True, True, True, False]
    assert document.write([None] * 4, mark_failed=False) == PLURAL.encode()
    crlf = read_document(b'\r\n#| msgid "x"\r\nmsgid "a"\r\nmsgstr ""\r\n', "po")
    assert crlf.write([None]) == b'\r\n#, fuzzy\r\n#| msgid "x"\r\nmsgid "a"\r\nmsgstr ""\r\n'


def test_a_kept_message_is_not_marked_when_others_fail() -> None:
    result = translate_document(read(PLURAL), lambda texts: [Said("")] * len(texts))
    assert result.counts == {"translated": 0, "copied": 0, "kept": 1, "failed": 3}
    assert [entry.fuzzy for entry in parsed(result.data)] == [True, True, False, False]


def test_long_targets_are_wrapped_where_the_catalogue_is() -> None:
    words = "mot " * 40 + "fin"
    wrapped = read('msgid "a"\nmsgstr ""\n').write([words])
    assert max(len(line) for line in wrapped.decode().split("\n")) <= 79
    assert parsed(wrapped)[0].msgstr == words
    unwrapped = read(f'msgid "{words}"\nmsgstr ""\n').write([words])
    assert f'msgstr "{words}"\n' in unwrapped.decode()
    wide = read('msgid "a"\nmsgstr ""\n').write(["你好 " * 30])
    assert max(len(line) for line in wide.decode().split("\n")) <= 52


def test_the_declared_encoding_is_used() -> None:
    data = HEADER.replace("UTF-8", "ISO-8859-1").encode() + 'msgid "coffee é"\nmsgstr ""\n'.encode("latin-1")
    document = read_document(data, "po")
    assert document.segments[0].source == "coffee é"
    assert 'msgstr "café"'.encode("latin-1") in document.write(["café"])
    hostile = data.replace(b"ISO-8859-1", b"punycode")
    with pytest.raises(CorpusError, match="no encoding of text files"):
        read_document(hostile, "po")
    template = read_document(HEADER.replace("UTF-8", "CHARSET").encode() + 'msgid "é"\nmsgstr ""\n'.encode(), name="a.pot")
    assert template.segments[0].source == "é"


@pytest.mark.parametrize(
    ("content", "line"),
    [
        ("hello", 1),
        ('msgid "a\nmsgstr ""\n', 1),
        ('msgid "a"\nmsgstr "b" c\n', 2),
        ('msgid "a"\nmsgid "b"\nmsgstr ""\n', 2),
        ('msgid "a"\nmsgstr ""\nmsgstr ""\n', 3),
        ('msgid "a"\n\n', 1),
        ('msgstr "a"\n', 1),
        ('msgid "a"\n# x\n"b"\nmsgstr ""\n', 3),
    ],
)
def test_what_is_no_catalogue_is_refused_at_its_line(content: str, line: int) -> None:
    with pytest.raises(CorpusError) as caught:
        read(content)
    assert str(caught.value).startswith(f"a.po:{line}: ")


def test_escapes_say_what_they_say_and_come_back() -> None:
    document = read('msgid "tab\\tquote\\"back\\\\slash \\x41\\101 \\q \\377"\nmsgstr ""\n')
    assert document.segments[0].source == 'tab\tquote"back\\slash AA \\q \\377'
    assert read(document.write(['\t"\\\r\v']).decode()).segments[0].target == '\t"\\\r\v'
