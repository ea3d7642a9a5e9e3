"""Drafts of specialised systems in the prompt (SCALE): triplets, what is left out, files held against the input, the command line."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from dragoman.eval.model_outputs import ModelSystem
from dragoman.eval.records import TestSet
from dragoman.mt.cli.translate import translate
from dragoman.mt.config import DecodingConfig
from dragoman.mt.corpora.records import Origin
from dragoman.mt.corpora.tally import Tally
from dragoman.mt.errors import ConfigError, CorpusError, DragomanError
from dragoman.mt.languages import find_language
from dragoman.mt.models import load_model
from dragoman.mt.prompting import (
    DraftsConfig,
    DraftSource,
    DraftStyle,
    ExampleSource,
    PromptingConfig,
    PromptPlan,
    Shot,
    load_plan,
    plan_fingerprint,
    prompting_from_fields,
)
from dragoman.mt.prompting.example_files import read_examples
from dragoman.mt.prompts import load_template, template_fields
from dragoman.mt.specialists import NO_DRAFT, Draft
from dragoman.mt.translator import Translator

ENGLISH, SPANISH = find_language("eng"), find_language("spa")
app = typer.Typer()
app.command()(translate)


class Shouting:
    """A system whose drafts are its texts in capitals, half sure of each word; it has none of a text with `secret` in it."""

    name = "shouting"

    def __init__(self, sure: float | None = 0.5) -> None:
        self.asked: list[list[str]] = []
        self.sure = sure

    def drafts(self, texts: Sequence[str]) -> list[Draft]:
        self.asked.append(list(texts))
        return [
            NO_DRAFT if "secret" in text else Draft(text.upper(), tuple((word, self.sure) for word in text.upper().split()))
            for text in texts
        ]


def shots(*sources: str) -> list[Shot]:
    return [Shot(text, f"<{text}>", Origin("shots.tsv", line)) for line, text in enumerate(sources, 1)]


def plan_of(*systems: Shouting, examples: Sequence[Shot] = (), **style: object) -> PromptPlan:
    source = DraftSource(systems or (Shouting(),), DraftStyle("Spanish", **style))  # type: ignore[arg-type]
    return PromptPlan(ExampleSource.of(examples, len(examples)) if examples else None, drafts=source)


def prompt(plan: PromptPlan, text: str) -> str:
    return plan.build(plan.framing(load_template("plain"), ENGLISH, SPANISH), text).prompt


def test_examples_become_triplets_and_the_source_stands_with_its_draft() -> None:
    triplet = "English: one\nSpanish draft: ONE(0.50)\nSpanish: <one>\n\n"
    assert prompt(plan_of(examples=shots("one")), "a dog") == f"{triplet}English: a dog\nSpanish draft: A(0.50) DOG(0.50)\nSpanish:"


def test_label_confidences_and_several_systems_are_written_as_asked() -> None:
    assert prompt(plan_of(confidences=False, label="{language} by machine"), "dog") == "English: dog\nSpanish by machine: DOG\nSpanish:"
    two = plan_of(Shouting(), Shouting(None))
    assert prompt(two, "dog") == "English: dog\nSpanish draft 1: DOG(0.50)\nSpanish draft 2: DOG\nSpanish:"
    assert prompt(two, "{language} {text}").count("{LANGUAGE}(0.50) {TEXT}(0.50)") == 1
    assert prompt(plan_of(), "secret") == "English: secret\nSpanish:"


def test_the_drafts_that_an_example_brings_go_before_those_that_would_be_made() -> None:
    own = Shot("one", "uno", Origin("x", 1), drafts=(Draft.plain("Ein"),))
    system = Shouting()
    plan = plan_of(system, examples=[own, *shots("two")])
    plan.prepare(["dog", "secret", "dog "])
    assert system.asked == [["dog", "secret", "two"]], "everything together, each text once"
    assert "English: one\nSpanish draft: Ein\nSpanish: uno\n\n" in prompt(plan, "dog")
    assert len(system.asked) == 1
    without = PromptPlan(ExampleSource.of([own], 1))
    assert "Ein" not in prompt(without, "dog"), "without drafts of the source there are pairs, not triplets"


def test_a_budget_leaves_out_examples_first_and_the_draft_last_and_counts_them() -> None:
    plan = plan_of(examples=shots("one", "two"))
    framing = plan.framing(load_template("plain"), ENGLISH, SPANISH)
    whole = plan.build(framing, "a dog")
    assert (whole.account.examples, whole.account.drafts, whole.account.left_out, whole.bare) == (2, 1, 0, False)
    with_draft = len("English: a dog\nSpanish draft: A(0.50) DOG(0.50)\nSpanish:")
    some = plan.build(framing, "a dog", size=len, most=with_draft)
    assert (some.account.examples, some.account.drafts, some.account.examples_left_out, some.account.drafts_left_out) == (0, 1, 2, 0)
    none = plan.build(framing, "a dog", size=len, most=with_draft - 1)
    assert none.prompt == framing.bare("a dog")
    assert (none.account.drafts, none.account.drafts_left_out, none.bare) == (0, 1, True)
    assert plan.build(framing, "secret").account.drafts_missing == 1


def test_examples_bring_drafts_as_a_key_with_words_as_a_list_or_as_a_column(tmp_path: Path) -> None:
    rows = [
        {"source": "one", "target": "uno", "draft": "Un.", "words": [["Un.", 0.25]], "score": 2},
        {"source": "two", "target": "dos", "draft": ["Dos", {"draft": "Two"}]},
        {"source": "three", "target": "tres"},
    ]
    (tmp_path / "shots.json").write_text(json.dumps(rows), encoding="utf-8")
    read = read_examples(tmp_path / "shots.json", ENGLISH, SPANISH, Tally())
    assert [shot.drafts for shot in read] == [(Draft("Un.", (("Un.", 0.25),)),), (Draft.plain("Dos"), Draft.plain("Two")), ()]
    assert read[0].score == 2
    (tmp_path / "shots.tsv").write_text("source\tdraft\ttarget\none\tUn.\tuno\ntwo\t\tdos\n", encoding="utf-8")
    table = read_examples(tmp_path / "shots.tsv", ENGLISH, SPANISH, Tally())
    assert [(shot.target, shot.drafts) for shot in table] == [("uno", (Draft.plain("Un."),)), ("dos", ())]
    (tmp_path / "bad.jsonl").write_text(json.dumps({**rows[0], "words": [["x", 0.5]]}), encoding="utf-8")
    with pytest.raises(CorpusError, match=r"bad\.jsonl:1"):
        read_examples(tmp_path / "bad.jsonl", ENGLISH, SPANISH, Tally())


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"systems": []}, "one or more"),
        ({"systems": ["file:x"], "beams": 0}, "1 or more"),
        ({"systems": ["file:x"], "labell": 1}, "labell"),
    ],
)
def test_settings_that_mean_nothing_are_refused(fields: dict[str, object], problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        prompting_from_fields({"drafts": fields})


# ---- the whole way ----


@pytest.fixture(scope="module")
def run(tiny_llama_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run") / "model"
    shutil.copytree(tiny_llama_folder, folder)
    facts = {"format": 1, "kind": "merged", "base": "pypi:nothing", "base_revision": None, "directions": ["eng_Latn-spa_Latn"]}
    (folder / "dragoman.json").write_text(json.dumps(facts | {"prompt": template_fields(load_template("plain"))}), encoding="utf-8")
    return folder


@pytest.fixture
def drafts(tmp_path: Path) -> Path:
    (tmp_path / "drafts.txt").write_text("Uno.\n\nDos.\n", encoding="utf-8")
    return tmp_path / "drafts.txt"


def call(run: Path, *options: str, given: str, check: bool = True) -> Result:
    arguments = ["--model", str(run), "--device", "cpu", "--max-new-tokens", "4", *options]
    result = CliRunner().invoke(app, arguments, input=given)
    if check and result.exception:
        raise result.exception
    return result


def test_show_prompt_prints_drafts_and_their_pivot(run: Path, drafts: Path) -> None:
    shown = call(run, "--show-prompt", "--draft", f"file:{drafts}", "--draft-pivot", "fra", given="one\n\ntwo\n").stdout
    assert shown == "English: one\nFrench draft: Uno.\nSpanish:\n"
    settings = drafts.with_name("p.yaml")
    settings.write_text(f"drafts: {{systems: ['file:{drafts}', 'file:{drafts}'], label: 'By {{number}}'}}\n", encoding="utf-8")
    shown = call(run, "--show-prompt", "--prompting", str(settings), given="one\n\ntwo\n").stdout
    assert shown == "English: one\nBy 1: Uno.\nBy 2: Uno.\nSpanish:\n"


def test_json_says_which_segments_had_drafts(run: Path, drafts: Path) -> None:
    drafts.write_text("Uno.\n\nDos.\n\nDiez.\n", encoding="utf-8")
    result = call(run, "--json", "--draft", f"file:{drafts}", given="one\n\ntwo\nthree\ntwo\n")
    rows = [json.loads(line) for line in result.stdout.strip().split("\n")]
    material = [row.get("material", {"drafts": 0, "drafts_missing": 0}) for row in rows]  # a blank line has no prompt
    assert [(one["drafts"], one["drafts_missing"]) for one in material] == [(1, 0), (0, 0), (1, 0), (0, 1), (1, 0)]
    assert ["no-draft" in row["warnings"] for row in rows] == [False, False, False, True, False]
    assert "1 drafts are not used, their texts have others before" in " ".join(result.stderr.split())


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (["--draft", "file:drafts.txt"], "drafts.txt:3: 3 drafts for 2 segments"),
        (["--draft", "file:missing.txt"], "missing.txt"),
        (["--draft", "apertum:eng-spa"], "apertium:MODE"),
        (["--draft-pivot", "eng"], "--draft-pivot without --draft"),
        (["--no-draft-confidences"], "--no-draft-confidences without --draft"),
        (["--draft", "file:drafts.txt", "--draft-beams", "0"], "drafts.beams"),
        (["--draft", "file:drafts.txt", "--draft-pivot", "klingonish"], "klingonish"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_drafts_that_cannot_be_used_are_refused_before_the_model_is_loaded(
    run: Path, drafts: Path, monkeypatch: pytest.MonkeyPatch, options: list[str], problem: str
) -> None:
    monkeypatch.chdir(drafts.parent)
    monkeypatch.setattr(Translator, "from_source", lambda *_, **__: pytest.fail("the model was loaded"))
    result = call(run, *options, given="one\ntwo\n", check=False)
    assert isinstance(result.exception, DragomanError)
    assert problem in str(result.exception)
    assert result.stdout == ""


def test_a_document_and_an_evaluation_take_drafts_too(run: Path, drafts: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (drafts.parent / "in.csv").write_text("source\none\n\ntwo\n", encoding="utf-8")
    drafts.write_text("Uno.\nDos.\n", encoding="utf-8")
    shown = call(run, "--show-prompt", str(drafts.parent / "in.csv"), "--draft", f"file:{drafts}", given="").stdout
    assert "Spanish draft: Uno." in shown
    monkeypatch.setenv("DRAGOMAN_CACHE", str(drafts.parent / "cache"))
    settings = PromptingConfig(drafts=DraftsConfig([f"file:{drafts}"]))
    test_set = TestSet("t", ENGLISH, SPANISH, ("one", "two"), (("uno", "dos"),))
    system = ModelSystem(str(run), decoding=DecodingConfig(max_new_tokens=4, stop="line"), prompting=settings)
    made = system.translate(test_set).hypotheses
    plan = load_plan(settings, ENGLISH, SPANISH).plan.aligned(["one", "two"])
    loaded = load_model(str(run), device="cpu")
    expected = Translator(loaded, load_template("plain"), ENGLISH, SPANISH, DecodingConfig(max_new_tokens=4, stop="line"), plan=plan)
    assert made == tuple(" ".join(one.text.split("\n")) for one in expected.translate(["one", "two"]))
    before = plan_fingerprint(settings, ENGLISH, SPANISH)
    drafts.write_text("Uno.\nTres.\n", encoding="utf-8")
    assert plan_fingerprint(settings, ENGLISH, SPANISH) != before
    with pytest.raises(CorpusError, match="2 drafts for 1 segments"):
        ModelSystem(str(run), prompting=settings).translate(TestSet("t", ENGLISH, SPANISH, ("one",), (("uno",),)))
