"""LoRA and QLoRA on one GPU: real tokens a second, share of the matmul ceiling, peak memory, beside TRL with its defaults.

    scripts/bench/gpu.sh [--shapes llama-3-8b,smollm2-135m] [--seconds 20] [--json FILE]
    python scripts/bench/gpu.py --tiny --device cpu

Weights are random in the shapes of Llama-3-8B and SmolLM2-135M, token ids too: speed does not depend on them. Two kinds of examples:
`pairs`, with lengths drawn like those of sentence pairs in a prompt (median 85 tokens, two fifths of them target), and `full`, 1,024
tokens each, all in the loss. After a first step each trainer runs until it has done `--seconds` (estimated from that step). A shape, method
or trainer that fails, by memory for instance, is told and left out.
"""

from __future__ import annotations

import argparse
import gc
import json
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from train_systems import BATCH, SYSTEMS, System, Timing, train
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from dragoman.adapters.lora import attach_lora
from dragoman.mt.config import TrainableConfig
from dragoman.mt.corpora.records import Origin
from dragoman.mt.cost import Ceiling, cost_model, matmul_ceiling, spoken
from dragoman.mt.examples import Example, ExampleSet
from dragoman.mt.runs import machine, package_versions

SHAPES: dict[str, dict[str, Any]] = {
    "llama-3-8b": {
        "vocab_size": 128256,
        "hidden_size": 4096,
        "intermediate_size": 14336,
        "num_hidden_layers": 32,
        "num_attention_heads": 32,
        "num_key_value_heads": 8,
        "tie_word_embeddings": False,
    },
    "smollm2-135m": {
        "vocab_size": 49152,
        "hidden_size": 576,
        "intermediate_size": 1536,
        "num_hidden_layers": 30,
        "num_attention_heads": 9,
        "num_key_value_heads": 3,
        "tie_word_embeddings": True,
    },
    "tiny": {
        "vocab_size": 500,
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "tie_word_embeddings": True,
    },
}
CONTEXT = 1024


@dataclass(frozen=True)
class Outcome:
    """One line of the table; `memory` in bytes, the highest mark of the GPU's."""

    shape: str
    method: str
    data: str
    system: str
    tokens_per_second: float
    padding: float
    mfu: float
    memory: int


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shapes", default="llama-3-8b,smollm2-135m")
    parser.add_argument("--methods", default="lora,qlora")
    parser.add_argument("--data", default="pairs,full")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--seconds", type=float, default=20.0, help="of each measurement")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--tiny", action="store_true", help="a tiny shape and a few steps: to see that it runs")
    options = parser.parse_args()
    shapes = ["tiny"] if options.tiny else options.shapes.split(",")
    seconds = 0.2 if options.tiny else options.seconds
    dtype = torch.bfloat16 if options.device == "cuda" else torch.float32
    ceiling = Ceiling(matmul_ceiling(options.device, dtype))
    print(f"ceiling: {spoken(ceiling.per_second)}/s, {dtype}", flush=True)
    outcomes = [
        outcome
        for shape in shapes
        for method in options.methods.split(",")
        for outcome in measure(shape, method, options.data.split(","), options.device, dtype, seconds, ceiling)
    ]
    if options.json:
        facts = {"machine": machine(), "versions": package_versions(), "ceiling": ceiling.per_second}
        options.json.write_text(json.dumps({**facts, "rows": [asdict(one) for one in outcomes]}, indent=2) + "\n", encoding="utf-8")


def measure(
    shape: str, method: str, kinds: list[str], device: str, dtype: torch.dtype, seconds: float, ceiling: Ceiling
) -> Iterator[Outcome]:
    """One model, adapted once: every kind of data, every trainer."""
    try:
        model = adapted(shape, method, device, dtype)
    except (ImportError, RuntimeError) as error:
        print(f"{shape} {method}: left out, {first_line(error)}", flush=True)
        return
    tokenizer = made_up_tokenizer(SHAPES[shape]["vocab_size"])
    for kind in kinds:
        examples = made_up_examples(kind, SHAPES[shape]["vocab_size"])
        for system in SYSTEMS[:2]:  # ours, and TRL as it comes
            try:
                yield show(run(system, model, tokenizer, examples, seconds), model, ceiling, (shape, method, kind, system.name))
            except (ImportError, RuntimeError) as error:
                print(f"{shape} {method} {kind} {system.name}: left out, {first_line(error)}", flush=True)
            forget()
    del model
    forget()


def run(system: System, model: Any, tokenizer: Any, examples: ExampleSet, seconds: float) -> Timing:
    """Two steps to warm up and to know the speed; then as many as fit into the time."""
    mixed = next(model.parameters()).device.type == "cuda"
    train(system, model, tokenizer, examples, range(BATCH), mixed=mixed)
    first = train(system, model, tokenizer, examples, range(BATCH, 3 * BATCH), mixed=mixed)
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
    steps = int(min(max(2, 2 * seconds / first.seconds), (len(examples) - 3 * BATCH) // BATCH))
    return train(system, model, tokenizer, examples, range(3 * BATCH, (3 + steps) * BATCH), mixed=mixed)


def show(timing: Timing, model: Any, ceiling: Ceiling, names: tuple[str, str, str, str]) -> Outcome:
    """Make a line and print it."""
    mfu = ceiling.share(cost_model(model).needed(timing.work), timing.seconds)
    memory = torch.cuda.max_memory_allocated() if torch.cuda.is_available() else 0
    outcome = Outcome(*names, timing.speed, timing.padding, mfu, memory)
    print(
        f"{names[0]:13} {names[1]:6} {names[2]:6} {names[3]:14} {timing.speed:9.0f} real tokens/s, MFU {mfu:6.1%}, "
        f"padding {timing.padding:5.1%}, {memory / 1e9:.1f} GB",
        flush=True,
    )
    return outcome


def adapted(shape: str, method: str, device: str, dtype: torch.dtype) -> Any:
    """Random weights on the device, in 4 bits for QLoRA, with a fresh adapter."""
    config = LlamaConfig(**SHAPES[shape], max_position_embeddings=2 * CONTEXT, bos_token_id=0, eos_token_id=1)
    config._attn_implementation = "flash_attention_2" if device == "cuda" and has_flash() else "sdpa"
    before = torch.get_default_dtype()
    torch.manual_seed(1)
    try:
        torch.set_default_dtype(dtype)
        with torch.device(device):
            model = LlamaForCausalLM(config)
    finally:
        torch.set_default_dtype(before)
    if method == "qlora":
        to_4_bits(model, dtype)
    return attach_lora(model, TrainableConfig(rank=16, method=method))  # type: ignore[arg-type]


def has_flash() -> bool:
    """Whether FlashAttention 2 is installed."""
    from importlib.util import find_spec

    return find_spec("flash_attn") is not None


def to_4_bits(model: Any, dtype: torch.dtype) -> None:
    """Replace the blocks' linear layers by NF4 ones with double quantisation, one at a time."""
    from bitsandbytes.nn import Linear4bit, Params4bit

    for block in model.model.layers:
        for part in (block.self_attn, block.mlp):
            for name, layer in list(part.named_children()):
                if type(layer) is not torch.nn.Linear:
                    continue
                small = Linear4bit(layer.in_features, layer.out_features, bias=False, compute_dtype=dtype, quant_type="nf4", device="meta")
                weight = layer.weight.data
                small.weight = Params4bit(weight.cpu(), requires_grad=False, quant_type="nf4", compress_statistics=True, module=small)
                # What TRL and peft look for in the layers of a 4-bit model.
                small.support_avx512bf16_for_cpu = False
                setattr(part, name, small.to(weight.device))
    model.is_loaded_in_4bit = True


def made_up_examples(kind: str, vocabulary: int, count: int = 4000) -> ExampleSet:
    """Random ids with the lengths of `kind`."""
    rng = np.random.default_rng(1)
    examples = ExampleSet()
    for number in range(count):
        length = CONTEXT if kind == "full" else int(np.clip(rng.lognormal(4.45, 0.5), 20, 512))
        start = 1 if kind == "full" else max(1, length * 3 // 5)
        examples.add(Example(rng.integers(2, vocabulary, length).tolist(), start, Origin(kind, number + 1)))
    return examples


def made_up_tokenizer(vocabulary: int) -> PreTrainedTokenizerFast:
    """Something for TRL to ask for an end-of-text token; no text is ever split."""
    from tokenizers import Tokenizer, models

    backend = Tokenizer(models.WordLevel({"<s>": 0, "</s>": 1, **{f"w{i}": i for i in range(2, vocabulary)}}, unk_token="<s>"))
    return PreTrainedTokenizerFast(tokenizer_object=backend, bos_token="<s>", eos_token="</s>", pad_token="</s>")


def first_line(error: Exception) -> str:
    """What went wrong, short."""
    return f"{type(error).__name__}: {error}".split("\n", 1)[0][:200]


def forget() -> None:
    """Give memory back to the device."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


if __name__ == "__main__":
    started = time.monotonic()
    main()
    print(f"{time.monotonic() - started:.0f} seconds")
