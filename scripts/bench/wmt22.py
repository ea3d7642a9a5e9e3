"""Every published BLEU and chrF of the WMT22 general task whose outputs are at hand, computed again, in one pass.

    DRAGOMAN_DATA=... python scripts/bench/wmt22.py [--directions en-de,de-en] [--tolerance 0.005]

Prints a line a direction, and the rows that were left out with the reason. Ends with 1 when a score is further off than the tolerance.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections import Counter
from pathlib import Path

from dragoman.eval.metrics import CorpusScorer
from dragoman.eval.outputs import read_systems
from dragoman.eval.testsets import load_test_set
from dragoman.mt.languages import find_language

# The campaign scored Japanese by characters; elsewhere the target language's own tokenizer is the one it used.
TOKENIZERS = {"ja": "char"}
# Where two references fit a segment equally well, sacrebleu's chrF counts the first. The campaign gave these two directions B before A.
ALL_REFERENCES = {"en-zh": "B+A", "zh-en": "B+A"}
METRICS = {"bleu": "BLEU", "chrf": "chrF"}
Row = tuple[str, str, str, str]  # direction, system, metric, references


def main() -> None:
    """Score, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--directions", default="")
    parser.add_argument("--tolerance", type=float, default=0.005)
    options = parser.parse_args()
    folder = Path(os.environ["DRAGOMAN_DATA"]) / "wmt22"
    published, left_out = published_rows(folder)
    started = time.perf_counter()
    worst = 0.0
    for direction in options.directions.split(",") if options.directions else list(dict.fromkeys(row[0] for row in published)):
        wanted = {row: value for row, value in published.items() if row[0] == direction}
        begun = time.perf_counter()
        found = scores(folder, direction, list(wanted))
        off = max(abs(found[row] - value) for row, value in wanted.items())
        worst = max(worst, off)
        systems = len({row[1] for row in wanted})
        print(
            f"{direction:8} {systems:3} systems {len(wanted):4} scores  largest difference {off:.6f}  {time.perf_counter() - begun:6.1f} s"
        )
    for reason, rows in left_out.items():
        print(f"left out: {rows} rows, {reason}")
    print(f"{time.perf_counter() - started:.1f} s in all ({time.process_time():.1f} s of the processor), largest difference {worst:.6f}")
    sys.exit(worst > options.tolerance)


def published_rows(folder: Path) -> tuple[dict[Row, float], Counter[str]]:
    """BLEU and chrF by direction, system, metric and references (`A`, `all`); and the other rows, counted by reason."""
    found: dict[Row, float] = {}
    left_out: Counter[str] = Counter()
    for line in (folder / "automatic-scores.tsv").read_text(encoding="utf-8").splitlines()[1:]:
        direction, system, _, _, name, value = line.split("\t")
        metric, _, references = name.partition("-")
        if metric not in METRICS:
            left_out[f"{metric}: wmt20-comet-da, whose weights are not here"] += 1
        elif not output_path(folder, direction, system).is_file():
            left_out["the system's output is not here"] += 1
        else:
            found[direction, system, metric, references] = float(value)
    return found, left_out


def output_path(folder: Path, direction: str, system: str) -> Path:
    """A system's output."""
    return folder / "system-outputs" / f"generaltest2022.{direction}.hyp.{system}.{direction.split('-')[1]}"


def scores(folder: Path, direction: str, rows: list[Row]) -> dict[Row, float]:
    """The scores of one direction's rows."""
    source, target = (find_language(code) for code in direction.split("-"))
    found: dict[Row, float] = {}
    for references in dict.fromkeys(row[3] for row in rows):
        read = ALL_REFERENCES.get(direction, references) if references == "all" else references
        test_set = load_test_set(f"wmt22:{read}", source, target)
        scorer = CorpusScorer(
            test_set.references, metrics=list(METRICS.values()), target=target, tokenizer=TOKENIZERS.get(direction.split("-")[1])
        )
        names = dict.fromkeys(row[1] for row in rows if row[3] == references)
        systems, _ = read_systems([f"{name}={output_path(folder, direction, name)}" for name in names], len(test_set))
        for system in systems:
            for metric, one in zip(METRICS, scorer.statistics(system.hypotheses), strict=True):
                found[direction, system.name, metric, references] = one.value
    return found


if __name__ == "__main__":
    main()
