"""Loading models: folders, adapters and runs, what a device gets, and what is refused in words."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from peft import LoraConfig, get_peft_model

from dragoman.mt import devices
from dragoman.mt.devices import choose_device
from dragoman.mt.errors import ConfigError, LanguageError, ModelError
from dragoman.mt.languages import find_language
from dragoman.mt.model_facts import choose_direction, parse_direction, read_model_facts
from dragoman.mt.models import load_model, load_tokenizer
from dragoman.mt.prompts import load_template, template_fields

IDS = torch.tensor([[1, 40, 50, 60]])


def logits(model: torch.nn.Module) -> torch.Tensor:
    with torch.no_grad():
        return model(IDS).logits


def save_adapter(base: Path, folder: Path) -> torch.Tensor:
    """An adapter that changes the outputs; returns what it makes of IDS."""
    state = torch.random.get_rng_state()
    torch.manual_seed(3)
    loaded = load_model(str(base), device="cpu")
    adapted = get_peft_model(
        loaded.model, LoraConfig(r=2, target_modules="all-linear", task_type="CAUSAL_LM", init_lora_weights=False)
    ).eval()
    torch.random.set_rng_state(state)
    adapted.save_pretrained(folder)
    return logits(adapted)


def write_facts(folder: Path, **fields: object) -> None:
    facts = {"format": 1, "kind": "adapter", "base": None, "base_revision": None, "prompt": None, "directions": [], **fields}
    (folder / "dragoman.json").write_text(json.dumps(facts), encoding="utf-8")


@pytest.fixture
def adapter(tiny_llama_folder: Path, tmp_path: Path) -> tuple[Path, torch.Tensor]:
    folder = tmp_path / "adapter"
    return folder, save_adapter(tiny_llama_folder, folder)


def test_a_plain_folder_loads_ready_to_run(tiny_llama_folder: Path) -> None:
    loaded = load_model(str(tiny_llama_folder))
    assert not loaded.model.training
    assert loaded.source == str(tiny_llama_folder)
    assert (loaded.prompt, loaded.directions, loaded.revision) == (None, (), None)
    if not torch.cuda.is_available():
        assert loaded.choice.device == "cpu"
        assert loaded.model.dtype == torch.float32


def test_an_adapter_is_put_on_the_base_peft_recorded(adapter: tuple[Path, torch.Tensor], tiny_llama_folder: Path) -> None:
    folder, expected = adapter
    loaded = load_model(str(folder), device="cpu")
    torch.testing.assert_close(logits(loaded.model), expected)
    assert len(loaded.tokenizer) == len(load_tokenizer(tiny_llama_folder))  # the base's own


def test_an_adapter_can_be_merged_without_changing_its_outputs(adapter: tuple[Path, torch.Tensor]) -> None:
    folder, expected = adapter
    merged = load_model(str(folder), device="cpu", merge_adapter=True).model
    assert not hasattr(merged, "peft_config") or not merged.peft_config
    torch.testing.assert_close(logits(merged), expected, atol=1e-4, rtol=1e-4)


def test_a_run_finds_its_base_by_the_source_it_was_trained_from_not_by_a_path_of_another_machine(
    adapter: tuple[Path, torch.Tensor], tiny_llama_folder: Path, tmp_path: Path
) -> None:
    folder, expected = adapter
    run = tmp_path / "run"
    shutil.copytree(folder, run / "model")
    config = json.loads((run / "model" / "adapter_config.json").read_text())
    config["base_model_name_or_path"] = "/another/machine/cache/model"
    (run / "model" / "adapter_config.json").write_text(json.dumps(config))
    template = load_template("plain")
    # A recorded revision (a wheel's version, say) must not be asked of a folder.
    write_facts(
        run / "model",
        base=str(tiny_llama_folder),
        base_revision="0.1.2",
        prompt=template_fields(template),
        directions=["eng_Latn-fra_Latn"],
    )
    loaded = load_model(str(run), device="cpu")
    torch.testing.assert_close(logits(loaded.model), expected)
    assert loaded.prompt == template
    assert loaded.directions == ("eng_Latn-fra_Latn",)


def test_an_adapter_on_an_adapter_run_gets_both(adapter: tuple[Path, torch.Tensor], tmp_path: Path) -> None:
    first, expected = adapter
    second = tmp_path / "second"
    loaded = load_model(str(first), device="cpu", merge_adapter=True)
    top = get_peft_model(loaded.model, LoraConfig(r=1, target_modules=["q_proj"], task_type="CAUSAL_LM"))  # B = 0: changes nothing
    top.save_pretrained(second)
    write_facts(second, base=str(first))
    torch.testing.assert_close(logits(load_model(str(second), device="cpu").model), expected, atol=1e-4, rtol=1e-4)


def test_a_base_that_is_gone_is_named_with_the_file_that_names_it(adapter: tuple[Path, torch.Tensor]) -> None:
    folder, _ = adapter
    write_facts(folder, base="./nowhere/base")
    with pytest.raises(ModelError, match="base model is not to be had") as caught:
        load_model(str(folder), device="cpu")
    assert caught.value.where == str(folder / "dragoman.json")


def test_an_adapter_of_another_shape_is_refused(adapter: tuple[Path, torch.Tensor], tiny_llama_folder: Path, tmp_path: Path) -> None:
    from transformers import LlamaConfig, LlamaForCausalLM

    other = tmp_path / "other"
    shutil.copytree(tiny_llama_folder, other)
    config = LlamaConfig.from_pretrained(other)
    config.hidden_size = 32
    config.head_dim = 8
    LlamaForCausalLM(config).save_pretrained(other)
    folder, _ = adapter
    write_facts(folder, base=str(other))
    with pytest.raises(ModelError, match="does not fit its base"):
        load_model(str(folder), device="cpu")


def test_a_tokenizer_with_more_ids_than_the_model_has_rows_is_refused(tiny_llama_folder: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny_llama_folder, tmp_path / "model")
    tokenizer = load_tokenizer(tiny_llama_folder)
    tokenizer.add_tokens(["<new>"])
    tokenizer.save_pretrained(tmp_path / "model")
    with pytest.raises(ModelError, match="ids up to 500, the model only 500 rows"):
        load_model(str(tmp_path / "model"), device="cpu")


def _without_tokenizer(folder: Path) -> None:
    for path in folder.glob("tokenizer*"):
        path.unlink()


def _unknown_architecture(folder: Path) -> None:
    (folder / "config.json").write_text('{"model_type": "nobody_knows"}')


def _code_of_its_own(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    config.update(model_type="mine", auto_map={"AutoConfig": "evil.Config", "AutoModelForCausalLM": "evil.Model"})
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "evil.py").write_text(
        "import pathlib\npathlib.Path(__file__).with_name('ran').touch()\nclass Config: pass\nclass Model: pass\n"
    )


@pytest.mark.parametrize("damage", [_without_tokenizer, _unknown_architecture, _code_of_its_own])
def test_what_cannot_be_loaded_is_refused_in_words_and_no_code_of_a_folder_runs(
    tiny_llama_folder: Path, tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    folder = tmp_path / "model"
    shutil.copytree(tiny_llama_folder, folder)
    damage(folder)
    with pytest.raises(ModelError) as caught:
        load_model(str(folder), device="cpu")
    assert str(folder) in str(caught.value)
    assert not (folder / "ran").exists()


def test_nf4_weights_compute_in_float32_on_a_cpu(tiny_llama_folder: Path, adapter: tuple[Path, torch.Tensor]) -> None:
    pytest.importorskip("bitsandbytes")
    loaded = load_model(str(tiny_llama_folder), device="cpu", quantise=True)
    layer = loaded.model.model.layers[0].mlp.up_proj
    assert type(layer).__name__ == "Linear4bit"
    assert layer.weight.quant_type == "nf4"
    assert layer.weight.compress_statistics  # double quantisation
    assert layer.compute_dtype == torch.float32
    plain = logits(load_model(str(tiny_llama_folder), device="cpu").model)
    assert torch.nn.functional.cosine_similarity(logits(loaded.model).flatten(), plain.flatten(), dim=0) > 0.9
    with pytest.raises(ModelError, match="4-bit"):
        load_model(str(adapter[0]), device="cpu", quantise=True, merge_adapter=True)


def test_without_bitsandbytes_the_error_has_the_command(tiny_llama_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("transformers.utils.is_bitsandbytes_available", lambda: False)
    with pytest.raises(ModelError, match="pip install"):
        load_model(str(tiny_llama_folder), device="cpu", quantise=True)


# ---- devices ----


def _pretend_gpus(monkeypatch: pytest.MonkeyPatch, count: int, capability: tuple[int, int] = (8, 0), flash: bool = False) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: count > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _: "Pretend")
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: capability)
    monkeypatch.setattr(devices, "find_spec", lambda _: object() if flash else None)
    for name in ("LOCAL_RANK", "LOCAL_WORLD_SIZE"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("gpus", "capability", "flash", "expected"),
    [
        (0, (0, 0), True, ("cpu", torch.float32, "sdpa")),
        (1, (8, 0), False, ("cuda", torch.bfloat16, "sdpa")),
        (1, (9, 0), True, ("cuda", torch.bfloat16, "flash_attention_2")),
        (1, (7, 5), True, ("cuda", torch.float32, "sdpa")),
    ],
)
def test_device_dtype_and_attention_go_together(
    monkeypatch: pytest.MonkeyPatch, gpus: int, capability: tuple[int, int], flash: bool, expected: tuple[str, torch.dtype, str]
) -> None:
    _pretend_gpus(monkeypatch, gpus, capability, flash)
    choice = choose_device()
    assert (choice.device, choice.dtype, choice.attention) == expected
    assert choice.reason
    assert choose_device("cpu").dtype == torch.float32
    if gpus:
        assert choose_device("cuda", "float32").attention == "sdpa"  # FlashAttention has no float32


def test_each_process_of_several_takes_its_own_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    _pretend_gpus(monkeypatch, 4)
    monkeypatch.setenv("LOCAL_RANK", "2")
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "4")
    assert choose_device().device == choose_device("cuda").device == "cuda:2"
    assert choose_device("cuda:1").device == "cuda:1"


@pytest.mark.parametrize(
    ("gpus", "capability", "wish", "message"),
    [
        (0, (0, 0), ("cuda", "auto"), "torch sees no GPU"),
        (1, (8, 0), ("cuda:3", "auto"), "there are 1 GPU"),
        (1, (7, 0), ("cuda", "bfloat16"), "no bfloat16"),
        (1, (8, 0), ("cuda", "float16"), "unknown dtype"),
        (1, (8, 0), ("tpu", "auto"), "unknown device"),
        (1, (8, 0), ("cuda:x", "auto"), "unknown device"),
    ],
)
def test_a_wish_the_machine_cannot_fulfil_is_told_with_what_there_is(
    monkeypatch: pytest.MonkeyPatch, gpus: int, capability: tuple[int, int], wish: tuple[str, str], message: str
) -> None:
    _pretend_gpus(monkeypatch, gpus, capability)
    with pytest.raises(ModelError, match=message) as caught:
        choose_device(*wish)
    assert caught.value.allowed


# ---- dragoman.json ----


@pytest.mark.parametrize(
    "fields", [{"format": 2}, {"base": 7}, {"directions": "eng-fra"}, {"directions": ["eng"]}, {"prompt": {"name": "x"}}]
)
def test_damaged_facts_are_refused_with_their_path(tmp_path: Path, fields: dict[str, object]) -> None:
    write_facts(tmp_path, **fields)
    with pytest.raises((ModelError, ConfigError), match=r"dragoman\.json"):
        read_model_facts(tmp_path)


def test_facts_that_are_no_json_are_refused(tmp_path: Path) -> None:
    (tmp_path / "dragoman.json").write_text("{", encoding="utf-8")
    with pytest.raises(ModelError, match="not readable"):
        read_model_facts(tmp_path)


def test_directions_may_hold_codes_with_hyphens() -> None:
    assert parse_direction("eng_Latn-zh-Hant") == (find_language("eng"), find_language("zh-Hant"))
    assert parse_direction("zh-Hant-eng_Latn") == (find_language("zh-Hant"), find_language("eng"))
    with pytest.raises(LanguageError):
        parse_direction("eng_Latn")


def test_a_missing_side_is_taken_from_the_only_direction_that_fits() -> None:
    eng, fra, deu = map(find_language, ("eng", "fra", "deu"))
    trained = ["eng_Latn-fra_Latn", "deu_Latn-fra_Latn"]
    assert choose_direction(trained, "deu", None) == (deu, fra)
    assert choose_direction(trained[:1], None, None) == (eng, fra)
    assert choose_direction(trained, "fra", "eng") == (fra, eng)
    for given in [(None, "fra"), ("fra", None), (None, None)]:
        with pytest.raises(ConfigError, match="must be given"):
            choose_direction(trained, *given)
