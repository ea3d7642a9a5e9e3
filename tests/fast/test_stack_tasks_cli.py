"""`dragoman stack tasks` on a stack of tiny models: a saved stack in, a table and JSON out."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
import typer
from click.testing import Result
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM, AutoTokenizer
from typer.testing import CliRunner

from dragoman.adapters.seq2seq.config import ShapeConfig
from dragoman.adapters.seq2seq.training import new_model
from dragoman.adapters.seq2seq.vocabulary import learn_vocabulary
from dragoman.adapters.stacking.encoder import load_encoder
from dragoman.adapters.stacking.model import StackedModel
from dragoman.adapters.stacking.parents import Parent, folder_digest
from dragoman.adapters.stacking.saving import StackFacts, save_stack
from dragoman.mt.cli.stack_tasks import tasks
from dragoman.mt.errors import ConfigError, LanguageError
from dragoman.mt.languages import find_language

ROWS = (("good food", "positive"), ("bad room", "negative"), ("a bed", "neutral"))
APP = typer.Typer()
APP.command()(tasks)


@pytest.fixture(scope="module")
def stack_folder(tmp_path_factory: pytest.TempPathFactory, tiny_llama_folder: Path) -> Path:
    """A stack that knows English, Javanese and Toba Batak, with random weights."""
    home = tmp_path_factory.mktemp("stack")
    mt, folder = home / "mt", home / "stack"
    tokenizer = learn_vocabulary([text for text, _ in ROWS], [find_language(code) for code in ("eng", "jav", "bbc")], 60)
    shape = ShapeConfig(vocabulary=60, width=16, encoder_layers=1, decoder_layers=1, heads=2, feed_forward=16, positions=64)
    new_model(shape, tokenizer, 1).save_pretrained(mt)
    tokenizer.save_pretrained(mt)
    llm = AutoModelForCausalLM.from_pretrained(tiny_llama_folder)
    adapted = get_peft_model(llm, LoraConfig(r=2, target_modules="all-linear", task_type="CAUSAL_LM"))
    torch.manual_seed(0)
    stack = StackedModel(load_encoder(str(mt)), adapted)
    facts = StackFacts(
        Parent(str(mt), None, folder_digest(mt)), Parent(str(tiny_llama_folder), None, folder_digest(tiny_llama_folder)), "linear", "causal"
    )
    folder.mkdir()
    save_stack(folder, stack, AutoTokenizer.from_pretrained(tiny_llama_folder), facts)
    return folder


@pytest.fixture
def task_folder(tmp_path: Path) -> Path:
    for language in ("english", "javanese", "toba_batak", "sundanese"):
        (tmp_path / "nusax" / language).mkdir(parents=True)
        for split in ("train", "test"):
            lines = [f"{number},{text},{label}" for number, (text, label) in enumerate(ROWS)]
            (tmp_path / "nusax" / language / f"{split}.csv").write_text("\n".join(["id,text,label", *lines]) + "\n", encoding="utf-8")
    return tmp_path / "nusax"


def run(stack: Path, data: Path, *more: str) -> Result:
    given = ["--stack", str(stack), "--task", "nusax", "--data", str(data), "--epochs", "1", "--batch", "3", "--device", "cpu", *more]
    return CliRunner().invoke(APP, given)


def test_all_systems_are_measured_on_all_languages_the_encoder_knows(stack_folder: Path, task_folder: Path, tmp_path: Path) -> None:
    before = {path.name: path.read_bytes() for path in stack_folder.iterdir()}
    out = tmp_path / "out.json"
    done = run(stack_folder, task_folder, "--seeds", "2", "--json", str(out), "--teachers", str(tmp_path / "teachers"))
    assert done.exit_code == 0, done.output
    tree = json.loads(out.read_text(encoding="utf-8"))
    found = {(each["system"], each["language"]) for each in tree["means"]}
    languages = {"eng_Latn", "jav_Latn", "bbc"}
    assert found == {
        *((system, language) for system in ("stack", "LLM alone", "encoder + head") for language in languages),
        *(("translate-test", language) for language in languages - {"eng_Latn"}),
    }
    assert {each["seed"] for each in tree["results"]} == {1, 2, None}
    assert len(list((tmp_path / "teachers").iterdir())) == 2
    assert tree["stack"]["projection"] == "linear"
    assert before == {path.name: path.read_bytes() for path in stack_folder.iterdir()}


def test_questions_with_options_are_measured_by_accuracy(stack_folder: Path, tmp_path: Path) -> None:
    options = {"mc_answer1": "good", "mc_answer2": "bad"}
    rows = [{"flores_passage": "a bed. good food", "question": "a room?", **options, "correct_answer_num": right} for right in (1, 2)]
    for name in ("eng_Latn", "jav_Latn", "sun_Latn", "train"):
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    done = run(
        stack_folder, tmp_path, "--task", "belebele", "--seeds", "1", "--json", str(tmp_path / "out"), "--systems", "stack,translate-test"
    )
    assert done.exit_code == 0, done.output
    assert "1 of 3 languages are left out" in done.output
    tree = json.loads((tmp_path / "out").read_text(encoding="utf-8"))
    assert [(each["system"], each["language"], each["accuracy"]) for each in tree["means"]] == [
        *(("stack", code, 50.0) for code in ("eng_Latn", "jav_Latn")),
        ("translate-test", "jav_Latn", 50.0),
    ]


@pytest.mark.parametrize(
    ("more", "error", "message"),
    [
        (("--languages", "sun"), LanguageError, "does not know Sundanese"),
        (("--systems", "stack,best"), ConfigError, "unknown system 'best'"),
        (("--longest", "65"), ConfigError, "2 to 64"),
    ],
)
def test_what_cannot_be_compared_is_said_before_anything_is_trained(
    stack_folder: Path, task_folder: Path, more: tuple[str, ...], error: type[Exception], message: str
) -> None:
    done = run(stack_folder, task_folder, *more)
    assert isinstance(done.exception, error)
    assert message in str(done.exception)
