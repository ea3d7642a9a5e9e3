"""Prompts with examples, dictionaries and glossaries in them: what is written where, what is left out, and that the source stays whole."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dragoman.mt.corpora.records import Origin
from dragoman.mt.corpora.tally import Tally
from dragoman.mt.errors import ConfigError, CorpusError
from dragoman.mt.languages import Language, find_language
from dragoman.mt.lexicons import Lexicon, Matcher
from dragoman.mt.lexicons.building import build_lexicon
from dragoman.mt.lexicons.records import Row
from dragoman.mt.prompting import (
    STYLES,
    Dictionary,
    DictionaryConfig,
    ExamplesConfig,
    ExampleSource,
    Framing,
    FurtherConfig,
    Glossary,
    GlossaryConfig,
    Hint,
    PromptingConfig,
    PromptPlan,
    Shot,
    load_plan,
    plan_fingerprint,
    prompting_from_fields,
    read_prompting,
    style_named,
)
from dragoman.mt.prompting.dictionary import turned_round
from dragoman.mt.prompting.styles import insert
from dragoman.mt.prompts import load_template, render_prompt, template_names

ENGLISH, FRENCH = find_language("eng"), find_language("fra")
ALMA = Framing(load_template("alma"), ENGLISH, FRENCH)
PAIRS = {"house": ["maison", "demeure"], "dog": ["chien"], "quick brown fox": ["renard brun"]}


def lexicon(pairs: dict[str, list[str]], source: Language = ENGLISH, target: Language = FRENCH) -> Lexicon:
    rows = (Row(word, [(text, None) for text in texts], Origin("terms.tsv", line)) for line, (word, texts) in enumerate(pairs.items(), 1))
    return build_lexicon(rows, "terms.tsv", source, target, Tally())


def dictionary(style: str = "inline", pairs: dict[str, list[str]] | None = None, **options: object) -> Dictionary:
    return Dictionary(Matcher.of(lexicon(pairs or PAIRS)), style_named(style), **options)  # type: ignore[arg-type]


def glossary(pairs: dict[str, list[str]], **options: object) -> Glossary:
    return Glossary(Matcher.of(lexicon(pairs)), **options)  # type: ignore[arg-type]


def shots(*sources: str) -> list[Shot]:
    return [Shot(text, text.upper(), Origin("shots.tsv", line)) for line, text in enumerate(sources, 1)]


def prompt(plan: PromptPlan, text: str) -> str:
    return plan.build(ALMA, text).prompt


# ---- where material stands ----


@pytest.mark.parametrize("template", template_names())
@pytest.mark.parametrize("text", ["The house.", "", "{text} {targets}\n你好", "مرحبا"])
def test_without_parts_the_prompt_is_the_templates(template: str, text: str) -> None:
    framing = Framing(load_template(template), ENGLISH, FRENCH)
    built = PromptPlan().build(framing, text, size=len, most=0)
    assert built.prompt == render_prompt(framing.template, text, ENGLISH, FRENCH)
    assert built.bare


@pytest.mark.parametrize("template", template_names())
def test_parts_that_find_nothing_leave_the_prompt_as_it_is(template: str) -> None:
    framing = Framing(load_template(template), ENGLISH, FRENCH)
    plan = PromptPlan(dictionary=dictionary(), glossary=glossary({"cat": ["chat"]}))
    assert plan.build(framing, "Nothing known.").prompt == framing.bare("Nothing known.")


def test_each_style_stands_in_its_place() -> None:
    text = "The dog left the House."
    bare = ALMA.bare(text)
    assert prompt(PromptPlan(dictionary=dictionary()), text) == ALMA.bare("The dog (chien) left the House (maison, demeure).")
    assert prompt(PromptPlan(dictionary=dictionary("before")), text) == f"Dictionary:\ndog: chien\nHouse: maison, demeure\n\n{bare}"
    after = ALMA.bare(f"{text}\nDictionary:\ndog: chien\nHouse: maison, demeure")
    assert prompt(PromptPlan(dictionary=dictionary("after")), text) == after
    assert prompt(PromptPlan(dictionary=dictionary("chain")), text) == f"dog means chien.\nHouse means maison, demeure.\n\n{bare}"


def test_a_chain_goes_on_through_further_languages_and_skips_those_that_lack_the_word() -> None:
    also = ({"dog": ("Hund", "Köter"), "house": ("Haus",)}, {"house": ("casa",)})
    plan = PromptPlan(dictionary=dictionary("chain", alternatives=1, also=also))
    assert prompt(plan, "A dog, a house").startswith("dog means chien means Hund.\nhouse means maison means Haus means casa.\n\nTranslate")


def test_pattern_separator_and_number_of_alternatives_can_be_set() -> None:
    style = style_named("inline", pattern=" [{source}={targets}]", separator="|")
    plan = PromptPlan(dictionary=replace(dictionary(), style=style))
    assert "The house [house=maison|demeure]." in prompt(plan, "The house.")
    assert "The house (maison)." in prompt(PromptPlan(dictionary=dictionary(alternatives=1)), "The house.")


@pytest.mark.parametrize("pattern", ["({target})", "nothing", "{targets}\n", "{targets} {other}"])
def test_a_pattern_that_means_nothing_is_refused(pattern: str) -> None:
    with pytest.raises(ConfigError, match="pattern"):
        style_named("inline", pattern=pattern)


def test_glossary_terms_go_before_the_dictionarys_and_are_named_once() -> None:
    plan = PromptPlan(dictionary=dictionary(), glossary=glossary({"house": ["logis", "foyer"]}))
    expected = "Use these terms in the translation:\nhouse = logis or foyer\n\n" + ALMA.bare("A dog (chien), a house, a house")
    assert prompt(plan, "A dog, a house, a house") == expected


def test_braces_in_texts_and_entries_are_never_looked_at() -> None:
    plan = PromptPlan(dictionary=dictionary(pairs={"dog": ["{source}"], "cat": ["{text}"]}))
    assert prompt(plan, "dog {targets} cat") == ALMA.bare("dog ({source}) {targets} cat ({text})")


def test_examples_stand_first_in_the_prompts_own_form_with_a_blank_line_between() -> None:
    plan = PromptPlan(examples=ExampleSource.of(shots("One.", "Two.", "Three."), 2), dictionary=dictionary("before"))
    head = "Translate this from English to French:\nEnglish: "
    first = f"{head}One.\nFrench: ONE.\n\n{head}Two.\nFrench: TWO.\n\n"
    assert prompt(plan, "A dog.") == f"{first}Dictionary:\ndog: chien\n\n{head}A dog.\nFrench:"


def test_an_instruction_stands_before_the_templates_and_is_not_repeated_by_examples() -> None:
    plan = PromptPlan(ExampleSource.of(shots("One."), 1), instruction="Be formal.")
    head = "Translate this from English to French:\nEnglish: "
    framing = plan.framing(ALMA.template, ENGLISH, FRENCH)
    assert plan.build(framing, "Dog.").prompt == f"{head}One.\nFrench: ONE.\n\nBe formal.\n{head}Dog.\nFrench:"


# ---- insertion in every script ----

SCRIPTS = {
    "Latin": ("eng", "The house is old.", "house", "The house (X) is old."),
    "Cyrillic": ("rus", "Старый дом стоит у реки.", "дом", "Старый дом (X) стоит у реки."),
    "Arabic": ("arb", "هذا كِتاب قديم", "كتاب", "هذا كِتاب (X) قديم"),
    "N'Ko": ("nqo", "ߒ ߞߏ ߌ ߣߌ߫ ߖߐ߬", "ߞߏ", "ߒ ߞߏ (X) ߌ ߣߌ߫ ߖߐ߬"),
    "Devanagari": ("hin", "यह पुराना घर है।", "घर", "यह पुराना घर (X) है।"),
    "Chinese": ("zho_Hans", "今天天气很好。", "天气", "今天天气(X)很好。"),
    "Thai": ("tha", "บ้านหลังนี้เก่า", "บ้าน", "บ้าน(X)หลังนี้เก่า"),
}


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_word_is_found_and_glossed_in_every_script(script: str) -> None:
    code, text, word, expected = SCRIPTS[script]
    found = Dictionary(Matcher.of(lexicon({word: ["X"]}, find_language(code))), STYLES["inline"]).find(text)
    assert insert(text, [(hint, STYLES["inline"]) for hint in found])[0] == expected


_LETTERS = "dog house Dog DOG chien дом كِتاب 天气很 บ้าน न घर e\u0301 ߞߏ , . ( ) { } \u200d 🙂 \n".split(" ")
_ANY = dictionary(pairs={"dog": ["chien"], "天气": ["X"], "บ้าน": ["Y"], "घर": ["Z"], "كتاب": ["W"], "e\u0301": ["V"], "дом": ["D", "E"]})


@given(st.lists(st.sampled_from(_LETTERS) | st.text(max_size=3), max_size=12).map(" ".join) | st.text(max_size=30))
@settings(max_examples=150, deadline=None)
def test_insertions_taken_out_again_leave_the_source(text: str) -> None:
    written, spans = insert(text, [(hint, STYLES["inline"]) for hint in _ANY.find(text)])
    back, at = [], 0
    for start, end in spans:
        back.append(written[at:start])
        at = end
    assert "".join([*back, written[at:]]) == text


# ---- budgets ----


def test_examples_are_left_out_first_the_last_chosen_first_then_entries_then_terms_never_the_source() -> None:
    plan = PromptPlan(ExampleSource.of(shots("One.", "Two.", "Three."), 3), dictionary(), glossary({"cat": ["chat"]}))
    text = "A dog, a house, a cat."
    whole = plan.build(ALMA, text)
    assert (whole.account.examples, whole.account.hints, whole.account.terms, whole.account.left_out) == (3, 2, 1, 0)
    seen = []
    for most in range(len(whole.prompt), 0, -1):
        built = plan.build(ALMA, text, size=len, most=most)
        counts = (built.account.examples, built.account.hints, built.account.terms)
        assert len(built.prompt) <= most or counts == (0, 0, 0)
        assert sum(counts) + built.account.left_out == 6
        if counts not in seen:
            seen.append(counts)
    assert seen == [(3, 2, 1), (2, 2, 1), (1, 2, 1), (0, 2, 1), (0, 1, 1), (0, 0, 1), (0, 0, 0)]
    assert plan.build(ALMA, text, size=len, most=0).prompt == ALMA.bare(text)
    two = plan.build(ALMA, text, size=len, most=len(whole.prompt) - 1).prompt
    assert "One." in two
    assert "Three." not in two


# ---- glossaries ----


def test_term_success_counts_each_occurrence_in_a_place_of_its_own_and_lets_terms_inflect() -> None:
    terms = glossary({"house": ["maison"], "dog": ["chien"]})
    checks = terms.check("A house, a house, a dog.", "Une maison, deux chiens.", FRENCH)
    assert [(check.source, check.required, check.met) for check in checks] == [("house", 2, 1), ("dog", 1, 1)]
    assert terms.check("Nothing.", "Rien.", FRENCH) == ()


def test_a_term_that_must_stay_is_only_met_as_it_is() -> None:
    terms = glossary({"Dragoman": ["Dragoman"]})
    assert [check.met for check in terms.check("Use Dragoman.", "Utilisez Dragomans.", FRENCH)] == [0]
    assert [check.met for check in terms.check("Use Dragoman.", "Utilisez Dragoman.", FRENCH)] == [1]
    assert [check.targets for check in terms.check("USE DRAGOMAN.", "", FRENCH)] == [("DRAGOMAN",)]
    assert [check.targets for check in glossary({"space": ["Space"]}).check("A SPACE.", "", FRENCH)] == [("Space",)]


def test_bad_glossary_rows_are_told_with_their_line_and_the_rest_goes_on(tmp_path: Path) -> None:
    rows = ["house\tmaison", "\tvide", "dog\t<b>chien</b>", "house\tmaison", "house\tfoyer", "Dragoman\tDragon", "cat\tchat"]
    (tmp_path / "terms.tsv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    (tmp_path / "keep.txt").write_text("Dragoman\n\nOne\tTwo\nacme\tACME\n", encoding="utf-8")
    config = PromptingConfig(glossary=GlossaryConfig(str(tmp_path / "terms.tsv"), keep=str(tmp_path / "keep.txt")))
    loaded = load_plan(config, ENGLISH, FRENCH)
    told = "\n".join(loaded.notes)
    for reason, place in (
        ("an empty side", "terms.tsv:2"),
        ("markup", "terms.tsv:3"),
        ("a pair given before", "terms.tsv:4"),
        ("another translation", "terms.tsv:5"),
        ("do-not-translate list, which goes before", "terms.tsv:6"),
        ("two different sides", "keep.txt:3"),
    ):
        assert any(reason in line and place in line for line in loaded.notes), (reason, told)
    text = "Dragoman: a house, a cat, a dog"
    assert loaded.plan.glossary is not None
    assert [(hint.source, hint.targets) for hint in loaded.plan.glossary.find(text)] == [
        ("Dragoman", ("Dragoman",)),
        ("house", ("maison", "foyer")),
        ("cat", ("chat",)),
    ]


def test_a_glossary_of_each_segment_asks_for_its_terms_in_that_segment_only(tmp_path: Path) -> None:
    rows = [
        {"en": "The dog is at home.", "terms": {"dog": "chien", "home": ["foyer", "maison"]}, "random": {"is": "est"}},
        {"en": "A dog.", "terms": {"": "x", "cat": "chat"}},
        {"en": "Bare."},
    ]
    file = tmp_path / "terms.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    loaded = load_plan(PromptingConfig(glossary=GlossaryConfig(str(file))), ENGLISH, FRENCH)
    assert loaded.plan.glossary is not None
    asked = [
        [(hint.source, hint.targets) for hint in loaded.plan.glossary.find(text)] for text in ("The dog  is at home.", "A dog.", "dog")
    ]
    assert asked == [[("dog", ("chien",)), ("home", ("foyer", "maison"))], [], []]
    assert any("an empty side" in note and "terms.jsonl:2" in note for note in loaded.notes)
    assert any("no object under terms" in note and "terms.jsonl:3" in note for note in loaded.notes)
    other = load_plan(PromptingConfig(glossary=GlossaryConfig(str(file), "random")), ENGLISH, FRENCH).plan
    assert [hint.source for hint in other._material("The dog is at home.").terms] == ["is"]
    with pytest.raises(CorpusError, match="no row has a text and a term"):
        load_plan(PromptingConfig(glossary=GlossaryConfig(str(file), "proper")), ENGLISH, FRENCH)


@pytest.mark.skipif("DRAGOMAN_DATA" not in os.environ, reason="DRAGOMAN_DATA is not set")
@pytest.mark.parametrize("target", ["deu", "spa", "rus"])
def test_the_terms_of_wmt25_are_found_in_their_segments(target: str) -> None:
    language = find_language(target)
    file = Path(os.environ["DRAGOMAN_DATA"]) / "wmt25-terminology" / f"full_data.en{language.bcp47}.jsonl"
    config = PromptingConfig(glossary=GlossaryConfig(str(file)))
    glossary = load_plan(config, ENGLISH, language).plan.glossary
    assert glossary is not None
    rows = [json.loads(line) for line in file.read_text(encoding="utf-8").split("\n") if line]
    found = sum(bool(glossary.find(row["en"])) for row in rows if row["proper"])
    wanted = sum(bool(row["proper"]) for row in rows)
    assert wanted > 100
    assert found >= 0.95 * wanted
    reference = [check for row in rows for check in glossary.check(row["en"], row[language.bcp47], language)]
    # Word boundaries: German writes a quarter of them as part of a compound.
    assert sum(check.met for check in reference) >= 0.7 * sum(check.required for check in reference)


# ---- settings ----


def test_settings_are_read_from_yaml_and_wrong_ones_are_refused_at_their_key(tmp_path: Path) -> None:
    path = tmp_path / "prompting.yaml"
    path.write_text(
        "dictionary: {path: en_fr.tsv, style: chain, also: [{language: deu, path: en_de.tsv}]}\nbudget: 300\n", encoding="utf-8"
    )
    found = read_prompting(path)
    assert found == PromptingConfig(DictionaryConfig("en_fr.tsv", style="chain", also=[FurtherConfig("deu", "en_de.tsv")]), budget=300)
    for fields, key in (
        ({"dictionary": {"path": "x", "styl": "inline"}}, "dictionary.styl"),
        ({"glossary": {}}, "glossary"),
        ({"examples": {"path": "x", "shots": 0}}, "examples.shots"),
        ({"dictionary": {"path": "x", "counts": "c"}}, "dictionary.counts"),
        ({"budget": -1}, "budget"),
        ([], "prompting"),
    ):
        with pytest.raises(ConfigError) as error:
            prompting_from_fields(fields)
        assert error.value.where == key


def test_only_rare_words_are_glossed_when_asked_for(tmp_path: Path) -> None:
    (tmp_path / "d.tsv").write_text("dog\tchien\nhouse\tmaison\n", encoding="utf-8")
    (tmp_path / "counts.txt").write_text("dog\t900\nhouse\t3\n", encoding="utf-8")
    config = DictionaryConfig(str(tmp_path / "d.tsv"), rare=10, counts=str(tmp_path / "counts.txt"))
    loaded = load_plan(PromptingConfig(dictionary=config), ENGLISH, FRENCH)
    assert prompt(loaded.plan, "dog house") == ALMA.bare("dog house (maison)")
    assert any("1 entries left out" in note for note in loaded.notes)
    with pytest.raises(ConfigError, match="how frequent words are is not known"):
        load_plan(PromptingConfig(dictionary=replace(config, counts=None)), ENGLISH, FRENCH)


def test_the_fingerprint_changes_with_settings_and_with_what_the_files_hold(tmp_path: Path) -> None:
    file = tmp_path / "d.tsv"
    file.write_text("dog\tchien\n", encoding="utf-8")
    config = PromptingConfig(dictionary=DictionaryConfig(str(file)), examples=ExamplesConfig(str(file)))
    first = plan_fingerprint(config, ENGLISH, FRENCH)
    assert first == plan_fingerprint(config, ENGLISH, FRENCH)
    assert first != plan_fingerprint(replace(config, budget=5), ENGLISH, FRENCH)
    file.write_text("dog\tchienne\n", encoding="utf-8")
    assert first != plan_fingerprint(config, ENGLISH, FRENCH)


def test_a_lexicon_turned_round_translates_back() -> None:
    back = turned_round(lexicon({"house": ["maison", "foyer"], "home": ["maison"]}))
    assert (back.source, back.target) == (FRENCH, ENGLISH)
    assert {entry.source: entry.targets for entry in back.entries} == {"maison": ("house", "home"), "foyer": ("house",)}


def test_hints_are_placed_in_the_text_they_were_found_in() -> None:
    assert dictionary().find("A Dog,\n the quick  brown\nfox") == (
        Hint(2, 5, "Dog", ("chien",)),
        Hint(12, 28, "quick brown fox", ("renard brun",)),
    )
