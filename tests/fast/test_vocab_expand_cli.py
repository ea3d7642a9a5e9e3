"""`dragoman vocab expand`: a table with every fallback counted, facts as JSON, and refusals before anything is written."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer
from transformers import AutoModelForCausalLM, AutoTokenizer
from typer.testing import CliRunner
from vocab_additions import TEXTS, addition_of

from dragoman.mt.cli.vocab_expand import expand
from dragoman.mt.errors import DragomanError
from dragoman.mt.models import load_tokenizer
from dragoman.vocab.expansion import EXPANSION_FILE, read_expansion

app = typer.Typer(pretty_exceptions_enable=False)
app.command()(expand)


@pytest.fixture
def work(tiny_llama_folder: Path, tmp_path: Path) -> Path:
    """`pieces.json` for the tiny Llama and `mono.txt` with text for it."""
    addition_of(load_tokenizer(tiny_llama_folder)).save(tmp_path / "pieces.json")
    (tmp_path / "mono.txt").write_text("\n".join(TEXTS[:-1]) + "\n\n", encoding="utf-8")
    return tmp_path


def call(work: Path, model: Path, *more: str | Path) -> str:
    """Standard output and error together; user errors are raised as `main` would catch them."""
    given = ["--model", model, "--pieces", work / "pieces.json", "--output", work / "out", "--device", "cpu", *more]
    result = CliRunner().invoke(app, [str(each) for each in given], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def refused(work: Path, model: Path, *more: str | Path) -> str:
    with pytest.raises(DragomanError) as caught:
        call(work, model, *more)
    assert not (work / "out").is_dir() or not (work / "out" / EXPANSION_FILE).exists()
    assert not list(work.glob(".out.*"))
    return str(caught.value)


def test_every_fallback_is_in_the_table_and_the_facts(work: Path, tiny_llama_folder: Path) -> None:
    shown = call(work, tiny_llama_folder, "--text", work / "mono.txt", "--lines", "2", "--json", work / "facts.json", "--seed", "4")
    facts = json.loads((work / "facts.json").read_text(encoding="utf-8"))
    assert set(facts["origins"]) == {"align", "merge"}
    assert sum(facts["origins"].values()) == facts["count"]
    assert f"rows by merge {facts['origins']['merge']} (`align` had nothing for them)" in " ".join(shown.replace("│", " ").split())
    assert "500 before" in shown
    assert "one matrix" in shown
    assert facts["new_parameters"] == (facts["rows_after"] - 500) * 64
    assert (facts["seed"], facts["method"], facts["figures"]["lines"]) == (4, "align", 2)
    assert facts["facts"]["texts"][0]["sha256"]
    assert f"next: dragoman train RECIPE model.source={work / 'out'}" in shown
    expansion = read_expansion(work / "out")
    assert expansion is not None
    assert expansion.base == str(tiny_llama_folder)
    tokenizer = AutoTokenizer.from_pretrained(work / "out")
    model = AutoModelForCausalLM.from_pretrained(work / "out")
    assert model.config.vocab_size == facts["rows_after"]
    assert tokenizer.decode(tokenizer.encode(TEXTS[2], add_special_tokens=False)) == TEXTS[2]


def test_json_on_standard_output_is_nothing_but_json(work: Path, tiny_llama_folder: Path) -> None:
    given = ["--model", tiny_llama_folder, "--pieces", work / "pieces.json", "-o", work / "out", "--method", "mean", "--json", "-"]
    result = CliRunner().invoke(app, [str(each) for each in given], catch_exceptions=False)
    assert json.loads(result.stdout)["method"] == "mean"


def test_text_that_a_method_does_not_read_is_not_passed_over_in_silence(work: Path, tiny_llama_folder: Path) -> None:
    assert "`mean` reads no text" in call(work, tiny_llama_folder, "--method", "mean", "--text", work / "mono.txt")


def test_bad_input_is_refused_before_anything_is_written(work: Path, tiny_llama_folder: Path, tiny_sentencepiece_folder: Path) -> None:
    mono = ("--text", work / "mono.txt")
    assert "--text FILE" in refused(work, tiny_llama_folder)
    assert "did you mean align?" in refused(work, tiny_llama_folder, "--method", "allign")
    assert "--helper MODEL" in refused(work, tiny_llama_folder, "--method", "similarity")
    assert "learnt for another tokenizer" in refused(work, tiny_sentencepiece_folder, *mono)
    assert "no such file" in refused(work, tiny_llama_folder, "--text", work / "mono.text")
    assert "allowed: 1 or more" in refused(work, tiny_llama_folder, *mono, "--lines", "0")
    assert "neither a path that exists" in refused(work, Path("nowhere"), *mono)
    (work / "pieces.json").write_text("{}", encoding="utf-8")
    assert "not a file of learnt pieces" in refused(work, tiny_llama_folder, *mono)


def test_what_is_in_the_output_folder_stays_unless_overwritten(work: Path, tiny_llama_folder: Path) -> None:
    (work / "out").mkdir()
    (work / "out" / "mine.txt").write_text("mine", encoding="utf-8")
    assert "--overwrite" in refused(work, tiny_llama_folder, "--method", "mean")
    assert (work / "out" / "mine.txt").exists()
    call(work, tiny_llama_folder, "--method", "mean", "--overwrite")
    assert read_expansion(work / "out") is not None


def test_the_model_itself_is_never_overwritten(work: Path, tiny_llama_folder: Path) -> None:
    given = ["--model", tiny_llama_folder, "--pieces", work / "pieces.json", "-o", tiny_llama_folder, "--method", "mean", "--overwrite"]
    with pytest.raises(DragomanError, match="the model to be expanded itself"):
        CliRunner().invoke(app, [str(each) for each in given], catch_exceptions=False)
