"""Which first values of new rows serve best: every method, on the same pieces, text, budget and seed.

python scripts/bench/vocab_initialisations.py --recipe english-ligurian --tokens 20000 --json initialisations.json

For each method a recipe's model is expanded and trained in the recipe's stages, cut down to `--tokens` each. Printed for each: bits per
byte on the first test sentences before and after training, their chrF++ after it, seconds. `similarity` asks the finished `mean` run, a
model that has the new vocabulary and has read the language, so it has seen the text twice. Finished runs are kept and not made again.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from rich.console import Console
from rich.table import Table

from dragoman.mt.config import CorpusConfig, RunConfig
from dragoman.mt.corpora import read_pairs
from dragoman.mt.corpora.tally import Tally
from dragoman.mt.dev import evaluate_sets, load_dev_sets
from dragoman.mt.models import load_model
from dragoman.mt.prompts import load_template
from dragoman.mt.recipes import load_recipe
from dragoman.mt.runs import RunFolder, RunOptions, machine, package_versions
from dragoman.mt.stages import train_run
from dragoman.vocab.bits_per_byte import bits_per_byte
from dragoman.vocab.initialise import METHODS


@dataclass(frozen=True)
class Outcome:
    """One method's figures: bits per byte by moment, chrF++ by direction, seconds of training."""

    method: str
    bits: dict[str, float]
    scores: dict[str, float]
    seconds: float


def main() -> None:
    """Run every method and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipe", default="english-ligurian", help="a recipe with a `vocabulary` block")
    parser.add_argument("--runs", type=Path, default=Path("runs/initialisations"), help="folder of the runs, one a method")
    parser.add_argument("--tokens", type=int, default=20_000, help="training tokens of each stage")
    parser.add_argument("--sentences", type=int, default=100, help="test sentences that are measured, each way")
    parser.add_argument("--methods", default=",".join(METHODS), help="separated by commas")
    parser.add_argument("--json", type=Path, help="write everything here")
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="further settings of the recipe")
    given = parser.parse_args()
    console = Console()
    outcomes = [measure(method, given, console) for method in given.methods.split(",")]
    config = config_of("mean", given)
    base = bits_per_byte(load_model(config.model.source), new_language(config, tests_of(given)[0], given.sentences)).value
    show(outcomes, base, console)
    if given.json:
        report = {"outcomes": [vars(one) for one in outcomes], "base": base, "machine": machine(), "versions": package_versions()}
        given.json.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


def config_of(method: str, given: argparse.Namespace) -> RunConfig:
    """The recipe for one method."""
    helper = [f"vocabulary.helper={given.runs / 'mean'}"] if method == "similarity" else []
    overrides = [
        f"run={given.runs / method}",
        f"vocabulary.initialise={method}",
        *helper,
        f"stages.monolingual.budget={{tokens: {given.tokens}}}",
        f"stages.parallel.budget={{tokens: {given.tokens}}}",
        "stages.parallel.evaluate_every=null",
        "stages.parallel.keep_best=false",
        "evaluation.corpora=[]",
        "evaluation.test=[]",
        *given.overrides,
    ]
    return load_recipe(given.recipe, overrides)


def measure(method: str, given: argparse.Namespace, console: Console) -> Outcome:
    """Train one method's model, unless it is there, and measure it."""
    config, tests = config_of(method, given), tests_of(given)
    run = RunFolder(Path(config.run))
    console.rule(method)
    kept = run.path / f"outcome-{given.sentences}.json"
    if kept.exists():
        return Outcome(**json.loads(kept.read_text(encoding="utf-8")))
    if not (run.model / "dragoman.json").exists():
        train_run(config, RunOptions(overwrite=True), console)
    texts = new_language(config, tests[0], given.sentences)
    trained = load_model(str(run.path))
    bits = {"before": bits_per_byte(load_model(str(run.expanded)), texts).value, "after": bits_per_byte(trained, texts).value}
    results = evaluate_sets(trained, load_template(config.prompt), load_dev_sets(tests, given.sentences), config.evaluation)
    scores = {result.dev_set.direction: next(one.value for one in result.scores if one.name == "chrF++") for result in results}
    seconds = sum(event["seconds"] for event in run.events() if event["event"] == "stage_end")
    outcome = Outcome(method, bits, scores, seconds)
    kept.write_text(json.dumps(vars(outcome)) + "\n", encoding="utf-8")
    return outcome


def tests_of(given: argparse.Namespace) -> list[CorpusConfig]:
    """The recipe's own test corpora: the runs do without them, and so nothing is translated before the end."""
    return load_recipe(given.recipe, given.overrides).evaluation.test


def new_language(config: RunConfig, held_out: CorpusConfig, count: int) -> list[str]:
    """The first lines of a test corpus on the side of the new pieces' language."""
    assert config.vocabulary is not None, "the recipe has no `vocabulary` block"
    side = "source" if held_out.source == config.vocabulary.corpora[0].language else "target"
    return [getattr(pair, side) for pair in islice(read_pairs(held_out, Tally()), count)]


def show(outcomes: Sequence[Outcome], base: float, console: Console) -> None:
    """The table, as Markdown can hold it."""
    directions = list(outcomes[0].scores)
    table = Table(
        "method", "bits/byte before", "after", *(f"chrF++ {each}" for each in directions), "seconds", title=f"base: {base:.3f} bits a byte"
    )
    for one in outcomes:
        scores = (f"{one.scores[each]:.2f}" for each in directions)
        table.add_row(one.method, f"{one.bits['before']:.3f}", f"{one.bits['after']:.3f}", *scores, f"{one.seconds:.0f}")
    console.print(table)


if __name__ == "__main__":
    main()
