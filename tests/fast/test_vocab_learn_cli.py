"""`dragoman vocab learn`: files in, pieces and figures out; what cannot be used is refused before anything is written."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
import typer
from learning_tokenizers import english, latin_text, marked_text
from typer.testing import CliRunner

from dragoman.mt.cli.vocab_learn import learn
from dragoman.mt.errors import ConfigError, CorpusError, DragomanError, LanguageError
from dragoman.mt.languages import find_language
from dragoman.mt.models import load_tokenizer
from dragoman.vocab.additions import load_addition
from dragoman.vocab.extend import extend_tokenizer
from dragoman.vocab.learning_text import hold_out, read_learning_text
from dragoman.vocab.segmentation import segment

APP = typer.Typer()
APP.command()(learn)
NKO, ENGLISH, LIGURIAN = find_language("nqo"), find_language("eng"), find_language("lij")


def write(path: Path, lines: list[str]) -> Path:
    content = ("\n".join(lines) + "\n").encode()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


def run(*arguments: object) -> str:
    result = CliRunner().invoke(APP, [str(each) for each in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output


@pytest.fixture
def text(tmp_path: Path) -> Path:
    return write(tmp_path / "mono.nqo", marked_text())


def test_pieces_are_written_with_what_they_were_learnt_from(text: Path, tiny_llama_folder: Path, tmp_path: Path) -> None:
    protected = write(tmp_path / "english.txt", list(english()[:200]))
    out, figures = tmp_path / "out" / "nko.json", tmp_path / "figures.json"
    shown = run(
        "-m", tiny_llama_folder, "-t", text, "-l", "nqo", "-k", 80, "--protect", protected, "-o", out, "--json", figures, "--seed", 3
    )
    addition = load_addition(out)
    base = load_tokenizer(tiny_llama_folder)
    extended = extend_tokenizer(base, addition)
    read = read_learning_text([str(text)], NKO, source=ENGLISH, seed=3)
    found = json.loads(figures.read_text())
    assert addition.language == "nqo_Nkoo"
    assert addition.facts["files"][0]["path"] == str(text)
    assert (addition.facts["seed"], addition.facts["held_out_lines"]) == (3, 12)
    assert (found["pieces"], found["used"]) == (80, 80)
    for part, lines in (("learning", read.texts), ("held_out", read.held_out)):
        assert found[part]["lines"] == len(lines)
        assert found[part]["before"] == sum(map(len, segment(base, lines)))
        assert found[part]["after"] == sum(map(len, segment(extended, lines)))
    assert found["held_out"]["stock"] > found["held_out"]["after"]
    assert found["protected"] == {
        "lines": 200,
        "before": found["protected"]["after"],
        "after": found["protected"]["after"],
        "changed": 0,
        "stock": None,
    }
    assert "80 of 80" in shown
    assert "widened" in shown
    assert "0 of 200" in shown
    assert f"dragoman vocab expand --model {tiny_llama_folder} --pieces {out}" in shown.replace("\n", "")


def test_figures_can_go_to_standard_output_and_nothing_is_said_of_unprotected_languages(
    text: Path, tiny_llama_folder: Path, tmp_path: Path
) -> None:
    result = CliRunner().invoke(
        APP, ["-m", str(tiny_llama_folder), "-t", str(text), "-l", "nqo", "-k", "20", "-o", str(tmp_path / "o.json"), "--json", "-"]
    )
    assert json.loads(result.stdout)["protected"] is None
    assert "nothing is known about other languages" in result.stderr


def test_text_comes_from_lines_tables_catalogues_and_gzip(tmp_path: Path) -> None:
    lines = marked_text(20)
    plain = write(tmp_path / "a.txt", lines[:5])
    packed = write(tmp_path / "b.txt.gz", lines[5:10])
    table = write(tmp_path / "c.tsv", [f"word {number}\t{line}" for number, line in enumerate(lines[10:15])])
    entries = "".join(f'\nmsgid "word {number}"\nmsgstr "{line}"\n' for number, line in enumerate(lines[15:]))
    catalogue = tmp_path / "d.po"
    catalogue.write_text(f'msgid ""\nmsgstr "Language: nqo\\nContent-Type: text/plain; charset=UTF-8\\n"\n{entries}', encoding="utf-8")
    found = read_learning_text([str(each) for each in (plain, packed, table, catalogue)], NKO, source=ENGLISH)
    assert [tally.kept for tally in found.tallies] == [5, 5, 5, 5]
    assert sorted([*found.texts, *found.held_out]) == sorted(lines)
    assert len(found.files) == 4
    first = read_learning_text([str(plain), str(packed), str(table)], NKO, source=ENGLISH, lines=7)
    assert len(first.texts) + len(first.held_out) == 7
    assert len(first.tallies) == 2


def test_one_line_in_fifty_is_held_out_and_never_learnt_from() -> None:
    lines = [f"line {number}" for number in range(500)] + ["twice"] * 100
    learnt, held_out = hold_out(lines, seed=1)
    assert len(learnt) == 588
    assert len(held_out) == 10
    assert not set(learnt) & set(held_out)
    assert hold_out(lines, seed=1) == (learnt, held_out)
    assert hold_out(lines, seed=2) != (learnt, held_out)


def refused(kind: type[DragomanError], *arguments: object) -> str:
    with pytest.raises(kind) as caught:
        run(*arguments)
    return str(caught.value)


def test_text_in_the_wrong_script_is_refused_and_the_other_spelling_named(text: Path, tiny_llama_folder: Path, tmp_path: Path) -> None:
    latin, out = write(tmp_path / "latin.txt", latin_text(100)), tmp_path / "out.json"
    message = refused(CorpusError, "-m", tiny_llama_folder, "-t", latin, "-l", "nqo", "-o", out)
    assert "0% of the letters" in message
    assert "--language nqo_Latn" in message
    assert not out.exists()
    run("-m", tiny_llama_folder, "-t", latin, "-l", "nqo_Latn", "-k", 30, "-o", out, "--min-uses", 2)
    assert load_addition(out).language == "nqo-Latn"


def test_text_the_tokenizer_covers_well_is_refused_unless_forced(tiny_sentencepiece_folder: Path, tmp_path: Path) -> None:
    words = [piece[1:] for piece in load_tokenizer(tiny_sentencepiece_folder).get_vocab() if piece[0] == "▁" and piece[1:].isascii()]
    covered, out = write(tmp_path / "covered.txt", [" ".join(words)] * 50), tmp_path / "out.json"
    arguments: list[Any] = ["-m", tiny_sentencepiece_folder, "-t", covered, "-l", "eng", "-k", 2, "-o", out]
    message = refused(CorpusError, *arguments)
    assert "well already" in message
    assert "--force" in message
    assert not out.exists()
    assert "offers" in refused(CorpusError, *arguments, "--force")


@pytest.mark.parametrize(
    ("kind", "arguments"),
    [
        (LanguageError, {"-l": "klingonish"}),
        (CorpusError, {"-t": "missing.txt"}),
        (ConfigError, {"--lines": 0}),
        (ConfigError, {"-k": 0}),
        (ConfigError, {"--min-gain": -1}),
        (ConfigError, {"-o": "."}),
        (CorpusError, {"-k": 100_000}),
    ],
    ids=["language", "text", "lines", "pieces", "gain", "output", "too many pieces"],
)
def test_bad_values_are_refused_with_nothing_written(
    kind: type[DragomanError], arguments: dict[str, Any], text: Path, tiny_llama_folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out.json"
    given = {"-m": tiny_llama_folder, "-t": text, "-l": "nqo", "-k": 30, "-o": out, **arguments}
    assert refused(kind, *(each for option in given.items() for each in option))
    assert not out.exists()


def test_an_empty_file_is_refused(tiny_llama_folder: Path, tmp_path: Path) -> None:
    empty = write(tmp_path / "empty.txt", [])
    assert "not one usable row" in refused(CorpusError, "-m", tiny_llama_folder, "-t", empty, "-l", "nqo", "-o", tmp_path / "out.json")
