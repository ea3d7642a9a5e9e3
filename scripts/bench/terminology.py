"""Do models keep to a glossary: WMT25's terminology segments without and with terms, before and after training with terms in the prompt.

DRAGOMAN_DATA=... python scripts/bench/terminology.py --sentences 100 --tokens 80000 --json terminology.json

Three models translate the first segments of English to German: the starting model of the recipe `terms-en-de`, the same trained on pairs
without terms, and trained on the same pairs with terms in the prompts (a lexicon is learnt from those pairs first). Each translates without
terms and with the segments' own, in every mode of the glossary. Printed: term success (surface, and any inflected form), chrF++ with its
interval, warnings of loops, copies and the like, seconds. Finished runs are kept in `--runs`. `--toy` only shows that it runs.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from dragoman.eval.evaluate import EvaluateOptions, evaluate
from dragoman.eval.records import Evaluation, SystemOutput, TestSet
from dragoman.eval.significance import TestSettings
from dragoman.mt.checks import EXPLANATIONS, LEFT_OUT, TERMS
from dragoman.mt.config import CorpusConfig, DecodingConfig
from dragoman.mt.corpora import Tally, read_pairs
from dragoman.mt.languages import find_language
from dragoman.mt.lexicons import learn_lexicon, write_tsv
from dragoman.mt.models import load_model
from dragoman.mt.prompting import GlossaryConfig, PromptingConfig, load_plan
from dragoman.mt.prompts import load_template
from dragoman.mt.recipes import load_recipe
from dragoman.mt.runs import RunOptions, machine, package_versions
from dragoman.mt.stages import train_run
from dragoman.mt.translator import Translation, Translator

ENGLISH, GERMAN = find_language("eng"), find_language("deu")
FAULTS = set(EXPLANATIONS) - {LEFT_OUT, TERMS}


def main() -> None:
    """Learn the lexicon, train both models, translate in every way, print."""
    given = _options()
    console = Console()
    segments = _segments(given)
    systems: list[SystemOutput] = []
    costs: list[dict[str, Any]] = []
    for model, source in _models(given, console):
        for mode in given.modes.split(","):
            begun = time.perf_counter()
            done = _translated(source, mode, segments)
            name = f"{model}, {mode}"
            systems.append(SystemOutput(name, tuple(" ".join(one.text.split()) for one in done), source))
            faults = sum(1 for one in done if set(one.warnings) & FAULTS)
            costs.append({"system": name, "seconds": round(time.perf_counter() - begun, 1), "faults": faults})
            console.print(costs[-1])
    found = evaluate(_test_set(segments), systems, EvaluateOptions(("chrF++",), terms=segments, terms_kind=given.kind, test=TestSettings()))
    _show(found, costs, console)
    if given.json:
        results = [
            {"system": one.system.name, "chrF++": vars(one.scores[0]), "terms": dict(one.terms), **cost}
            for one, cost in zip(found.results, costs, strict=True)
        ]
        settings = {name: str(value) for name, value in vars(given).items()}
        report = {"results": results, "settings": settings, "facts": found.facts, "machine": machine(), "versions": package_versions()}
        given.json.write_text(json.dumps(report, indent=1, default=str) + "\n", encoding="utf-8")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sentences", type=int, default=100)
    parser.add_argument("--tokens", type=int, default=80_000, help="training tokens of each model")
    parser.add_argument("--kind", default="proper", choices=["proper", "random"], help="which of the data's dictionaries")
    parser.add_argument("--modes", default="none,soft,retry,hard", help="none, and modes of the glossary")
    parser.add_argument("--runs", type=Path, default=Path("runs/terminology"))
    parser.add_argument("--json", type=Path)
    parser.add_argument("--toy", action="store_true")
    given = parser.parse_args()
    if given.toy:
        given.sentences, given.tokens, given.modes, given.runs = 2, 200, "none,soft", given.runs / "toy"
    return given


def _segments(given: argparse.Namespace) -> Path:
    """The first segments of the data, in a file of their own."""
    rows = (Path(os.environ["DRAGOMAN_DATA"]) / "wmt25-terminology" / "full_data.ende.jsonl").read_text(encoding="utf-8").split("\n")
    given.runs.mkdir(parents=True, exist_ok=True)
    file: Path = given.runs / f"segments-{given.sentences}.jsonl"
    file.write_text("\n".join(rows[: given.sentences]) + "\n", encoding="utf-8")
    return file


def _test_set(segments: Path) -> TestSet:
    rows = [json.loads(line) for line in segments.read_text(encoding="utf-8").split("\n") if line]
    return TestSet("wmt25-terminology", ENGLISH, GERMAN, tuple(row["en"] for row in rows), (tuple(row["de"] for row in rows),))


def _models(given: argparse.Namespace, console: Console) -> Iterator[tuple[str, str]]:
    """Name and source of each model; what is not there yet is trained."""
    terms = given.runs / "en_de.tsv"
    overrides = [f"stages.parallel.budget={{tokens: {given.tokens}}}"]
    plain = load_recipe("terms-en-de", [f"run={given.runs / 'plain'}", "stages.parallel.corpora.0.lexicon=null", *overrides])
    aware = load_recipe("terms-en-de", [f"run={given.runs / 'terms'}", f"stages.parallel.corpora.0.lexicon={terms}", *overrides])
    if not terms.exists():
        _learn(plain.stages[0].corpora[0], terms)
    yield "as it comes", plain.model.source
    for name, config in (("trained without terms", plain), ("trained with terms", aware)):
        if not (Path(config.run) / "model" / "dragoman.json").exists():
            train_run(config, RunOptions(overwrite=True), console)
        yield name, config.run


def _learn(corpus: CorpusConfig, output: Path) -> None:
    pairs = [(pair.source, pair.target) for pair in read_pairs(replace(corpus, max_words=None), Tally())]
    write_tsv(learn_lexicon(pairs, "eng", "deu", name=str(corpus.path)), output)


def _translated(source: str, mode: str, segments: Path) -> list[Translation]:
    loaded = load_model(source, merge_adapter=True)
    config = PromptingConfig(glossary=GlossaryConfig(str(segments), "proper", mode=mode)) if mode != "none" else PromptingConfig()  # type: ignore[arg-type]
    plan = load_plan(config, ENGLISH, GERMAN).plan
    template = loaded.prompt or load_template("alma")
    decoding = DecodingConfig(stop="line", beams=4 if mode == "hard" else 1)
    return Translator(loaded, template, ENGLISH, GERMAN, decoding, plan=plan).translate(_test_set(segments).sources or ())


def _show(found: Evaluation, costs: Sequence[dict[str, Any]], console: Console) -> None:
    title = f"{len(found.test_set)} segments, {found.results[0].terms['terms_required']:.0f} required terms"
    table = Table("model, glossary", "success, surface", "inflected", "chrF++", "95% interval", "faulty", "seconds", title=title)
    for result, cost in zip(found.results, costs, strict=True):
        score, terms = result.scores[0], result.terms
        shares = (f"{100 * terms[f'term_success_{tier}']:.1f}" for tier in ("surface", "inflected"))
        interval = f"{score.low:.1f} to {score.high:.1f}"
        table.add_row(result.system.name, *shares, f"{score.value:.1f}", interval, str(cost["faults"]), f"{cost['seconds']:.0f}")
    console.print(table)


if __name__ == "__main__":
    main()
