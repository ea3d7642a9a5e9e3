"""`dragoman translate` for documents: the file that comes out is the one that went in, but for its texts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import get_args

import polib
import pytest
from test_cli_translate import ONE_DIRECTION, call, make_run
from word_files import word

from dragoman.mt.cli.documents import Format
from dragoman.mt.documents import FORMATS
from dragoman.mt.errors import DragomanError

PO = '# Us\r\nmsgid ""\r\nmsgstr "Language: fr\\n"\r\n\r\n#: a.c:1\r\nmsgid "Good dog"\r\nmsgstr ""\r\n\r\nmsgid "Cat"\r\nmsgstr "Chat"\r\n'


@pytest.fixture(scope="module")
def run(tiny_llama_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(tmp_path_factory.mktemp("run"), tiny_llama_folder, ONE_DIRECTION)


def test_the_option_knows_every_format() -> None:
    assert get_args(Format) == ("auto", "lines", *(each.name for each in FORMATS))


def test_a_catalogue_goes_in_and_a_catalogue_comes_out(run: Path, tmp_path: Path) -> None:
    given, made = tmp_path / "fr.po", tmp_path / "new" / "fr.po"
    given.write_bytes(PO.encode())
    result = call(run, str(given), "-o", str(made))
    translated, kept = polib.pofile(str(made))
    assert (kept.msgstr, bool(translated.msgstr)) == ("Chat", True)
    start, end = PO.split('msgstr ""\r\n\r\nmsgid "Cat"')
    assert made.read_bytes().decode().startswith(start)
    assert made.read_bytes().decode().endswith(end)
    assert f"{given}: 2 segments: 1 translated, 0 copied, 1 kept, 0 failed" in result.stderr
    assert "kept: " in result.stderr
    assert "already translated (1; line 10)" in result.stderr
    assert call(run, "--format", "po", given=PO).stdout_bytes == made.read_bytes()
    call(run, str(given), "-o", str(given))  # in place
    assert given.read_bytes() == made.read_bytes()


def test_memories_localisation_files_and_word_documents_are_filled_in_the_runs_language(run: Path, tmp_path: Path) -> None:
    memory = '<tmx version="1.4"><header srclang="en"/><body><tu><tuv xml:lang="en"><seg>12:30</seg></tuv></tu></body></tmx>'
    unit = '<trans-unit id="1"><source>12:30</source></trans-unit>'
    localised = f'<xliff version="1.2"><file source-language="en"><body>{unit}</body></file></xliff>'
    for name, given, added in (
        ("a.tmx", memory.encode(), b'<tuv xml:lang="fr"><seg>12:30</seg>'),
        ("a.xlf", localised.encode(), b'<target state="translated">12:30</target>'),
        ("a.docx", word("<w:p><w:r><w:t>12:30</w:t></w:r></w:p>"), b"word/document.xml"),
    ):
        (tmp_path / name).write_bytes(given)
        result = call(run, str(tmp_path / name), "-o", str(tmp_path / "out"))
        assert added in (tmp_path / "out").read_bytes()
        assert "1 copied" in result.stderr  # a model of random weights says what XML cannot hold
    with pytest.raises(DragomanError, match="its source-language is de"):
        call(run, "--format", "xliff", given=localised.replace('"en"', '"de"'))


def test_a_text_file_and_an_unknown_one_are_lines_as_ever(run: Path, tmp_path: Path) -> None:
    for name in ("a.txt", "a.en", "table.csv"):
        (tmp_path / name).write_text("One, two\nThree\n", encoding="utf-8")
    lines = call(run, given="One, two\nThree\n").stdout
    assert lines == call(run, str(tmp_path / "a.txt")).stdout == call(run, str(tmp_path / "a.en")).stdout
    assert lines == call(run, str(tmp_path / "table.csv"), "--format", "lines").stdout


def test_a_table_is_translated_between_the_columns_named(run: Path, tmp_path: Path) -> None:
    table = tmp_path / "a.csv"
    table.write_text('id;en\n1;"Good dog"\n2;12:30\n', encoding="utf-8")
    header, first, second, _ = call(run, str(table), "--columns", "en,fr").stdout.split("\n")
    assert (header, second) == ("id;en;fr", "2;12:30;12:30")
    assert first.startswith('1;"Good dog";"')
    rows = [json.loads(line) for line in call(run, str(table), "--columns", "en,fr", "--json").stdout.split("\n")[:-1]]
    assert [(row["line"], row["source"], row["outcome"]) for row in rows] == [(2, "Good dog", "translated"), (3, "12:30", "copied")]
    assert set(rows[0]) == {"line", "source", "text", "outcome", "reason", "warnings"}
    with pytest.raises(DragomanError, match="no column named source"):
        call(run, str(table))


def test_show_prompt_shows_the_first_text_to_translate(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dragoman.mt.models.load_model", None)
    assert call(run, "--show-prompt", "--format", "po", given=PO).stdout == "English: Good dog\nFrench:\n"
    nothing = PO.replace('"Good dog"\r\nmsgstr ""', '"Good dog"\r\nmsgstr "Bon chien"')
    assert call(run, "--format", "po", given=nothing).stdout_bytes == nothing.encode()  # no model was loaded
    assert "--existing replace" not in nothing
    assert call(run, "--show-prompt", "--format", "po", "--existing", "replace", given=nothing).stdout == "English: Good dog\nFrench:\n"


def test_a_text_too_long_fails_alone_and_all_of_them_leave_the_old_output(run: Path, tmp_path: Path) -> None:
    made = tmp_path / "out.srt"
    made.write_text("old", encoding="utf-8")
    cue = "00:00:01,000 --> 00:00:02,000\n"
    long = f"1\n{cue}{'dog ' * 3000}\n\n"
    result = call(run, "--format", "srt", "--long", "refuse", "-o", str(made), given=f"{long}2\n{cue}Good dog\n")
    assert made.read_text(encoding="utf-8").startswith(f"{long}2\n{cue}")
    assert "1 translated, 0 copied, 0 kept, 1 failed" in result.stderr
    assert "failed: standard input: a text of" in result.stderr
    made.write_text("old", encoding="utf-8")
    with pytest.raises(DragomanError, match="not one of 1 texts could be translated"):
        call(run, "--format", "srt", "--long", "refuse", "-o", str(made), given=long)
    assert made.read_text(encoding="utf-8") == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["out.srt"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--format", "po", "--stream"], "--stream with a document"),
        (["--columns", "a,b"], "--columns without a table"),
        (["--format", "srt", "--columns", "a,b"], "--columns without a table"),
        (["--format", "csv", "--columns", "a"], "--columns a"),
        (["--encoding", "cp1252"], "--encoding for lines"),
        (["--existing", "replace"], "--existing replace for lines"),
        (["--format", "po"], "standard input:1: not a gettext catalogue"),
        (["--format", "txt", "--encoding", "nothing"], "no encoding of text files"),
    ],
)
def test_mistakes_with_documents_are_told_in_words(run: Path, options: list[str], message: str) -> None:
    with pytest.raises(DragomanError) as caught:
        call(run, *options, given="Dog.\n")
    assert message in str(caught.value)
