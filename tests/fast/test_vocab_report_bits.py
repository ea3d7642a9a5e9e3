"""Bits per byte: the same whatever the batch, the windows and the pieces the logits come in, and computed by hand."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest

from dragoman.mt.errors import CorpusError, ModelError
from dragoman.mt.models import LoadedModel, load_model
from dragoman.mt.tokenization import encode_plain, encode_prompt
from dragoman.vocab.bits_per_byte import bits_per_byte, first_context
from dragoman.vocab.segmentation import segment

TEXTS = [
    "The quick brown fox jumps over the lazy dog.",
    "Добрый день, как у вас дела?",
    "",
    "ߒߞߏ ߞߊ߲ </s> <s>",
    "🙂 naïve",
    "a",
    "你好，世界。" * 12,
]


@pytest.fixture(scope="module")
def loaded(tiny_llama_folder: Path) -> LoadedModel:
    return load_model(str(tiny_llama_folder), device="cpu")


@pytest.fixture(scope="module")
def sentencepiece(tiny_sentencepiece_folder: Path) -> LoadedModel:
    return load_model(str(tiny_sentencepiece_folder), device="cpu")


def by_hand(loaded: LoadedModel, texts: list[str]) -> float:
    """One text, one whole forward pass, one softmax at a time."""
    import torch

    bits = 0.0
    for text in texts:
        ids = encode_prompt(loaded.tokenizer, text)
        with torch.no_grad():
            chances = loaded.model(input_ids=torch.tensor([ids])).logits[0].double().softmax(dim=-1)
        bits -= sum(math.log2(float(chances[at - 1, ids[at]])) for at in range(1, len(ids)))
    return bits / sum(len(text.encode()) for text in texts)


@pytest.mark.parametrize("model", ["loaded", "sentencepiece"])
def test_batches_and_blocks_of_logits_give_what_one_text_at_a_time_gives(model: str, request: pytest.FixtureRequest) -> None:
    one: LoadedModel = request.getfixturevalue(model)
    expected = by_hand(one, TEXTS)
    whole = bits_per_byte(one, TEXTS)
    assert whole.value == pytest.approx(expected, abs=1e-5)
    assert bits_per_byte(one, TEXTS, batch_tokens=1).value == pytest.approx(expected, abs=1e-5)
    assert bits_per_byte(one, TEXTS, most_logits=1).value == pytest.approx(expected, abs=1e-5)
    assert bits_per_byte(one, TEXTS, most_logits=7 * 600).value == pytest.approx(expected, abs=1e-5)
    assert (whole.bytes, whole.segments) == (sum(len(text.encode()) for text in TEXTS), len(TEXTS))
    assert whole.tokens == sum(len(encode_plain(one.tokenizer, text)) for text in TEXTS)
    assert (whole.cut, whole.unknown) == (0, 0)


def test_no_block_of_logits_is_larger_than_asked_for(loaded: LoadedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = []
    forward = loaded.model.forward

    def watched(*given: object, **named: object) -> object:
        output = forward(*given, **named)
        sizes.append(output.logits.numel())
        return output

    monkeypatch.setattr(loaded.model, "forward", watched)
    bits_per_byte(loaded, TEXTS, most_logits=40 * 500)
    assert max(sizes) <= 40 * 500 and len(sizes) > 4


def test_a_text_longer_than_the_context_is_read_through_windows_that_predict_every_token_once(loaded: LoadedModel) -> None:
    import torch

    text = "The quick brown fox jumps over the lazy dog. " * 4
    ids = encode_prompt(loaded.tokenizer, text)
    context = 16
    bits = 0.0
    for at in range(1, len(ids)):  # the window a token falls into: the first 16 ids, then 8 new ones a time
        end = context if at < context else min(len(ids), context + 8 * ((at - context) // 8 + 1))
        begin = max(0, end - context)
        with torch.no_grad():
            logits = loaded.model(input_ids=torch.tensor([ids[begin:at]])).logits[0, -1].double()
        bits -= float(logits.log_softmax(dim=-1)[ids[at]]) / math.log(2)
    found = bits_per_byte(loaded, [text, "a"], context=context)
    alone = bits_per_byte(loaded, ["a"])
    assert found.value * found.bytes == pytest.approx(bits + alone.value, abs=1e-3)
    assert found.cut == 1 and found.tokens == len(ids) - 1 + alone.tokens
    assert bits_per_byte(loaded, [text], context=len(ids)).cut == 0


def test_without_a_bos_of_its_own_the_first_token_follows_bos_else_eos_else_nothing_is_told(tiny_llama_folder: Path) -> None:
    from transformers import AutoTokenizer, PreTrainedTokenizerFast

    backend = AutoTokenizer.from_pretrained(tiny_llama_folder).backend_tokenizer
    backend.post_processor = None
    assert first_context(PreTrainedTokenizerFast(tokenizer_object=backend, bos_token="<s>", eos_token="</s>")) == [1]
    assert first_context(PreTrainedTokenizerFast(tokenizer_object=backend, eos_token="</s>")) == [2]
    with pytest.raises(ModelError, match="neither BOS nor EOS"):
        first_context(PreTrainedTokenizerFast(tokenizer_object=backend))


def test_the_model_is_left_as_it_was_and_progress_counts_to_the_end(loaded: LoadedModel) -> None:
    seen: list[tuple[int, int]] = []
    loaded.model.train()
    found = bits_per_byte(loaded, TEXTS, batch_tokens=8, progress=lambda done, total: seen.append((done, total)))
    assert loaded.model.training
    loaded.model.eval()
    assert seen[-1] == (found.tokens, found.tokens) and len(seen) > 3


def test_texts_without_a_byte_are_refused(loaded: LoadedModel) -> None:
    with pytest.raises(CorpusError, match="no text"):
        bits_per_byte(loaded, ["", ""])


@pytest.mark.parametrize("model", ["loaded", "sentencepiece"])
def test_many_texts_are_split_as_each_alone(model: str, request: pytest.FixtureRequest) -> None:
    tokenizer = request.getfixturevalue(model).tokenizer
    texts = [*TEXTS, " a", "a ", "\n", "x</s>y", "e\u0301\u200d"]
    assert segment(tokenizer, texts) == [encode_plain(tokenizer, text) for text in texts]
    assert segment(tokenizer, []) == []


def test_unknown_tokens_are_counted(loaded: LoadedModel) -> None:
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    backend = Tokenizer(models.WordLevel({"<unk>": 0, "<s>": 1, "dog": 2}, unk_token="<unk>"))
    backend.pre_tokenizer = pre_tokenizers.Whitespace()
    words = PreTrainedTokenizerFast(tokenizer_object=backend, unk_token="<unk>", bos_token="<s>")
    assert bits_per_byte(replace(loaded, tokenizer=words), ["dog cat", "mouse"]).unknown == 2
