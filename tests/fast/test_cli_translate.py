"""`dragoman translate` as a program: what goes in, what comes out, what it says and how it exits."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from dragoman.mt.cli.segments import plain, read_segments
from dragoman.mt.cli.translate import translate
from dragoman.mt.errors import DragomanError
from dragoman.mt.prompts import load_template, template_fields

app = typer.Typer()
app.command()(translate)

ONE_DIRECTION = ["eng_Latn-fra_Latn"]


def make_run(folder: Path, model: Path, directions: list[str]) -> Path:
    shutil.copytree(model, folder / "model")
    facts = {"format": 1, "kind": "merged", "base": "pypi:nothing", "base_revision": None, "directions": directions}
    facts["prompt"] = template_fields(load_template("plain"))
    (folder / "model" / "dragoman.json").write_text(json.dumps(facts), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def run(tiny_llama_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(tmp_path_factory.mktemp("run"), tiny_llama_folder, ONE_DIRECTION)


def call(run: Path, *options: str, given: bytes | str = "", check: bool = True) -> Result:
    arguments = ["--model", str(run), "--device", "cpu", "--max-new-tokens", "6", *options]
    result = CliRunner().invoke(app, arguments, input=given)
    if check and result.exception:
        raise result.exception
    return result


def output_lines(result: Result) -> list[str]:
    return result.stdout_bytes.decode("utf-8").split("\n")


def test_one_line_in_is_one_line_out_in_order_and_empty_lines_stay(run: Path) -> None:
    lines = ["Good morning, everyone.", "", "Dog.", "a\u2028b\x0bc\x85d", "Dog."]
    found = output_lines(call(run, given="\n".join(lines) + "\n"))
    assert len(found) == len(lines) + 1
    assert found[-1] == found[1] == ""
    assert found[2] == found[4] != ""
    alone = [output_lines(call(run, given=f"{line}\n"))[0] for line in (lines[0], lines[3])]
    assert alone == [found[0], found[3]]


def test_the_last_line_needs_no_newline_and_crlf_stays(run: Path) -> None:
    unix, last = output_lines(call(run, given="Dog.\nDog."))[:2]
    assert unix == last
    assert output_lines(call(run, given="Dog.\r\n"))[0] == unix + "\r"


def test_a_file_goes_to_a_file_that_appears_whole(run: Path, tmp_path: Path) -> None:
    source, target = tmp_path / "in.txt", tmp_path / "new" / "out.txt"
    source.write_text("Dog.\nCat.\n", encoding="utf-8")
    result = call(run, str(source), "-o", str(target))
    assert result.stdout == ""
    assert target.read_text(encoding="utf-8").count("\n") == 2
    assert [path.name for path in target.parent.iterdir()] == ["out.txt"]
    call(run, str(source), "-o", str(source))  # in place
    assert source.read_text(encoding="utf-8") == target.read_text(encoding="utf-8")


def test_a_failed_translation_leaves_the_old_output_alone(run: Path, tmp_path: Path) -> None:
    target = tmp_path / "out.txt"
    target.write_text("old", encoding="utf-8")
    with pytest.raises(DragomanError):
        call(run, "-o", str(target), "--long", "refuse", given="dog " * 3000)
    assert target.read_text(encoding="utf-8") == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["out.txt"]


def test_json_gives_an_object_a_line_with_source_score_and_warnings(run: Path) -> None:
    rows = [json.loads(line) for line in output_lines(call(run, "--json", given="Dog.\n\nCat.\n"))[:-1]]
    assert [row["source"] for row in rows] == ["Dog.", "", "Cat."]
    assert [row["line"] for row in rows] == [1, 2, 3]
    assert set(rows[0]) == {"line", "source", "text", "score", "tokens", "finished", "warnings"}
    assert rows[0]["score"] < 0
    assert rows[1]["text"] == ""
    plain_text = output_lines(call(run, given="Dog.\n\nCat.\n"))[:-1]
    assert [plain(row["text"], "line")[0] for row in rows] == plain_text


def test_streaming_prints_the_same_lines(run: Path) -> None:
    given = "Dog.\n\nGood morning.\n"
    assert call(run, "--stream", given=given).stdout == call(run, given=given).stdout


def test_blank_lines_separate_segments_of_several_lines(run: Path) -> None:
    result = call(run, "--segments", "blank-line", given="One\ntwo\n\n\nthree\n")
    first, second = result.stdout.removesuffix("\n").split("\n\n")
    alone = call(run, "--segments", "blank-line", "--json", given="One\ntwo\n")
    assert json.loads(alone.stdout)["source"] == "One\ntwo"
    assert plain(json.loads(alone.stdout)["text"], "blank-line")[0] == first
    assert second


def test_line_breaks_in_an_output_are_escaped_and_told() -> None:
    assert plain("a\nb", "line") == ("a\\nb", True)
    assert plain("ab", "line") == ("ab", False)
    assert plain("a\nb", "blank-line") == ("a\nb", False)
    assert plain("a\n \n\nb", "blank-line") == ("a\nb", True)


def test_bytes_that_are_not_utf8_are_replaced_and_their_lines_named(run: Path) -> None:
    result = call(run, "--json", given=b"Dog.\ncaf\xe9\nCat.\n")
    assert [json.loads(line)["source"] for line in output_lines(result)[:-1]] == ["Dog.", "caf\ufffd", "Cat."]
    assert "invalid-utf8 (1; line 2)" in result.stderr


def test_a_byte_order_mark_is_not_text() -> None:
    assert [segment.text for segment in read_segments([b"\xef\xbb\xbfa\n", b"\xef\xbb\xbfb\n"], "line")] == ["a", "\ufeffb"]


def test_what_looks_wrong_is_counted_on_standard_error(run: Path) -> None:
    result = call(run, given="Dog.\nCat.\n")
    assert "unfinished (2; line 1, 2)" in result.stderr


def test_show_prompt_prints_what_the_model_reads_without_loading_it(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dragoman.mt.models.load_model", None)
    assert call(run, "--show-prompt", given="Dog {text}.\n").stdout == "English: Dog {text}.\nFrench:\n"
    assert call(run, "--show-prompt", "--prompt", "alma", given="Dog.\n").stdout.startswith("Translate this from English to French:")
    swapped = call(run, "--show-prompt", "--from", "fra", "--to", "deu", given="Chien.\n")
    assert swapped.stdout == "French: Chien.\nGerman:\n"
    assert "trained for eng_Latn-fra_Latn" in swapped.stderr


def test_the_direction_comes_from_the_run_when_only_one_fits(run: Path, tiny_llama_folder: Path, tmp_path: Path) -> None:
    both = make_run(tmp_path / "both", tiny_llama_folder, ["eng_Latn-fra_Latn", "fra_Latn-eng_Latn"])
    assert call(both, "--show-prompt", "--from", "fr", given="x\n").stdout == "French: x\nEnglish:\n"
    with pytest.raises(DragomanError, match="several directions") as caught:
        call(both, "--show-prompt", given="x\n")
    assert "eng_Latn-fra_Latn, fra_Latn-eng_Latn" in str(caught.value)
    with pytest.raises(DragomanError, match="names no direction"):
        call(tiny_llama_folder, given="x\n")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--stream", "--json"], "--stream with --json"),
        (["--stream", "--beams", "4"], "--stream with --beams"),
        (["--temperature", "0.5"], "--temperature without --sample"),
        (["--sample", "--temperature", "0"], "--temperature 0"),
        (["--sample", "--beams", "2"], "sampling and beam search"),
        (["--beams", "0"], "beams"),
        (["--prompt", "almo"], "did you mean alma"),
        (["--from", "xxx"], "xxx"),
        (["/nowhere/in.txt"], "/nowhere/in.txt"),
        (["-o", "/proc/nowhere/out"], "cannot be written"),
    ],
)
def test_user_mistakes_are_told_in_words(run: Path, options: list[str], message: str) -> None:
    with pytest.raises(DragomanError) as caught:
        call(run, *options, given="Dog.\n")
    assert message in str(caught.value)


def test_a_missing_model_exits_with_2_and_no_traceback() -> None:
    done = subprocess.run(
        [sys.executable, "-c", "from dragoman.mt.cli.main import main; main()", "translate", "--model", "./nowhere"],
        capture_output=True,
        text=True,
        env={**os.environ, "HF_HUB_OFFLINE": "1"},
        timeout=120,
    )
    assert done.returncode == 2
    assert "./nowhere" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_a_reader_that_goes_away_ends_it_quietly(run: Path, tmp_path: Path) -> None:
    source = tmp_path / "in.txt"
    source.write_text("Dog.\n" * 5000, encoding="utf-8")
    command = [sys.executable, "-c", "from dragoman.mt.cli.main import main; main()", "translate", "--model", str(run), str(source)]
    with subprocess.Popen([*command, "--max-new-tokens", "30"], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout and process.stderr
        assert process.stdout.read(10)
        process.stdout.close()
        errors = process.stderr.read().decode()
        assert process.wait(timeout=120) in (0, 141)
    assert "Traceback" not in errors
    assert "Broken" not in errors
