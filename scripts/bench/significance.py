"""How much faster paired significance is here than in sacrebleu, over the same systems in one run.

    python scripts/bench/significance.py $DRAGOMAN_DATA/wmt17-significance [--metrics BLEU,chrF] [--systems 16] [--tokenizer 13a]

Both sides do all the work: reading statistics off the texts, the test of every system against the first, and (bootstrap) the intervals.
Times are of the processor, so other work on the machine does not count; sacrebleu runs in one process, as here.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sacrebleu.metrics.base import Metric
from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF
from sacrebleu.metrics.ter import TER
from sacrebleu.significance import PairedTest
from sacrebleu.tokenizers.tokenizer_13a import Tokenizer13a
from sacrebleu.tokenizers.tokenizer_char import TokenizerChar
from sacrebleu.tokenizers.tokenizer_re import TokenizerRegexp
from sacrebleu.tokenizers.tokenizer_ter import TercomTokenizer
from sacrebleu.tokenizers.tokenizer_zh import TokenizerZh

from dragoman.eval.metrics import CorpusScorer
from dragoman.eval.significance import PairedMetric, TestMethod, TestSettings, compare, system_pairs

SACREBLEU: dict[str, Callable[[str], Metric]] = {
    "BLEU": lambda tokenizer: BLEU(tokenize=tokenizer, force=True),
    "chrF": lambda _: CHRF(),
    "chrF++": lambda _: CHRF(word_order=2),
    "TER": lambda _: TER(),
}
TESTS: dict[TestMethod, tuple[str, int]] = {"bootstrap": ("bs", 1000), "randomisation": ("ar", 10_000)}


def main() -> None:
    """Time both tests on both sides and print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--metrics", default="BLEU")
    parser.add_argument("--systems", type=int, default=16)
    parser.add_argument("--tokenizer", default="none", help="of BLEU; the WMT17 texts are tokenised already")
    options = parser.parse_args()
    task = read_task(options.folder, options.metrics.split(","), options.systems, options.tokenizer)
    shown = ", ".join(f"{name} ({task.tokenizer})" if name == "BLEU" else name for name in task.metrics)
    print(f"{len(task.systems)} systems, {len(task.reference)} segments, {shown}")
    for method, (short, samples) in TESTS.items():
        ours, statistics, p_values = time_ours(task, method)
        theirs, expected = time_theirs(task, short, samples)
        apart = max(abs(p_values[key] - expected[key]) for key in p_values)
        their_statistics = time_their_statistics(task)
        print(f"{method}, {samples} draws; largest difference of two p-values {apart:.4f}")
        for part, their_part, our_part in (
            ("texts to statistics", their_statistics, statistics),
            ("statistics to p-values", theirs - their_statistics, ours - statistics),
            ("together", theirs, ours),
        ):
            print(f"  {part:24} sacrebleu {their_part:6.2f} s  here {our_part:6.2f} s  {their_part / our_part:5.1f} times faster")


@dataclass(frozen=True)
class Task:
    """What both sides work on."""

    reference: list[str]
    systems: dict[str, list[str]]
    metrics: list[str]
    tokenizer: str

    def their_metrics(self) -> dict[str, Metric]:
        """sacrebleu's metrics, with empty caches."""
        clear_caches()
        return {name: SACREBLEU[name](self.tokenizer) for name in self.metrics}


def clear_caches() -> None:
    """Forget lines tokenised before: sacrebleu keeps them for the whole process, so what runs second would find them done."""
    for kept in (Tokenizer13a, TokenizerRegexp, TokenizerZh, TokenizerChar, TercomTokenizer):
        kept.__call__.cache_clear()


def read_task(folder: Path, metrics: list[str], systems: int, tokenizer: str) -> Task:
    """The first systems of the folder, by name."""
    files = sorted((folder / "systems").glob("newstest2017.*.txt"))[:systems]
    return Task(lines(folder / "reference.txt"), {path.name: lines(path) for path in files}, metrics, tokenizer)


def lines(path: Path) -> list[str]:
    """The segments of a file."""
    return path.read_text(encoding="utf-8").split("\n")[:-1]


def time_ours(task: Task, method: TestMethod) -> tuple[float, float, dict[tuple[str, str], float]]:
    """Seconds in all, seconds of reading statistics, and p-values by metric and system."""
    clear_caches()
    started = time.process_time()
    scorer = CorpusScorer([task.reference], metrics=task.metrics, tokenizer=task.tokenizer)
    measured = [scorer.statistics(hypotheses) for hypotheses in task.systems.values()]
    read = time.process_time() - started
    metrics = [
        PairedMetric(column[0].metric.name, column[0].metric.from_sums, tuple(one.table for one in column))
        for column in zip(*measured, strict=True)
    ]
    found = compare(metrics, list(task.systems), system_pairs(len(task.systems)), TestSettings(method))
    return time.process_time() - started, read, {(one.metric, one.first): one.p_value for one in found}


def time_theirs(task: Task, test: str, samples: int) -> tuple[float, dict[tuple[str, str], float]]:
    """The same from sacrebleu."""
    metrics = task.their_metrics()
    started = time.process_time()
    _, results = PairedTest(list(task.systems.items()), metrics, [task.reference], test, n_samples=samples)()
    seconds = time.process_time() - started
    columns = [column for name, column in results.items() if name != "System"]
    return seconds, {
        (name, system): result.p_value
        for name, column in zip(task.metrics, columns, strict=True)
        for system, result in list(zip(task.systems, column, strict=True))[1:]
    }


def time_their_statistics(task: Task) -> float:
    """Seconds that sacrebleu's test spends on reading statistics off the texts, once a system."""
    metrics = task.their_metrics()
    started = time.process_time()
    for metric in metrics.values():
        for hypotheses in task.systems.values():
            metric._extract_corpus_statistics(hypotheses, [task.reference])
    return time.process_time() - started


if __name__ == "__main__":
    main()
