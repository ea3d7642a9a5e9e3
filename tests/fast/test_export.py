"""Exports: what they hold is the model, and they are written whole or not at all."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from dragoman.mt.cli.main import app
from dragoman.mt.errors import ConfigError, DragomanError, ModelError
from dragoman.mt.exporting import export_ct2, export_gguf, export_merged
from dragoman.mt.gguf import write_safetensors
from dragoman.mt.model_facts import read_model_facts
from dragoman.mt.models import LoadedModel, load_model
from dragoman.mt.prompts import load_template, template_fields
from dragoman.mt.tokenization import encode_prompt

PROMPTS = ["English: Good morning, everyone.\nFrench:", "Der Vogel ist 1984 geflogen", "你好 مرحبا"]


@pytest.fixture(scope="module")
def run(tiny_llama_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose model is an adapter over the tiny Llama."""
    from peft import LoraConfig, get_peft_model

    folder = tmp_path_factory.mktemp("run")
    loaded = load_model(str(tiny_llama_folder), device="cpu")
    torch.manual_seed(5)
    adapted = get_peft_model(loaded.model, LoraConfig(r=2, target_modules="all-linear", init_lora_weights=False))
    adapted.peft_config["default"].base_model_name_or_path = str(tiny_llama_folder)
    adapted.save_pretrained(folder / "model")
    facts = {"format": 1, "kind": "adapter", "base": str(tiny_llama_folder), "directions": ["eng_Latn-fra_Latn"]}
    facts["prompt"] = template_fields(load_template("plain"))
    (folder / "model" / "dragoman.json").write_text(json.dumps(facts))
    return folder


def greedy(loaded: LoadedModel, prompt: str, tokens: int = 12) -> list[int]:
    ids = encode_prompt(loaded.tokenizer, prompt)
    for _ in range(tokens):
        with torch.no_grad():
            ids.append(int(loaded.model(input_ids=torch.tensor([ids])).logits[0, -1].argmax()))
    return ids


def test_a_merged_export_needs_no_base_and_says_what_the_run_said(run: Path, tmp_path: Path) -> None:
    export_merged(str(run), tmp_path / "merged")
    assert not (tmp_path / "merged" / "adapter_config.json").exists()
    whole, adapted = load_model(str(tmp_path / "merged"), device="cpu"), load_model(str(run), device="cpu")
    assert [greedy(whole, prompt) for prompt in PROMPTS] == [greedy(adapted, prompt) for prompt in PROMPTS]
    facts, source = read_model_facts(tmp_path / "merged"), read_model_facts(run / "model")
    assert (facts.prompt, facts.directions) == (source.prompt, source.directions)
    export_merged(str(run), tmp_path / "half", dtype="bfloat16")
    assert load_model(str(tmp_path / "half"), device="cpu", dtype="bfloat16").model.dtype == torch.bfloat16
    size = [(tmp_path / name / "model.safetensors").stat().st_size for name in ("half", "merged")]
    assert size[0] < 0.6 * size[1]


@pytest.mark.parametrize(("type_", "same"), [("f32", True), ("q8_0", False)])
@pytest.mark.parametrize("tokenizer", ["byte-level", "sentencepiece"])
def test_a_gguf_export_read_by_transformers_is_the_model_with_its_tokenizer_and_facts(
    run: Path, tiny_sentencepiece_folder: Path, tmp_path: Path, tokenizer: str, type_: str, same: bool
) -> None:
    source = str(run if tokenizer == "byte-level" else tiny_sentencepiece_folder)
    export_gguf(source, tmp_path / "model.gguf", type_=type_)
    (tmp_path / "read").mkdir()
    write_safetensors(tmp_path / "model.gguf", tmp_path / "read")
    read, original = load_model(str(tmp_path / "read"), device="cpu"), load_model(source, device="cpu")
    for prompt in PROMPTS:
        assert encode_prompt(read.tokenizer, prompt) == encode_prompt(original.tokenizer, prompt)
        ids = torch.tensor([encode_prompt(original.tokenizer, prompt)])
        with torch.no_grad():
            mine, theirs = read.model(input_ids=ids).logits, original.model(input_ids=ids).logits
        assert float((mine - theirs).abs().mean()) < (1e-4 if same else 0.2)
        if same:
            assert greedy(read, prompt) == greedy(original, prompt)
    assert read.tokenizer.eos_token_id == original.tokenizer.eos_token_id
    assert (read.prompt, read.directions) == (original.prompt, original.directions)


def test_the_command_writes_once_and_again_only_when_told(run: Path, tmp_path: Path) -> None:
    pytest.importorskip("ctranslate2")
    out = tmp_path / "deep" / "ct2"
    first = CliRunner().invoke(app, ["export", "ct2", str(run), str(out)])
    assert first.exit_code == 0, first.output
    assert "wrote" in first.stderr
    before = {path.name: path.read_bytes() for path in out.iterdir() if path.is_file()}
    with pytest.raises(ConfigError, match="is there already"):
        export_ct2(str(run), out)
    export_ct2(str(run), out, quantisation="float32", overwrite=True)
    assert (out / "model.bin").stat().st_size > 2 * len(before["model.bin"])
    assert [path.name for path in out.parent.iterdir()] == ["ct2"]
    translated = CliRunner().invoke(app, ["translate", "--model", str(out), "--device", "cpu", "--max-new-tokens", "4"], input="A dog.\n")
    assert translated.exit_code == 0, translated.output
    assert translated.stdout.strip()


def test_a_strangers_folder_is_never_replaced(run: Path, tmp_path: Path) -> None:
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "dear.txt").write_text("Dear")
    with pytest.raises(ConfigError, match="none of Dragoman's"):
        export_merged(str(run), tmp_path / "letters", overwrite=True)
    assert (tmp_path / "letters" / "dear.txt").read_text() == "Dear"


def test_what_a_format_cannot_hold_is_refused_with_nothing_written(tmp_path: Path, tiny_llama_folder: Path) -> None:
    from transformers import CodeGenConfig, CodeGenForCausalLM

    strange = tmp_path / "strange"
    shutil.copytree(tiny_llama_folder, strange)
    size = load_model(str(tiny_llama_folder), device="cpu").model.config.vocab_size
    config = CodeGenConfig(vocab_size=size, n_embd=16, n_layer=1, n_head=4, rotary_dim=4, n_positions=32)
    CodeGenForCausalLM(config).save_pretrained(strange)
    for export, out in ((export_ct2, tmp_path / "out"), (export_gguf, tmp_path / "out.gguf")):
        with pytest.raises(ModelError, match="'codegen'"):
            export(str(strange), out)
    cut = json.loads((tiny_llama_folder / "tokenizer.json").read_text())
    cut["pre_tokenizer"] = {"type": "Whitespace"}
    spaced = tmp_path / "spaced"
    shutil.copytree(tiny_llama_folder, spaced)
    (spaced / "tokenizer.json").write_text(json.dumps(cut))
    with pytest.raises(ModelError, match="has no name for"):
        export_gguf(str(spaced), tmp_path / "out.gguf")
    for wrong in (
        lambda: export_gguf(str(tiny_llama_folder), tmp_path / "out"),
        lambda: export_gguf(str(tiny_llama_folder), tmp_path / "out.gguf", type_="q4"),
        lambda: export_merged(str(tiny_llama_folder), tmp_path / "out", dtype="int3"),
        lambda: export_ct2(str(tiny_llama_folder), tmp_path / "out", quantisation="int1"),
        lambda: export_ct2(str(tmp_path / "absent"), tmp_path / "out"),
    ):
        with pytest.raises(DragomanError):
            wrong()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["spaced", "strange"]
