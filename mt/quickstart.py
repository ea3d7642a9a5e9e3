"""The main job on embedded defaults: real translations, held-out strings without near-duplicates, two stages, one table."""

from __future__ import annotations

import json
import math
import shlex
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from ..eval.metrics import Score
from .config import CorpusConfig, RunConfig
from .corpora import read_pairs
from .corpora.catalogues import check_catalogue_language
from .corpora.records import Pair
from .corpora.tally import Tally
from .dev import DevResult
from .errors import ConfigError, CorpusError
from .files import write_atomically, write_json
from .filters import FilterRules, filter_pairs
from .languages import Language, find_language
from .recipes import load_recipe
from .reports import scored_stages, stage_table
from .runs import RunFolder, RunOptions, machine, package_versions
from .sources import resolve_model
from .splits import Split, held_out_split
from .stages import TrainedRun, train_run

CATALOGUES = ["pypi:django", "pypi:wagtail", "pypi:sphinx"]
MAX_WORDS = 20
DEV, TEST = 40, 120
FEWEST_PAIRS = 60  # below this there is nothing to hold out and still learn from
SAMPLES = 10


@dataclass(frozen=True)
class QuickstartOptions:
    """What a person can turn: languages, where, how long (minutes of training; None: the recipe's fixed token budget), which model."""

    source: str = "eng"
    target: str = "fra"
    run: str | None = None
    minutes: float | None = None
    model: str | None = None
    seed: int = 1
    device: str = "auto"
    overwrite: bool = False


@dataclass(frozen=True)
class QuickstartResult:
    """The run, the test scores after each stage, and how long everything took (seconds)."""

    trained: TrainedRun
    split: Split
    config: RunConfig
    seconds: float


def run_quickstart(options: QuickstartOptions, console: Console) -> QuickstartResult:
    """Fetch, split, train in two stages, measure before, between and after.

    Raises:
        CorpusError: the catalogues hold too few strings of a language.
        DragomanError: whatever training refuses.
    """
    started = time.perf_counter()
    source, target = find_language(options.source), find_language(options.target)
    name = f"quickstart-{source.bcp47}-{target.bcp47}"
    run = RunFolder(Path(options.run) if options.run else free_folder(Path("runs"), name, options.overwrite))
    run.check_free(overwrite=options.overwrite)
    _check_options(options, run, source, target)
    console.print(f"[bold]Dragoman quickstart[/] {source.name} to {target.name}, run folder {escape(str(run.path))}")
    pairs = catalogue_pairs(source, target, console)
    split = split_pairs(pairs, options.seed)
    write_data(run.path / "data", split)
    console.print(
        f"{len(split.train):,} pairs to train on, {len(split.dev)} to choose by, {len(split.test)} to test on; "
        f"{len(split.removed):,} left out because they nearly repeat a held-out string"
    )
    config = quickstart_recipe(options, run, source, target, len(split.train))
    if options.minutes is not None:
        config = scale_to_minutes(config, options.minutes, console)
    trained = train_run(config, RunOptions(overwrite=True), console)
    return QuickstartResult(trained, split, config, time.perf_counter() - started)


def _check_options(options: QuickstartOptions, run: RunFolder, source: Language, target: Language) -> None:
    """What would fail after minutes of fetching, asked before: languages, time to train, a recipe, a device, a model."""
    from .devices import choose_device

    if options.minutes is not None and not 0 < options.minutes < math.inf:
        raise ConfigError(f"{options.minutes:g} minutes is no time to train", where="--minutes", allowed="above 0")
    if source == target:
        raise CorpusError(f"source and target are both {source.name}", hint="--target LANGUAGE")
    model = quickstart_recipe(options, run, source, target, FEWEST_PAIRS).model
    choose_device(model.device, model.dtype)
    resolve_model(model.source)


def free_folder(parent: Path, name: str, overwrite: bool) -> Path:
    """`parent/name`, or with -2, -3, ... behind it while that holds a run: a second quickstart must not destroy the first."""
    number = 1
    while not overwrite and (parent / (name if number == 1 else f"{name}-{number}")).exists():
        number += 1
    return parent / (name if number == 1 else f"{name}-{number}")


def catalogue_pairs(source: Language, target: Language, console: Console) -> list[Pair]:
    """Human translations of interface strings out of the pinned wheels, cleaned, without exact repetitions."""
    for side in (source, target):
        if side.iso639_3 != "eng":
            check_catalogue_language(CATALOGUES, side.bcp47, FEWEST_PAIRS)
    corpus = CorpusConfig(path=CATALOGUES, format="catalogues", source=source.bcp47, target=target.bcp47, max_words=MAX_WORDS)
    reading, filtering = Tally(), Tally("filtering")
    pairs = list(filter_pairs(read_pairs(corpus, reading), filtering, source, target, FilterRules()))
    usable = [pair for pair in pairs if not any(mark in side for side in (pair.source, pair.target) for mark in "\t\n\r")]
    for tally in (reading, filtering):
        console.print(Text(tally.lines()[0]))
    if len(pairs) > len(usable):
        console.print(f"{len(pairs) - len(usable)} strings with tabs or line breaks left out")
    if len(usable) < FEWEST_PAIRS:
        raise CorpusError(
            f"the catalogues hold {len(usable)} usable pairs of {source.name} and {target.name}",
            allowed=f"at least {FEWEST_PAIRS}",
            hint="another --target, or `dragoman train` with a corpus of your own",
        )
    return usable


def split_pairs(pairs: Sequence[Pair], seed: int) -> Split:
    """Hold out at most a sixth of a small catalogue."""
    test = min(TEST, len(pairs) // 8)
    return held_out_split(pairs, dev=min(DEV, len(pairs) // 24), test=test, seed=seed)


def write_data(folder: Path, split: Split) -> None:
    """The split as files a recipe can name: train, dev and test as TSV, and the target side as plain text."""
    for name in ("train", "dev", "test"):
        rows = getattr(split, name)
        write_atomically(folder / f"{name}.tsv", "".join(f"{pair.source}\t{pair.target}\n" for pair in rows))
    texts = dict.fromkeys(pair.target for pair in split.train)
    write_atomically(folder / "monolingual.txt", "".join(f"{text}\n" for text in texts))


def quickstart_recipe(options: QuickstartOptions, run: RunFolder, source: Language, target: Language, pairs: int) -> RunConfig:
    """The shipped recipe with the options filled in; a small corpus is read three times instead of to the token budget."""
    sides = [f"source={source.bcp47}", f"target={target.bcp47}"]
    overrides = [
        f"run={json.dumps(str(run.path), ensure_ascii=False)}",  # quoted: the value is read as YAML
        f"seed={options.seed}",
        f"model.device={options.device}",
        f"stages.monolingual.corpora.0.language={target.bcp47}",
        *(f"stages.parallel.corpora.0.{side}" for side in sides),
        *(f"evaluation.{part}.0.{side}" for part in ("corpora", "test") for side in sides),
    ]
    if options.model:
        overrides.append(f"model.source={json.dumps(options.model, ensure_ascii=False)}")
    if pairs < 400:
        overrides += ["stages.monolingual.budget={epochs: 2}", "stages.parallel.budget={epochs: 3}"]
    return load_recipe("quickstart", overrides)


def scale_to_minutes(config: RunConfig, minutes: float, console: Console) -> RunConfig:
    """Token budgets that take about `minutes` of training on this machine, in the recipe's proportions.

    The speed is measured on one step; the budgets it leads to are saved with the run, so that the run itself can be repeated exactly.
    """
    probe = train_run(config, RunOptions(dry_run=True), Console(quiet=True))
    assert probe.estimate is not None
    planned = [summary.tokens for summary in probe.summaries]
    affordable = minutes * 60 * probe.estimate.tokens_per_second
    console.print(f"{probe.estimate.tokens_per_second:.0f} tokens/s here: {affordable:,.0f} tokens in {minutes:g} minutes")
    stages = [
        replace(stage, budget=replace(stage.budget, epochs=None, steps=None, tokens=max(1, int(affordable * tokens / sum(planned)))))
        for stage, tokens in zip(config.stages, planned, strict=True)
    ]
    return replace(config, stages=stages)


def show_result(result: QuickstartResult, console: Console) -> None:
    """The table, ten translations side by side, and what to do next."""
    console.print(stage_table(scored_stages(result.trained.run.path)))
    before, after = result.trained.tests[0][1][0], result.trained.tests[-1][1][0]
    console.print(samples_table(before, after))
    run = shlex.quote(str(result.trained.run.path))
    direction = f"--from {after.dev_set.source.bcp47} --to {after.dev_set.target.bcp47}"
    console.print(f"\n{result.seconds / 60:.1f} minutes in all. Next:")
    for command in (
        f"echo 'Please enter your password' | dragoman translate --model {run} {direction}",
        f"open {run}/report.html",
        "dragoman quickstart --target deu --minutes 20",
        "dragoman train --list",
    ):
        console.print(Text(f"  {command}"), soft_wrap=True)


def samples_table(before: DevResult, after: DevResult) -> Table:
    """Ten test strings: source, human translation, the model before and after."""
    table = Table(title="Test strings", show_lines=True)
    for heading in ("source", "human", "before", "after"):
        table.add_column(heading, overflow="fold", ratio=1)
    step = max(1, len(after.translations) // SAMPLES)
    for i in range(0, min(len(after.translations), SAMPLES * step), step):
        texts = (after.dev_set.sources[i], after.dev_set.references[i], before.translations[i].text, after.translations[i].text)
        table.add_row(*(Text(_shorten(text)) for text in texts))
    return table


def _shorten(text: str, limit: int = 160) -> str:
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def result_json(result: QuickstartResult) -> dict[str, Any]:
    """The table for machines: `stages`, and what makes it repeatable."""
    last = result.trained.tests[-1][1][0]
    return {
        "stages": [{"name": row.name, "tokens": row.tokens, **_flat(row.scores)} for row in scored_stages(result.trained.run.path)],
        "direction": last.dev_set.direction,
        "signatures": {score.name: score.signature for score in last.scores},
        "pairs": {name: len(getattr(result.split, name)) for name in ("train", "dev", "test")}
        | {"near_duplicates_removed": len(result.split.removed)},
        "seed": result.config.seed,
        "model": result.config.model.source,
        "run": str(result.trained.run.path),
        "versions": package_versions(),
        "machine": machine(),
        "seconds": round(result.seconds, 1),
    }


def _flat(scores: Sequence[Score]) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for score in scores:
        flat[score.name] = round(score.value, 2)
        flat[f"{score.name} interval"] = [round(score.low, 2), round(score.high, 2)]
    return flat


def write_result(result: QuickstartResult, path: Path) -> None:
    """`--json FILE`."""
    write_json(path, result_json(result))
