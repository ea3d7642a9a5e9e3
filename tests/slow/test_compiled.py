"""torch.compile of the blocks: the same losses and gradients, with adapters, recomputation and batches of other lengths."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from dragoman.adapters.lora import attach_lora
from dragoman.mt.batches import bucket_batch
from dragoman.mt.config import KernelConfig, TrainableConfig
from dragoman.mt.corpora.records import Origin
from dragoman.mt.errors import ConfigError
from dragoman.mt.examples import Example
from dragoman.mt.kernels import check_kernels, compiled_blocks
from dragoman.mt.losses import target_loss
from dragoman.mt.memory import set_recompute

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
LENGTHS = (30, 47, 21)


def gradients(model: Any, length: int) -> tuple[float, list[torch.Tensor]]:
    rows = [Example([3 + i % 90 for i in range(length - number)], 5, Origin("x", number + 1)) for number in range(3)]
    model.zero_grad()
    loss = target_loss(model, bucket_batch(rows, [0, 1, 2], 0))
    loss.backward()
    return loss.item(), [weight.grad.clone() for weight in model.parameters() if weight.grad is not None]


@pytest.mark.parametrize("recompute", [False, True])
def test_compiled_blocks_train_as_plain_ones(recompute: bool, tiny_llama_folder: Path) -> None:
    from transformers import AutoModelForCausalLM

    try:
        check_kernels(KernelConfig(compile=True), "cpu")
    except ConfigError as error:
        pytest.skip(str(error))
    model = attach_lora(AutoModelForCausalLM.from_pretrained(tiny_llama_folder), TrainableConfig(rank=4)).train()
    set_recompute(model, on=recompute)
    plain = [gradients(model, length) for length in LENGTHS]
    with compiled_blocks(model, enabled=True):
        compiled = [gradients(model, length) for length in LENGTHS]
    for found, expected in zip(compiled, plain, strict=True):
        assert found[0] == pytest.approx(expected[0], rel=1e-5)
        for one, other in zip(found[1], expected[1], strict=True):
            torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-4)
