"""`states: tokens`: which tokens of two tokenizers stand for the same characters, and what a stack learns from them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from stacks import ENGLISH_TEXTS, GERMAN_TEXTS, save_tiny_encoder, tiny_stack
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

from dragoman.adapters.stacking import distillation
from dragoman.adapters.stacking.alignment import character_spans, check_offsets, mended_spans, shared_characters
from dragoman.adapters.stacking.config import StackBatchConfig, StackConfig, StackStageConfig, load_stack_recipe
from dragoman.adapters.stacking.data import Reading, StackData, StackExample, StepDataset, build_stage
from dragoman.adapters.stacking.distillation import distillation_loss, token_distillation_loss
from dragoman.adapters.stacking.model import StackedModel
from dragoman.adapters.stacking.run import _recipe_digest, train_stack
from dragoman.adapters.stacking.token_targets import token_targets
from dragoman.adapters.stacking.training import StackTrainer
from dragoman.mt.config import BudgetConfig, CorpusConfig
from dragoman.mt.corpora.records import Origin
from dragoman.mt.errors import ConfigError
from dragoman.mt.models import load_tokenizer
from dragoman.mt.prompts import load_template
from dragoman.mt.runs import RunOptions

SPANS = st.lists(st.tuples(st.integers(0, 12), st.integers(0, 5)).map(lambda one: (one[0], one[0] + one[1])), max_size=8)
WORLD = "Hallo, e\u0301 ắ ﬁ½ Ａ 한글 \u1112\u1161 مرحبا بِكَ שלום नमस्ते สวัสดี 你好 👩‍👩‍👧 🇩🇪 ▁ ߒߞߏ a\u3000b"


@pytest.fixture(scope="module")
def encoder_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_encoder(tmp_path_factory.mktemp("tokens-encoder"))


@pytest.fixture(scope="module")
def stack(encoder_folder: Path, tiny_llama_folder: Path) -> StackedModel:
    return tiny_stack(encoder_folder, tiny_llama_folder)


@pytest.fixture(scope="module")
def tokenizers(encoder_folder: Path, tiny_llama_folder: Path, tiny_sentencepiece_folder: Path) -> dict[str, Any]:
    """SentencePiece words with a prefix everywhere; bytes; SentencePiece with byte fallback; bytes whose offsets leave spaces out."""
    folders = {"encoder": encoder_folder, "bytes": tiny_llama_folder, "fallback": tiny_sentencepiece_folder, "trimmed": tiny_llama_folder}
    found = {name: load_tokenizer(folder) for name, folder in folders.items()}
    found["trimmed"].backend_tokenizer.post_processor = processors.ByteLevel(trim_offsets=True)
    return found


def folding(normalizer: normalizers.Normalizer) -> PreTrainedTokenizerFast:
    """A SentencePiece-type tokenizer of single characters that normalises, as NLLB's does."""
    vocabulary = {piece: number for number, piece in enumerate(["<unk>", "▁", *"aefi12⁄éắ한"])}
    backend = Tokenizer(models.BPE(vocab=vocabulary, merges=[], unk_token="<unk>"))
    backend.normalizer = normalizer
    backend.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always")
    return PreTrainedTokenizerFast(tokenizer_object=backend, unk_token="<unk>")


@given(sources=SPANS, targets=SPANS)
def test_shared_characters_are_what_two_spans_have_in_common(sources: list[tuple[int, int]], targets: list[tuple[int, int]]) -> None:
    expected = [
        (one, other, len({*range(*source)} & {*range(*target)}))
        for one, source in enumerate(sources)
        for other, target in enumerate(targets)
        if {*range(*source)} & {*range(*target)}
    ]
    found = shared_characters(sources, targets)
    assert [tuple(row) for row in found.tolist()] == expected
    assert np.array_equal(found[:, [1, 0, 2]][np.lexsort((found[:, 0], found[:, 1]))], shared_characters(targets, sources))


@settings(max_examples=40, deadline=None)
@given(text=st.text(st.one_of(st.sampled_from(WORLD), st.characters(exclude_categories=["Cs"])), max_size=12).map(str.strip))
def test_every_character_has_a_token_in_every_tokenizer_and_every_token_but_a_prefix_has_characters(
    tokenizers: dict[str, Any], text: str
) -> None:
    for name, tokenizer in tokenizers.items():
        spans = character_spans(tokenizer, text)
        pieces = tokenizer.tokenize(text, split_special_tokens=True)
        assert len(spans) == len(pieces)
        assert {place for first, end in spans for place in range(first, end)} == {*range(len(text))}, name
        empty = [piece for piece, (first, end) in zip(pieces, spans, strict=True) if first == end]
        assert name in ("bytes", "trimmed") or empty in ([], ["▁"])
        if name == "bytes":
            assert not empty


def spelled(tokenizer: Any, text: str) -> list[str]:
    return [text[first:end] for first, end in character_spans(tokenizer, text)]


def test_a_prefix_stands_for_nothing_and_bytes_for_the_character_they_are_of(tokenizers: dict[str, Any]) -> None:
    assert spelled(tokenizers["encoder"], "你 d") == ["", "你", " ", "d"]
    assert spelled(tokenizers["encoder"], " d") == [" ", "d"]
    assert spelled(tokenizers["fallback"], "ǆ") == ["", "ǆ", "ǆ"]
    assert spelled(tokenizers["bytes"], "🙂") == ["🙂", "🙂"]
    assert spelled(tokenizers["trimmed"], "Wie  geht es") == spelled(tokenizers["bytes"], "Wie  geht es")
    assert mended_spans("▁a", ["▁", "a"], [(0, 1), (1, 2)]) == [(0, 1), (1, 2)]
    split_at_spaces = folding(normalizers.NFKC())  # as T5's: every word has a space put in front, and the text's own are in no offset
    split_at_spaces.backend_tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always")]
    )
    assert spelled(split_at_spaces, "a  e") == ["", "a", "  ", "e"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ae\u0301 a", ["", "a", "e\u0301", " ", "a"]),
        ("a\u0306\u0301a", ["", "a\u0306\u0301", "a"]),
        ("\u1112\u1161\u11aba", ["", "\u1112\u1161\u11ab", "a"]),
        ("ﬁ½", ["", "ﬁ", "ﬁ", "½", "½", "½"]),
        ("\u3000a", ["\u3000", "a"]),
    ],
)
def test_characters_that_normalisation_joins_or_parts_keep_their_places(text: str, expected: list[str]) -> None:
    assert spelled(folding(normalizers.NFKC()), text) == expected


def example(pairs: list[tuple[int, int, int]], source: int = 4, text: int = 4) -> StackExample:
    return StackExample(tuple(range(source)), tuple(range(text)), 0, Origin("x", 1), np.array(pairs, dtype=np.int32).reshape(-1, 3))


def test_a_target_is_the_mean_of_the_teachers_states_by_shared_characters() -> None:
    teacher = torch.arange(24.0).reshape(2, 4, 3)
    goal = token_targets([example([(1, 0, 1), (1, 1, 3), (2, 3, 2)]), example([(3, 2, 1)])])
    assert list(zip(goal.rows.tolist(), goal.columns.tolist(), strict=True)) == [(0, 1), (0, 2), (1, 3)]
    assert goal.weights.tolist() == [0.5, 0.5, 1.0]
    expected = torch.stack([teacher[0, 0] / 4 + teacher[0, 1] * 3 / 4, teacher[0, 3], teacher[1, 2]])
    torch.testing.assert_close(goal.states(teacher), expected)


def stage_of(path: Path, **changes: Any) -> StackStageConfig:
    corpora = [CorpusConfig(path=str(path), language="eng")]
    return replace(
        StackStageConfig("align", "distil", corpora, states="tokens", budget=BudgetConfig(steps=1), batch=StackBatchConfig(sequences=5)),
        **changes,
    )


@pytest.fixture(scope="module")
def data(stack: StackedModel, tiny_llama_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> StackData:
    path = tmp_path_factory.mktemp("tokens") / "train.en"
    path.write_text("".join(f"{text}\n" for text in [*ENGLISH_TEXTS, "naïve café 你好"]), encoding="utf-8")
    return build_stage(stage_of(path), reading_of(stack, tiny_llama_folder), 1, 0)


def reading_of(stack: StackedModel, llm: Path) -> Reading:
    return Reading(stack.encoder, load_tokenizer(llm), load_template("alma"))


def test_each_position_of_the_text_has_a_target_and_language_and_end_have_none(stack: StackedModel, data: StackData) -> None:
    for one, text in zip(data.examples, [*ENGLISH_TEXTS, "naïve café 你好"], strict=True):
        assert one.aligned is not None
        covered = sorted({int(place) for place in one.aligned[:, 0]})
        spans = character_spans(stack.encoder.tokenizer, text)
        assert covered == [place for place, (first, end) in enumerate(spans, start=1) if first < end]
        assert one.source[0] == stack.encoder.languages["eng_Latn"] and max(covered) == len(one.source) - 2
        assert {int(place) for place in one.aligned[:, 1]} == {*range(len(one.text))}


@pytest.mark.parametrize("kind", ["mse", "cosine"])
def test_the_loss_of_a_step_does_not_depend_on_how_it_is_cut_into_passes(stack: StackedModel, data: StackData, kind: Any) -> None:
    whole, cut = (StepDataset(data, micro_tokens)[0] for micro_tokens in (10_000, 1))
    assert [len(whole), len(cut)] == [1, len(data.examples)]
    found = []
    for passes in (whole, cut):
        stack.zero_grad()
        loss = sum((token_distillation_loss(stack, one, kind) for one in passes), torch.zeros(()))
        loss.backward()
        found.append((loss.detach(), [one.grad.clone() for one in stack.parameters() if one.grad is not None]))
    stack.zero_grad()
    torch.testing.assert_close(found[0][0], found[1][0], atol=1e-5, rtol=1e-5)
    assert len(found[0][1]) > 2
    for one, other in zip(found[0][1], found[1][1], strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-3)


def test_a_student_that_gives_what_the_teacher_gives_at_every_token_has_no_loss(
    stack: StackedModel, data: StackData, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = [replace(one, aligned=np.array([(place, place, 1) for place in range(len(one.text))])) for one in data.examples]
    ids, mask = distillation.text_batch(batch, stack.end.device)
    monkeypatch.setattr(stack, "states", lambda *_: stack.teacher_states(ids, mask))
    assert token_distillation_loss(stack, batch, "mse").item() == 0
    monkeypatch.setattr(stack, "states", lambda *_: stack.teacher_states(ids, mask).roll(1, dims=1))
    assert token_distillation_loss(stack, batch, "mse").item() > 0


def test_pooled_stages_read_and_lose_what_they_did_before(stack: StackedModel, data: StackData, tiny_llama_folder: Path) -> None:
    path = Path(data.examples[0].origin.file)
    pooled = build_stage(stage_of(path, states="pooled"), reading_of(stack, tiny_llama_folder), 1, 0)
    assert pooled.plan.digest == data.plan.digest
    assert pooled.examples == data.examples and all(one.aligned is None for one in pooled.examples)
    assert torch.equal(distillation_loss(stack, pooled.examples, "mse"), distillation_loss(stack, data.examples, "mse"))


def recipe(folder: Path, encoder: Path, llm: Path, **stage: Any) -> StackConfig:
    for name, texts in (("de", GERMAN_TEXTS), ("en", ENGLISH_TEXTS)):
        (folder / f"train.{name}").write_text("".join(f"{text}\n" for text in texts), encoding="utf-8")
    tree = {
        "run": str(folder / "run"),
        "encoder": {"source": str(encoder)},
        "model": {"source": str(llm), "device": "cpu", "dtype": "float32"},
        "lora": {"rank": 2, "alpha": 4},
        "stages": [
            {
                "name": "align",
                "kind": "distil",
                "states": "tokens",
                "corpora": [{"path": str(folder / "train.en"), "language": "eng"}],
                "budget": {"steps": 3},
                "batch": {"sequences": 4, "micro_tokens": 150},
                "schedule": {"peak": 2e-2},
                **stage,
            }
        ],
    }
    path = folder / "tokens.yaml"
    path.write_text(yaml.safe_dump(tree), encoding="utf-8")
    return load_stack_recipe(path)


def test_a_stages_states_decide_which_loss_a_step_has(stack: StackedModel, data: StackData) -> None:
    batch = data.examples[:2]
    found = {}
    for states in ("tokens", "pooled"):
        job = SimpleNamespace(stage=stage_of(Path("train.en"), states=states, loss="cosine"), opening=1)
        found[states] = StackTrainer._loss(SimpleNamespace(job=job, stack=stack), batch)  # type: ignore[arg-type]
    assert torch.equal(found["tokens"], token_distillation_loss(stack, batch, "cosine"))
    assert torch.equal(found["pooled"], distillation_loss(stack, batch, "cosine"))


@pytest.mark.slow
def test_a_stage_of_tokens_trains_and_its_loss_falls(tmp_path: Path, encoder_folder: Path, tiny_llama_folder: Path) -> None:
    trained = train_stack(recipe(tmp_path, encoder_folder, tiny_llama_folder), RunOptions(), lambda _: None)
    losses = [event["loss"] for event in trained.run.events() if event["event"] == "train"]
    assert len(losses) == 3 and losses[-1] < losses[0]
    assert (trained.run.model / "stack.safetensors").is_file()


def test_what_cannot_be_aligned_is_refused_before_training(
    tmp_path: Path, stack: StackedModel, encoder_folder: Path, tiny_llama_folder: Path
) -> None:
    parallel = {"path": [str(tmp_path / "train.de"), str(tmp_path / "train.en")], "format": "moses", "source": "deu", "target": "eng"}
    with pytest.raises(ConfigError, match=r"(?s)stages\.align\.corpora.*no characters in common.*states: pooled"):
        recipe(tmp_path, encoder_folder, tiny_llama_folder, corpora=[parallel])
    with pytest.raises(ConfigError, match=r"stages\.align\.states.*a mapping stage"):
        recipe(tmp_path, encoder_folder, tiny_llama_folder, corpora=[parallel], kind="mapping")

    class Slow:
        is_fast = False

    with pytest.raises(ConfigError, match=r"(?s)the encoder's tokenizer \(Slow\) does not say .*states: pooled"):
        check_offsets(Slow(), "encoder", "stages.align.states")  # type: ignore[arg-type]
    path = tmp_path / "train.en"
    wrapped = Reading(replace(stack.encoder, tokenizer=Slow()), load_tokenizer(tiny_llama_folder), load_template("alma"))  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="states: pooled"):
        build_stage(stage_of(path), wrapped, 1, 0)


def test_a_recipe_without_the_setting_keeps_its_digest() -> None:
    before = {"run": "x", "seed": 1, "stages": [{"name": "general", "loss": "mse"}]}
    with_default = {**before, "run": "y", "stages": [{"name": "general", "loss": "mse", "states": "pooled"}]}
    with_tokens = {**before, "stages": [{"name": "general", "loss": "mse", "states": "tokens"}]}
    assert _recipe_digest(before) == _recipe_digest(with_default) != _recipe_digest(with_tokens)
