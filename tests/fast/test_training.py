"""Training on a tiny real model: stages, checkpoints, resuming, refusing."""

from __future__ import annotations

import json
import math
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from rich.console import Console
from safetensors.torch import load_file
from training_recipes import recipe

from dragoman.mt.checkpoints import complete_steps, read_manifest, step_folder
from dragoman.mt.errors import DragomanError, RunError
from dragoman.mt.models import load_model
from dragoman.mt.processes import Processes, check_for_several
from dragoman.mt.recipes import check_recipe
from dragoman.mt.runs import RunFolder, RunOptions
from dragoman.mt.stages import TrainedRun, train_run

FRENCH = {"path": "mono.txt", "language": "fra"}


def fit(tree: dict[str, Any], **options: bool) -> TrainedRun:
    return train_run(check_recipe(tree), RunOptions(**options), Console(quiet=True))


def weights(run: Path) -> dict[str, torch.Tensor]:
    return load_file(next((run / "model").glob("*model.safetensors")))


def losses(run: Path) -> list[tuple[str, int, float]]:
    return [(event["stage"], event["step"], event["loss"]) for event in RunFolder(run).events() if event["event"] == "train"]


def test_two_stages_leave_a_whole_run_folder_that_loads(data: Path, tiny_llama_folder: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    finished = fit(recipe(data, tiny_llama_folder, run))
    assert [name for name, _ in finished.tests] == ["step 0", "after mono", "after pairs"]
    for name in ("config.yaml", "data.json", "environment.json", "metrics.jsonl", "report.html", "plots/curves.png", "model/README.md"):
        assert (run / name).is_file(), name
    events = list(RunFolder(run).events())
    assert {event["event"] for event in events} == {"train", "evaluate", "test", "stage_end"}
    assert [event["step"] for event in events if event["event"] == "evaluate"] == [0, 4, 8, 4, 8]
    assert all(0 < event["mfu"] < 1 and event["operations"] > 1e6 for event in events if event["event"] == "stage_end")
    train_events = [event for event in events if event["event"] == "train"]
    assert all(event["tokens_per_second"] > 0 and 0 <= event["padding"] < 0.5 for event in train_events)
    assert any((run / "tensorboard").rglob("events.out.*"))
    facts = json.loads((run / "data.json").read_text(encoding="utf-8"))
    assert facts["stages"]["pairs"]["files"][0]["sha256"]
    loaded = load_model(str(run), device="cpu")
    assert loaded.directions == ("eng_Latn-fra_Latn",)


@pytest.mark.slow
def test_the_loss_goes_down(data: Path, tiny_llama_folder: Path, tmp_path: Path) -> None:
    fit(recipe(data, tiny_llama_folder, tmp_path / "run", steps=40, evaluate=False))
    pairs = [loss for stage, _, loss in losses(tmp_path / "run") if stage == "pairs"]
    assert sum(pairs[-5:]) < 0.8 * sum(pairs[:5])


@pytest.mark.parametrize("method", ["lora", "full"])
def test_the_saved_model_gives_the_logits_of_the_trained_one(method: str, data: Path, tiny_llama_folder: Path, tmp_path: Path) -> None:
    finished = fit(recipe(data, tiny_llama_folder, tmp_path / "run", steps=4, method=method, evaluate=False))
    reloaded = load_model(str(tmp_path / "run"), device="cpu")
    ids = torch.arange(3, 40)[None]
    with torch.no_grad():
        finished.loaded.model.eval()
        assert torch.equal(finished.loaded.model(ids).logits, reloaded.model(ids).logits)


def test_a_saved_adapter_loads_with_plain_peft(data: Path, tiny_llama_folder: Path, tmp_path: Path) -> None:
    from peft import AutoPeftModelForCausalLM

    finished = fit(recipe(data, tiny_llama_folder, tmp_path / "run", steps=2, evaluate=False))
    plain = AutoPeftModelForCausalLM.from_pretrained(tmp_path / "run" / "model")
    ids = torch.arange(3, 40)[None]
    with torch.no_grad():
        finished.loaded.model.eval()
        assert torch.allclose(plain.eval()(ids).logits, finished.loaded.model(ids).logits, atol=1e-6)


def test_lora_after_full_is_saved_merged(data: Path, tiny_llama_folder: Path, tmp_path: Path) -> None:
    tree = recipe(data, tiny_llama_folder, tmp_path / "run", steps=2, method="full", evaluate=False)
    tree["stages"][1]["train"] = {"method": "lora", "rank": 4, "alpha": 8}
    fit(tree)
    assert (tmp_path / "run/model/model.safetensors").is_file()
    assert json.loads((tmp_path / "run/model/dragoman.json").read_text())["kind"] == "merged"


@pytest.mark.slow
def test_a_run_that_starts_from_an_adapter_is_saved_merged_and_reloads(data: Path, tiny_llama_folder: Path, tmp_path: Path) -> None:
    fit(recipe(data, tiny_llama_folder, tmp_path / "first", steps=2, evaluate=False))
    finished = fit(recipe(data, tmp_path / "first", tmp_path / "second", steps=2, evaluate=False))
    reloaded = load_model(str(tmp_path / "second"), device="cpu")
    assert json.loads((tmp_path / "second/model/dragoman.json").read_text())["kind"] == "merged"
    ids = torch.arange(3, 40)[None]
    with torch.no_grad():
        finished.loaded.model.eval()
        assert torch.allclose(finished.loaded.model(ids).logits, reloaded.model(ids).logits, atol=1e-5)


def test_only_the_adapter_moves_in_a_lora_stage(data: Path, tiny_llama_folder: Path, tmp_path: Path) -> None:
    finished = fit(recipe(data, tiny_llama_folder, tmp_path / "run", steps=3, evaluate=False))
    before = load_file(tiny_llama_folder / "model.safetensors")
    base = finished.loaded.model.get_base_model().state_dict()
    after = {name.replace(".base_layer", ""): value for name, value in base.items() if "lora_" not in name}
    assert all(torch.equal(value, after[name]) for name, value in before.items())


@pytest.mark.slow
def test_qlora_trains_on_four_bits_and_reloads(data: Path, tiny_llama_folder: Path, tmp_path: Path) -> None:
    pytest.importorskip("bitsandbytes")
    tree = recipe(data, tiny_llama_folder, tmp_path / "run", steps=6, method="qlora", evaluate=False)
    finished = fit(tree)
    linears = {type(module).__name__ for module in finished.loaded.model.modules()}
    assert "Linear4bit" in linears
    assert (tmp_path / "run/model/adapter_model.safetensors").is_file()
    assert all(math.isfinite(loss) for *_, loss in losses(tmp_path / "run"))
    tree["save"] = "merged"
    fit(tree, overwrite=True)
    assert (tmp_path / "run/model/model.safetensors").is_file()
    assert load_model(str(tmp_path / "run"), device="cpu").directions == ("eng_Latn-fra_Latn",)


COMMAND = "import sys; from dragoman.mt.cli.main import main; sys.argv[0] = 'dragoman'; main()"


def command(*arguments: str, **extra: str) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "", **extra}
    return subprocess.Popen([sys.executable, "-c", COMMAND, *arguments], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


@pytest.mark.slow
def test_a_killed_and_resumed_run_equals_an_unbroken_one_bitwise(data: Path, tiny_llama_folder: Path, tmp_path: Path) -> None:
    """50 steps, SIGKILL in the middle: same losses, same weights, same order of samples, with dropout on."""

    def write(run: Path) -> Path:
        tree = recipe(data, tiny_llama_folder, run, steps=25)
        tree["checkpoints"]["every"] = 5
        for stage in tree["stages"]:
            stage["evaluate_every"] = 10
        path = run.with_suffix(".yaml")
        path.write_text(yaml.safe_dump(tree), encoding="utf-8")
        return path

    unbroken, broken = tmp_path / "unbroken", tmp_path / "broken"
    first = command("train", str(write(unbroken)))
    path = write(broken)
    second = command("train", str(path))
    deadline = time.monotonic() + 120
    while not (broken / "checkpoints/pairs/step-10/manifest.json").exists() and time.monotonic() < deadline and second.poll() is None:
        time.sleep(0.01)
    second.send_signal(signal.SIGKILL)
    second.communicate()
    assert second.returncode == -signal.SIGKILL, "the run ended before it could be killed"
    _, message = first.communicate(timeout=120)
    assert first.returncode == 0, message.decode()
    resumed = command("train", str(path), "--resume")
    _, message = resumed.communicate(timeout=120)
    assert resumed.returncode == 0, message.decode()
    assert b"resuming after step" in message

    assert losses(broken) == losses(unbroken)
    for stage in ("mono", "pairs"):
        facts = [read_manifest(step_folder(run / "checkpoints" / stage, 25)) for run in (broken, unbroken)]
        assert facts[0]["plan"] == facts[1]["plan"]
    one, other = weights(broken), weights(unbroken)
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.slow
def test_a_checkpoint_that_was_changed_is_refused(data: Path, tiny_llama_folder: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    fit(recipe(data, tiny_llama_folder, run, steps=4, evaluate=False))
    folder = step_folder(run / "checkpoints/pairs", 4)
    with (folder / "adapter_model.safetensors").open("r+b") as stream:
        stream.seek(-1, os.SEEK_END)
        stream.write(b"\x7f")
    with pytest.raises(RunError, match="adapter_model"):
        read_manifest(folder)


def test_an_unfinished_checkpoint_does_not_count(tmp_path: Path) -> None:
    (tmp_path / "step-5").mkdir()
    (tmp_path / ".writing-0/checkpoint-9").mkdir(parents=True)
    assert complete_steps(tmp_path) == []


@pytest.mark.slow
def test_resuming_is_refused_when_data_changed_unless_told(data: Path, tiny_llama_folder: Path, tmp_path: Path) -> None:
    tree = recipe(data, tiny_llama_folder, tmp_path / "run", steps=2, evaluate=False)
    fit(tree)
    with (data / "train.tsv").open("a", encoding="utf-8") as stream:
        stream.write("one more row\tencore une ligne\n")
    with pytest.raises(RunError, match="data changed"):
        fit(tree, resume=True)
    fit(tree, resume=True, accept_changes=True)


def test_resuming_is_refused_when_the_recipe_changed(data: Path, tiny_llama_folder: Path, tmp_path: Path) -> None:
    tree = recipe(data, tiny_llama_folder, tmp_path / "run", steps=2, evaluate=False)
    fit(tree)
    tree["stages"][1]["schedule"]["peak"] = 0.5
    with pytest.raises(RunError, match="recipe changed"):
        fit(tree, resume=True)


@pytest.mark.slow
def test_a_run_folder_in_use_is_not_overwritten_unless_told(data: Path, tiny_llama_folder: Path, tmp_path: Path) -> None:
    tree = recipe(data, tiny_llama_folder, tmp_path / "run", steps=2, evaluate=False)
    fit(tree)
    with pytest.raises(RunError, match="--resume, --overwrite"):
        fit(tree)
    fit(tree, overwrite=True)


def test_a_non_finite_loss_stops_with_the_rows_of_the_batch_named(data: Path, tiny_llama_folder: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken-model"
    shutil.copytree(tiny_llama_folder, broken)
    state = load_file(broken / "model.safetensors")
    state["model.layers.1.mlp.down_proj.weight"][0, 0] = math.nan
    from safetensors.torch import save_file

    save_file(state, broken / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(RunError, match=r"the loss is nan at step 1 of stage mono.*mono\.txt:\d"):
        fit(recipe(data, broken, tmp_path / "run", evaluate=False))


def test_a_dry_run_writes_nothing(data: Path, tiny_llama_folder: Path, tmp_path: Path) -> None:
    finished = fit(recipe(data, tiny_llama_folder, tmp_path / "run"), dry_run=True)
    assert finished.estimate is not None
    assert finished.estimate.tokens_per_second > 0
    assert not (tmp_path / "run").exists()


def test_preflight_shows_what_is_trained_and_what_is_masked(data: Path, tiny_llama_folder: Path, tmp_path: Path) -> None:
    from io import StringIO

    shown = StringIO()
    train_run(check_recipe(recipe(data, tiny_llama_folder, tmp_path / "run")), RunOptions(dry_run=True), Console(file=shown, width=200))
    text = shown.getvalue()
    assert "Translate this from English to French" in text
    assert "EOS trained in 100.0%" in text
    assert "tokens/s" in text


@pytest.mark.slow
def test_early_stopping_ends_a_stage_that_no_longer_improves(data: Path, tiny_llama_folder: Path, tmp_path: Path) -> None:
    tree = recipe(data, tiny_llama_folder, tmp_path / "run", steps=40)
    tree["evaluation"]["patience"] = 1
    tree["evaluation"]["decoding"]["max_new_tokens"] = 1
    for stage in tree["stages"]:
        stage["evaluate_every"] = 2
        stage["schedule"]["peak"] = 1e-9
    fit(tree)
    ends = [event for event in RunFolder(tmp_path / "run").events() if event["event"] == "stage_end"]
    assert all(event["steps"] < 40 for event in ends)


def test_an_empty_corpus_is_refused_before_anything_is_written(data: Path, tiny_llama_folder: Path, tmp_path: Path) -> None:
    (data / "train.tsv").write_text("", encoding="utf-8")
    with pytest.raises(DragomanError):
        fit(recipe(data, tiny_llama_folder, tmp_path / "run"))
    assert not (tmp_path / "run/config.yaml").exists()


def test_a_recipe_that_makes_a_vocabulary_is_refused_in_several_processes() -> None:
    config = check_recipe({"vocabulary": {"corpora": [FRENCH]}, "stages": [{"name": "a", "corpora": [FRENCH]}]})
    with pytest.raises(RunError, match="2 processes"):
        check_for_several(config, Processes(1, 2))
    check_for_several(config, Processes())


def test_evaluating_a_4_bit_model_leaves_its_gradients_right(tiny_llama_folder: Path) -> None:
    """bitsandbytes repacks weights for inference on some CPUs; training after an evaluation must not read them wrongly."""
    pytest.importorskip("bitsandbytes")
    ids = torch.arange(3, 103).reshape(2, 50)

    def gradient(*, evaluated_first: bool) -> torch.Tensor:
        model = load_model(str(tiny_llama_folder), device="cpu", quantise=True).model
        if evaluated_first:
            with torch.no_grad():
                model.eval()(ids)
        embeddings = model.get_input_embeddings()(ids).detach().requires_grad_(True)
        model.train()(inputs_embeds=embeddings, labels=ids).loss.backward()
        assert embeddings.grad is not None
        return embeddings.grad

    assert torch.equal(gradient(evaluated_first=False), gradient(evaluated_first=True))
