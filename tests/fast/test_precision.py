"""Training passes in bfloat16 products: what they change, and what they leave as it was."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM

from dragoman.adapters.lora import attach_lora
from dragoman.mt import devices
from dragoman.mt.batches import MicroBatch, bucket_batch
from dragoman.mt.config import TrainableConfig
from dragoman.mt.corpora.records import Origin
from dragoman.mt.devices import choose_device
from dragoman.mt.examples import Example
from dragoman.mt.losses import target_loss
from dragoman.mt.precision import fast_attention, mixed_precision


@pytest.fixture
def model(tiny_llama_folder: Path) -> Any:
    torch.manual_seed(0)
    return attach_lora(AutoModelForCausalLM.from_pretrained(tiny_llama_folder), TrainableConfig(rank=4))


def batch(rows: int = 3, length: int = 12) -> MicroBatch:
    ids = torch.randint(1, 200, (rows, length), generator=torch.Generator().manual_seed(1)).tolist()
    return bucket_batch([Example(row, 4, Origin("made up", 1)) for row in ids], range(rows), 0)


def gradients(model: Any, *, enabled: bool, longest: int = 12) -> dict[str, torch.Tensor]:
    model.zero_grad()
    with mixed_precision(model, enabled=enabled, longest=longest):
        target_loss(model, batch()).backward()
    return {name: one.grad.clone() for name, one in model.named_parameters() if one.grad is not None}


def test_mixed_gradients_are_float32_and_close_to_those_of_float32(model: Any) -> None:
    exact, mixed = gradients(model, enabled=False), gradients(model, enabled=True)
    assert exact.keys() == mixed.keys() and exact
    assert {gradient.dtype for gradient in mixed.values()} == {torch.float32}
    wanted, given = (torch.cat([one.flatten() for one in side.values()]) for side in (exact, mixed))
    assert 0 < torch.linalg.norm(given - wanted) <= 0.05 * torch.linalg.norm(wanted)


def test_nothing_changes_where_it_is_off(model: Any) -> None:
    with mixed_precision(model, enabled=False, longest=12):
        inside = target_loss(model, batch())
        assert model.get_base_model().config._attn_implementation == "sdpa"
    assert torch.equal(inside, target_loss(model, batch()))


@pytest.mark.parametrize(("longest", "expected"), [(12, "eager"), (512, "eager"), (513, "sdpa")])
def test_short_rows_attend_plainly_inside_and_fused_outside(model: Any, longest: int, expected: str) -> None:
    base = model.get_base_model()
    with mixed_precision(model, enabled=True, longest=longest):
        assert base.config._attn_implementation == expected
    assert base.config._attn_implementation == "sdpa"
    with pytest.raises(RuntimeError, match="broken"), mixed_precision(model, enabled=True, longest=longest):
        raise RuntimeError("broken")
    assert base.config._attn_implementation == "sdpa"


def test_a_model_that_already_attends_otherwise_is_left_alone(tiny_llama_folder: Path) -> None:
    plain = AutoModelForCausalLM.from_pretrained(tiny_llama_folder, attn_implementation="eager")
    with torch.autocast("cpu", dtype=torch.bfloat16), fast_attention(plain, longest=4):
        assert plain.config._attn_implementation == "eager"
    assert plain.config._attn_implementation == "eager"


@pytest.mark.parametrize(
    ("able", "dtype", "mixed"),
    [
        ({"avx512_bf16": True}, "auto", True),
        ({"amx_bf16": True, "avx512_bf16": False}, "auto", True),
        ({"avx512_f": True, "avx512_bf16": False}, "auto", False),
        ({"avx512_bf16": True}, "float32", False),
        ({}, "bfloat16", True),
    ],
)
def test_a_cpu_mixes_when_it_has_the_instructions(monkeypatch: pytest.MonkeyPatch, able: dict[str, bool], dtype: str, mixed: bool) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: able)
    assert devices.choose_device("cpu", dtype).mixed is mixed
    assert choose_device("cpu", dtype).dtype == (torch.bfloat16 if dtype == "bfloat16" else torch.float32)
