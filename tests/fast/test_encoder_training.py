"""A translation model from scratch: its vocabulary, its batches, resuming, and the folder that other tools load."""

from __future__ import annotations

import unicodedata
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file
from transformers import AutoModelForSeq2SeqLM, AutoTokenizer, NllbTokenizer

from dragoman.adapters.seq2seq.config import ShapeConfig, TranslationModelConfig
from dragoman.adapters.seq2seq.data import IGNORED, EncodedPair, collate
from dragoman.adapters.seq2seq.run import train_translation_model, translate
from dragoman.adapters.seq2seq.vocabulary import learn_vocabulary, source_ids
from dragoman.mt.config import BudgetConfig, CorpusConfig, ScheduleConfig
from dragoman.mt.errors import LanguageError, ModelError, RunError
from dragoman.mt.languages import find_language

ENGLISH, GERMAN, NKO, BATAK = (find_language(code) for code in ("eng", "deu", "nqo", "bbc"))
LINES = [
    "the dog sleeps here", "der Hund schläft hier", "ߒ ߓߘߊ߫ ߊ߬ ߝߐ߫", "सब ठीक है", "今天天气很好", "مرحبا بالعالم", "🙂 tali̍",
]  # fmt: skip
LETTERS = sorted({letter for line in LINES for letter in line} | {" "})
PAIRS = ("the dog\tder Hund", "a cat\teine Katze", "the cat\tdie Katze", "a dog\tein Hund")


@pytest.fixture(scope="module")
def vocabulary() -> NllbTokenizer:
    return learn_vocabulary(LINES, [ENGLISH, GERMAN, NKO, BATAK], 200)


@given(st.lists(st.text(st.sampled_from([letter for letter in LETTERS if letter != " "]), min_size=1, max_size=8), min_size=1, max_size=6))
def test_text_of_learnt_letters_comes_back_in_any_script(vocabulary: NllbTokenizer, words: list[str]) -> None:
    text = " ".join(words)
    ids = source_ids(vocabulary, text, NKO)
    assert unicodedata.normalize("NFC", vocabulary.decode(ids, skip_special_tokens=True)) == unicodedata.normalize("NFC", text)


@pytest.mark.parametrize(("language", "token"), [(GERMAN, "deu_Latn"), (NKO, "nqo_Nkoo"), (BATAK, "bbc")])
def test_a_text_stands_between_its_language_and_the_end(vocabulary: NllbTokenizer, language: object, token: str) -> None:
    ids = source_ids(vocabulary, "the dog </s> deu_Latn", language)  # type: ignore[arg-type]
    assert ids[0] == vocabulary.convert_tokens_to_ids(token) != vocabulary.unk_token_id
    assert ids[-1] == 2
    assert not {2, *vocabulary.convert_tokens_to_ids(["deu_Latn", "nqo_Nkoo", "bbc"])} & set(ids[1:-1])


def test_the_decoder_reads_what_it_shall_write_one_place_later() -> None:
    batch = collate([EncodedPair((7, 5, 2), (8, 6, 2)), EncodedPair((7, 2), (8, 2))])
    assert batch["input_ids"].tolist() == [[7, 5, 2], [7, 2, 1]]
    assert batch["attention_mask"].tolist() == [[1, 1, 1], [1, 1, 0]]
    assert batch["decoder_input_ids"].tolist() == [[2, 8, 6], [2, 8, 1]]
    assert batch["labels"].tolist() == [[8, 6, 2], [8, 2, IGNORED]]


def config_of(folder: Path, steps: int, run: str, dropout: float = 0.1, **more: object) -> TranslationModelConfig:
    text = folder / "pairs.tsv"
    text.write_text("\n".join(PAIRS) + "\n", encoding="utf-8")
    return TranslationModelConfig(
        corpora=[CorpusConfig(str(text), source="eng", target="deu", directions="both")],
        run=str(folder / run),
        shape=ShapeConfig(
            vocabulary=80, width=32, encoder_layers=1, decoder_layers=1, heads=2, feed_forward=32, dropout=dropout, positions=32
        ),
        schedule=ScheduleConfig("linear", peak=1e-2, warmup=0.1),
        budget=BudgetConfig(steps=steps),
        sequences=8,
        save_every=3 if steps < 10 else steps,
        **more,  # type: ignore[arg-type]
    )


class StoppedError(Exception):
    pass


def stop_at(step: int) -> object:
    def report(line: str) -> None:
        if line.startswith(f"step {step}/"):
            raise StoppedError

    return report


@pytest.mark.slow
def test_a_resumed_run_ends_with_the_bits_of_an_unbroken_one(tmp_path: Path) -> None:
    train_translation_model(config_of(tmp_path, 6, "whole"), lambda _: None)
    broken = config_of(tmp_path, 6, "broken")
    with pytest.raises(StoppedError):
        train_translation_model(broken, stop_at(5))  # type: ignore[arg-type]
    with pytest.raises(RunError, match="holds a run"):
        train_translation_model(broken, lambda _: None)
    train_translation_model(broken, lambda _: None, resume=True)
    one, other = (load_file(tmp_path / name / "model" / "model.safetensors") for name in ("whole", "broken"))
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_model_learns_its_pairs_and_any_tool_loads_the_folder(tmp_path: Path, dtype: str) -> None:
    losses: list[float] = []

    def report(line: str) -> None:
        if line.startswith("step "):
            losses.append(float(line.split("loss ")[1].split()[0]))

    found = train_translation_model(config_of(tmp_path, 60, "run", dropout=0.0, dtype=dtype), report)
    folder = tmp_path / "run" / "model"
    assert losses[-1] < 0.5 * losses[0]
    assert found["tokens"] > 0
    model, tokenizer = AutoModelForSeq2SeqLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    assert model.dtype == torch.float32
    assert model.generation_config.decoder_start_token_id == 2
    assert len(tokenizer) <= model.get_input_embeddings().weight.shape[0]
    assert translate(folder, ["the dog", "a cat"], ENGLISH, GERMAN) == ["der Hund", "eine Katze"]
    assert translate(folder, ["ein Hund"], GERMAN, ENGLISH) == ["a dog"]


def test_a_run_goes_on_from_an_earlier_model_with_its_vocabulary(tmp_path: Path) -> None:
    train_translation_model(config_of(tmp_path, 3, "first"), lambda _: None)
    still = replace(
        config_of(tmp_path, 1, "second", start=str(tmp_path / "first/model")), schedule=ScheduleConfig("constant", peak=1e-12, warmup=0)
    )
    train_translation_model(replace(still, shape=ShapeConfig(width=64)), lambda _: None)  # the earlier model's shape holds
    before, after = (load_file(tmp_path / run / "model/model.safetensors") for run in ("first", "second"))
    assert before.keys() == after.keys()
    assert all(torch.allclose(before[name], after[name], atol=1e-9) for name in before)
    first, second = (AutoTokenizer.from_pretrained(tmp_path / run / "model") for run in ("first", "second"))
    assert first.get_vocab() == second.get_vocab()


def test_an_earlier_model_that_is_missing_or_lacks_a_language_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no model here to start from"):
        train_translation_model(config_of(tmp_path, 1, "run", start=str(tmp_path / "nowhere")), lambda _: None)
    train_translation_model(config_of(tmp_path, 1, "first"), lambda _: None)
    other = config_of(tmp_path, 1, "second", start=str(tmp_path / "first/model"))
    other = replace(other, corpora=[replace(other.corpora[0], target="fra")])
    with pytest.raises(LanguageError, match="no token for French"):
        train_translation_model(other, lambda _: None)
    assert not (tmp_path / "second").exists()
