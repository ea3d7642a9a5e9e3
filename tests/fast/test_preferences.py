"""Preference stages: what is read, what is refused, and that a model learns which of two translations is better."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Sequence
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from preference_rows import ENGLISH, FRENCH, batches_of, examples_of
from rich.console import Console
from safetensors.torch import load_file
from training_recipes import TRANSLATED, WORDS

from dragoman.app.pages.exports import preference_files
from dragoman.app.pages.session import Session, Vote
from dragoman.mt.config import CorpusConfig, PreferenceConfig
from dragoman.mt.corpora import Tally, read_preferences
from dragoman.mt.errors import ConfigError, CorpusError, RunError
from dragoman.mt.examples import ExampleSet
from dragoman.mt.models import load_model
from dragoman.mt.preference_loss import Preferred, score_sides
from dragoman.mt.processes import Processes, check_for_several
from dragoman.mt.recipes import check_recipe, dump_recipe
from dragoman.mt.runs import RunFolder, RunOptions
from dragoman.mt.stages import train_run


@pytest.fixture(scope="module")
def tokenizer(tiny_llama_folder: Path) -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(tiny_llama_folder)


# ---- what is read ----


def corpus(path: Path, **more: Any) -> dict[str, Any]:
    return {"path": str(path), "source": "eng", "target": "fra", **more}


def write_rows(path: Path, rows: Sequence[object]) -> Path:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def row(source: object = "dog", chosen: object = "chien", rejected: object = "chat") -> dict[str, object]:
    return {"source": source, "chosen": chosen, "rejected": rejected}


def test_rows_without_a_contrast_are_skipped_and_counted_by_place(tmp_path: Path, tokenizer: Any) -> None:
    rows = [
        row(),
        row(rejected=" chien "),
        row(chosen=""),
        row(source=" "),
        {"source": "a", "chosen": "b"},
        row(rejected="x" * 20_001),
        row(chosen=3),
    ]
    path = write_rows(tmp_path / "p.jsonl", [*rows, row(rejected="chat " * 60)])
    tally, tokenising = Tally(), Tally("tokenising")
    kept = list(read_preferences(CorpusConfig(**corpus(path)), tally))
    assert [preference.origin.line for preference in kept] == [1, 8]
    reasons = {"chosen and rejected are the same": [2], "empty side": [3, 4], "no text under rejected": [5], "over 20,000 characters": [6]}
    reasons["a value that is not text"] = [7]
    assert tally.places == {reason: [f"{path}:{line}" for line in lines] for reason, lines in reasons.items()}
    texts = [(each.source, each.chosen, each.rejected) for each in kept]
    assert len(examples_of(texts, tokenizer, 60, tokenising)) == 2
    assert (tokenising.kept, dict(tokenising.skipped)) == (1, {"longer than max_length 60 tokens": 1})


def test_rows_in_another_direction_than_the_corpus_are_skipped_and_counted(tmp_path: Path) -> None:
    rows = [
        {**row(), "source_language": source, "target_language": target} for source, target in (("en", "fr"), ("fr", "en"), ("en", "de"))
    ]
    tally = Tally()
    path = write_rows(tmp_path / "p.jsonl", rows)
    assert [kept.origin.line for kept in read_preferences(CorpusConfig(**corpus(path)), tally)] == [1]
    assert dict(tally.skipped) == {"another source_language": 1, "another target_language": 1}


words = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)


@given(st.lists(st.tuples(words, words, words), max_size=6))
@settings(max_examples=30, deadline=None)
def test_every_row_is_read_as_it_was_written_or_counted(tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str, str]]) -> None:
    path = write_rows(tmp_path_factory.getbasetemp() / "any.jsonl", [row(), *(row(*texts) for texts in rows)])
    tally = Tally()
    kept = list(read_preferences(CorpusConfig(**corpus(path)), tally))
    stripped = [tuple(text.strip() for text in texts) for texts in [("dog", "chien", "chat"), *rows]]
    usable = [texts for texts in stripped if all(texts) and texts[1] != texts[2]]
    assert [(each.source, each.chosen, each.rejected) for each in kept] == usable
    assert tally.read == len(rows) + 1


def test_other_keys_are_read_with_columns(tmp_path: Path) -> None:
    path = write_rows(tmp_path / "p.jsonl", [{"src": "dog", "better": "chien", "worse": "chat"}])
    (kept,) = read_preferences(CorpusConfig(**corpus(path, columns=["src", "better", "worse"])), Tally())
    assert (kept.source, kept.chosen, kept.rejected) == ("dog", "chien", "chat")


def test_sides_that_the_tokenizer_spells_alike_are_skipped_and_counted(tokenizer: Any) -> None:
    tally = Tally("tokenising")
    assert examples_of([("dog", "chien", "chien")], tokenizer, tally=tally) == []
    assert tally.skipped == {"chosen and rejected are the same tokens": 1}


def test_the_two_examples_share_their_prompt_and_end_with_eos(tokenizer: Any) -> None:
    chosen, rejected = examples_of([("the dog", "le chien", "le chat")], tokenizer)
    assert chosen.target_start == rejected.target_start
    assert list(chosen.ids[: chosen.target_start]) == list(rejected.ids[: chosen.target_start])
    assert chosen.ids[-1] == rejected.ids[-1] == tokenizer.eos_token_id
    assert list(chosen.ids) != list(rejected.ids)


# ---- a whole stage ----


def stage(path: Path, **more: Any) -> dict[str, Any]:
    return {
        "name": "votes",
        "corpora": [corpus(path)],
        "preference": {"loss": "cpo"},
        "train": {"method": "lora", "rank": 8, "alpha": 16, "dropout": 0.1},
        "schedule": {"kind": "constant", "peak": 1e-2},
        "batch": {"sequences": 10, "max_length": 120, "micro_tokens": 300},
        "budget": {"epochs": 5},
        "evaluate_every": None,
        **more,
    }


def recipe(path: Path, model: Path, run: Path, **more: Any) -> dict[str, Any]:
    return {
        "run": str(run),
        "model": {"source": str(model), "device": "cpu", "dtype": "float32"},
        "prompt": "plain",
        "checkpoints": {"every": 5, "keep": 9},
        "stages": [stage(path, **more)],
    }


def fit(tree: dict[str, Any], **options: bool) -> None:
    train_run(check_recipe(tree), RunOptions(**options), Console(quiet=True))


def train_events(run: Path) -> list[dict[str, Any]]:
    return [event for event in RunFolder(run).events() if event["event"] == "train"]


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twenty votes and a correction of a playground session, as its history tab hands them out."""
    votes = [
        Vote(ENGLISH, FRENCH, f"the {word}", f"ah, {right} !", right, "model a", "model b")
        for word, right in zip(WORDS, TRANSLATED, strict=True)
    ]
    session = Session().with_votes(tuple(votes)).with_entry(ENGLISH, FRENCH, "model a", "a cat", "un chien").with_correction(1, "un chat")
    ((name, text),) = preference_files(session).items()
    path = tmp_path_factory.mktemp("export") / name
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def trained(exported: Path, tiny_llama_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("runs") / "run"
    fit(recipe(exported, tiny_llama_folder, run))
    return run


def preferred(model: Any, path: Path, tokenizer: Any) -> dict[str, float]:
    """Margin and accuracy over a file, without dropout."""
    kept, seen = ExampleSet(), Preferred()
    rows = [(one.source, one.chosen, one.rejected) for one in read_preferences(CorpusConfig(**corpus(path)), Tally())]
    for example in examples_of(rows, tokenizer):
        kept.add(example)
    with torch.no_grad():
        for batch in batches_of(kept):
            seen.add(score_sides(model, batch), beta=0.1)
    return seen.report()


def test_what_the_playground_exports_trains_a_model_to_prefer_what_was_chosen(
    exported: Path, trained: Path, tiny_llama_folder: Path, tokenizer: Any
) -> None:
    assert exported.name == "preferences.en-fr.jsonl"
    reading, tokenising = json.loads((trained / "data.json").read_text())["stages"]["votes"]["corpora"]["corpus 1 (en-fr)"]
    assert (reading["kept"], tokenising["kept"]) == (21, 21)
    events = train_events(trained)
    assert [event["step"] for event in events] == list(range(1, 12))  # 105 preferences, ten a step
    assert all(math.isfinite(event["margin"]) and 0 <= event["accuracy"] <= 1 for event in events)
    before, after = (preferred(load_model(str(source), device="cpu").model, exported, tokenizer) for source in (tiny_llama_folder, trained))
    assert before["accuracy"] < 0.1, "the longer translation should be less likely at first"
    assert after["accuracy"] > 0.9
    assert after["margin"] > 0 > before["margin"]
    assert json.loads((trained / "model/dragoman.json").read_text())["directions"] == ["eng_Latn-fra_Latn"]


def test_a_run_resumed_in_the_middle_ends_as_the_unbroken_one(
    exported: Path, trained: Path, tiny_llama_folder: Path, tmp_path: Path
) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(trained, broken)
    for gone in ("checkpoints/votes/step-11", "model"):
        shutil.rmtree(broken / gone)
    (broken / "checkpoints/votes/result.json").unlink()
    fit(recipe(exported, tiny_llama_folder, broken), resume=True)
    said = [
        [(event["step"], event["loss"], event["margin"], event["accuracy"]) for event in train_events(run)] for run in (trained, broken)
    ]
    assert said[0] == said[1]
    one, other = (load_file(run / "model/adapter_model.safetensors") for run in (trained, broken))
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_preflight_shows_both_sides_of_a_preference(exported: Path, tiny_llama_folder: Path, tmp_path: Path) -> None:
    shown = StringIO()
    tree = recipe(exported, tiny_llama_folder, tmp_path / "run", preference={"loss": "arpo"})
    train_run(check_recipe(tree), RunOptions(dry_run=True), Console(file=shown, width=200))
    text = shown.getvalue()
    assert "first preference, chosen (" in text
    assert "the same, rejected (" in text
    assert "21 kept" in text
    assert "tokens/s" in text
    assert not (tmp_path / "run").exists()


# ---- what is refused ----


@pytest.mark.parametrize(
    ("changes", "key", "message"),
    [
        ({"corpora": [{"path": "mono.txt", "language": "fra"}]}, "corpora.0", "no monolingual corpus"),
        ({"corpora": [corpus(Path("p.jsonl"), interlinear=True)]}, "corpora.0", "cannot be interlinear"),
        ({"corpora": [corpus(Path("p.jsonl"), lexicon="a.tsv")]}, "corpora.0", "with a lexicon"),
        ({"corpora": [corpus(Path("p.jsonl"), directions="both", name="mine")]}, "corpora.mine.directions", "one direction"),
        ({"corpora": [corpus(Path("p.tsv"), format="tsv")]}, "corpora.0.format", "not read from tsv"),
        ({"corpora": [corpus(Path("p.jsonl"), columns=["source", "chosen"])]}, "corpora.0.columns", "2 keys"),
        ({"train": {"method": "full", "predict_ahead": True}}, "train.predict_ahead", "no second head"),
        ({"preference": {"beta": 0}}, "preference.beta", "out of range"),
        ({"preference": {"loss": "dpo"}}, "preference.loss", "'cpo' or 'arpo'"),
        ({"preference": {"betta": 1}}, "preference.betta", "did you mean beta"),
    ],
)
def test_what_a_preference_stage_cannot_do_is_refused_when_the_recipe_is_read(changes: dict[str, Any], key: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        check_recipe({"stages": [stage(Path("p.jsonl"), **changes)]})
    assert key in str(caught.value)
    assert message in str(caught.value)


def test_a_corpus_without_a_rejected_side_is_refused_before_training(tiny_llama_folder: Path, tmp_path: Path) -> None:
    path = write_rows(tmp_path / "pairs.jsonl", [{"source": "dog", "target": "chien"}])
    with pytest.raises(CorpusError, match="no row has text under source and chosen and rejected"):
        fit(recipe(path, tiny_llama_folder, tmp_path / "run"))
    assert not (tmp_path / "run").exists()
    (tmp_path / "pairs.tsv").write_text("dog\tchien\n", encoding="utf-8")
    with pytest.raises(CorpusError, match="from JSONL only"):
        list(read_preferences(CorpusConfig(**corpus(tmp_path / "pairs.tsv")), Tally()))


def test_several_processes_are_refused() -> None:
    config = check_recipe({"stages": [stage(Path("p.jsonl"))]})
    with pytest.raises(RunError, match="2 processes were started, and stage votes learns from preferences"):
        check_for_several(config, Processes(1, 2))
    check_for_several(config, Processes())


def test_a_recipe_without_preferences_is_written_as_before_there_were_any() -> None:
    plain = check_recipe({"stages": [{"name": "pairs", "corpora": [corpus(Path("p.jsonl"))]}]})
    assert "preference" not in dump_recipe(plain)
    preferring = check_recipe({"stages": [stage(Path("p.jsonl"))]})
    assert check_recipe(yaml.safe_load(dump_recipe(preferring))) == preferring
    assert preferring.stages[0].preference == PreferenceConfig()
