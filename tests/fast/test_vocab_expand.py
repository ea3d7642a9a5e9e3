"""Expanding a model: new rows go in, old ones stay bit for bit, and the folder that comes out is an ordinary model."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer
from vocab_additions import TEXTS, addition_of

from dragoman.mt.errors import DragomanError
from dragoman.mt.models import LoadedModel, load_model
from dragoman.mt.provenance import tokenizer_digest
from dragoman.mt.tokenization import encode_plain
from dragoman.vocab.expand import ExpandedModel, ExpandSettings, expand_model, load_for_expansion, save_expanded
from dragoman.vocab.expansion import EXPANSION_FILE, Expansion, read_expansion


def rebuilt(folder: Path, to: Path, *, tied: bool = True, rows: int | None = None, dtype: str = "float32") -> Path:
    """A copy of a tiny model with an untied head, padding rows, or another number format."""
    from transformers import AutoConfig

    shutil.copytree(folder, to)
    config = AutoConfig.from_pretrained(folder)
    config.tie_word_embeddings, config.vocab_size = tied, rows or config.vocab_size
    state = torch.random.get_rng_state()
    torch.manual_seed(7)
    model = AutoModelForCausalLM.from_config(config).to(getattr(torch, dtype))
    torch.random.set_rng_state(state)
    model.save_pretrained(to)
    return to


def expanded_from(folder: Path, method: str = "align") -> tuple[LoadedModel, ExpandedModel]:
    """The untouched model, and the expansion of another copy of it."""
    before = load_model(str(folder), device="cpu")
    loaded = load_for_expansion(str(folder), method=method)
    helper = str(folder) if method == "similarity" else None
    settings = ExpandSettings(method=method, texts=TEXTS, seed=3, helper=helper)
    return before, expand_model(loaded, addition_of(loaded.tokenizer), settings)


@pytest.mark.parametrize("tied", [True, False], ids=["tied", "untied"])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_old_rows_and_every_other_weight_stay_bit_for_bit(tiny_llama_folder: Path, tmp_path: Path, tied: bool, dtype: str) -> None:
    base = rebuilt(tiny_llama_folder, tmp_path / "base", tied=tied, dtype=dtype)
    _, expanded = expanded_from(base)
    save_expanded(expanded, tmp_path / "out")
    old, new = load_file(base / "model.safetensors"), load_file(tmp_path / "out" / "model.safetensors")
    assert old.keys() == new.keys()
    assert ("lm_head.weight" in new) != tied
    assert {each.dtype for each in new.values()} == {getattr(torch, dtype)}
    for name, weight in old.items():
        assert torch.equal(weight, new[name][: len(weight)]), name
        if name.endswith(("embed_tokens.weight", "lm_head.weight")):
            added = new[name][len(weight) :]
            assert len(new[name]) % 8 == 0
            assert len(added) >= expanded.expansion.count
            assert torch.isfinite(added.float()).all()
            assert added.float().abs().sum(1).min() > 0


@pytest.mark.parametrize("tied", [True, False], ids=["tied", "untied"])
def test_old_text_gives_the_old_logits_bit_for_bit(tiny_llama_folder: Path, tmp_path: Path, tied: bool) -> None:
    base = rebuilt(tiny_llama_folder, tmp_path / "base", tied=tied)
    before, expanded = expanded_from(base)
    ids = torch.tensor([encode_plain(before.tokenizer, "The quick brown fox")])
    assert encode_plain(expanded.loaded.tokenizer, "The quick brown fox") == ids[0].tolist()
    with torch.no_grad():
        old, new = before.model(ids).logits, expanded.loaded.model(ids).logits
    assert torch.equal(old, new[..., : old.shape[-1]])


def test_the_saved_folder_loads_in_plain_transformers_with_equal_logits_and_generates(tiny_llama_folder: Path, tmp_path: Path) -> None:
    _, expanded = expanded_from(rebuilt(tiny_llama_folder, tmp_path / "base", tied=False))
    save_expanded(expanded, tmp_path / "out")
    model, tokenizer = AutoModelForCausalLM.from_pretrained(tmp_path / "out"), AutoTokenizer.from_pretrained(tmp_path / "out")
    ids = torch.tensor([encode_plain(expanded.loaded.tokenizer, TEXTS[0])])
    assert encode_plain(tokenizer, TEXTS[0]) == ids[0].tolist()
    assert max(ids[0]) >= expanded.expansion.first_id
    with torch.no_grad():
        assert torch.equal(model(ids).logits, expanded.loaded.model(ids).logits)
    out = model.generate(ids, max_new_tokens=4, do_sample=False, eos_token_id=None)
    assert out.shape[1] == ids.shape[1] + 4
    again = load_model(str(tmp_path / "out"), device="cpu")
    with torch.no_grad():
        assert torch.equal(again.model(ids).logits, model(ids).logits)


def test_free_rows_of_a_padded_vocabulary_are_used_first_and_none_is_taken_away(tiny_llama_folder: Path, tmp_path: Path) -> None:
    base = rebuilt(tiny_llama_folder, tmp_path / "base", rows=640)
    before, expanded = expanded_from(base)
    first, count = expanded.expansion.first_id, expanded.expansion.count
    assert (expanded.expansion.rows_before, expanded.expansion.rows_after) == (640, 640)
    assert expanded.new_parameters == 0
    old, new = before.model.get_input_embeddings().weight, expanded.loaded.model.get_input_embeddings().weight
    assert torch.equal(old[:first], new[:first])
    assert torch.equal(old[first + count :], new[first + count :])
    assert not torch.equal(old[first : first + count], new[first : first + count])


def test_padding_behind_the_new_rows_is_never_the_likeliest(tiny_llama_folder: Path, tmp_path: Path) -> None:
    base = rebuilt(tiny_llama_folder, tmp_path / "base", tied=False)
    _, expanded = expanded_from(base)
    end = expanded.expansion.first_id + expanded.expansion.count
    assert expanded.expansion.rows_after > end, "choose words that do not fill the last rows"
    ids = torch.randint(3, end, (8, 64), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert expanded.loaded.model(ids).logits.argmax(-1).max() < end


def test_a_bias_of_the_head_grows_with_it_by_the_same_weights(tiny_llama_folder: Path, tmp_path: Path) -> None:
    from transformers import PhiConfig, PhiForCausalLM

    base = shutil.copytree(tiny_llama_folder, tmp_path / "base")
    model = PhiForCausalLM(PhiConfig(vocab_size=500, hidden_size=32, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2))
    with torch.no_grad():
        model.lm_head.bias.copy_(torch.randn(500, generator=torch.Generator().manual_seed(1)))
        model.lm_head.weight[:, 0] = model.lm_head.bias  # what holds for a column of the matrix must then hold for the bias
    model.save_pretrained(base)
    before, expanded = expanded_from(base)
    head = expanded.loaded.model.get_output_embeddings()
    assert torch.equal(head.bias[:500], before.model.lm_head.bias)
    assert len(head.bias) == expanded.expansion.rows_after > 500
    torch.testing.assert_close(head.bias, head.weight[:, 0])


def test_sentencepiece_models_expand_and_align_with_spaces(tiny_sentencepiece_folder: Path, tmp_path: Path) -> None:
    before, expanded = expanded_from(tiny_sentencepiece_folder)
    assert set(expanded.expansion.origins) <= {"align", "merge", "mean"}
    assert expanded.expansion.origins["align"] >= 6  # all words of the texts
    assert expanded.figures["unaligned_lines"] == 0
    ids = torch.tensor([encode_plain(before.tokenizer, "The quick brown fox")])
    with torch.no_grad():
        assert torch.equal(before.model(ids).logits, expanded.loaded.model(ids).logits[..., : before.model.config.vocab_size])


def test_vocabulary_json_says_what_happened_and_reads_back(tiny_llama_folder: Path, tmp_path: Path) -> None:
    before, expanded = expanded_from(tiny_llama_folder)
    save_expanded(expanded, tmp_path / "out")
    found = read_expansion(tmp_path / "out")
    assert found == expanded.expansion
    assert found is not None
    assert (found.base, found.base_tokenizer) == (str(tiny_llama_folder), tokenizer_digest(before.tokenizer))
    assert (found.first_id, found.rows_before) == (500, 500)
    assert found.rows_after == -(-(500 + found.count) // 8) * 8
    assert sum(found.origins.values()) == found.count == len(found.new_ids)
    assert (found.tied, found.method, found.seed, found.language) == (True, "align", 3, "swh_Latn")
    assert {"torch", "transformers"} <= found.versions.keys()
    assert found.facts["addition"]["words"]
    assert read_expansion(tiny_llama_folder) is None


def test_an_expanded_model_can_be_expanded_again_for_another_language(tiny_llama_folder: Path, tmp_path: Path) -> None:
    _, expanded = expanded_from(tiny_llama_folder)
    save_expanded(expanded, tmp_path / "first")
    loaded = load_for_expansion(str(tmp_path / "first"))
    addition = addition_of(loaded.tokenizer, ["Südenvogel"], "deu_Latn")
    twice = expand_model(loaded, addition, ExpandSettings(method="mean"))
    assert twice.expansion.first_id == 500 + expanded.expansion.count
    old = expanded.loaded.model.get_input_embeddings().weight[: twice.expansion.first_id]
    assert torch.equal(old, twice.loaded.model.get_input_embeddings().weight[: twice.expansion.first_id])


def refusal(loaded: LoadedModel, settings: ExpandSettings | None = None, **changes: object) -> str:
    with pytest.raises(DragomanError) as caught:
        expand_model(loaded, replace(addition_of(loaded.tokenizer), **changes), settings or ExpandSettings(method="mean"))
    return str(caught.value)


def test_pieces_for_another_tokenizer_are_refused_by_digest(tiny_llama_folder: Path) -> None:
    loaded = load_for_expansion(str(tiny_llama_folder))
    assert "another tokenizer (abcdef" in refusal(loaded, base="abcdef" * 10)


def test_the_same_pieces_twice_are_refused(tiny_llama_folder: Path, tmp_path: Path) -> None:
    _, expanded = expanded_from(tiny_llama_folder)
    save_expanded(expanded, tmp_path / "out")
    addition = addition_of(load_for_expansion(str(tiny_llama_folder)).tokenizer)
    with pytest.raises(DragomanError, match="was expanded with these"):
        expand_model(load_for_expansion(str(tmp_path / "out")), addition, ExpandSettings(method="mean"))


def adapter_over(folder: Path, to: Path) -> Path:
    from peft import LoraConfig, get_peft_model

    model = AutoModelForCausalLM.from_pretrained(folder)
    adapted = get_peft_model(model, LoraConfig(r=2, target_modules=["q_proj"], init_lora_weights=False))
    adapted.save_pretrained(to)
    return to


def test_an_adapter_over_an_expanded_model_is_refused_and_over_a_plain_one_merged(tiny_llama_folder: Path, tmp_path: Path) -> None:
    _, expanded = expanded_from(tiny_llama_folder)
    save_expanded(expanded, tmp_path / "out")
    over_expanded = load_for_expansion(str(adapter_over(tmp_path / "out", tmp_path / "second")))
    assert "an adapter over a model that was expanded already" in refusal(over_expanded)
    over_plain = load_for_expansion(str(adapter_over(tiny_llama_folder, tmp_path / "first")))
    merged = expand_model(over_plain, addition_of(over_plain.tokenizer), ExpandSettings(method="mean"))
    save_expanded(merged, tmp_path / "merged")
    found = load_file(tmp_path / "merged" / "model.safetensors")
    base = load_file(tiny_llama_folder / "model.safetensors")
    name = "model.layers.0.self_attn.q_proj.weight"
    assert found.keys() == base.keys()
    assert not torch.equal(found[name], base[name])


def test_tied_in_the_configuration_but_apart_in_the_weights_is_refused(tiny_llama_folder: Path, tmp_path: Path) -> None:
    base = rebuilt(tiny_llama_folder, tmp_path / "base", tied=False)
    change_config(base, tie_word_embeddings=True)
    assert "tie_word_embeddings is true in config.json, but the stored output head differs" in refusal(load_for_expansion(str(base)))


def test_untied_in_the_configuration_without_a_head_is_refused(tiny_llama_folder: Path, tmp_path: Path) -> None:
    base = shutil.copytree(tiny_llama_folder, tmp_path / "base")
    change_config(base, tie_word_embeddings=False)
    assert "tie_word_embeddings is false in config.json, but no output head (lm_head.weight) is stored" in refusal(
        load_for_expansion(str(base))
    )


def change_config(folder: Path, **changes: object) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text(encoding="utf-8")), **changes}), encoding="utf-8")


def test_4_bit_weights_are_refused(tiny_llama_folder: Path) -> None:
    pytest.importorskip("bitsandbytes")
    assert "quantised weights cannot get new rows" in refusal(load_model(str(tiny_llama_folder), device="cpu", quantise=True))


def test_methods_without_their_text_or_helper_are_refused(tiny_llama_folder: Path) -> None:
    loaded = load_for_expansion(str(tiny_llama_folder))
    for method in ("align", "focus", "distillation"):
        assert "--text" in refusal(loaded, ExpandSettings(method=method))
    assert "--helper" in refusal(loaded, ExpandSettings(method="similarity"))
    assert "did you mean align?" in refusal(loaded, ExpandSettings(method="aligned"))


def test_an_output_that_is_there_is_kept_unless_overwritten(tiny_llama_folder: Path, tmp_path: Path) -> None:
    _, expanded = expanded_from(tiny_llama_folder)
    out = tmp_path / "out"
    out.mkdir()
    (out / "mine.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(DragomanError, match="there already"):
        save_expanded(expanded, out)
    assert [each.name for each in out.iterdir()] == ["mine.txt"]
    save_expanded(expanded, out, overwrite=True)
    assert (out / EXPANSION_FILE).is_file()
    assert not (out / "mine.txt").exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "not readable as JSON"),
        ("[]", "not an expansion of a known format"),
        ('{"format": 2}', "not an expansion of a known format"),
        ('{"format": 1, "base": "x"}', "other fields than expected"),
    ],
)
def test_a_damaged_vocabulary_json_is_refused_with_its_place(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / EXPANSION_FILE).write_text(content, encoding="utf-8")
    with pytest.raises(DragomanError, match=message) as caught:
        read_expansion(tmp_path)
    assert str(tmp_path) in str(caught.value)


def test_numbers_that_cannot_be_are_refused(tmp_path: Path) -> None:
    good = Expansion("b", None, "d", "a", 500, 10, 500, 512, True, "mean", {"mean": 10}, 0, "nqo", {})
    good.save(tmp_path)
    assert read_expansion(tmp_path) == good
    for bad in (replace(good, first_id=501), replace(good, count=13), replace(good, count=0)):
        bad.save(tmp_path)
        with pytest.raises(DragomanError, match="do not fit"):
            read_expansion(tmp_path)
