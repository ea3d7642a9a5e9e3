"""Stacks over the other kinds of translation encoders, built in code with tokenizers learnt here: M2M-100, Marian, T5."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import sentencepiece
import torch
from stacks import ENGLISH, ENGLISH_TEXTS, FRENCH, GERMAN, GERMAN_TEXTS, save, tiny_stack
from transformers import (
    M2M100Config,
    M2M100ForConditionalGeneration,
    M2M100Tokenizer,
    MarianConfig,
    MarianMTModel,
    MarianTokenizer,
    T5Config,
    T5ForConditionalGeneration,
    T5Tokenizer,
)

from dragoman.adapters.stacking.encoder import load_encoder
from dragoman.adapters.stacking.saving import load_stack
from dragoman.mt.errors import LanguageError, ModelError
from dragoman.mt.languages import find_language
from dragoman.mt.specialists.families import FAMILIES, mark

KINDS = ("m2m", "marian", "t5")
_WIDE = {"d_model": 16, "encoder_layers": 1, "decoder_layers": 1, "encoder_attention_heads": 2, "decoder_attention_heads": 2}
_WIDE |= {"encoder_ffn_dim": 16, "decoder_ffn_dim": 16, "max_position_embeddings": 64}


@pytest.fixture(scope="module")
def pieces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SentencePiece model and its vocabulary as JSON."""
    folder = tmp_path_factory.mktemp("pieces")
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter([*GERMAN_TEXTS, *ENGLISH_TEXTS]),
        model_prefix=str(folder / "spm"),
        vocab_size=80,
        hard_vocab_limit=False,
        pad_id=0,
        eos_id=1,
        unk_id=2,
        bos_id=-1,
        minloglevel=2,
    )
    model = sentencepiece.SentencePieceProcessor(model_file=str(folder / "spm.model"))
    names = [model.id_to_piece(number) for number in range(model.vocab_size())]
    (folder / "vocab.json").write_text(json.dumps({name: number for number, name in enumerate(names)}), encoding="utf-8")
    return folder


def saved(kind: str, pieces: Path, folder: Path) -> Path:
    """A random translation model of a kind with its tokenizer, in a folder."""
    model, words = str(pieces / "spm.model"), str(pieces / "vocab.json")
    torch.manual_seed(2)
    tokenizer: Any
    whole: Any
    if kind == "m2m":
        tokenizer = M2M100Tokenizer(vocab_file=words, spm_file=model)
        whole = M2M100ForConditionalGeneration(M2M100Config(vocab_size=max(tokenizer.lang_token_to_id.values()) + 1, **_WIDE))
    elif kind == "marian":
        tokenizer = MarianTokenizer(source_spm=model, target_spm=model, vocab=words, source_lang="de", target_lang="en")
        whole = MarianMTModel(
            MarianConfig(vocab_size=len(tokenizer), pad_token_id=tokenizer.pad_token_id, decoder_start_token_id=0, **_WIDE)
        )
    else:
        spm = sentencepiece.SentencePieceProcessor(model_file=model)
        vocab = [(spm.id_to_piece(number), spm.get_score(number)) for number in range(spm.vocab_size())]
        tokenizer = T5Tokenizer(vocab=vocab, extra_ids=0)
        config = T5Config(vocab_size=len(tokenizer), d_model=16, d_kv=8, d_ff=16, num_layers=1, num_heads=2, decoder_start_token_id=0)
        whole = T5ForConditionalGeneration(config)
    whole.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module", params=KINDS)
def encoder_folder(request: pytest.FixtureRequest, pieces: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved(request.param, pieces, tmp_path_factory.mktemp(request.param))


def test_a_batch_of_mixed_lengths_equals_its_rows_one_by_one(encoder_folder: Path, tiny_llama_folder: Path) -> None:
    stack = tiny_stack(encoder_folder, tiny_llama_folder)
    rows = stack.encoder.rows(GERMAN_TEXTS, GERMAN)
    assert all(row[-1] == stack.encoder.tokenizer.eos_token_id for row in rows)
    with torch.no_grad():
        together = stack.pooled(*stack.encoder.batch(rows))
        alone = torch.cat([stack.pooled(*stack.encoder.batch([row])) for row in rows])
    assert torch.allclose(together, alone, atol=1e-5)
    assert not torch.allclose(together[0], together[1], atol=1e-3)


def test_gradients_reach_projection_and_adapter_and_never_the_encoder(encoder_folder: Path, tiny_llama_folder: Path) -> None:
    stack = tiny_stack(encoder_folder, tiny_llama_folder)
    stack.pooled(*stack.encoder.encode_batch(GERMAN_TEXTS, GERMAN)).square().sum().backward()
    assert all(one.grad is not None for name, one in stack.named_parameters() if "lora_" in name or name.startswith("projection."))
    assert all(one.grad is None and not one.requires_grad for one in stack.encoder.model.parameters())


def test_a_saved_stack_is_loaded_equal(encoder_folder: Path, tiny_llama_folder: Path, tmp_path: Path) -> None:
    stack = tiny_stack(encoder_folder, tiny_llama_folder)
    again = load_stack(save(tmp_path / "run" / "model", stack, encoder_folder, tiny_llama_folder).parent, device="cpu").model
    batch = stack.encoder.encode_batch(GERMAN_TEXTS, GERMAN)
    with torch.no_grad():
        assert torch.equal(again.pooled(*batch), stack.pooled(*batch))


def test_the_language_is_marked_where_the_kind_marks_it(pieces: Path, tmp_path: Path) -> None:
    marked = load_encoder(str(saved("m2m", pieces, tmp_path / "m2m")))
    assert marked.rows(["Hallo"], GERMAN)[0][0] == marked.languages["de"] != marked.rows(["Hallo"], FRENCH)[0][0]
    with pytest.raises(LanguageError, match="does not know"):
        marked.check(find_language("nqo"))
    unmarked = load_encoder(str(saved("t5", pieces, tmp_path / "t5")))
    assert unmarked.languages == {} and unmarked.rows(["Hallo"], GERMAN) == unmarked.rows(["Hallo"], ENGLISH)


def test_a_draft_of_m2m_is_told_its_languages(pieces: Path, tmp_path: Path) -> None:
    tokenizer = load_encoder(str(saved("m2m", pieces, tmp_path / "m2m"))).tokenizer
    marking = mark(tokenizer, FAMILIES["m2m"], GERMAN, ENGLISH, "here")
    assert marking.first == ("__en__", tokenizer.convert_tokens_to_ids("__en__"))


def test_a_tokenizer_that_does_not_fit_is_refused(pieces: Path, tmp_path: Path) -> None:
    folder = saved("t5", pieces, tmp_path / "t5")
    config = T5Config(vocab_size=20, d_model=16, d_kv=8, d_ff=16, num_layers=1, num_heads=2, decoder_start_token_id=0)
    T5ForConditionalGeneration(config).save_pretrained(folder)
    with pytest.raises(ModelError, match="only 20 rows"):
        load_encoder(str(folder))
