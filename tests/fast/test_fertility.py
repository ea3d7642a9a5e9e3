"""Fertility: tokens a word and a character."""

from __future__ import annotations

from pathlib import Path

from dragoman.mt.languages import find_language
from dragoman.vocab.fertility import measure_fertility


def test_fertility_counts_tokens_over_words_and_characters(tiny_llama_folder: Path) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(tiny_llama_folder)
    texts = ["The dog sleeps.", "你好"]
    tokens = sum(len(tokenizer.encode(text, add_special_tokens=False)) for text in texts)
    found = measure_fertility(texts, tokenizer, find_language("eng"))
    assert found.per_word == tokens / 4
    assert found.per_character == tokens / 17
    assert measure_fertility(texts, tokenizer, find_language("zho_Hans")).per_word is None


def test_a_script_the_vocabulary_does_not_know_is_called_high(tiny_llama_folder: Path) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(tiny_llama_folder)
    assert measure_fertility(["ߒߞߏ ߞߊ߲ ߠߋ߬"], tokenizer, find_language("nqo")).is_high
    assert not measure_fertility(["The quick brown fox"], tokenizer, find_language("eng")).is_high
