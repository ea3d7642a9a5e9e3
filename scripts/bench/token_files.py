"""Tokens in memory and on disk: bytes held while a corpus is written and read, and how fast examples and batches are cut from it.

    OMP_NUM_THREADS=1 python scripts/bench/token_files.py --tokens 3000000

Made-up ids, 20 to 80 tokens an example; each way in a process of its own, one after the other.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from dragoman.mt.batches import micro_batches
from dragoman.mt.corpora.records import Origin
from dragoman.mt.examples import Example, Examples, ExampleSet, ExampleSink
from dragoman.mt.token_files import NARROW, stored_examples

MB = 1e6
STEP = 16


def fill(sink: ExampleSink, tokens: int) -> dict[str, Any]:
    """Examples of made-up ids until there are so many tokens; nothing to be kept beside them."""
    rng = random.Random(1)
    ids = [rng.randrange(49_152) for _ in range(4096)]
    written = 0
    while written < tokens:
        length, start = rng.randrange(20, 80), rng.randrange(4000)
        sink.add(Example(ids[start : start + length], length // 2, Origin("text", len(sink) + 1)))
        written += length
    return {}


def measure(way: str, tokens: int, folder: Path) -> dict[str, float]:
    """Write, read in random order, cut batches; times are the best of three."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started = time.perf_counter()
    examples: Examples
    if way == "memory":
        examples = ExampleSet()
        fill(examples, tokens)
    else:
        examples = stored_examples(folder, NARROW, lambda sink: fill(sink, tokens))[0]
    written = time.perf_counter() - started
    peak = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 / MB
    order = random.Random(2).sample(range(len(examples)), min(8000, len(examples)))
    found = {"written_s": round(written, 2), "peak_mb": round(peak, 1), "example_us": round(best(lambda: read(examples, order)) * 1e6, 2)}
    for layout in ("buckets", "packed"):
        found[f"{layout}_us_a_token"] = round(best(lambda layout=layout: cut(examples, order, layout)) * 1e6, 3)
    if way == "disk":
        started = time.perf_counter()
        stored_examples(folder, NARROW, lambda _: {})
        found["opened_s"] = round(time.perf_counter() - started, 3)
    return found


def best(work: Any, rounds: int = 3) -> float:
    """Seconds for one unit of work, the fastest of a few rounds."""
    seconds = []
    for _ in range(rounds):
        started = time.process_time()
        done = work()
        seconds.append((time.process_time() - started) / done)
    return min(seconds)


def read(examples: Examples, order: list[int]) -> int:
    """Every example once; returns how many."""
    for index in order:
        examples[index]
    return len(order)


def cut(examples: Examples, order: list[int], layout: Any) -> int:
    """All steps' batches; returns their real tokens."""
    steps = [order[start : start + STEP] for start in range(0, len(order), STEP)]
    return sum(batch.real_tokens for step in steps for batch in micro_batches(examples, step, layout=layout, micro_tokens=1024, padding=0))


def main() -> None:
    """One process a way, so that peaks of memory do not mix."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tokens", type=int, default=3_000_000)
    parser.add_argument("--way", choices=("memory", "disk"))
    settings = parser.parse_args()
    if settings.way:
        with tempfile.TemporaryDirectory() as folder:
            print(json.dumps({settings.way: measure(settings.way, settings.tokens, Path(folder) / "tokens")}))
        return
    for way in ("memory", "disk"):
        subprocess.run([sys.executable, __file__, "--tokens", str(settings.tokens), "--way", way], check=True, env=dict(os.environ))


if __name__ == "__main__":
    main()
