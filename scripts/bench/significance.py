"""How much faster paired significance is here than in sacrebleu, over the same systems in one run.

    python scripts/bench/significance.py $DRAGOMAN_DATA/wmt17-significance [--metrics BLEU,chrF] [--systems 16]

Both sides do all the work: reading statistics off the texts, the test of every system against the first, and (bootstrap) the intervals.
Times are of the processor, so other work on the machine does not count; sacrebleu runs in one process, as here.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from sacrebleu.metrics.base import Metric
from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF
from sacrebleu.metrics.ter import TER
from sacrebleu.significance import PairedTest

from dragoman.eval.metrics import CorpusScorer
from dragoman.eval.significance import PairedMetric, TestMethod, TestSettings, compare, system_pairs

SACREBLEU = {"BLEU": lambda: BLEU(tokenize="none", force=True), "chrF": CHRF, "chrF++": lambda: CHRF(word_order=2), "TER": TER}
TESTS: dict[TestMethod, tuple[str, int]] = {"bootstrap": ("bs", 1000), "randomisation": ("ar", 10_000)}


def main() -> None:
    """Time both tests on both sides and print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--metrics", default="BLEU")
    parser.add_argument("--systems", type=int, default=16)
    options = parser.parse_args()
    names = options.metrics.split(",")
    reference = lines(options.folder / "reference.txt")
    files = sorted((options.folder / "systems").glob("newstest2017.*.txt"))[: options.systems]
    systems = {path.name: lines(path) for path in files}
    print(f"{len(systems)} systems, {len(reference)} segments, {', '.join(names)}")
    for method, (short, samples) in TESTS.items():
        ours, statistics, p_values = time_ours(reference, systems, names, method)
        theirs, expected = time_theirs(reference, systems, names, short, samples)
        apart = max(abs(p_values[key] - expected[key]) for key in p_values)
        their_statistics = time_their_statistics(reference, systems, names)
        print(f"{method}, {samples} draws; largest difference of two p-values {apart:.4f}")
        for part, their_part, our_part in (
            ("texts to statistics", their_statistics, statistics),
            ("statistics to p-values", theirs - their_statistics, ours - statistics),
            ("together", theirs, ours),
        ):
            print(f"  {part:24} sacrebleu {their_part:6.2f} s  here {our_part:6.2f} s  {their_part / our_part:5.1f} times faster")


def lines(path: Path) -> list[str]:
    """The segments of a file."""
    return path.read_text(encoding="utf-8").split("\n")[:-1]


def time_ours(
    reference: list[str], systems: dict[str, list[str]], names: list[str], method: TestMethod
) -> tuple[float, float, dict[tuple[str, str], float]]:
    """Seconds in all, seconds of reading statistics, and p-values by metric and system."""
    started = time.process_time()
    scorer = CorpusScorer([reference], metrics=names, tokenizer="none")
    measured = [scorer.statistics(hypotheses) for hypotheses in systems.values()]
    read = time.process_time() - started
    metrics = [
        PairedMetric(column[0].metric.name, column[0].metric.from_sums, tuple(one.table for one in column))
        for column in zip(*measured, strict=True)
    ]
    found = compare(metrics, list(systems), system_pairs(len(systems)), TestSettings(method))
    return time.process_time() - started, read, {(one.metric, one.first): one.p_value for one in found}


def time_theirs(
    reference: list[str], systems: dict[str, list[str]], names: list[str], test: str, samples: int
) -> tuple[float, dict[tuple[str, str], float]]:
    """The same from sacrebleu."""
    metrics: dict[str, Metric] = {name: SACREBLEU[name]() for name in names}
    started = time.process_time()
    _, results = PairedTest(list(systems.items()), metrics, [reference], test, n_samples=samples)()
    seconds = time.process_time() - started
    columns = [column for name, column in results.items() if name != "System"]
    return seconds, {
        (name, system): result.p_value
        for name, column in zip(names, columns, strict=True)
        for system, result in list(zip(systems, column, strict=True))[1:]
    }


def time_their_statistics(reference: list[str], systems: dict[str, list[str]], names: list[str]) -> float:
    """Seconds that sacrebleu's test spends on reading statistics off the texts, once a system."""
    started = time.process_time()
    for name in names:
        metric = SACREBLEU[name]()
        for hypotheses in systems.values():
            metric._extract_corpus_statistics(hypotheses, [reference])
    return time.process_time() - started


if __name__ == "__main__":
    main()
