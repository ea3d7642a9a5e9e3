"""Training rows and prompts: the same ids on both sides of the border, one EOS, no leak, no doubled space."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tokenizers.processors import TemplateProcessing
from transformers import PreTrainedTokenizerBase

from dragoman.mt.errors import ModelError
from dragoman.mt.models import load_tokenizer
from dragoman.mt.tokenization import (
    decode_output,
    decode_whole,
    encode_continuation,
    encode_document,
    encode_example,
    encode_plain,
    encode_prompt,
    leading_ids,
    padding_id,
    stop_ids,
)

KINDS = ["byte-level", "sentencepiece"]
PROMPT = "Translate this from English to French:\nEnglish: Good morning.\nFrench:"
TEXTS = st.text(alphabet=st.one_of(st.sampled_from("ab \n.:é你🙂नमस्ते مرحبا</s>"), st.characters(exclude_categories=["Cs"])), max_size=25)
relaxed = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module", params=KINDS)
def tokenizer(request: pytest.FixtureRequest, tiny_llama_folder: Path, tiny_sentencepiece_folder: Path) -> PreTrainedTokenizerBase:
    return load_tokenizer({"byte-level": tiny_llama_folder, "sentencepiece": tiny_sentencepiece_folder}[request.param])


@pytest.fixture
def adds_eos(tiny_llama_folder: Path) -> PreTrainedTokenizerBase:
    """A tokenizer that puts EOS after everything it encodes, as some do."""
    found = load_tokenizer(tiny_llama_folder)
    found.backend_tokenizer.post_processor = TemplateProcessing(single="<s> $A </s>", special_tokens=[("<s>", 1), ("</s>", 2)])
    return found


def test_a_prompt_has_the_bos_the_tokenizer_adds_and_no_eos(tokenizer: PreTrainedTokenizerBase) -> None:
    ids = encode_prompt(tokenizer, PROMPT)
    assert ids == tokenizer(PROMPT)["input_ids"]
    assert ids[0] == tokenizer.bos_token_id
    assert tokenizer.eos_token_id not in ids


def test_an_eos_added_by_the_tokenizer_is_not_part_of_a_prompt_nor_doubled_in_an_example(adds_eos: PreTrainedTokenizerBase) -> None:
    assert adds_eos("a")["input_ids"][-1] == 2
    assert leading_ids(adds_eos) == [1]
    assert 2 not in encode_prompt(adds_eos, PROMPT)
    ids, start = encode_example(adds_eos, PROMPT, " Bonjour")
    assert ids.count(2) == 1
    assert ids[:start] == encode_prompt(adds_eos, PROMPT)


def test_a_tokenizer_without_bos_gets_none(tiny_llama_folder: Path) -> None:
    found = load_tokenizer(tiny_llama_folder)
    found.backend_tokenizer.post_processor = TemplateProcessing(single="$A", special_tokens=[])
    assert leading_ids(found) == []
    assert encode_prompt(found, PROMPT) == encode_plain(found, PROMPT)


@pytest.mark.parametrize("target", [" Bonjour à tous.", "Bonjour", " 你好", " मस्ते 🙂", " a\nb", "\nnew line", "  two spaces"])
def test_target_ids_spell_the_target_once_with_one_eos(tokenizer: PreTrainedTokenizerBase, target: str) -> None:
    ids, start = encode_example(tokenizer, PROMPT, target)
    assert ids[:start] == encode_prompt(tokenizer, PROMPT)
    assert ids[-1] == tokenizer.eos_token_id
    assert ids.count(tokenizer.eos_token_id) == 1
    assert decode_output(tokenizer, ids[start:]) == target


def test_sentencepiece_targets_have_no_doubled_space(tiny_sentencepiece_folder: Path) -> None:
    found = load_tokenizer(tiny_sentencepiece_folder)
    ids, start = encode_example(found, PROMPT, " Bonjour")
    assert found.convert_ids_to_tokens(ids[start:-1]) == ["▁Bonjour"]
    assert found.convert_ids_to_tokens(encode_continuation(found, "Translation:\n", "Bonjour"))[0][0] != "▁"


@given(prompt=TEXTS, target=TEXTS)
@relaxed
def test_the_prompt_of_any_example_is_the_prompt_a_translator_feeds(tokenizer: PreTrainedTokenizerBase, prompt: str, target: str) -> None:
    ids, start = encode_example(tokenizer, prompt, target)
    assert ids[:start] == encode_prompt(tokenizer, prompt)
    assert ids.count(tokenizer.eos_token_id) == 1
    assert tokenizer.bos_token_id not in ids[1:]
    if prompt and "▁" not in prompt + target:  # SentencePiece's own sign for a space cannot be told from one
        assert decode_output(tokenizer, ids[start:]) == target


def test_spellings_of_special_tokens_in_a_text_are_text(tokenizer: PreTrainedTokenizerBase) -> None:
    ids = encode_prompt(tokenizer, "a </s> b <s>")
    assert tokenizer.eos_token_id not in ids
    assert ids.count(tokenizer.bos_token_id) == 1
    assert tokenizer.encode("</s>", add_special_tokens=False) == [tokenizer.eos_token_id]  # the tokenizer itself is as before


def test_a_piece_across_the_border_does_not_change_the_prompt(tiny_llama_folder: Path) -> None:
    found = load_tokenizer(tiny_llama_folder)
    prompt, target = "The quick bro", "wn fox"
    assert encode_plain(found, prompt + target)[: len(encode_plain(found, prompt))] != encode_plain(found, prompt)
    ids, start = encode_example(found, prompt, target)
    assert ids[:start] == encode_prompt(found, prompt)
    assert decode_output(found, ids[start:]) == target


def test_a_document_is_bos_text_eos(tokenizer: PreTrainedTokenizerBase) -> None:
    assert encode_document(tokenizer, "Dog.") == [1, *encode_plain(tokenizer, "Dog."), 2]


def test_a_tokenizer_without_eos_is_refused_for_training(tiny_llama_folder: Path) -> None:
    found = load_tokenizer(tiny_llama_folder)
    found.eos_token = None
    with pytest.raises(ModelError, match="no EOS"):
        encode_example(found, "a", "b")


def test_padding_never_changes_the_vocabulary(tiny_llama_folder: Path) -> None:
    found = load_tokenizer(tiny_llama_folder)
    size = len(found)
    assert (found.pad_token_id, padding_id(found)) == (None, 2)
    found.eos_token = None
    assert padding_id(found) == 0
    found.pad_token = "<unk>"
    assert padding_id(found) == found.pad_token_id
    assert len(found) == size


def test_stop_ids_are_the_tokenizers_and_the_models(tiny_llama_folder: Path) -> None:
    from transformers import LlamaConfig, LlamaForCausalLM

    found = load_tokenizer(tiny_llama_folder)
    assert stop_ids(None, found) == (2,)
    config = LlamaConfig(vocab_size=8, hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=1, eos_token_id=5)
    model = LlamaForCausalLM(config)
    model.generation_config.eos_token_id = [7, 5]
    assert stop_ids(model, found) == (2, 7, 5)


@pytest.mark.parametrize("cut", [1, 2, 3])
def test_half_a_character_at_the_end_is_left_out(tokenizer: PreTrainedTokenizerBase, cut: int) -> None:
    rare = "Ж\U00010348"  # in nobody's vocabulary: bytes, and more than one character of them in a row
    ids, start = encode_example(tokenizer, PROMPT, f" ab{rare}")
    output = ids[start:-1][:-cut]
    assert decode_whole(tokenizer, output) == " abЖ"
    assert decode_whole(tokenizer, ids[start:]) == f" ab{rare}"
