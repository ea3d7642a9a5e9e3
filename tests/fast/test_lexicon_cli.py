"""`dragoman lexicon`: what it makes is read back the same, and what it cannot use is told in one message."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from dragoman.mt.cli.main import app
from dragoman.mt.errors import CorpusError
from dragoman.mt.lexicons import read_lexicon

_PAIRS = [
    ("the dog sleeps", "le chien dort"),
    ("the dog eats", "le chien mange"),
    ("a dog sleeps", "un chien dort"),
    ("the cat eats", "le chat mange"),
]


@pytest.fixture
def parallel(tmp_path: Path) -> Path:
    file = tmp_path / "pairs.tsv"
    file.write_text("".join(f"{source}\t{target}\n" for source, target in _PAIRS * 5), encoding="utf-8")
    return file


def run(*arguments: object) -> str:
    result = CliRunner().invoke(app, ["lexicon", *map(str, arguments)], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_a_dictionary_learnt_from_parallel_text_is_read_back_and_covers_it(parallel: Path, tmp_path: Path) -> None:
    made, figures = tmp_path / "en_fr.tsv", tmp_path / "figures.json"
    run("learn", parallel, "--from", "eng", "--to", "fra", "-o", made, "--json", figures)
    entries = {entry.source: entry.best for entry in read_lexicon(made, "eng", "fra").entries}
    assert entries["dog"] == "chien"
    assert entries["eats"] == "mange"
    assert json.loads(figures.read_text())["entries"] == len(entries)
    text = tmp_path / "text.en"
    text.write_text("Dogs? The dog.\nnothing known here\n", encoding="utf-8")
    found = json.loads(run("check", made, "--from", "eng", "--to", "fra", "--text", text, "--json", "-"))
    assert (found["lines"], found["lines_with_entries"]) == (2, 1)


def test_a_model_makes_a_dictionary_whose_failures_are_counted(tiny_llama_folder: Path, tmp_path: Path) -> None:
    words, made, figures = tmp_path / "words", tmp_path / "made.tsv", tmp_path / "figures.json"
    words.write_text("dog\n\ndog\nhouse\n  cat \n", encoding="utf-8")
    arguments = ["--from", "eng", "--to", "fra", "-o", made, "--json", figures]
    run("translate", words, "-m", tiny_llama_folder, *arguments, "--copies")
    told = json.loads(figures.read_text())
    assert told["tally"]["read"] == 3  # equal words are asked for once
    assert told["entries"] == told["tally"]["kept"] == len(read_lexicon(made, "eng", "fra"))


def test_nothing_is_written_where_nothing_can_be_learnt(parallel: Path, tmp_path: Path) -> None:
    made = tmp_path / "none.tsv"
    with pytest.raises(CorpusError, match="passes the thresholds"):
        run("learn", parallel, "--from", "eng", "--to", "fra", "--min-count", 1000, "-o", made)
    assert not made.exists()
