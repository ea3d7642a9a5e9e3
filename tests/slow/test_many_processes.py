"""`dragoman train` under a launcher: two processes on the CPU do together what one does alone."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from rich.console import Console
from safetensors.torch import load_file
from torch.testing import assert_close

from dragoman.mt.recipes import check_recipe
from dragoman.mt.runs import RunFolder, RunOptions
from dragoman.mt.stages import train_run

sys.path.append(str(Path(__file__).parents[1] / "fast"))
from training_recipes import recipe, write_corpus

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
CONFIGS = sorted((Path(__file__).parents[2] / "scripts/accelerate").glob("*.yaml"))


def tree(data: Path, model: Path, run: Path) -> dict[str, Any]:
    whole = recipe(data, model, run, steps=6)
    whole["model"]["dtype"] = "float32"  # products in bfloat16 round differently where a step is cut otherwise
    for stage in whole["stages"]:
        stage["train"]["dropout"] = 0.0
    whole["stages"][0]["batch"]["sequences"] = 1  # one process gets no example of such a step
    return whole


def launch(path: Path, *options: str) -> None:
    # accelerate starts several local processes under this name only; the recipe says which device they take.
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    launcher = [sys.executable, "-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2", "--num_machines", "1"]
    words = [*launcher, "--mixed_precision", "no", "--dynamo_backend", "no", "--main_process_port", str(port), "-m", "dragoman.mt"]
    done = subprocess.run(
        [*words, "train", str(path), *options], env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, timeout=240
    )
    assert done.returncode == 0, done.stderr.decode()[-4000:]


def curve(run: Path) -> list[tuple[Any, ...]]:
    kept = ("stage", "step", "loss", "tokens")
    return [tuple(event[name] for name in kept) for event in RunFolder(run).events() if event["event"] == "train"]


def weights(run: Path) -> dict[str, Any]:
    return load_file(run / "model/adapter_model.safetensors")


def test_two_processes_train_what_one_does_and_resume(tiny_llama_folder: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    write_corpus(data)
    one, two = tmp_path / "one", tmp_path / "two"
    train_run(check_recipe(tree(data, tiny_llama_folder, one)), RunOptions(), Console(quiet=True))
    path = tmp_path / "two.yaml"
    path.write_text(yaml.safe_dump(tree(data, tiny_llama_folder, two)), encoding="utf-8")
    launch(path)
    assert len(curve(two)) == len(curve(one)) == 12
    for mine, theirs in zip(curve(two), curve(one), strict=True):
        assert mine[:2] == theirs[:2]
        assert mine[2:] == pytest.approx(theirs[2:], rel=1e-4)
    assert_close(weights(two), weights(one), rtol=1e-3, atol=1e-4)
    scored = [event["event"] for event in RunFolder(two).events()]
    assert scored == [event["event"] for event in RunFolder(one).events()], "evaluated once, by one process"

    finished = weights(two)
    for folder in (two / "checkpoints/pairs").glob("step-*"):
        if folder.name != "step-2":
            shutil.rmtree(folder)
    (two / "checkpoints/pairs/result.json").unlink()
    launch(path, "--resume")
    assert_close(weights(two), finished, rtol=0, atol=0)


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_the_shipped_launcher_settings_are_read_by_accelerate(path: Path) -> None:
    from accelerate.commands.config.config_args import load_config_from_file

    settings = load_config_from_file(str(path))
    assert settings.num_processes >= 1
    assert settings.mixed_precision == "bf16"


def test_launcher_settings_are_shipped() -> None:
    assert {path.stem for path in CONFIGS} == {"ddp", "deepspeed_zero2", "fsdp2"}
