"""Training with terms in the prompt: which terms, how often, and that the prompt is the one translation would build."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from training_recipes import recipe, write_corpus

from dragoman.mt.config import CorpusConfig
from dragoman.mt.corpora import fingerprint
from dragoman.mt.corpora.records import Origin, Pair
from dragoman.mt.corpora.tally import Tally
from dragoman.mt.errors import ConfigError, CorpusError
from dragoman.mt.examples import pair_examples
from dragoman.mt.languages import Language, find_language
from dragoman.mt.lexicons import Lexicon, Matcher
from dragoman.mt.lexicons.building import build_lexicon
from dragoman.mt.lexicons.records import Row
from dragoman.mt.prompting import STYLES, Dictionary, Framing, Glossary, PromptPlan
from dragoman.mt.prompting.training import TERMS, TermPrompts
from dragoman.mt.prompts import load_template, template_names
from dragoman.mt.recipes import check_recipe
from dragoman.mt.stage_data import build_stage, oriented_pairs, term_prompts
from dragoman.mt.tokenization import encode_prompt

ENGLISH, FRENCH = find_language("eng"), find_language("fra")
WORDS = {"house": ["foyer", "maison"], "dog": ["chien"], "home": ["maison"], "river": ["rivière"]}


def lexicon(pairs: dict[str, list[str]], source: Language = ENGLISH, target: Language = FRENCH) -> Lexicon:
    rows = (Row(word, [(text, None) for text in texts], Origin("terms.tsv", line)) for line, (word, texts) in enumerate(pairs.items(), 1))
    return build_lexicon(rows, "terms.tsv", source, target, Tally())


def prompts(style: str = "glossary", share: float = 1.0, seed: int = 1, template: str = "alma") -> TermPrompts:
    return TermPrompts.of(lexicon(WORDS), load_template(template), ENGLISH, FRENCH, style, share, seed)  # type: ignore[arg-type]


def pair(source: str, target: str, line: int = 1) -> Pair:
    return Pair(source, target, Origin("corpus.tsv", line))


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("template", template_names())
def test_the_prompt_in_training_is_the_prompt_in_translation_for_the_same_terms(style: str, template: str) -> None:
    made = prompts(style, template=template)
    one = pair("The dog left the House by the river.", "Le chien quitta la maison.")
    terms = made.terms(one)
    assert terms
    matcher = Matcher.of(lexicon({hint.source: list(hint.targets) for hint in terms}))
    plan = PromptPlan(glossary=Glossary(matcher)) if style == "glossary" else PromptPlan(dictionary=Dictionary(matcher, STYLES[style]))
    assert made.prompt(one, Tally()) == plan.build(Framing(load_template(template), ENGLISH, FRENCH), one.source).prompt


def test_only_translations_that_stand_in_the_reference_are_asked_for_each_in_a_place_of_its_own() -> None:
    found = prompts().usable(pair("A house by the river, a home.", "Une maison au bord de l'eau."))
    assert [(hint.source, hint.targets) for hint in found] == [("house", ("maison",))]
    both = prompts().usable(pair("A house, a home, a dog.", "Une maison, une maison, un chienloup."))
    assert [hint.source for hint in both] == ["house", "home"]
    assert prompts().usable(pair("A river.", "Un fleuve.")) == ()


@pytest.mark.slow
def test_the_share_of_pairs_with_terms_is_what_was_asked_for_and_the_seed_decides_which() -> None:
    pairs = [pair(f"The dog and the house number {number}.", f"Le chien et la maison {number}.", number) for number in range(400)]

    def chosen(share: float, seed: int = 1) -> list[tuple[str, ...]]:
        return [tuple(hint.source for hint in prompts(share=share, seed=seed).terms(one)) for one in pairs]

    assert not any(chosen(0))
    assert all(chosen(1))
    assert {len(terms) for terms in chosen(1)} == {1, 2}
    half = sum(map(bool, chosen(0.5)))
    assert 150 < half < 250
    assert chosen(0.5) == chosen(0.5) != chosen(0.5, seed=2)


def test_examples_have_the_prompts_ids_before_the_target_and_the_tally_counts_them(tiny_llama_folder: Path) -> None:
    from transformers import AutoTokenizer

    tokenizer: Any = AutoTokenizer.from_pretrained(tiny_llama_folder)
    tally, made = Tally("tokenising"), prompts()
    rows = [pair("A dog.", "Un chien."), pair("Rain.", "Pluie.", 2)]
    examples = list(pair_examples(rows, tokenizer, load_template("alma"), ENGLISH, FRENCH, 400, tally, made))
    for one, example in zip(rows, examples, strict=True):
        assert list(example.ids[: example.target_start]) == encode_prompt(tokenizer, made.prompt(one, Tally()))
    assert tally.noted == {TERMS: 1}


def test_a_stage_takes_a_lexicon_in_both_directions(tiny_llama_folder: Path, tmp_path: Path) -> None:
    from transformers import AutoTokenizer

    write_corpus(tmp_path / "data")
    (tmp_path / "lexicon.tsv").write_text("dog\tchien\nhouse\tmaison\n", encoding="utf-8")
    tree = recipe(tmp_path / "data", tiny_llama_folder, tmp_path / "run", evaluate=False)
    tree["stages"] = tree["stages"][1:]
    corpus = tree["stages"][0]["corpora"][0]
    corpus |= {"directions": "both", "lexicon": str(tmp_path / "lexicon.tsv"), "lexicon_share": 1.0, "max_rows": 60}
    config = check_recipe(tree)
    tokenizer: Any = AutoTokenizer.from_pretrained(tiny_llama_folder)
    stage = build_stage(config, 0, tokenizer, load_template("alma"))
    for tallies in stage.tallies.values():
        assert tallies[1].noted[TERMS] == sum("dog" in one.source or "house" in one.source for one in pairs_of(corpus))
    texts = [tokenizer.decode(stage.examples[number].ids) for number in range(len(stage.examples))]
    assert any("dog = chien" in text for text in texts)
    assert any("chien = dog" in text for text in texts)


def pairs_of(corpus: dict[str, Any]) -> list[Pair]:
    return list(oriented_pairs(CorpusConfig(**{**corpus, "directions": "forward"}), Tally())[2])


def test_a_lexicon_that_changed_is_another_input(tmp_path: Path) -> None:
    (tmp_path / "pairs.tsv").write_text("dog\tchien\n", encoding="utf-8")
    file = tmp_path / "lexicon.tsv"
    file.write_text("dog\tchien\n", encoding="utf-8")
    corpus = CorpusConfig(str(tmp_path / "pairs.tsv"), source="eng", target="fra", lexicon=f"{file}:tsv")
    before = fingerprint(corpus)
    assert [Path(entry["path"]).name for entry in before] == ["pairs.tsv", "lexicon.tsv"]
    file.write_text("dog\tchienne\n", encoding="utf-8")
    assert fingerprint(corpus) != before


def test_a_lexicon_is_refused_where_no_prompt_is_trained(tmp_path: Path) -> None:
    for corpus in (
        {"path": "x", "language": "fra", "lexicon": "l"},
        {"path": "x", "source": "eng", "target": "fra", "interlinear": True, "lexicon": "l"},
    ):
        with pytest.raises(ConfigError, match="a lexicon is for prompts"):
            check_recipe({"stages": [{"name": "s", "corpora": [corpus]}]})
    with pytest.raises(CorpusError, match="no such file"):
        missing = CorpusConfig("x", source="eng", target="fra", lexicon=str(tmp_path / "none.tsv"))
        term_prompts(missing, load_template("alma"), ENGLISH, FRENCH, 1)
