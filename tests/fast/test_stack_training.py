"""`dragoman stack train`: from a recipe to a folder that translates, killed and resumed or not."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from safetensors.torch import load_file
from stacks import ENGLISH_TEXTS, GERMAN, GERMAN_TEXTS, save_tiny_encoder
from typer.testing import CliRunner

from dragoman.adapters.stacking import run as stack_run
from dragoman.adapters.stacking.config import StackConfig, load_stack_recipe
from dragoman.adapters.stacking.distillation import state_distances
from dragoman.adapters.stacking.run import train_stack
from dragoman.adapters.stacking.saving import load_stack
from dragoman.adapters.stacking.training import StackTrainer, choose_moving
from dragoman.mt.cli.stack import stack as command
from dragoman.mt.errors import ConfigError, DragomanError, LanguageError, RunError
from dragoman.mt.runs import RunFolder, RunOptions

SHIPPED = Path(__file__).parents[2] / "scripts" / "stacks"


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory, tiny_llama_folder: Path) -> Path:
    folder = tmp_path_factory.mktemp("stack-recipe")
    for name, texts in (("de", GERMAN_TEXTS), ("en", ENGLISH_TEXTS)):
        (folder / f"train.{name}").write_text("".join(f"{text}\n" for text in texts * 2), encoding="utf-8")
    parallel = {"path": [str(folder / "train.de"), str(folder / "train.en")], "format": "moses", "source": "deu", "target": "eng"}
    batch = {"sequences": 4, "micro_tokens": 150}
    tree: dict[str, Any] = {
        "run": str(folder / "run"),
        "encoder": {"source": str(save_tiny_encoder(folder / "encoder"))},
        "model": {"source": str(tiny_llama_folder), "device": "cpu"},
        "projection": "mlp",
        "lora": {"rank": 2, "alpha": 4, "dropout": 0.1},
        "checkpoints": {"every": 1, "keep": 2},
        "stages": [
            {"name": "general", "kind": "distil", "batch": batch, "budget": {"steps": 2}, "schedule": {"peak": 1e-3}},
            {"name": "map", "kind": "mapping", "batch": batch, "budget": {"steps": 1}, "schedule": {"peak": 1e-3}},
            {"name": "translate", "kind": "generation", "batch": batch, "budget": {"steps": 2}, "schedule": {"peak": 1e-3}},
        ],
        "evaluation": {"test": [{**parallel, "max_rows": 2}], "metrics": ["chrF++"], "decoding": {"max_new_tokens": 4}},
    }
    tree["stages"][0]["corpora"] = [{"path": str(folder / "train.en"), "language": "eng"}, parallel]
    for stage in tree["stages"][1:]:
        stage["corpora"] = [parallel]
    path = folder / "tiny.yaml"
    path.write_text(yaml.safe_dump(tree), encoding="utf-8")
    return path


def config(recipe: Path, folder: Path, *overrides: str) -> StackConfig:
    return load_stack_recipe(recipe, [f"run={folder}", *overrides])


@contextmanager
def stopped_after(monkeypatch: pytest.MonkeyPatch, stage: str, step: int) -> Iterator[None]:
    """A run that is interrupted once this step has been saved."""
    save = StackTrainer._save_checkpoint

    def saving(self: StackTrainer, model: Any, trial: Any) -> None:
        save(self, model, trial)
        if (self.job.stage.name, self.state.global_step) == (stage, step):
            raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(StackTrainer, "_save_checkpoint", saving)
        yield


@pytest.mark.slow
def test_a_resumed_run_ends_with_the_same_weights_as_an_unbroken_one_and_its_folder_translates(
    recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    lines: list[str] = []
    train_stack(config(recipe, whole), RunOptions(), lines.append)
    with stopped_after(monkeypatch, "translate", 1):
        train_stack(config(recipe, broken), RunOptions(), lines.append)
    with pytest.raises(RunError, match="there is a run in this folder already"):
        train_stack(config(recipe, broken), RunOptions(), lines.append)
    with pytest.raises(RunError, match="the data changed"):
        train_stack(config(recipe, broken, "seed=2"), RunOptions(resume=True), lines.append)
    train_stack(config(recipe, broken), RunOptions(resume=True), lines.append)
    assert "stage translate: resuming after step 1 of 2" in lines
    for name in ("stack.safetensors", "adapter_model.safetensors"):
        one, other = (load_file(folder / "model" / name) for folder in (whole, broken))
        assert one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)
    events = list(RunFolder(whole).events())
    assert [event["stage"] for event in events if event["event"] == "stage_end"] == ["general", "map", "translate"]
    assert [event["direction"] for event in events if event["event"] == "test"] == ["deu_Latn-eng_Latn"]
    assert [(one["event"], one.get("step")) for one in events] == [(one["event"], one.get("step")) for one in RunFolder(broken).events()]
    assert load_stack(broken, device="cpu").loaded.directions == ("deu_Latn-eng_Latn",)


def test_each_kind_of_stage_moves_its_own_weights(recipe: Path, tmp_path: Path) -> None:
    trained = train_stack(config(recipe, tmp_path / "dry"), RunOptions(dry_run=True), lambda _: None)
    assert not (tmp_path / "dry").exists()
    stack = trained.loaded.stack
    assert stack is not None
    moving = {kind: choose_moving(stack, kind) for kind in ("distil", "mapping", "generation")}
    assert {name.split(".")[0] for name in moving["distil"]} == {"projection", "llm"}
    assert {name.split(".")[0] for name in moving["mapping"]} == {"projection", "end"}
    assert {*moving["distil"], *moving["mapping"]} == {*moving["generation"]}
    assert all("lora_" in name for names in moving.values() for name in names if name.startswith("llm."))


def test_the_distance_is_none_between_equals_and_cosine_ignores_length() -> None:
    one = torch.tensor([[1.0, 2.0, 2.0], [0.0, 0.0, 3.0]])
    assert state_distances(one, one, "mse").tolist() == [0, 0]
    assert state_distances(2 * one, one, "mse").tolist() == pytest.approx([3, 3])
    assert state_distances(2 * one, one, "cosine").tolist() == pytest.approx([0, 0], abs=1e-6)


@pytest.mark.parametrize(
    ("override", "error", "message"),
    [
        ("stages.map.kind=maping", ConfigError, "mapping"),
        ("stages.map.budget.epochs=1", ConfigError, "exactly one of"),
        ("stages.general.kind=generation", DragomanError, "parallel"),
        ("lora.method=full", ConfigError, "only an adapter moves"),
        ("encoder.sorce=x", ConfigError, "unknown key 'sorce'"),
        ("stages.map.corpora.0.source=fra", LanguageError, "does not know French"),
        ("stages.map.batch.max_length=8", DragomanError, "longer than max_length 8 tokens"),
    ],
)
def test_a_recipe_that_cannot_be_is_refused_before_anything_is_written(
    recipe: Path, tmp_path: Path, override: str, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        train_stack(config(recipe, tmp_path / "run", override), RunOptions(), lambda _: None)
    assert not (tmp_path / "run").exists()


def test_the_command_reads_a_recipe_and_says_what_it_would_do(recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[StackConfig] = []
    monkeypatch.setattr(stack_run, "train_stack", lambda given, options, report: seen.append(given) or _finished(tmp_path))
    result = CliRunner().invoke(command, ["train", str(recipe), f"run={tmp_path}", "seed=3", "--dry-run"])
    assert result.exit_code == 0, result.output
    assert (seen[0].seed, seen[0].run) == (3, str(tmp_path))
    assert isinstance(CliRunner().invoke(command, ["train", str(recipe), "--resume", "--overwrite"]).exception, ConfigError)


def _finished(folder: Path) -> Any:
    return stack_run.TrainedStack(RunFolder(folder), None, [])  # type: ignore[arg-type]


@pytest.mark.parametrize("path", sorted(SHIPPED.glob("*.yaml")), ids=lambda path: path.stem)
def test_a_shipped_recipe_loads(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRAGOMAN_DATA", "data")
    recipe = load_stack_recipe(path)
    assert recipe.run == f"runs/{path.stem}"
    assert path.read_text(encoding="utf-8").startswith("# ")


@pytest.mark.slow
def test_a_stack_over_four_bits_trains_and_its_folder_translates(recipe: Path, tmp_path: Path) -> None:
    pytest.importorskip("bitsandbytes")
    four = config(recipe, tmp_path / "four", "lora.method=qlora")
    lines: list[str] = []
    trained = train_stack(four, RunOptions(), lines.append)
    assert trained.loaded.model.get_base_model().is_loaded_in_4bit
    losses = [event["loss"] for event in RunFolder(tmp_path / "four").events() if event["event"] == "train"]
    assert len(losses) == 5 and all(loss > 0 for loss in losses)
    again = load_stack(tmp_path / "four", device="cpu", quantise=True)
    stack = trained.loaded.stack
    assert stack is not None
    batch = stack.encoder.encode_batch(GERMAN_TEXTS, GERMAN)
    with torch.no_grad():
        assert torch.equal(stack.pooled(*batch), again.model.pooled(*batch))
