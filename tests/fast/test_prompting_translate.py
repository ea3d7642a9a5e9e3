"""Examples, dictionaries and glossaries on the way through the translator and the command line, with a tiny random model."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from dragoman.eval.model_outputs import ModelSystem
from dragoman.eval.records import TestSet
from dragoman.mt.cli.translate import translate
from dragoman.mt.config import DecodingConfig
from dragoman.mt.errors import ConfigError, DragomanError
from dragoman.mt.languages import find_language
from dragoman.mt.models import LoadedModel, load_model
from dragoman.mt.prompting import ExamplesConfig, GlossaryConfig, PromptingConfig, PromptPlan, load_plan
from dragoman.mt.prompts import load_template, template_fields
from dragoman.mt.tokenization import encode_prompt
from dragoman.mt.translator import Translator, _Output

ENGLISH, FRENCH = find_language("eng"), find_language("fra")
app = typer.Typer()
app.command()(translate)


@pytest.fixture(scope="module")
def loaded(tiny_llama_folder: Path) -> LoadedModel:
    return load_model(str(tiny_llama_folder), device="cpu")


@pytest.fixture(scope="module")
def run(tiny_llama_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run") / "model"
    shutil.copytree(tiny_llama_folder, folder)
    facts = {"format": 1, "kind": "merged", "base": "pypi:nothing", "base_revision": None, "directions": ["eng_Latn-fra_Latn"]}
    (folder / "dragoman.json").write_text(json.dumps(facts | {"prompt": template_fields(load_template("plain"))}), encoding="utf-8")
    return folder


@pytest.fixture
def files(tmp_path: Path) -> Path:
    (tmp_path / "d.tsv").write_text("dog\tchien\tcabot\nhouse\tmaison\n", encoding="utf-8")
    (tmp_path / "german.tsv").write_text("dog\tHund\n", encoding="utf-8")
    (tmp_path / "terms.tsv").write_text("house\tdemeure\nan entry far longer than the sentence\tlong\n\tx\n", encoding="utf-8")
    (tmp_path / "keep.txt").write_text("Dragoman\n", encoding="utf-8")
    (tmp_path / "shots.en-fr.json").write_text(
        '[{"source": "One.", "target": "Un."}, {"source": "Two.", "target": "Deux."}]', encoding="utf-8"
    )
    return tmp_path


def call(run: Path, *options: str, given: str = "", check: bool = True) -> Result:
    arguments = ["--model", str(run), "--device", "cpu", "--max-new-tokens", "6", *options]
    result = CliRunner().invoke(app, arguments, input=given)
    if check and result.exception:
        raise result.exception
    return result


def shown(run: Path, *options: str, text: str = "The dog and the house.") -> str:
    return call(run, "--show-prompt", *options, given=text + "\n").stdout.removesuffix("\n")


# ---- the translator ----


class Scripted(Translator):
    """A translator whose model answers by its prompt."""

    answer: Callable[[str], str]

    def _run(self, requests: Sequence[object], progress: object = None) -> list[_Output]:
        prompts = [self.loaded.tokenizer.decode(request.prompt, skip_special_tokens=True) for request in requests]  # type: ignore[attr-defined]
        return [_Output(self.answer(prompt), -1.0, 3, 2, True) for prompt in prompts]


def scripted(loaded: LoadedModel, folder: Path, mode: str, answer: Callable[[str], str]) -> Scripted:
    (folder / "terms.tsv").write_text("house\tmaison\ndog\tchien\n", encoding="utf-8")
    plan = load_plan(PromptingConfig(glossary=GlossaryConfig(str(folder / "terms.tsv"), mode=mode)), ENGLISH, FRENCH).plan  # type: ignore[arg-type]
    found = Scripted(loaded, load_template("alma"), ENGLISH, FRENCH, DecodingConfig(), plan=plan)
    found.answer = answer
    return found


def test_with_retry_only_texts_that_lack_terms_are_asked_again_with_the_terms_inline(loaded: LoadedModel, tmp_path: Path) -> None:
    asked: list[str] = []

    def answer(prompt: str) -> str:
        asked.append(prompt)
        return "Une maison." if "(maison)" in prompt else "Un chien." if "dog" in prompt else "Rien."

    done = scripted(loaded, tmp_path, "retry", answer).translate(["A house.", "A dog.", "Nothing."])
    assert [one.text for one in done] == ["Une maison.", "Un chien.", "Rien."]
    assert [(one.terms_met, one.terms_required) for one in done] == [(1, 1), (1, 1), (0, 0)]
    assert [prompt for prompt in asked if "(" in prompt] == ["Translate this from English to French:\nEnglish: A house (maison).\nFrench:"]
    soft = scripted(loaded, tmp_path, "soft", answer).translate(["A house."])[0]
    assert (soft.text, soft.terms_met, soft.warnings) == ("Rien.", 0, ("terms",))


@pytest.mark.parametrize("second", ["Rien.", "Un chien.", "", "maison maison maison maison maison maison", "A house and a dog. maison"])
def test_a_retry_never_makes_a_translation_worse(loaded: LoadedModel, tmp_path: Path, second: str) -> None:
    """No fewer terms, and no warning that the first translation had not."""
    first = scripted(loaded, tmp_path, "soft", lambda _: "Un foyer et un chien.").translate(["A house and a dog."])[0]
    kept = scripted(loaded, tmp_path, "retry", lambda prompt: second if "(maison)" in prompt else "Un foyer et un chien.")
    assert kept.translate(["A house and a dog."])[0] == first


def test_an_empty_plan_changes_nothing(loaded: LoadedModel) -> None:
    texts = ["The dog.", "", "A longer text\nof two lines."]
    plain = Translator(loaded, load_template("alma"), ENGLISH, FRENCH, DecodingConfig(max_new_tokens=8))
    planned = Translator(loaded, load_template("alma"), ENGLISH, FRENCH, DecodingConfig(max_new_tokens=8), plan=PromptPlan())
    assert plain.translate(texts) == planned.translate(texts)
    assert all(one.material is None and one.terms == () for one in plain.translate(texts))


def test_material_makes_room_for_the_translation_in_the_models_context(loaded: LoadedModel, files: Path) -> None:
    many = [{"source": f"Example number {number} is here.", "target": f"Exemple {number}."} for number in range(60)]
    (files / "many.json").write_text(json.dumps(many), encoding="utf-8")
    plan = load_plan(PromptingConfig(examples=ExamplesConfig(str(files / "many.json"), shots=60)), ENGLISH, FRENCH).plan
    translator = Translator(loaded, load_template("alma"), ENGLISH, FRENCH, DecodingConfig(), plan=plan)
    done = translator.translate(["The dog is at home."])[0]
    assert done.material is not None
    assert done.material.examples + done.material.examples_left_out == 60
    assert done.material.examples_left_out > 0
    assert "left-out" in done.warnings
    size = len(encode_prompt(loaded.tokenizer, translator.prompt("The dog is at home.")))
    assert size <= 512 - 20, "the context, less what the shortest translation may have"


def test_what_streams_is_what_translate_gives(loaded: LoadedModel, files: Path) -> None:
    plan = load_plan(PromptingConfig(glossary=GlossaryConfig(str(files / "terms.tsv"))), ENGLISH, FRENCH).plan
    translator = Translator(loaded, load_template("alma"), ENGLISH, FRENCH, DecodingConfig(max_new_tokens=8), plan=plan)
    assert "".join(translator.stream("A house.")) == translator.translate(["A house."])[0].text


def test_an_evaluations_translations_depend_on_the_prompting(
    tiny_llama_folder: Path, files: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("DRAGOMAN_CACHE", str(files / "cache"))
    sources = ("The dog and the house.", "Rain.")
    test_set = TestSet("t", ENGLISH, FRENCH, sources, (sources,))
    decoding = DecodingConfig(max_new_tokens=6, stop="line")
    settings = PromptingConfig(glossary=GlossaryConfig(str(files / "terms.tsv")))
    system = ModelSystem(str(tiny_llama_folder), decoding=decoding, prompting=settings)
    with caplog.at_level("INFO", "dragoman"):
        made = system.translate(test_set).hypotheses
    assert any("terms.tsv:3" in message for message in caplog.messages)
    plan = load_plan(settings, ENGLISH, FRENCH).plan
    loaded = load_model(str(tiny_llama_folder), device="cpu")
    translated = Translator(loaded, load_template("alma"), ENGLISH, FRENCH, decoding, plan=plan).translate(sources)
    assert made == tuple(" ".join(one.text.split("\n")) for one in translated)
    assert system.is_kept(test_set)
    assert not ModelSystem(str(tiny_llama_folder), decoding=decoding).is_kept(test_set)
    (files / "terms.tsv").write_text("house\tmaison\n", encoding="utf-8")
    assert not system.is_kept(test_set)


# ---- the command line ----


def test_show_prompt_prints_what_the_model_reads(run: Path, files: Path) -> None:
    dictionary = ["--dictionary", f"{files / 'd.tsv'}:tsv"]
    bare = "English: The dog and the house.\nFrench:"
    assert shown(run) == bare
    assert shown(run, *dictionary) == "English: The dog (chien, cabot) and the house (maison).\nFrench:"
    chain = shown(run, *dictionary, "--dictionary-style", "chain", "--dictionary-also", f"deu={files / 'german.tsv'}")
    assert chain == f"dog means chien, cabot means Hund.\nhouse means maison.\n\n{bare}"
    one = shown(run, *dictionary, "--dictionary-alternatives", "1", "--dictionary-format", "<{targets}>")
    assert one == "English: The dog<chien> and the house<maison>.\nFrench:"
    glossary = shown(run, *dictionary, "--glossary", str(files / "terms.tsv"), "--examples", str(files), "--shots", "1")
    asked = "Use these terms in the translation:\nhouse = demeure\n\n"
    assert glossary == f"English: One.\nFrench: Un.\n\n{asked}English: The dog (chien, cabot) and the house.\nFrench:"
    assert shown(run, *dictionary, "--prompt-budget", "0") == bare
    assert shown(run, "--instruction", "Be formal.") == f"Be formal.\n{bare}"


def test_settings_come_from_a_file_too_and_options_replace_its_parts(run: Path, files: Path) -> None:
    file = files / "prompting.yaml"
    file.write_text(f"dictionary: {{path: {files / 'd.tsv'}, style: before}}\nglossary: {{keep: {files / 'keep.txt'}}}\n", encoding="utf-8")
    assert shown(run, "--prompting", str(file)).startswith("Dictionary:\ndog: chien, cabot\n")
    assert shown(run, "--prompting", str(file), "--dictionary", str(files / "d.tsv")).startswith("English: The dog (chien")
    assert "Dragoman = Dragoman" in shown(run, "--prompting", str(file), text="Dragoman")


def test_terms_are_reported_by_segment_on_standard_error_and_in_json(run: Path, files: Path) -> None:
    options = ["--glossary", str(files / "terms.tsv"), "--keep", str(files / "keep.txt"), "--glossary-mode", "retry", "--json"]
    result = call(run, *options, given="Nothing.\nThe house, Dragoman.\n")
    rows = [json.loads(line) for line in result.stdout.strip().split("\n")]
    assert "terms" not in rows[0]
    assert [(term["source"], term["targets"], term["required"]) for term in rows[1]["terms"]] == [
        ("house", ["demeure"], 1),
        ("Dragoman", ["Dragoman"], 1),
    ]
    missing = sum(term["required"] - term["met"] for term in rows[1]["terms"])
    assert missing > 0, "a random model that knows the words would test nothing"
    assert "terms" in rows[1]["warnings"]
    assert rows[1]["material"]["terms"] == 2
    assert "terms: line 2: house = demeure (0 of 1)" in result.stderr
    assert f"terms: {2 - missing} of 2 required occurrences" in result.stderr
    assert "1 glossary entries are longer than any segment" in result.stderr
    assert "terms.tsv:2" in result.stderr
    assert "an empty side" in result.stderr
    assert "terms.tsv:3" in result.stderr


def test_a_document_takes_a_glossary_too(run: Path, files: Path) -> None:
    (files / "in.csv").write_text("source\nThe house.\n", encoding="utf-8")
    result = call(run, str(files / "in.csv"), "-o", str(files / "out.csv"), "--glossary", str(files / "terms.tsv"))
    assert "required occurrences are in the translations" in result.stderr
    assert (files / "out.csv").is_file()


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (["--shots", "3"], "--shots without --examples"),
        (["--dictionary-style", "chain"], "--dictionary-style without --dictionary"),
        (["--glossary-mode", "retry"], "--glossary-mode without --glossary"),
        (["--dictionary", "d.tsv", "--dictionary-also", "german.tsv"], "LANGUAGE=FILE"),
        (["--dictionary", "missing.tsv"], "no such file"),
        (["--dictionary", "d.tsv", "--dictionary-format", "x"], "pattern"),
        (["--examples", "missing.json"], "missing.json"),
        (["--keep", "keep.txt", "--glossary-mode", "retry", "--stream"], "--stream with"),
        (["--keep", "keep.txt", "--glossary-mode", "hard", "--stream"], "--stream with"),
        (["--keep", "keep.txt", "--glossary-mode", "hard", "--sample"], "sampling"),
        (["--prompt-budget", "-1"], "budget"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_options_that_mean_nothing_are_refused_before_the_model_is_loaded(
    run: Path, files: Path, monkeypatch: pytest.MonkeyPatch, options: list[str], problem: str
) -> None:
    monkeypatch.chdir(files)
    monkeypatch.setattr(Translator, "from_source", lambda *_, **__: pytest.fail("the model was loaded"))
    result = call(run, *options, given="x\n", check=False)
    assert isinstance(result.exception, DragomanError | ConfigError)
    assert problem in str(result.exception)
    assert result.stdout == ""


def test_hard_terms_stand_in_every_translation_and_beams_are_told(run: Path, files: Path) -> None:
    options = ["--glossary", str(files / "terms.tsv"), "--keep", str(files / "keep.txt"), "--json", "--max-new-tokens", "24"]
    soft = call(run, *options, given="The house, Dragoman.\n")
    hard = call(run, *options, "--glossary-mode", "hard", given="The house, Dragoman.\nNothing.\n")
    met = [[term["met"] for term in json.loads(result.stdout.split("\n")[0])["terms"]] for result in (soft, hard)]
    assert met == [[0, 0], [1, 1]], "a random model that knows the words would test nothing"
    assert "note: terms are forced by beam search, with 4 beams" in hard.stderr
    assert "2 of 2 required occurrences" in hard.stderr
    plain = call(run, "--beams", "4", "--json", "--max-new-tokens", "24", given="Nothing.\n")
    assert json.loads(hard.stdout.split("\n")[1])["text"] == json.loads(plain.stdout)["text"]
    few = call(run, *options[:5], "--max-new-tokens", "3", "--glossary-mode", "hard", given="The house, Dragoman.\n")
    assert "terms" in json.loads(few.stdout)["warnings"]
