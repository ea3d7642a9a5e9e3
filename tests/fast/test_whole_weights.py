"""2x2LS and the second head: what moves, what is dropped, and that the loss is the same however the examples lie."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console
from safetensors.torch import load_file
from training_recipes import recipe
from transformers import LlamaConfig, LlamaForCausalLM

from dragoman.adapters.ahead import attach_ahead, detach_ahead
from dragoman.adapters.whole_weights import move_weights, transformer_layers
from dragoman.mt.batches import bucket_batch, packed_batch
from dragoman.mt.examples import Example
from dragoman.mt.losses import target_loss
from dragoman.mt.recipes import check_recipe
from dragoman.mt.runs import RunFolder, RunOptions
from dragoman.mt.stages import train_run


def tiny(layers: int = 6, *, tied: bool = True) -> LlamaForCausalLM:
    torch.manual_seed(0)
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=50,
            hidden_size=16,
            intermediate_size=32,
            num_hidden_layers=layers,
            num_attention_heads=2,
            num_key_value_heads=2,
            tie_word_embeddings=tied,
            initializer_range=0.3,
        )
    )


def example(*ids: int, start: int = 2) -> Example:
    return Example(ids, start, "here:1")


def test_2x2ls_moves_the_outer_layers_the_embeddings_the_head_and_the_norm_only() -> None:
    model = tiny(tied=False)
    move_weights(model, "2x2ls")
    still = {name for name, parameter in model.named_parameters() if not parameter.requires_grad}
    assert still == {name for name, _ in model.named_parameters() if ".layers.2." in name or ".layers.3." in name}


def test_the_layers_are_found_or_refused() -> None:
    assert len(transformer_layers(tiny())) == 6
    two = torch.nn.Module()
    two.config = tiny().config  # type: ignore[assignment]
    with pytest.raises(ValueError, match="0 module lists of 6 layers"):
        transformer_layers(two)  # type: ignore[arg-type]


def test_the_second_head_adds_the_loss_of_the_token_after_next() -> None:
    model = tiny()
    one = example(5, 6, 7, 8, 9, 10)
    batch = bucket_batch([one], [0], 0)
    plain = target_loss(model, batch)
    attach_ahead(model)
    with_ahead = target_loss(model, batch)
    logits = model(torch.tensor([one.ids])).logits.log_softmax(-1)[0]  # the second head is a copy of the first as yet
    expected = -sum(logits[position, one.ids[position + 2]] for position in range(1, 4))
    assert torch.allclose(with_ahead - plain, expected, atol=1e-5)
    detach_ahead(model)
    assert torch.equal(target_loss(model, batch), plain)
    assert "ahead_head.weight" not in model.state_dict()


def test_the_loss_with_a_second_head_is_the_same_packed_padded_and_one_by_one() -> None:
    model = tiny()
    attach_ahead(model)
    with torch.no_grad():
        model.ahead_head.weight.mul_(0.5)
    rows = [example(5, 6, 7, 8, 9, 10), example(11, 12, 13), example(14, 15, 16, 17, start=1)]
    alone = sum(target_loss(model, bucket_batch([row], [0], 0)) for row in rows)
    assert torch.allclose(target_loss(model, bucket_batch(rows, [0, 1, 2], 0)), alone, atol=1e-4)
    assert torch.allclose(target_loss(model, packed_batch(rows, [0, 1, 2])), alone, atol=1e-4)


def fit(tree: dict[str, Any], **options: bool) -> None:
    train_run(check_recipe(tree), RunOptions(**options), Console(quiet=True))


@pytest.mark.slow
def test_a_2x2ls_run_with_a_second_head_saves_an_ordinary_model_and_resumes_to_the_same(
    data: Path, tiny_llama_folder: Path, tmp_path: Path
) -> None:
    def tree(run: str) -> dict[str, Any]:
        made = recipe(data, tiny_llama_folder, tmp_path / run, steps=4, method="full", evaluate=False)
        for stage in made["stages"]:
            stage["train"] = {"method": "2x2ls", "predict_ahead": True}
        return made

    fit(tree("whole"))
    whole = load_file(tmp_path / "whole/model/model.safetensors")
    before = load_file(tiny_llama_folder / "model.safetensors")
    assert set(whole) == set(before)
    assert not torch.equal(whole["model.embed_tokens.weight"], before["model.embed_tokens.weight"])
    assert json.loads((tmp_path / "whole/model/dragoman.json").read_text())["kind"] == "merged"

    fit(tree("broken"))
    run = RunFolder(tmp_path / "broken")
    run.result_file("pairs").unlink()
    shutil.rmtree(run.checkpoints("pairs") / "step-4")
    fit(tree("broken"), resume=True)
    resumed = load_file(tmp_path / "broken/model/model.safetensors")
    assert all(torch.equal(resumed[name], value) for name, value in whole.items())


@pytest.mark.parametrize(
    ("train", "message"),
    [
        ({"method": "full", "embeddings": "all"}, "always moves the embeddings"),
        ({"method": "lora", "predict_ahead": True}, "cannot be kept in an adapter"),
    ],
)
def test_settings_that_mean_nothing_are_refused(
    train: dict[str, Any], message: str, data: Path, tiny_llama_folder: Path, tmp_path: Path
) -> None:
    tree = recipe(data, tiny_llama_folder, tmp_path / "run")
    tree["stages"][0]["train"] = train
    with pytest.raises(ValueError, match=message):
        check_recipe(tree)
