"""Recipes: every shipped one loads, and a wrong one is refused at its key."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from dragoman.mt.config import RunConfig
from dragoman.mt.errors import ConfigError, LanguageError
from dragoman.mt.recipes import check_recipe, dump_recipe, load_recipe, shipped_recipes

PAIR = {"path": "train.tsv", "source": "eng", "target": "fra"}


def minimal(**changes: object) -> dict[str, object]:
    return {"stages": [{"name": "parallel", "corpora": [dict(PAIR)]}], **changes}


def write(folder: Path, tree: object) -> Path:
    path = folder / "recipe.yaml"
    path.write_text(yaml.safe_dump(tree), encoding="utf-8")
    return path


@pytest.mark.parametrize("name", sorted(shipped_recipes()))
def test_every_shipped_recipe_loads_and_its_resolved_form_loads_equal(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("ALMA", "MONO", "CORPUS", "DRAGOMAN_DATA"):
        monkeypatch.setenv(variable, f"/data/{variable}")
    monkeypatch.setenv("DRAGOMAN_LANGUAGE", "lij")
    config = load_recipe(name)
    assert config.stages
    assert check_recipe(yaml.safe_load(dump_recipe(config))) == config


def test_the_alma_recipes_carry_the_published_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALMA", "a")
    monkeypatch.setenv("MONO", "m")
    full, lora = load_recipe("alma-7b"), load_recipe("alma-7b-lora")
    mono, pairs = full.stages
    assert [corpus.weight for corpus in mono.corpora] == [0.17, 0.22, 0.14, 0.19, 0.08, 0.20]
    assert (mono.schedule.kind, mono.schedule.peak, mono.schedule.warmup) == ("cosine", 2e-5, 0.01)
    assert (mono.batch.sequences, mono.batch.max_length, mono.budget.tokens) == (256, 512, 20_000_000_000)
    assert (mono.optimizer.weight_decay, mono.optimizer.clip) == (0.01, 1.0)
    assert (pairs.schedule.kind, pairs.schedule.peak, pairs.budget.epochs) == ("inverse-sqrt", 2e-5, 1.0)
    assert {corpus.directions for corpus in pairs.corpora} == {"both"}
    adapter = lora.stages[1]
    assert (adapter.train.method, adapter.train.rank, adapter.train.alpha, adapter.train.dropout) == ("lora", 16, 32, 0.05)
    assert (adapter.schedule.peak, adapter.evaluate_every, lora.evaluation.decoding.beams) == (2e-3, 0.05, 5)


def test_an_override_reaches_a_stage_by_name_and_a_corpus_by_position(tmp_path: Path) -> None:
    path = write(tmp_path, minimal())
    config = load_recipe(path, ["stages.parallel.schedule.peak=1e-3", "stages.0.corpora.0.weight=2", "seed=7"])
    assert config.stages[0].schedule.peak == 1e-3
    assert config.stages[0].corpora[0].weight == 2.0
    assert config.seed == 7


def test_an_unknown_key_is_refused_with_the_nearest_known_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="peak") as caught:
        load_recipe(write(tmp_path, minimal()), ["stages.parallel.schedule.paek=1"])
    assert "unknown key 'paek'" in str(caught.value)
    assert "stages.0.schedule.paek" in str(caught.value)


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("stages.parallel.schedule.peak=fast", "number"),
        ("stages.parallel.train.method=magic", "lora"),
        ("stages.parallel.budget={tokens: 5, steps: 5}", "exactly one of"),
        ("stages.parallel.budget={tokens: -5}", "above 0"),
        ("stages.parallel.schedule.warmup=1.5", "below 1"),
        ("stages.parallel.corpora.0.language=fra", "either `language`"),
        ("stages.parallel.name=../x", "folder name"),
        ("evaluation.metric=BLEURT", "not measured"),
        ("stages.nosuch.name=x", "no item 'nosuch'"),
        ("stages", "key=value"),
        ("seed=${UNDEFINED_VARIABLE}", "is not set"),
    ],
)
def test_a_wrong_value_is_refused_with_what_is_allowed(override: str, expected: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load_recipe(write(tmp_path, minimal()), [override])
    assert expected in str(caught.value)


def test_an_unknown_language_is_refused_when_the_recipe_is_read(tmp_path: Path) -> None:
    with pytest.raises(LanguageError):
        load_recipe(write(tmp_path, minimal()), ["stages.parallel.corpora.0.target=xx"])


def test_bad_yaml_names_the_line(tmp_path: Path) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text("run: x\nstages: [\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"recipe\.yaml:\d"):
        load_recipe(path)


def test_a_recipe_nobody_knows_lists_the_shipped_ones() -> None:
    with pytest.raises(ConfigError, match="alma-7b-lora"):
        load_recipe("alma-7b-loar")


def test_variables_are_expanded_and_run_stands_for_the_run_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHERE", "/elsewhere")
    tree = minimal(run="runs/{recipe}")
    tree["stages"][0]["corpora"][0]["path"] = ["${WHERE}/a.en", "${RUN}/b.fr"]  # type: ignore[index]
    config: RunConfig = load_recipe(write(tmp_path, tree))
    assert config.stages[0].corpora[0].path == ["/elsewhere/a.en", "runs/recipe/b.fr"]


def test_what_cannot_follow_a_qlora_stage_is_refused_before_training() -> None:
    tree = minimal()
    first = {"name": "first", "corpora": [dict(PAIR)], "train": {"method": "qlora"}}
    tree["stages"] = [first, {"name": "second", "corpora": [dict(PAIR)], "train": {"method": "lora"}}]
    with pytest.raises(ConfigError, match=r"stages\.second\.train"):
        check_recipe(tree)


def test_an_adapter_cannot_be_asked_for_after_full_training() -> None:
    tree = minimal(save="adapter")
    tree["stages"][0]["train"] = {"method": "full"}  # type: ignore[index]
    with pytest.raises(ConfigError, match="adapter alone would not do"):
        check_recipe(tree)
