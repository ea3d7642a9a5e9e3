"""The cost model and the chunked loss, against torch's own counting and arithmetic."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn.functional import cross_entropy
from torch.utils.flop_counter import FlopCounterMode

from dragoman.adapters.lora import attach_lora
from dragoman.mt.batches import MicroBatch, bucket_batch, packed_batch
from dragoman.mt.config import TrainableConfig
from dragoman.mt.corpora.records import Origin
from dragoman.mt.cost import Work, cost_model, matmul_ceiling, real_work
from dragoman.mt.examples import Example
from dragoman.mt.losses import chunked_loss, target_loss


def model_of(folder: Path, method: str, *, recompute: bool = False) -> Any:
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(folder, attn_implementation="eager")  # torch does not count the CPU kernels of sdpa
    if method == "lora":
        model = attach_lora(model, TrainableConfig(rank=4))
    if recompute:
        model.gradient_checkpointing_enable({"use_reentrant": False})
    return model.train()


def rows(*lengths: int) -> list[Example]:
    return [Example([3 + i % 50 for i in range(length)], length // 2, Origin("x", n)) for n, length in enumerate(lengths)]


def counted(model: Any, batch: MicroBatch) -> int:
    with FlopCounterMode(display=False) as counter:
        target_loss(model, batch).backward()
    return counter.get_total_flops()


@pytest.mark.parametrize("recompute", [False, True], ids=["kept", "recomputed"])
@pytest.mark.parametrize("method", ["lora", "full"])
def test_the_cost_model_counts_what_torch_counts(method: str, recompute: bool, tiny_llama_folder: Path) -> None:
    model = model_of(tiny_llama_folder, method, recompute=recompute)
    batch = bucket_batch(rows(40, 40, 40), [0, 1, 2], 0)  # no padding, so that what is needed is what is done
    cost = cost_model(model, recompute=recompute)
    # torch does not recompute the end of a block that nothing needs again
    tolerance = 0.06 if recompute else 0.001
    assert counted(model, batch) == pytest.approx(cost.executed(real_work([batch])), rel=tolerance)


def test_padding_and_neighbours_are_not_real_work() -> None:
    examples = rows(40, 20, 10)
    expected = Work(70, 20 + 10 + 5, 40**2 + 20**2 + 10**2)
    assert real_work([bucket_batch(examples, [0, 1, 2], 0)]) == real_work([packed_batch(examples, [0, 1, 2])]) == expected


def test_a_chunked_loss_has_the_loss_and_gradients_of_the_whole_one() -> None:
    torch.manual_seed(0)
    head = torch.nn.Linear(8, 100, dtype=torch.float64)
    labels = torch.randint(0, 100, (37,))
    found = []
    for positions in (None, 1, 5, 36, 37):
        states = torch.randn(37, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(1)).requires_grad_()
        head.zero_grad()
        whole = cross_entropy(head(states).float(), labels, reduction="sum")
        loss = whole if positions is None else chunked_loss(head, states, labels, positions)
        (loss * 0.5).backward()
        found.append((loss.detach(), states.grad, head.weight.grad.clone(), head.bias.grad.clone()))
    for other in found[1:]:
        for one, expected in zip(other, found[0], strict=True):
            torch.testing.assert_close(one, expected, rtol=1e-6, atol=1e-6)


def test_the_head_sees_target_positions_only(tiny_llama_folder: Path) -> None:
    model = model_of(tiny_llama_folder, "lora")
    batch = bucket_batch(rows(30, 11), [0, 1], 0)
    seen: list[int] = []
    model.get_output_embeddings().register_forward_hook(lambda _, __, logits: seen.append(logits.shape[:-1].numel()))
    target_loss(model, batch)
    assert sum(seen) == batch.targets  # the head is called once more with nothing, inside the model


def test_the_ceiling_is_a_speed() -> None:
    assert 1e8 < matmul_ceiling("cpu", torch.float32, rounds=2) < 1e15
