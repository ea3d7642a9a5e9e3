"""New vocabulary in a recipe: learnt, added, trained in, saved with the adapter, loaded again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console
from safetensors.torch import load_file
from training_recipes import recipe

from dragoman.mt.errors import DragomanError
from dragoman.mt.models import load_model
from dragoman.mt.recipes import check_recipe
from dragoman.mt.runs import RunOptions
from dragoman.mt.stages import TrainedRun, train_run
from dragoman.vocab.expansion import read_expansion

pytestmark = pytest.mark.slow  # nothing here needs more than a tiny model, but every test trains one
IDS = torch.arange(3, 40)[None]


@pytest.fixture
def nko(data: Path) -> Path:
    """A made-up corpus in N'Ko script: letters with tone marks, some words far more often than others."""
    syllables = ["ߒߞߏ߫", "ߓߊ߯ߟߊ", "ߞߊ߲߫", "ߡߍ߲߬", "ߘߌ߫", "ߟߋ߬"]
    words = [a + b for a in syllables for b in syllables]
    lines = [" ".join(words[(start * 7 + step * step) % len(words)] for step in range(8)) for start in range(120)]
    path = data / "nko.txt"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def tree(data: Path, model: Path, run: Path, nko: Path, *, pieces: int = 24, **train: Any) -> dict[str, Any]:
    made = recipe(data, model, run, steps=3, evaluate=False)
    made["vocabulary"] = {"corpora": [{"path": str(nko), "language": "nqo"}], "pieces": pieces}
    made["stages"][0]["corpora"] = [{"path": str(nko), "language": "nqo"}]
    for stage in made["stages"]:
        stage["train"] = {"method": "lora", "rank": 4, "alpha": 8, "embeddings": "new", **train}
    return made


def fit(made: dict[str, Any], **options: bool) -> TrainedRun:
    return train_run(check_recipe(made), RunOptions(**options), Console(quiet=True))


def logits(model: Any) -> torch.Tensor:
    with torch.no_grad():
        found: torch.Tensor = model.eval()(IDS).logits
    return found


def test_the_new_rows_and_the_adapter_move_and_no_other_row(data: Path, nko: Path, tiny_llama_folder: Path, tmp_path: Path) -> None:
    finished = fit(tree(data, tiny_llama_folder, tmp_path / "run", nko))
    expansion = read_expansion(tmp_path / "run/expanded")
    assert expansion is not None
    assert expansion.count == 24
    start = load_file(tmp_path / "run/expanded/model.safetensors")["model.embed_tokens.weight"]
    merged = finished.loaded.model.merge_and_unload().get_input_embeddings().weight.detach()
    new = list(expansion.new_ids)
    old = [row for row in range(len(start)) if row not in expansion.new_ids]
    assert torch.equal(merged[old], start[old])
    seen = (merged[new] != start[new]).any(dim=1)
    assert seen.sum() > 12  # those that occur in the text of six steps


def test_the_adapter_carries_the_new_rows_over_the_original_base(data: Path, nko: Path, tiny_llama_folder: Path, tmp_path: Path) -> None:
    from peft import AutoPeftModelForCausalLM

    finished = fit(tree(data, tiny_llama_folder, tmp_path / "run", nko))
    trained = logits(finished.loaded.model)
    folder = tmp_path / "run/model"
    facts = json.loads((folder / "dragoman.json").read_text(encoding="utf-8"))
    assert (facts["kind"], facts["base"]) == ("adapter", str(tiny_llama_folder))
    assert not any("embed_tokens.weight" in name for name in load_file(folder / "adapter_model.safetensors"))
    ours = load_model(str(tmp_path / "run"), device="cpu")
    assert len(ours.tokenizer) == len(finished.loaded.tokenizer)
    width = len(ours.tokenizer)
    assert torch.equal(logits(ours.model)[..., :width], trained[..., :width])
    plain = AutoPeftModelForCausalLM.from_pretrained(folder)
    assert torch.allclose(logits(plain)[..., :width], trained[..., :width], atol=1e-6)
    text = nko.read_text(encoding="utf-8").split("\n")[0]
    assert ours.tokenizer.decode(ours.tokenizer.encode(text, add_special_tokens=False)) == text


@pytest.mark.parametrize("train", [{"embeddings": "frozen"}, {"embeddings": "all"}, {"method": "2x2ls", "embeddings": "frozen"}])
def test_what_an_adapter_would_leave_behind_is_saved_whole(
    train: dict[str, Any], data: Path, nko: Path, tiny_llama_folder: Path, tmp_path: Path
) -> None:
    finished = fit(tree(data, tiny_llama_folder, tmp_path / "run", nko, **train))
    reloaded = load_model(str(tmp_path / "run"), device="cpu")
    assert (tmp_path / "run/model/model.safetensors").is_file()
    assert torch.allclose(logits(reloaded.model), logits(finished.loaded.model), atol=1e-5)


def test_a_run_on_four_bits_carries_its_new_rows_too(data: Path, nko: Path, tiny_llama_folder: Path, tmp_path: Path) -> None:
    pytest.importorskip("bitsandbytes")
    made = tree(data, tiny_llama_folder, tmp_path / "run", nko, method="qlora")
    fit(made)
    assert (tmp_path / "run/model/adapter_model.safetensors").is_file()
    assert len(load_model(str(tmp_path / "run"), device="cpu").tokenizer) > len(load_model(str(tiny_llama_folder), device="cpu").tokenizer)


def test_a_resumed_run_starts_from_the_model_it_expanded(data: Path, nko: Path, tiny_llama_folder: Path, tmp_path: Path) -> None:
    made = tree(data, tiny_llama_folder, tmp_path / "run", nko)
    fit(made)
    before = load_file(tmp_path / "run/model/adapter_model.safetensors")
    (tmp_path / "run/checkpoints/pairs/result.json").unlink()
    fit(made, resume=True)
    after = load_file(tmp_path / "run/model/adapter_model.safetensors")
    assert all(torch.equal(after[name], value) for name, value in before.items())
    nko.write_text(nko.read_text(encoding="utf-8") + "ߒߞߏ\n", encoding="utf-8")
    with pytest.raises(DragomanError, match="changed since this run was started"):
        fit(made, resume=True)


def test_a_dry_run_leaves_nothing_behind(data: Path, nko: Path, tiny_llama_folder: Path, tmp_path: Path) -> None:
    finished = fit(tree(data, tiny_llama_folder, tmp_path / "run", nko), dry_run=True)
    assert finished.estimate is not None
    assert list(tmp_path.iterdir()) == [data] or not [path for path in tmp_path.iterdir() if path != data]


def test_new_rows_of_a_model_that_has_none_are_refused(data: Path, tiny_llama_folder: Path, tmp_path: Path) -> None:
    made = recipe(data, tiny_llama_folder, tmp_path / "run", evaluate=False)
    made["stages"][0]["train"] = {"method": "lora", "embeddings": "new"}
    with pytest.raises(DragomanError, match="the starting model has no new vocabulary"):
        fit(made)


@pytest.mark.parametrize(
    ("vocabulary", "message"),
    [
        ({"corpora": []}, "at least one corpus"),
        ({"corpora": [{"path": "a.txt", "language": "nqo"}, {"path": "b.txt", "language": "eng"}]}, "several languages"),
        ({"corpora": [{"path": "a.tsv", "source": "eng", "target": "nqo"}]}, "monolingual"),
        ({"corpora": [{"path": "a.txt", "language": "nqo"}], "pieces": 0}, "out of range"),
    ],
)
def test_a_vocabulary_block_that_cannot_be_is_refused(
    vocabulary: dict[str, Any], message: str, data: Path, tiny_llama_folder: Path, tmp_path: Path
) -> None:
    made = recipe(data, tiny_llama_folder, tmp_path / "run", evaluate=False)
    made["vocabulary"] = vocabulary
    with pytest.raises(DragomanError, match=message):
        check_recipe(made)


def test_a_trained_model_keeps_its_prompt_when_it_is_expanded(data: Path, nko: Path, tiny_llama_folder: Path, tmp_path: Path) -> None:
    first = recipe(data, tiny_llama_folder, tmp_path / "first", steps=1, evaluate=False)
    fit({**first, "prompt": "plain"})
    fit(tree(data, tmp_path / "first", tmp_path / "second", nko))
    expanded = load_model(str(tmp_path / "second/expanded"), device="cpu")
    assert expanded.prompt == load_model(str(tmp_path / "first"), device="cpu").prompt
    assert expanded.directions == ("eng_Latn-fra_Latn",)
