"""Back ends: the same requests give the same continuations, whoever runs the model."""

from __future__ import annotations

import dataclasses
import gc
import sys
import weakref
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import torch

import dragoman.mt.decoder_state as decoder_state
from dragoman.app.engine import EngineSource, Task, open_engine
from dragoman.mt.backends import BACKENDS, OpenedModel, Opening, choose_backend, open_model
from dragoman.mt.backends.ct2 import Ct2Backend, ExportSettings
from dragoman.mt.backends.hf import HfBackend
from dragoman.mt.backends.vllm import VllmBackend
from dragoman.mt.config import DecodingConfig
from dragoman.mt.decoder_state import DecoderState, shared_prefix
from dragoman.mt.decoding import Ending, Request
from dragoman.mt.errors import ConfigError, ModelError
from dragoman.mt.exporting import export_ct2
from dragoman.mt.languages import find_language
from dragoman.mt.models import load_model
from dragoman.mt.prompts import load_template
from dragoman.mt.tokenization import decode_output, encode_prompt
from dragoman.mt.translator import Translator

ENGLISH, FRENCH = find_language("eng"), find_language("fra")
TEXTS = ["Good morning, everyone.", "The dog.", "Der Vogel ist gestern nach Süden geflogen.", "你好，世界。", " Two words \n"]


@pytest.fixture(scope="module")
def hf(tiny_llama_folder: Path) -> OpenedModel:
    return open_model(Opening(str(tiny_llama_folder), device="cpu"), "hf")


@pytest.fixture(scope="module")
def exported(tiny_llama_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("ctranslate2")
    folder = tmp_path_factory.mktemp("ct2") / "float32"
    export_ct2(str(tiny_llama_folder), folder, quantisation="float32")
    return folder


@pytest.fixture(scope="module")
def ct2(exported: Path) -> OpenedModel:
    return open_model(Opening(str(exported), device="cpu"))


def translator(model: OpenedModel, **decoding: Any) -> Translator:
    return Translator(model, load_template("alma"), ENGLISH, FRENCH, DecodingConfig(**decoding))


def requests(model: OpenedModel, limit: int = 12, **more: Any) -> list[Request]:
    return [Request(encode_prompt(model.tokenizer, text), limit + number, **more) for number, text in enumerate(TEXTS)]


def run(model: OpenedModel, asked: Sequence[Request], **decoding: Any) -> list[tuple[list[int], float, int, bool]]:
    ending = Ending(frozenset(model.backend.stop_ids), lambda token: decode_output(model.tokenizer, [token]))
    for rows in model.backend.continuations(asked, ending, DecodingConfig(**decoding)):  # noqa: B007
        pass
    return [(row.ids, row.log_probability, row.generated, row.finished) for row in rows]


# ---- CTranslate2 ----


def test_an_export_continues_as_the_model_does_each_row_to_its_own_end(hf: OpenedModel, ct2: OpenedModel) -> None:
    for asked in (requests(hf), requests(hf, 40, one_line=True), requests(hf)[:1]):
        for mine, theirs in zip(run(ct2, asked), run(hf, asked), strict=True):
            assert mine[0] == theirs[0]
            assert mine[1] == pytest.approx(theirs[1], abs=1e-3)
            assert mine[2:] == theirs[2:]


def test_translations_streams_and_facts_of_an_export_are_those_of_the_model(hf: OpenedModel, ct2: OpenedModel) -> None:
    assert ct2.backend.context == hf.backend.context
    assert ct2.backend.stop_ids == hf.backend.stop_ids
    assert "ct2 on cpu, float32" in ct2.backend.description
    expected = translator(hf).translate(TEXTS)
    found = translator(ct2).translate(TEXTS)
    assert [one.text for one in found] == [one.text for one in expected]
    assert [one.score for one in found] == pytest.approx([one.score for one in expected], abs=1e-4)
    pieces = list(translator(ct2).stream(TEXTS[2]))
    assert "".join(pieces) == expected[2].text
    assert len(pieces) > 1


def test_leaving_a_stream_of_an_export_stops_it_and_another_can_follow(ct2: OpenedModel) -> None:
    stream = translator(ct2, max_new_tokens=300, stop="eos").stream(TEXTS[0])
    first = next(stream)
    stream.close()
    assert next(translator(ct2, max_new_tokens=300, stop="eos").stream(TEXTS[0])) == first


def test_what_ctranslate2_keeps_of_a_batch_leads_to_no_generator(hf: OpenedModel, ct2: OpenedModel) -> None:
    """It drops callbacks in a thread of its own: a generator that ended there would take the process with it."""
    assert isinstance(ct2.backend, Ct2Backend)
    kept: list[Any] = []
    real = ct2.backend._generator

    class Keeping:
        def generate_batch(self, prompts: Any, **options: Any) -> Any:
            kept.append(options["callback"])
            return real.generate_batch(prompts, **options)

    backend = Ct2Backend(Keeping(), ct2.backend._pieces, ExportSettings(None, ct2.backend.stop_ids), "")
    one = translator(dataclasses.replace(ct2, backend=backend), max_new_tokens=2)
    assert len(one.translate(TEXTS[:2])) == 2
    gone = weakref.ref(backend)
    del one, backend
    gc.collect()
    assert len(kept) == 1
    assert gone() is None


def test_a_beginning_that_all_prompts_share_changes_nothing_for_an_export(hf: OpenedModel, ct2: OpenedModel) -> None:
    asked = sharing(hf)
    assert [row[0] for row in run(ct2, asked)] == [row[0] for row in run(hf, asked)]


def test_beams_of_an_export_are_at_least_as_likely_as_greedy(ct2: OpenedModel) -> None:
    greedy, beams = run(ct2, requests(ct2)), run(ct2, requests(ct2), beams=3)
    assert sum(row[1] / row[2] for row in beams) >= sum(row[1] / row[2] for row in greedy)
    assert all(row[2] <= 12 + number for number, row in enumerate(beams))


def test_what_an_export_cannot_do_is_refused(ct2: OpenedModel, exported: Path, tiny_llama_folder: Path) -> None:
    with pytest.raises(ConfigError, match="random choices cannot be repeated"):
        translator(ct2, sample=True)
    with pytest.raises(ConfigError, match="repetition penalty"):
        translator(ct2, repetition_penalty=1.5)
    with pytest.raises(ConfigError, match="terms that must be in the output"):
        run(ct2, requests(ct2, required=(((5,),),)))
    with pytest.raises(ModelError, match="can only translate"):
        load_model(str(exported))
    with pytest.raises(ModelError, match="not in CTranslate2's format"):
        open_model(Opening(str(tiny_llama_folder)), "ct2")
    with pytest.raises(ConfigError, match="no back end 'ctranslate'"):
        open_model(Opening(str(exported)), "ctranslate")


def test_auto_takes_an_export_for_what_it_is_and_the_one_beside_a_run_only_where_asked(
    exported: Path, tiny_llama_folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "model").symlink_to(tiny_llama_folder)
    run_folder = str(tmp_path)
    assert choose_backend(Opening(str(exported)))[0].name == "ct2"
    assert choose_backend(Opening(run_folder, prefer_export=True))[0].name == "hf"
    (tmp_path / "ct2-int8").symlink_to(exported)
    assert choose_backend(Opening(run_folder))[0].name == "hf"
    kind, opening = choose_backend(Opening(run_folder, device="cpu", prefer_export=True))
    assert (kind.name, opening.model) == ("ct2", str(tmp_path / "ct2-int8"))
    assert choose_backend(Opening(run_folder, device="cpu", dtype="float32", prefer_export=True))[0].name == "hf"


# ---- a shared beginning ----


def sharing(model: OpenedModel) -> list[Request]:
    beginning = encode_prompt(model.tokenizer, "English: Good morning, everyone.\nFrench: Bonjour à tous.\n" * 3)
    assert len(beginning) > 32
    return [Request([*beginning, *request.prompt[1:]], request.limit) for request in requests(model)]


@pytest.mark.parametrize("beams", [1, 3])
def test_a_shared_beginning_is_read_once_and_gives_the_same(hf: OpenedModel, monkeypatch: pytest.MonkeyPatch, beams: int) -> None:
    read: list[tuple[int, ...]] = []
    assert isinstance(hf.backend, HfBackend)
    handle = hf.backend.loaded.model.register_forward_pre_hook(
        lambda _module, _given, named: read.append(tuple(named["input_ids"].shape)), with_kwargs=True
    )
    with_sharing = run(hf, sharing(hf), beams=beams)
    shared = shared_prefix([request.prompt for request in sharing(hf)])
    assert read[0] == (1, shared)
    assert read[1][0] == len(TEXTS)
    handle.remove()
    monkeypatch.setattr(decoder_state, "SHARED_FROM", 10**6)
    without = run(hf, sharing(hf), beams=beams)
    assert [row[0] for row in with_sharing] == [row[0] for row in without]
    assert [row[1] for row in with_sharing] == pytest.approx([row[1] for row in without], abs=1e-4)


@pytest.mark.parametrize(
    ("prompts", "expected"),
    [([[1, 2, 3], [1, 2, 4]], 2), ([[1, 2], [1, 2]], 1), ([[1], [1, 2]], 0), ([[3, 1], [2, 1]], 0), ([[1, 2, 9], [1, 2], [1, 3, 1]], 1)],
)
def test_the_last_token_of_no_prompt_is_shared(prompts: list[list[int]], expected: int) -> None:
    assert shared_prefix(prompts) == expected


def test_models_with_windows_share_nothing(hf: OpenedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(hf.backend, HfBackend)
    model = hf.backend.loaded.model
    monkeypatch.setattr(model.config, "layer_types", ["sliding_attention", "full_attention"], raising=False)
    state = DecoderState(model, [request.prompt for request in sharing(hf)], 0)
    assert state._cache is None


# ---- vLLM, by a module that answers as it does ----


class FakeLLM:
    """The calls of `vllm.LLM` that are used, answered by our own loop."""

    def __init__(self, *, model: str, dtype: str, enable_prefix_caching: bool, trust_remote_code: bool) -> None:
        assert not trust_remote_code
        self.loaded = load_model(model, device="cpu")
        self.calls: list[list[Any]] = []

    def generate(self, prompts: list[dict[str, list[int]]], parameters: list[SimpleNamespace], *, use_tqdm: bool) -> list[Any]:
        self.calls.append(parameters)
        return [self._one(prompt["prompt_token_ids"], asked) for prompt, asked in zip(prompts, parameters, strict=True)]

    def _one(self, prompt: list[int], asked: SimpleNamespace) -> Any:
        ids: list[int] = []
        chosen = []
        while len(ids) < asked.max_tokens and not (ids and ids[-1] in asked.stop_token_ids):
            with torch.no_grad():
                logits = self.loaded.model(input_ids=torch.tensor([[*prompt, *ids]])).logits[0, -1]
            ids.append(int(logits.argmax()))
            chosen.append({ids[-1]: SimpleNamespace(logprob=float(logits.log_softmax(-1)[ids[-1]]))})
            if asked.stop and "\n" in self.loaded.tokenizer.decode(ids):
                break
        return SimpleNamespace(outputs=[SimpleNamespace(token_ids=ids, logprobs=chosen)])


@pytest.fixture
def fake_vllm(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    module = ModuleType("vllm")
    module.LLM, module.SamplingParams = FakeLLM, SimpleNamespace  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "vllm", module)
    yield


def test_vllm_is_asked_for_tokens_and_gives_what_hf_gives(hf: OpenedModel, tiny_llama_folder: Path, fake_vllm: None) -> None:
    vllm = open_model(Opening(str(tiny_llama_folder)), "vllm")
    for one_line in (False, True):
        asked = requests(hf, 6, one_line=one_line)
        for mine, theirs in zip(run(vllm, asked), run(hf, asked), strict=True):
            assert mine[0] == theirs[0]
            assert mine[1] == pytest.approx(theirs[1], abs=1e-3)
            assert mine[2:] == theirs[2:]
    with pytest.raises(ConfigError, match="no beam search"):
        translator(vllm, beams=2)
    with pytest.raises(ConfigError, match="terms that must be"):
        run(vllm, requests(vllm, required=(((5,),),)))


def test_missing_packages_are_named(exported: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "vllm", None)
    monkeypatch.setitem(sys.modules, "ctranslate2", None)
    with pytest.raises(ConfigError, match="pip install vllm"):
        open_model(Opening(str(exported)), "vllm")
    with pytest.raises(ConfigError, match=r"pip install 'dragoman\[ct2\]'"):
        open_model(Opening(str(exported)), "ct2")
    assert set(BACKENDS) == {"hf", "ct2", "vllm"}


def test_a_shared_beginning_leaves_room_for_more_rows_and_vllm_gets_all_at_once(hf: OpenedModel, ct2: OpenedModel) -> None:
    assert hf.backend.weight(100, 20, 0) == 110
    assert hf.backend.weight(100, 20, 80) == 20 + 20 + 10
    assert ct2.backend.weight(100, 20, 80) == 110  # CTranslate2 reads the beginning of every row at each step
    assert hf.backend.weight(100, 20, 31) == 110
    assert VllmBackend(None, None, None, ()).weight(100, 20, 0) == 0


# ---- the server's engine ----


def test_the_server_takes_the_export_beside_a_run_and_the_run_itself_for_what_an_export_cannot_do(
    exported: Path, tiny_llama_folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "model").symlink_to(tiny_llama_folder)
    (tmp_path / "ct2-int8").symlink_to(exported)
    engine = open_engine(EngineSource(str(tmp_path), "cpu"))
    whole = open_engine(EngineSource(str(tmp_path), "cpu"), "hf")
    assert engine.description.startswith("ct2 on cpu")
    assert whole.description.startswith("hf on cpu")
    for decoding in (DecodingConfig(max_new_tokens=8), DecodingConfig(max_new_tokens=8, sample=True)):
        task = Task(ENGLISH, FRENCH, decoding)
        engine.check(task)
        assert [one.text for one in engine.translate(TEXTS[:2], task)] == [one.text for one in whole.translate(TEXTS[:2], task)]
    alone = open_engine(EngineSource(str(exported), "cpu"))
    with pytest.raises(ConfigError, match="random choices"):
        alone.check(Task(ENGLISH, FRENCH, DecodingConfig(sample=True)))
