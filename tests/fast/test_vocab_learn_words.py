"""Families of tokenizers, and pre-tokenizers that split words at combining marks."""

from __future__ import annotations

import json
import os
import unicodedata
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from learning_tokenizers import LLAMA3, english, llama3_like, marked_text, sentencepiece_bpe, unigram
from tokenizers import Tokenizer, models
from transformers import PreTrainedTokenizerFast

from dragoman.mt.errors import ModelError
from dragoman.mt.tokenization import encode_plain
from dragoman.vocab.extend import extend_tokenizer
from dragoman.vocab.families import piece_bytes, tokenizer_family
from dragoman.vocab.learn import LearnSettings, learn_pieces
from dragoman.vocab.pre_tokenizer import GPT2, as_widened, measure_splitting, widened
from dragoman.vocab.segmentation import segment

# ---- families ----


def test_each_family_is_told_by_its_tokenizer_json(tiny_llama_folder: Path, tiny_sentencepiece_folder: Path) -> None:
    from transformers import AutoTokenizer

    assert tokenizer_family(llama3_like()) == "byte-bpe"
    assert tokenizer_family(sentencepiece_bpe()) == "sentencepiece-bpe"
    assert tokenizer_family(unigram()) == "unigram"
    assert tokenizer_family(AutoTokenizer.from_pretrained(tiny_llama_folder)) == "byte-bpe"
    assert tokenizer_family(AutoTokenizer.from_pretrained(tiny_sentencepiece_folder)) == "sentencepiece-bpe"


@cache
def others() -> dict[str, Any]:
    from transformers import ByT5Tokenizer, CanineTokenizer

    letters = {"[UNK]": 0, "a": 1, "b": 2, "ab": 3}
    clip = models.BPE(vocab={"a</w>": 0, "b": 1}, merges=[], end_of_word_suffix="</w>")
    return {
        "WordPiece": PreTrainedTokenizerFast(tokenizer_object=Tokenizer(models.WordPiece(letters, unk_token="[UNK]"))),
        "WordLevel": PreTrainedTokenizerFast(tokenizer_object=Tokenizer(models.WordLevel(letters, unk_token="[UNK]"))),
        "single characters (BPE": PreTrainedTokenizerFast(tokenizer_object=Tokenizer(models.BPE({"a": 0, "b": 1}, []))),
        "marks at the ends": PreTrainedTokenizerFast(tokenizer_object=Tokenizer(clip)),
        "neither bytes nor spaces": PreTrainedTokenizerFast(tokenizer_object=Tokenizer(models.BPE(letters, [("a", "b")]))),
        "bytes": ByT5Tokenizer(),
        "single characters": CanineTokenizer(),
    }


@pytest.mark.parametrize("family", others())
def test_a_family_that_cannot_be_extended_is_refused_by_name(family: str) -> None:
    with pytest.raises(ModelError) as caught:
        learn_pieces(["some text"], others()[family], LearnSettings("nqo"))
    assert family in caught.value.problem
    assert "SentencePiece BPE" in str(caught.value.allowed)


@pytest.mark.parametrize("tokenizer", [llama3_like(), sentencepiece_bpe(), unigram()], ids=["byte-bpe", "sentencepiece-bpe", "unigram"])
def test_the_bytes_of_the_pieces_are_the_bytes_of_the_text(tokenizer: Any) -> None:
    text = "A word ߊ߲, naïve." if tokenizer is not unigram() else "A word, naive."
    found = b"".join(piece_bytes(tokenizer, each) for each in encode_plain(tokenizer, text)).decode()
    assert found.removeprefix(" ") == text


def test_special_and_added_tokens_are_their_own_spelling() -> None:
    base = llama3_like()
    assert piece_bytes(base, base.convert_tokens_to_ids("<|end|>")) == b"<|end|>"
    assert piece_bytes(base, base.convert_tokens_to_ids("<tool>")) == b"<tool>"
    llama = sentencepiece_bpe()
    assert piece_bytes(llama, llama.convert_tokens_to_ids("<0xDF>")) == b"\xdf"
    assert piece_bytes(llama, llama.convert_tokens_to_ids("▁a")) == b" a"


# ---- pre-tokenizers ----

BYTE_LEVEL = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
DIGITS = {"type": "Digits", "individual_digits": True}


def split(pattern: str) -> dict[str, Any]:
    steps = [{"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False}, {**BYTE_LEVEL, "use_regex": False}]
    return {"type": "Sequence", "pretokenizers": steps}


QWEN = LLAMA3.replace(r"\p{N}{1,3}", r"\p{N}")
STARTS = {
    "GPT-2": BYTE_LEVEL,
    "SmolLM2": {"type": "Sequence", "pretokenizers": [DIGITS, BYTE_LEVEL]},
    "Llama-3": split(LLAMA3),
    "Qwen2": split(QWEN),
}


@cache
def both(name: str) -> tuple[Tokenizer, Tokenizer]:
    start = STARTS[name]
    wide = widened(start)
    assert wide is not None
    return _with(start), _with(wide)


def _with(pre_tokenizer: dict[str, Any]) -> Tokenizer:
    tree = json.loads(llama3_like().backend_tokenizer.to_str())
    return Tokenizer.from_str(json.dumps({**tree, "pre_tokenizer": pre_tokenizer, "post_processor": None}))


def without_marks_after_letters(text: str) -> str:
    """The text without the marks that follow a letter or another such mark."""
    kept = ""
    for character in text:
        if unicodedata.category(character)[0] != "M" or not kept or unicodedata.category(kept[-1])[0] not in "LM":
            kept += character
    return kept


@settings(max_examples=200, deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"])) | st.text("aB'st ߊ12\n\t.«é❤️👩\u200d\u0301", max_size=30))
def test_text_without_marks_inside_words_is_split_as_before(text: str) -> None:
    text = without_marks_after_letters(text)
    for name in STARTS:
        stock, wide = both(name)
        assert wide.pre_tokenizer.pre_tokenize_str(text) == stock.pre_tokenizer.pre_tokenize_str(text), name


@pytest.mark.parametrize("language", ["eng_Latn", "fra_Latn", "rus_Cyrl", "kat_Geor", "zho_Hans", "tur_Latn"])
def test_flores_in_scripts_without_marks_is_split_as_before(language: str) -> None:
    if not os.environ.get("DRAGOMAN_DATA"):
        pytest.skip("DRAGOMAN_DATA is not set")
    text = (Path(os.environ["DRAGOMAN_DATA"]) / "flores200" / "dev" / f"{language}.dev").read_text(encoding="utf-8")
    lines = [line for line in text.split("\n") if line == without_marks_after_letters(line)]
    assert len(lines) > 970  # Russian has a stress mark here and there
    for line in lines:
        for name in ("SmolLM2", "Llama-3"):
            stock, wide = both(name)
            assert wide.pre_tokenizer.pre_tokenize_str(line) == stock.pre_tokenizer.pre_tokenize_str(line)


@pytest.mark.parametrize("name", STARTS)
@pytest.mark.parametrize("word", ["ߒߞߏ߫ߊ߲", "हिन्दी", "สวัสดี", "ខ្មែរ", "שָׁלוֹם", "مُحَمَّد", "e\u0301te\u0301"])
def test_a_word_with_marks_is_one_word(name: str, word: str) -> None:
    stock, wide = both(name)
    assert len(stock.pre_tokenizer.pre_tokenize_str(word)) > 1
    assert len(wide.pre_tokenizer.pre_tokenize_str(word)) == 1
    assert [offsets for _, offsets in wide.pre_tokenizer.pre_tokenize_str(f"a {word}, b")][1] == (1, 2 + len(word))


@pytest.mark.parametrize("name", STARTS)
def test_a_mark_that_follows_no_letter_stays_where_it_was(name: str) -> None:
    stock, wide = both(name)
    for text in ("❤️text", "5️⃣", " \u0301a", ".\u0301.", "\u0301"):
        assert wide.pre_tokenizer.pre_tokenize_str(text) == stock.pre_tokenizer.pre_tokenize_str(text)


def test_the_built_in_regex_is_the_one_we_write_out() -> None:
    explicit = _with(split(GPT2))
    stock, _ = both("GPT-2")
    for text in [*english()[:100], *marked_text(50), "I'll  go\n\n 12.5€ naïve\t'S"]:
        assert explicit.pre_tokenizer.pre_tokenize_str(text) == stock.pre_tokenizer.pre_tokenize_str(text)


@pytest.mark.parametrize(
    "left",
    [
        None,
        {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "first", "split": False},
        split(r"[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{N}]+|\s+"),
        {**BYTE_LEVEL, "add_prefix_space": True},
    ],
    ids=["none", "Metaspace", "marks already in", "prefix space"],
)
def test_what_needs_no_widening_or_cannot_take_it_is_left_alone(left: dict[str, Any] | None) -> None:
    assert widened(left) is None


def test_widening_happens_only_where_words_were_split_and_can_be_refused() -> None:
    base = llama3_like()
    automatic = learn_pieces(marked_text(), base, LearnSettings("nqo", pieces=100))
    kept = learn_pieces(marked_text(), base, LearnSettings("nqo", pieces=100, keep_pre_tokenizer=True))
    assert automatic.pre_tokenizer is not None
    assert kept.pre_tokenizer is None
    assert automatic.facts["words_after"] < 0.7 * automatic.facts["words_before"]
    assert automatic.facts["tokens_after"] < 0.95 * kept.facts["tokens_after"]
    assert learn_pieces(list(english()), base, LearnSettings("eng", pieces=3)).pre_tokenizer is None


def test_the_share_of_words_that_were_fragments_is_measured() -> None:
    stock, wide = both("Llama-3")
    found = measure_splitting(["ߊ߲ߊ b"], stock, wide)
    assert (found.before, found.after, found.worth_it) == (3, 2, True)
    assert not measure_splitting(["plain words"], stock, wide).worth_it


@pytest.mark.parametrize("model_type", ["qwen2", "qwen3", "llama", "gpt2"])
def test_a_widened_tokenizer_is_loaded_as_it_was_saved_whatever_the_model(model_type: str, tmp_path: Path) -> None:
    from transformers import AutoTokenizer

    base = llama3_like(ignore_merges=False)
    extended = extend_tokenizer(base, learn_pieces(marked_text(), base, LearnSettings("nqo", pieces=60)))
    extended.save_pretrained(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({"model_type": model_type}))
    loaded = as_widened(AutoTokenizer.from_pretrained(tmp_path), tmp_path)
    assert segment(loaded, marked_text()) == segment(extended, marked_text())
    assert segment(PreTrainedTokenizerFast.from_pretrained(tmp_path), marked_text()) == segment(extended, marked_text())
