"""Examples for prompts: how their files are read, and which of them a text gets."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path

import pytest

from dragoman.mt.corpora.records import Origin
from dragoman.mt.corpora.tally import Tally
from dragoman.mt.errors import CorpusError
from dragoman.mt.languages import find_language
from dragoman.mt.prompting import ExampleSource, Framing, PromptPlan, Shot
from dragoman.mt.prompting.example_files import direction_file, read_examples
from dragoman.mt.prompts import load_template

ENGLISH, FRENCH = find_language("eng"), find_language("fra")
ALMA = Framing(load_template("alma"), ENGLISH, FRENCH)


def shots(*sources: str, scores: Iterable[float | None] = ()) -> list[Shot]:
    given = list(scores) or [None] * len(sources)
    return [Shot(text, text.upper(), Origin("shots.tsv", line), given[line - 1]) for line, text in enumerate(sources, 1)]


def prompt(plan: PromptPlan, text: str) -> str:
    return plan.build(ALMA, text).prompt


def test_fixed_examples_keep_the_files_order_unless_scores_say_which_are_best() -> None:
    chosen, best_last = ExampleSource.of(shots("a", "b", "c"), 2).choose("x")
    assert ([shot.source for shot in chosen], best_last) == (["a", "b"], False)
    chosen, best_last = ExampleSource.of(shots("a", "b", "c", "d", scores=[0.1, None, 0.9, 0.5]), 3).choose("x")
    assert ([shot.source for shot in chosen], best_last) == (["c", "d", "a"], True)


def test_random_examples_depend_on_seed_and_text_only() -> None:
    many = shots(*(f"text {number}" for number in range(40)))
    one = ExampleSource.of(many, 5, "random", seed=3).choose("x")[0]
    assert one == ExampleSource.of(many, 5, "random", seed=3).choose("x")[0]
    assert len({shot.source for shot in one}) == 5
    others = [ExampleSource.of(many, 5, "random", seed=seed).choose(text)[0] for seed, text in ((4, "x"), (3, "y"))]
    assert all(one != other for other in others)


def test_the_most_similar_example_stands_nearest_to_the_source() -> None:
    store = ExampleSource.of(shots("a red house", "the dog barks", "the old dog barks at night", "rain"), 2, "bm25")
    assert [shot.source for shot in store.choose("An old dog at night")[0]] == ["the old dog barks at night", "the dog barks"]
    assert prompt(PromptPlan(store), "An old dog at night").index("the dog barks\n") < prompt(
        PromptPlan(store), "An old dog at night"
    ).index("old dog")


def test_similarity_works_without_spaces_and_prefers_the_better_of_equals() -> None:
    store = ExampleSource.of(shots("下雨了", "天气很好", "天气很好", scores=[1.0, 0.2, 0.8]), 2, "bm25")
    assert [shot.score for shot in store.choose("今天天气好")[0]] == [0.8, 0.2]


def test_an_example_never_gives_the_answer_away() -> None:
    assert [shot.source for shot in ExampleSource.of(shots("The dog.", "Rain."), 5).choose("the  DOG.")[0]] == ["Rain."]


@pytest.mark.parametrize(
    ("name", "content", "scores"),
    [
        ("a.tsv", "Dog.\tChien.\t0.5\nCat.\tChat.\t0.25\n", [0.5, 0.25]),
        ("a.tsv", "score\tsource\ttarget\n0.5\tDog.\tChien.\n0.25\tCat.\tChat.\n", [0.5, 0.25]),
        ("a.csv", "en,fr,score\nDog.,Chien.,0.5\nCat.,Chat.,\n", [0.5, None]),
        ("a.tsv", "Dog.\tChien.\tanimals\nCat.\tChat.\t1\n", [None, None]),
        ("a.jsonl", '{"en": "Dog.", "fr": "Chien.", "score": 1}\n{"translation": {"en": "Cat.", "fr": "Chat."}, "score": 2}\n', [1, 2]),
        ("a.json", '[{"source": "Dog.", "target": "Chien."}, {"source": "Cat.", "target": "Chat.", "score": "x"}]', [None, None]),
    ],
)
def test_examples_load_with_their_scores(tmp_path: Path, name: str, content: str, scores: list[float | None]) -> None:
    (tmp_path / name).write_text(content, encoding="utf-8")
    found = read_examples(tmp_path / name, ENGLISH, FRENCH, Tally())
    assert [(shot.source, shot.target) for shot in found] == [("Dog.", "Chien."), ("Cat.", "Chat.")]
    assert [shot.score for shot in found] == scores


def test_the_file_of_the_direction_is_taken_from_a_folder_or_a_pattern(tmp_path: Path) -> None:
    for name in ("shots.en-fr.json", "shots.fr-en.json", "other-en-fr.txt.json"):
        (tmp_path / name).write_text("[]", encoding="utf-8")
    assert direction_file(str(tmp_path), ENGLISH, FRENCH).name == "shots.en-fr.json"
    assert direction_file(str(tmp_path / "shots.{src}-{tgt}.json"), FRENCH, ENGLISH).name == "shots.fr-en.json"
    with pytest.raises(CorpusError, match="no examples from English to German"):
        direction_file(str(tmp_path), ENGLISH, find_language("deu"))


@pytest.mark.skipif("DRAGOMAN_DATA" not in os.environ, reason="DRAGOMAN_DATA is not set")
@pytest.mark.parametrize("folder", ["HW-5-shot", "Filtered-5-shot"])
def test_the_five_shot_files_of_alma_load_as_they_are(folder: str) -> None:
    files = Path(os.environ["DRAGOMAN_DATA"]) / "alma-human" / folder
    for file in sorted(files.glob("shots.*.json")):
        source, target = map(find_language, file.name.split(".")[1].split("-"))
        found = read_examples(files, source, target, Tally())
        rows = json.loads(file.read_text(encoding="utf-8"))
        assert [(shot.source, shot.target) for shot in found] == [(row["source"].strip(), row["target"].strip()) for row in rows]
