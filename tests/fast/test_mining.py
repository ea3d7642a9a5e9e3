"""Examples made where there is no parallel text: mined by a model that is a dictionary, and of other languages."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from dragoman.mt.cli.examples import examples as app
from dragoman.mt.corpora.records import Origin, Pair, Segment
from dragoman.mt.corpora.tally import Tally
from dragoman.mt.errors import ConfigError, CorpusError, DragomanError
from dragoman.mt.languages import Language, find_language
from dragoman.mt.lexicons import Matcher, read_lexicon
from dragoman.mt.mining import Example, MiningSettings, back_translate, diverse_examples, frequent_words, mine
from dragoman.mt.mining.drafts import word_by_word
from dragoman.mt.prompting import ExamplesConfig, PromptingConfig, PromptPlan, load_plan
from dragoman.mt.prompts import load_template
from dragoman.mt.translator import Translation

ENGLISH, FRENCH, GERMAN, CHINESE = map(find_language, ("eng", "fra", "deu", "zho_Hans"))
WORDS = {"chien": "dog", "maison": "house", "petit": "small", "le": "the", "la": "the", "dort": "sleeps"}
ENGLISH_LINES = ["the small dog sleeps", "the house sleeps", "a completely unknown line here"]
FRENCH_LINES = ["le petit chien dort", "la maison dort", "le chien dort", "le chien dort encore"]


class Dictionary:
    """A model that knows these words and nothing else, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, int]] = []

    def __call__(self, texts: Sequence[str], source: Language, target: Language, plan: PromptPlan) -> list[Translation]:
        known = WORDS if source == FRENCH else {english: french for french, english in WORDS.items()}
        self.asked += [(text, source.bcp47, len(plan.examples.choose(text)[0]) if plan.examples else 0) for text in texts]
        outputs = [" ".join(known.get(word, "") for word in text.casefold().split()).strip() for text in texts]
        return [
            Translation(text, output, -1.0, 3, True, ("unfinished",) if "encore" in text else ())
            for text, output in zip(texts, outputs, strict=True)
        ]


def segments(name: str, lines: Sequence[str]) -> list[Segment]:
    return [Segment(line, Origin(name, number)) for number, line in enumerate(lines, 1)]


def test_words_that_come_back_make_drafts_that_are_examples_of_the_back_translation() -> None:
    model = Dictionary()
    mined = mine(segments("en", ENGLISH_LINES), segments("fr", FRENCH_LINES), ENGLISH, FRENCH, model, MiningSettings(min_coverage=0.9))
    pairs = {entry.source: entry.best for entry in mined.lexicon.entries}
    assert pairs == {"la": "the", "chien": "dog", "maison": "house", "petit": "small", "dort": "sleeps"}, (
        "the = la, so le does not come back"
    )
    drafting = next(tally for tally in mined.tallies if tally.step == "drafting word by word")
    assert (drafting.kept, drafting.skipped.total()) == (2, 1)
    assert [each for each in model.asked if each[0] == FRENCH_LINES[0]] == [(FRENCH_LINES[0], "fr", 2)], "with both drafts as examples"
    assert {(one.source, one.target) for one in mined.examples} == {
        ("the small dog sleeps", FRENCH_LINES[0]),
        ("the house sleeps", FRENCH_LINES[1]),
        ("the dog sleeps", FRENCH_LINES[2]),
    }
    assert [one.score for one in mined.examples] == sorted((one.score for one in mined.examples), reverse=True)
    assert mined.examples[0].score == pytest.approx(1.0), "what its word-by-word draft says"
    back = next(tally for tally in mined.tallies if tally.step == "translating back")
    assert (back.kept, dict(back.skipped)) == (3, {"unfinished": 1})


def test_scores_and_limits_decide_what_is_kept_and_what_is_not_is_counted() -> None:
    def length(found: Sequence[Example]) -> list[float]:
        return [len(one.target) / 100 for one in found]

    texts = segments("en", ENGLISH_LINES), segments("fr", FRENCH_LINES)
    mined = mine(*texts, ENGLISH, FRENCH, Dictionary(), MiningSettings(min_score=0.14, keep=1), similarity=length)
    assert [one.target for one in mined.examples] == [FRENCH_LINES[0]]
    assert dict(mined.tallies[-1].skipped) == {"not among the best 1": 1, "a score under 0.14": 1}
    with pytest.raises(CorpusError, match="not one example is left"):
        mine(*texts, ENGLISH, FRENCH, Dictionary(), MiningSettings(min_score=2), similarity=length)
    with pytest.raises(CorpusError, match="not one word of French"):
        mine(texts[0], segments("fr", ["mots inconnus"]), ENGLISH, FRENCH, Dictionary())


def test_a_draft_is_the_text_with_the_known_words_in_the_other_language(tmp_path: Path) -> None:
    (tmp_path / "zh.tsv").write_text("狗\tdog\n房子\thouse\n", encoding="utf-8")
    draft = word_by_word(Matcher.of(read_lexicon(tmp_path / "zh.tsv", "zho_Hans", "eng")), "狗在房子。", ENGLISH)
    assert (draft.text, draft.coverage) == ("dog 在 house。", 0.75)
    (tmp_path / "fr.tsv").write_text("pomme de terre\tpotato\n", encoding="utf-8")
    draft = word_by_word(Matcher.of(read_lexicon(tmp_path / "fr.tsv", "fra", "eng")), "Une pomme de terre !", ENGLISH)
    assert (draft.text, draft.coverage) == ("Une potato !", 0.75)
    assert word_by_word(Matcher.of(read_lexicon(tmp_path / "fr.tsv", "fra", "eng")), "", ENGLISH).coverage == 0
    assert frequent_words(["The dog, the cat 7 times: a b2 the"], 3) == ["the", "dog", "cat"]


def test_what_looks_wrong_or_comes_twice_is_no_example() -> None:
    outputs = ["Fine.", "", "two\nlines", "FINE.", "looping"]

    def translate(texts: Sequence[str], *_: object) -> list[Translation]:
        warned = [("repetition", "too-long") if output == "looping" else ("left-out",) for output in outputs]
        return [Translation(text, output, 0.0, 1, True, wrong) for text, output, wrong in zip(texts, outputs, warned, strict=True)]

    tally = Tally()
    found = back_translate(segments("fr", ["a", "b", "c", "d", "e"]), FRENCH, ENGLISH, PromptPlan(), translate, tally)
    assert [(one.source, one.target, str(one.origin)) for one in found] == [("Fine.", "a", "fr:1")]
    assert dict(tally.skipped) == {"empty": 1, "several lines": 1, "an output given before": 1, "repetition": 1}


def test_diverse_examples_go_round_the_languages_and_show_no_target_twice() -> None:
    pools = {
        language: [Pair(f"{language.bcp47} {number}", f"Sentence {number}", Origin(language.bcp47, number)) for number in range(1, 7)]
        for language in (GERMAN, FRENCH)
    }
    pools[FRENCH].append(Pair("long " * 50, "Sentence 9", Origin("fr", 9)))
    found, tally = diverse_examples(pools, ENGLISH, 3)
    assert [one.language for one in found] == [GERMAN, FRENCH] * 3
    assert len({one.target for one in found}) == 6
    assert tally.kept == 6
    assert (found, tally) == diverse_examples(pools, ENGLISH, 3)
    assert found != diverse_examples(pools, ENGLISH, 3, seed=2)[0]
    few, tally = diverse_examples(pools, ENGLISH, 10)
    assert len(few) == 6, "French has the same six targets, and one that is too long"
    assert (tally.skipped["over 40 words"], tally.skipped["a translation shown already, from another language"]) == (1, 6)


# ---- the command line ----


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "en.txt").write_text("\n".join(ENGLISH_LINES) + "\n\n", encoding="utf-8")
    (tmp_path / "fr.txt").write_text("\n".join(FRENCH_LINES) + "\n", encoding="utf-8")
    (tmp_path / "de-en.tsv").write_text("Hallo\tHello\nDanke\tThanks\n", encoding="utf-8")
    (tmp_path / "zh-en.tsv").write_text("你好\tHello\n早上好\tGood morning\n", encoding="utf-8")

    @contextmanager
    def working(*_: object) -> Iterator[Dictionary]:
        yield Dictionary()

    for verb in ("mine", "diverse"):
        monkeypatch.setattr(f"dragoman.mt.cli.examples_{verb}.working", working)
    return tmp_path


def call(*arguments: str) -> Result:
    result = CliRunner().invoke(app, list(arguments))
    if result.exception:
        raise result.exception
    return result


MINE = ["mine", "en.txt", "fr.txt", "-m", "x", "--from", "eng", "--to", "fra", "-o", "out.jsonl"]
DIVERSE = ["diverse", "deu=de-en.tsv", "zho_Hans=zh-en.tsv", "-o", "out.jsonl"]


def test_mined_examples_are_a_file_that_prompts_read_and_the_account_says_what_became_of_every_line(files: Path) -> None:
    result = call(*MINE, "--json", "-")
    account = json.loads(result.stdout)
    assert (account["examples"], account["word_pairs"], account["seed"]) == (3, 5, 1)
    steps = {step["step"]: (step["read"], step["kept"]) for step in account["steps"]}
    assert steps["reading French"] == (4, 4)
    assert steps["reading English"] == (4, 3)
    assert steps["translating back"] == (4, 3)
    plan = load_plan(PromptingConfig(examples=ExamplesConfig("out.jsonl", shots=1, select="bm25")), ENGLISH, FRENCH).plan
    prompt = plan.build(plan.framing(load_template("plain"), ENGLISH, FRENCH), "the small cat").prompt
    assert prompt == "English: the small dog sleeps\nFrench: le petit chien dort\n\nEnglish: the small cat\nFrench:"
    drawn = json.loads(
        call(*MINE, "--lines", "3", "--seed", "5", "--dictionary", "d.tsv", "--json", "-").stdout if _dictionary(files) else ""
    )
    assert {step["step"]: step["kept"] for step in drawn["steps"]}["reading French"] == 3


def _dictionary(files: Path) -> bool:
    (files / "d.tsv").write_text("".join(f"{french}\t{english}\n" for french, english in WORDS.items()), encoding="utf-8")
    return True


def test_diverse_examples_name_their_languages_in_the_prompt(files: Path) -> None:
    call(*DIVERSE, "--from", "fra", "--to", "eng")
    rows = [json.loads(line) for line in (files / "out.jsonl").read_text(encoding="utf-8").strip().split("\n")]
    assert [row["source_language"] for row in rows] == ["de", "zh-Hans", "de"]
    plan = load_plan(PromptingConfig(examples=ExamplesConfig("out.jsonl", shots=2)), FRENCH, ENGLISH).plan
    prompt = plan.build(plan.framing(load_template("alma"), FRENCH, ENGLISH), "Bonjour").prompt
    assert "Translate this from German to English:\nGerman: " in prompt
    assert prompt.endswith("Translate this from French to English:\nFrench: Bonjour\nEnglish:")


def test_out_of_the_hub_the_examples_are_ones_own_text_translated_back(files: Path) -> None:
    call(*DIVERSE, "--from", "eng", "--to", "fra", "--text", "fr.txt", "--model", "x")
    rows = [json.loads(line) for line in (files / "out.jsonl").read_text(encoding="utf-8").strip().split("\n")]
    assert rows[0] == {"source": "the small dog sleeps", "target": FRENCH_LINES[0], "origin": "fr.txt:1"}


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ([*MINE[:-1], "out.tsv"], "as JSON"),
        ([*MINE, "--vectors", "x"], "--vectors without"),
        ([*MINE[:1], "none.txt", *MINE[2:]], "no such file"),
        ([*MINE, "--longest", "1"], "not one usable row"),
        ([*DIVERSE, "--from", "fra", "--to", "ita"], "English is not one of"),
        ([*DIVERSE, "--from", "eng", "--to", "fra"], "--text FILE"),
        ([*DIVERSE, "--from", "fra", "--to", "eng", "--text", "fr.txt"], "neither --text"),
        ([*DIVERSE, "--from", "deu", "--to", "eng"], "other languages than German"),
        (["diverse", "de-en.tsv", "-o", "out.jsonl", "--from", "fra", "--to", "eng"], "LANG=FILE"),
        ([*DIVERSE, "--from", "fra", "--to", "eng", "--longest", "0"], ""),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_cannot_be_done_is_refused_and_nothing_is_written(files: Path, arguments: list[str], problem: str) -> None:
    with pytest.raises((DragomanError, ConfigError, SystemExit)) as caught:
        call(*arguments)
    assert problem in str(caught.value)
    assert not (files / "out.jsonl").exists()
