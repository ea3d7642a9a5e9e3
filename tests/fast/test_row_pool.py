"""Rows that come and go: whatever is beside a row, whenever it starts, it must become what it becomes alone."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from transformers import GPTNeoXConfig, GPTNeoXForCausalLM, LlamaConfig, LlamaForCausalLM, PreTrainedModel, Qwen3Config, Qwen3ForCausalLM

from dragoman.mt.backends.hf import HfBackend
from dragoman.mt.config import DecodingConfig
from dragoman.mt.decoding import Continuation, Ending, Request, decode
from dragoman.mt.pools import pool_for
from dragoman.mt.row_pool import RowPool, can_pool
from dragoman.mt.shared_attention import SHARING, attend, let_share, transformer_of

SIZES = {"vocab_size": 60, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4}
MODELS: dict[str, Callable[[], PreTrainedModel]] = {
    "llama": lambda: LlamaForCausalLM(LlamaConfig(**SIZES, num_key_value_heads=2)),
    "qwen3": lambda: Qwen3ForCausalLM(Qwen3Config(**SIZES, num_key_value_heads=1, head_dim=16)),
    "neox": lambda: GPTNeoXForCausalLM(GPTNeoXConfig(**SIZES)),
}
BEGINNING = tuple(range(3, 43))


def small(name: str) -> PreTrainedModel:
    torch.manual_seed(1)
    model = MODELS[name]().eval()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.3)  # far from each other: no ties, and outputs that end
    return model


@pytest.fixture(scope="module")
def llama() -> PreTrainedModel:
    model = small("llama")
    let_share(model)
    return model


def run(model: PreTrainedModel, requests: Sequence[Request], **decoding: Any) -> list[Continuation]:
    ending = Ending(frozenset({2, 5, 7}), lambda token: "\n" if token == 9 else "x")
    *_, rows = decode(model, requests, ending, DecodingConfig(**decoding), 0)
    return rows


def outputs(rows: Sequence[Continuation]) -> list[tuple[list[int], int, bool]]:
    return [(row.ids, row.generated, row.finished) for row in rows]


REQUESTS = st.lists(
    st.tuples(st.lists(st.integers(3, 59), min_size=1, max_size=30), st.integers(1, 90), st.booleans()), min_size=1, max_size=12
)


@pytest.mark.parametrize("sample", [False, True])
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(given=REQUESTS, shared=st.booleans(), room=st.integers(1, 600), seed=st.integers(0, 9))
def test_a_row_becomes_what_it_becomes_alone(
    llama: PreTrainedModel, sample: bool, given: list[tuple[list[int], int, bool]], shared: bool, room: int, seed: int
) -> None:
    first = BEGINNING if shared else ()
    requests = [Request((*first, *ids), limit, one_line, seed + number) for number, (ids, limit, one_line) in enumerate(given)]
    together = run(llama, requests, batch_tokens=room, sample=sample)
    alone = [run(llama, [request], sample=sample)[0] for request in requests]
    assert outputs(together) == outputs(alone)
    assert [row.log_probability for row in together] == pytest.approx([row.log_probability for row in alone], abs=1e-3)


@pytest.mark.parametrize("name", MODELS)
def test_it_is_what_the_model_gives_without_any_of_it(name: str) -> None:
    plain, pooled = small(name), small(name)
    assert let_share(pooled)
    assert can_pool(pooled)
    assert not can_pool(plain)
    choose = random.Random(4)
    requests = [Request((*BEGINNING, *(choose.randint(3, 59) for _ in range(choose.randint(1, 20)))), 12) for _ in range(9)]
    assert outputs(run(pooled, requests, batch_tokens=120)) == outputs(run(plain, requests))


def test_the_beginning_is_read_and_kept_once_and_places_are_taken_again(llama: PreTrainedModel) -> None:
    requests = [Request((*BEGINNING, 6 + number, 5), 3 + 5 * number) for number in range(8)]
    read: list[tuple[int, ...]] = []
    handle = llama.register_forward_pre_hook(lambda _module, _given, named: read.append(tuple(named["input_ids"].shape)), with_kwargs=True)
    rows = run(llama, requests, batch_tokens=70)
    handle.remove()
    assert read[0] == (1, len(BEGINNING))
    assert max(count for count, _ in read) < len(requests)
    assert sum(count for count, width in read[1:] if width == 2) == len(requests)
    assert all(row.done for row in rows)
    pool = pool_for(llama, 0, requests)
    assert isinstance(pool, RowPool)
    pool.admit(requests[:4])
    keys = pool._cache.layers[0].keys
    assert keys is not None
    assert keys.shape[0] == 4
    assert pool.keep([1, 3]) == [3, 1]
    pool.admit(requests[4:6])
    assert pool._cache.layers[0].keys is keys
    assert len(pool) == 4


def test_a_model_that_keeps_arguments_from_its_attention_reads_every_prompt_whole(
    llama: PreTrainedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    requests = [Request((*BEGINNING, 5, 6 + number), 10) for number in range(4)]
    expected = outputs(run(llama, requests))
    layer = type(llama.model.layers[0])
    forward = layer.forward
    monkeypatch.setattr(layer, "forward", lambda self, *args, beginning=None, **named: forward(self, *args, **named))
    assert outputs(run(llama, requests)) == expected


def test_the_attention_of_shared_beginnings_is_torchs_attention_over_everything(llama: PreTrainedModel) -> None:
    from dragoman.mt.row_cache import causal_mask
    from dragoman.mt.shared_attention import Beginning

    generator = torch.Generator().manual_seed(3)
    layer = llama.model.layers[1].self_attn
    query = torch.randn(3, 4, 5, 8, generator=generator)
    first = [torch.randn(1, 2, 7, 8, generator=generator) for _ in range(2)]
    key, value = (torch.randn(3, 2, 5, 8, generator=generator) for _ in range(2))
    mask = causal_mask(torch.tensor([[True] * 5, [False, True, True, True, True], [False] * 3 + [True] * 2]))
    got, _ = attend(layer, query, key, value, mask, scaling=0.3, beginning=Beginning([(first[0] * 0, first[1] * 0), tuple(first)]))  # type: ignore[list-item]
    whole = [torch.cat([one.expand(3, -1, -1, -1), rest], dim=2) for one, rest in zip(first, (key, value), strict=True)]
    seen = torch.cat([torch.ones(3, 1, 5, 7, dtype=torch.bool), mask], dim=-1)
    expected, _ = attend(layer, query, *whole, seen, scaling=0.3)
    assert torch.allclose(got, expected, atol=1e-5)
    with pytest.raises(ValueError, match="needs the mask"):
        attend(layer, query, key, value, None, beginning=Beginning([tuple(first)] * 2))  # type: ignore[list-item]


def test_only_models_on_torchs_attention_take_it_and_say_so_nowhere_in_their_folder(tmp_path: Any) -> None:
    model = small("llama")
    model.set_attn_implementation("eager")
    assert not let_share(model)
    assert not can_pool(model)
    model.set_attn_implementation("sdpa")
    assert let_share(model)
    assert let_share(model)
    model.save_pretrained(tmp_path)
    assert SHARING not in (tmp_path / "config.json").read_text()
    assert transformer_of(model).config._attn_implementation == SHARING


def test_the_back_end_queues_but_for_beams(llama: PreTrainedModel) -> None:
    assert HfBackend.queues(None, DecodingConfig())  # type: ignore[arg-type]
    assert not HfBackend.queues(None, DecodingConfig(beams=2))  # type: ignore[arg-type]
