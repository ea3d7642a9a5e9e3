"""Files in: what is tolerated is said, what would shift or garble segments is refused with its place."""

from __future__ import annotations

import gzip
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dragoman.eval.outputs import aligned, content_warnings, files_test_set, read_segments, read_systems, tokenized_warning
from dragoman.eval.records import SystemOutput, TestSet
from dragoman.mt.errors import CorpusError
from dragoman.mt.languages import find_language

LINES = st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\n\r\ufeff"), max_size=12), min_size=1, max_size=6)


def write(folder: Path, name: str, data: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return path


@settings(max_examples=40, deadline=None)
@given(lines=LINES)
def test_only_a_line_feed_ends_a_segment(lines: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = read_segments(write(Path(folder), "out.txt", "".join(f"{line}\n" for line in lines)))
    assert file.segments == tuple(lines)
    assert file.warnings == ()


def test_line_separators_inside_a_sentence_split_nothing(tmp_path: Path) -> None:
    assert read_segments(write(tmp_path, "a", "one\u2028two\x0cthree\u0085four\nfive")).segments == (
        "one\u2028two\x0cthree\u0085four",
        "five",
    )


def test_a_byte_order_mark_is_taken_off_and_told(tmp_path: Path) -> None:
    file = read_segments(write(tmp_path, "a.txt", b"\xef\xbb\xbfone\ntwo\n"))
    assert file.segments == ("one", "two")
    assert "byte order mark" in file.warnings[0]


def test_windows_line_ends_are_taken_off_and_counted(tmp_path: Path) -> None:
    file = read_segments(write(tmp_path, "a.txt", b"one\r\ntwo\nthree\r\n"))
    assert file.segments == ("one", "two", "three")
    assert "2 of 3 lines" in file.warnings[0]


def test_a_packed_file_is_read_like_a_plain_one(tmp_path: Path) -> None:
    assert read_segments(write(tmp_path, "a.gz", gzip.compress(b"one\ntwo\n"))).segments == ("one", "two")


@pytest.mark.parametrize(
    ("text", "encoding", "named"),
    [
        ("Guten Tag!\nSchöne Grüße aus Köln.\nDie Straße ist naß.\n", "cp1252", "cp1252"),
        ("Hello\nДобрый день, как у вас дела?\nХорошо, спасибо.\n", "cp1251", "cp1251"),
        ("你好，世界。今天天气很好。\n我喜欢吃苹果。\n", "gb18030", "gb18030"),
        ("こんにちは、世界。\n今日はいい天気ですね。\n", "shift_jis", "shift_jis"),
        ("Καλημέρα, τι κάνεις;\nΕίμαι καλά, ευχαριστώ.\n", "cp1253", "cp1253"),
        ("One line\nand another\n", "utf-16", "UTF-16"),
    ],
)
def test_another_encoding_is_refused_with_its_line_and_its_likely_name(tmp_path: Path, text: str, encoding: str, named: str) -> None:
    path = write(tmp_path, "out.txt", text.encode(encoding))
    wrong = next(number for number, line in enumerate(path.read_bytes().split(b"\n"), 1) if not is_utf8(line))
    with pytest.raises(CorpusError, match=rf"out\.txt:{wrong}: not valid UTF-8.*it looks like {named}"):
        read_segments(path)


def is_utf8(line: bytes) -> bool:
    try:
        line.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


@pytest.mark.parametrize(("data", "said"), [(b"", "no segments"), (None, r"did you mean output\.txt")])
def test_an_empty_or_missing_file_is_refused(tmp_path: Path, data: bytes | None, said: str) -> None:
    write(tmp_path, "output.txt", "one\n")
    path = write(tmp_path, "empty", data) if data is not None else tmp_path / "outputs.txt"
    with pytest.raises(CorpusError, match=said):
        read_segments(path)


def test_one_blank_line_at_the_end_is_left_out_with_a_warning(tmp_path: Path) -> None:
    longer, reference = write(tmp_path, "out", "a\nb\n\n"), write(tmp_path, "ref", "a\nb\n")
    first, second = aligned([read_segments(longer), read_segments(reference)])
    assert first.segments == ("a", "b")
    assert "one blank line at the end" in first.warnings[0]
    assert second.warnings == ()


def test_a_last_blank_line_that_all_files_have_is_a_segment(tmp_path: Path) -> None:
    files = aligned([read_segments(write(tmp_path, name, "a\n\n")) for name in ("out", "ref")])
    assert [file.segments for file in files] == [("a", "")] * 2


@pytest.mark.parametrize("text", ["a\nb\nc\n", "a\nb\n\n\n", "a\n"], ids=["a line more", "two blank lines more", "a line less"])
def test_different_line_counts_name_both(tmp_path: Path, text: str) -> None:
    wrong, reference = write(tmp_path, "out", text), write(tmp_path, "ref", "a\nb\n")
    counts = sorted([text.count("\n"), 2])
    with pytest.raises(CorpusError, match=rf"{counts[1]} lines, but .* has {counts[0]}"):
        aligned([read_segments(wrong), read_segments(reference)])
    with pytest.raises(CorpusError, match=rf"out: {text.count(chr(10))} lines, but the test set has 2"):
        read_systems([str(wrong)], 2)


def test_systems_are_called_after_what_tells_their_files_apart(tmp_path: Path) -> None:
    paths = [write(tmp_path, f"newstest.{name}.en-de.txt", "a\n") for name in ("KIT.1", "FBK.1", "online-B.0")]
    systems, _ = read_systems([str(path) for path in paths], 1)
    assert [system.name for system in systems] == ["KIT.1", "FBK.1", "online-B.0"]


def test_a_name_can_be_given_and_an_equals_sign_in_a_file_name_is_no_name(tmp_path: Path) -> None:
    plain, odd = write(tmp_path, "out", "a\n"), write(tmp_path, "beam=4", "a\n")
    systems, _ = read_systems([f"ours={plain}", str(odd)], 1)
    assert [system.name for system in systems] == ["ours", "beam=4"]
    with pytest.raises(CorpusError, match="two systems are called 'ours'"):
        read_systems([f"ours={plain}", f"ours={odd}"], 1)


def test_files_make_a_test_set_with_all_their_references_and_warnings(tmp_path: Path) -> None:
    first, second = write(tmp_path, "a.ref", "x\ny\n"), write(tmp_path, "b.ref", b"x\r\nz\r\n")
    found = files_test_set([first, second], write(tmp_path, "src", "1\n2\n"), None, None)
    assert found.references == (("x", "y"), ("x", "z"))
    assert found.sources == ("1", "2")
    assert (found.name, found.direction, len(found.warnings)) == ("a.ref + b.ref", "?-?", 1)


def test_empty_references_are_counted_with_their_lines() -> None:
    [said] = content_warnings(TestSet("t", None, None, None, (("a", "", "b", " "),)))
    assert said.startswith("2 of 4 segments are empty (lines 2, 4)")


def test_a_single_segment_is_warned_about() -> None:
    [said] = content_warnings(TestSet("t", None, None, None, (("a",),)))
    assert "no interval" in said


@pytest.mark.parametrize(("text", "told"), [("今日はいい天気です", True), ("สวัสดีชาวโลก", True), ("Добрый день", False), ("שלום", False)])
def test_a_script_without_spaces_and_without_a_language_is_warned_about(text: str, told: bool) -> None:
    said = content_warnings(TestSet("t", None, None, None, ((text, text),)))
    assert any("no language is given" in line for line in said) == told
    assert content_warnings(TestSet("t", None, find_language("jpn"), None, ((text, text),))) == []


def test_an_output_that_looks_tokenised_is_told_with_its_count() -> None:
    looks = SystemOutput("ours", ("so ein Satz .",) * 100 + ("Ende.",), "ours.de")
    warning = tokenized_warning(looks)
    assert warning is not None and warning.startswith("100 of 101 lines of ours")
    assert tokenized_warning(SystemOutput("ours", looks.hypotheses[1:], "ours.de")) is None
