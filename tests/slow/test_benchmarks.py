"""Every benchmark runs at toy size, so that none rots; figures are nobody's business here."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

BENCH = Path(__file__).parents[2] / "scripts/bench"
DATA = os.environ.get("DRAGOMAN_DATA", "")
pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

# Script -> its arguments; {data} is the data folder, {text} a text, {json} a file to write. Each ends with 0 and prints something.
TOYS: dict[str, tuple[str, ...]] = {
    "gpu": ("--tiny", "--device", "cpu", "--json", "{json}"),
    "lexicon": ("--toy",),
    "precision": ("--tiny", "--json", "{json}"),
    "serving": ("--toy", "--requests", "40", "--unbatched", "10", "--clients", "4", "--warm", "10", "--streams", "4"),
    "significance": ("{data}/wmt17-significance", "--systems", "2"),
    "startup": ("--toy", "--json", "{json}"),
    "token_files": ("--tokens", "20000"),
    "train_vs_trl": ("--tiny", "--json", "{json}"),
    "translate": ("--toy", "--json", "{json}"),
    "vocab_expand": ("{text}", "--toy", "--language", "fra"),
    "wmt22": ("--directions", "en-cs"),
}
# Scripts that want the embedded model for a minute or more even at their smallest, or a trained encoder; run by hand.
BY_HAND = {
    *("adequacy", "dictionaries", "encoder_space", "memory", "nf4_cost", "scale", "stack_cost", "terminology"),
    *("vocab_initialisations", "vocab_learn"),
}
PARTS = {"train_systems", "translate_systems"}  # imported by others
NEEDS = {"train_vs_trl": ("trl", "datasets"), "serving": ("gradio",), "translate": ("ctranslate2",)}


def test_every_benchmark_is_run_here_or_named_as_run_by_hand() -> None:
    assert {path.stem for path in BENCH.glob("*.py")} == TOYS.keys() | BY_HAND | PARTS


@pytest.mark.parametrize("name", sorted(TOYS))
def test_a_benchmark_runs_at_toy_size(name: str, tmp_path: Path) -> None:
    given = TOYS[name]
    if (any("{data}" in word for word in given) or name == "wmt22") and not DATA:
        pytest.skip("DRAGOMAN_DATA is not set")
    missing = [package for package in NEEDS.get(name, ()) if find_spec(package) is None]
    if missing:
        pytest.skip(f"{', '.join(missing)} not installed")
    draw = random.Random(1)
    vocabulary = ["".join(draw.choices(("ka", "lou", "mé", "tri", "zo", "bel", "ché", "nu"), k=4)) for _ in range(500)]
    text = tmp_path / "text.txt"
    text.write_text("\n".join(" ".join(draw.sample(vocabulary, 12)) for _ in range(400)) + "\n", encoding="utf-8")
    words = [word.format(data=DATA, text=text, json=tmp_path / "out.json") for word in given]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run([sys.executable, str(BENCH / f"{name}.py"), *words], env=environment, capture_output=True, timeout=280)
    assert done.returncode == 0, done.stderr.decode()[-3000:]
    assert done.stdout.strip()
    assert b"left out, " not in done.stdout, f"a system did not run: {done.stdout.decode()}"
    if "{json}" in given:
        assert json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))["versions"]
