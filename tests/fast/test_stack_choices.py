"""Questions with options for stacks: Belebele's files, candidates and their items, teachers and students on a tiny language model."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from test_stack_tasks import subject_with_equal_encoder

from dragoman.adapters.stacking.tasks.comparison import ENCODER, LLM, STACK, TRANSLATE, ComparisonSettings, compare
from dragoman.adapters.stacking.tasks.grouping import Groups, by_item
from dragoman.adapters.stacking.tasks.heads import Head, fit_head
from dragoman.adapters.stacking.tasks.readers import find_task, languages_of, read_split, read_task
from dragoman.adapters.stacking.tasks.reading import text_rows
from dragoman.adapters.stacking.tasks.records import Choice, Choices, TaskData
from dragoman.adapters.stacking.tasks.scores import task_score
from dragoman.adapters.stacking.tasks.student import distilled
from dragoman.adapters.stacking.tasks.subject import Subject
from dragoman.adapters.stacking.tasks.tables import comparison_json, comparison_table
from dragoman.adapters.stacking.tasks.teacher import Lesson, LoraSize, teaching
from dragoman.adapters.stacking.tasks.tuning import TuningSettings, tune
from dragoman.mt.corpora.tally import Tally
from dragoman.mt.errors import CorpusError, LanguageError
from dragoman.mt.languages import find_language

ENGLISH, JAVANESE, GERMAN, ARABIC = (find_language(code) for code in ("eng", "jav", "deu", "arb"))
QUICK = TuningSettings(epochs=12, batch=6, rate=1e-2)
ITEMS = Choices(
    (
        Choice("good food", "how is it?", ("good", "bad", "a bed")),
        Choice("bad room", "how is it?", ("good", "bad")),
        Choice("good bed", "how was it?", ("bad", "good")),
        Choice("bad food", "how was it?", ("a room", "good", "bad")),
    ),
    (0, 1, 1, 2),
)
BELEBELE = find_task("belebele")


@pytest.fixture
def subject(tiny_llama_folder: Path) -> Subject:
    return subject_with_equal_encoder(tiny_llama_folder)


def lesson(settings: TuningSettings = QUICK) -> Lesson:
    return Lesson(ITEMS, BELEBELE.outputs, settings, LoraSize(rank=4), 1)


# ---- items ----


def test_a_candidate_is_context_question_and_option_and_each_item_has_its_own() -> None:
    assert ITEMS.sizes == (3, 2, 2, 3)
    assert ITEMS.texts[:4] == (
        "good food how is it? good",
        "good food how is it? bad",
        "good food how is it? a bed",
        "bad room how is it? good",
    )
    groups = Groups(ITEMS.sizes)
    assert [ITEMS.closings[number] for number in groups.texts_of([2, 0])] == [
        *("how was it? bad", "how was it? good"),
        *("how is it? good", "how is it? bad", "how is it? a bed"),
    ]
    assert ITEMS.first(2).texts == ITEMS.texts[:5]
    assert groups.lengths([[1] * length for length in (1, 5, 2, 3, 4, 9, 8, 1, 1, 1)]) == [5, 4, 9, 1]


def test_the_softmax_goes_over_the_options_of_an_item() -> None:
    scores = torch.tensor([[1.0], [3.0], [2.0], [5.0], [4.0]])
    rows = by_item(scores, (3, 2))
    assert rows.tolist() == [[1, 3, 2], [5, 4, float("-inf")]]
    assert rows.softmax(dim=1)[1].sum().item() == pytest.approx(1)
    classes = torch.randn(4, 3)
    assert torch.equal(by_item(classes, (1, 1, 1, 1)), classes)
    assert Head(torch.ones(1, 1)).labels(scores, (3, 2)) == [1, 0]


@given(items=st.lists(st.lists(st.integers(1, 9), min_size=1, max_size=5), min_size=1, max_size=12), most=st.integers(1, 40))
def test_passes_hold_every_item_once_in_order_and_no_more_tokens_than_allowed(items: list[list[int]], most: int) -> None:
    rows = [[0] * length for item in items for length in item]

    def padded(numbers: Sequence[int]) -> int:
        lengths = [length for number in numbers for length in items[number]]
        return len(lengths) * max(lengths)

    passes = Groups(tuple(map(len, items))).passes(rows, most)(list(range(len(items))))
    assert [item for part in passes for item in part] == list(range(len(items)))
    assert all(len(part) == 1 or padded(part) <= most for part in passes)
    assert all(padded([*one, other[0]]) > most for one, other in pairwise(passes))


@pytest.mark.parametrize("by_text", [False, True])
def test_a_step_cut_into_passes_moves_weights_as_one_that_is_not(by_text: bool) -> None:
    """`by_text`: as the student, whose loss is the mean over texts; else as the teacher, over items."""
    groups, states = Groups(ITEMS.sizes), torch.randn(10, 5, generator=torch.Generator().manual_seed(1))

    def trained(cut: int) -> tuple[torch.Tensor, list[float]]:
        weight = torch.nn.Parameter(torch.zeros(1, 5))

        def loss_of(batch: Sequence[int]) -> torch.Tensor:
            found = states[groups.texts_of(batch)] @ weight.T
            if by_text:
                return (found - 1).square().mean()
            labels = torch.tensor([ITEMS.labels[item] for item in batch])
            return torch.nn.functional.cross_entropy(by_item(found, groups.sizes_of(batch)), labels)

        size = (lambda batch: len(groups.texts_of(batch))) if by_text else len
        settings = TuningSettings(epochs=3, batch=4, rate=0.1)
        return weight, tune([weight], loss_of, [1, 2, 3, 4], settings, seed=1, cut=groups.passes([[0]] * 10, cut), size=size)

    (whole, losses), (parts, part_losses) = trained(100), trained(3)
    torch.testing.assert_close(whole, parts)
    assert losses == pytest.approx(part_losses)


def test_a_candidate_that_is_too_long_loses_context_and_keeps_question_and_option(tiny_llama_folder: Path) -> None:
    short = subject_with_equal_encoder(tiny_llama_folder, longest=24)
    one = Choices((Choice("food " * 40, "how is it?", ("good", "bad")),), (0,))
    for rows in (short.text_rows(one.texts, one.closings), short.source_rows(one.texts, ENGLISH, one.closings)):
        for row, option in zip(rows, ("good", "bad"), strict=True):
            closing = text_rows([f" how is it? {option}"], short.tokenizer)[0]
            assert len(row) == 24
            assert row[-len(closing) :] == closing
            assert short.tokenizer.decode(row).startswith("food food")
    assert short.cuts.counts == {"encoder": 2, "language model": 2}


def test_parts_are_translated_sentence_by_sentence_and_each_once() -> None:
    asked: list[str] = []

    def translate(texts: Sequence[str]) -> list[str]:
        asked.extend(texts)
        return [text.upper() if text != "Lost." else "" for text in texts]

    items = Choices((Choice("One. Lost. Two!", "Why?", ("a", "b")), Choice("One. Lost. Two!", "Who?", ("b", "c"))), (0, 1))
    english = items.translated(translate)
    assert english.items[1] == Choice("ONE. TWO!", "WHO?", ("B", "C"))
    assert english.labels == items.labels
    assert asked == ["One.", "Lost.", "Two!", "Why?", "a", "b", "Who?", "c"]


# ---- teacher, student, comparison ----


def test_a_teacher_learns_which_option_is_right_and_a_student_with_an_equal_encoder_gives_its_answers(subject: Subject) -> None:
    with teaching(subject, lesson()) as teacher:
        assert teacher.labels(ITEMS) == list(ITEMS.labels)
        assert teacher.head.bias is None
        assert teacher.head.weight.shape == (1, teacher.states.shape[1])
        assert len(teacher.states) == sum(ITEMS.sizes)
        states, head = teacher.states, teacher.head
    with distilled(subject, ITEMS, ENGLISH, states, head, replace(QUICK, epochs=12), seed=1) as student:
        assert student.labels(ITEMS, JAVANESE) == list(ITEMS.labels)
        assert student.losses[-1] < 0.2 * student.losses[0]


def test_a_head_on_fixed_vectors_finds_the_right_option_of_items_of_different_sizes() -> None:
    vectors = torch.tensor([[5.0, 1.0], [5.0, 0.0], [900.0, 1.0], [900.0, 0.0], [901.0, 0.1]])
    found = fit_head(vectors, [0, 0], 1, sizes=(2, 3))
    assert found.weight.shape == (1, 2)
    assert found.labels(vectors, (2, 3)) == [0, 0]


def test_the_four_systems_are_compared_by_accuracy_alone(subject: Subject) -> None:
    javanese = Choices((Choice("apik room", "how is it?", ("good", "bad")), Choice("ala food", "how is it?", ("apik", "ala"))), (0, 1))
    data = TaskData(BELEBELE, ITEMS, ((ENGLISH, ITEMS), (JAVANESE, javanese)))
    settings = ComparisonSettings(seeds=(1,), teacher=QUICK, student=replace(QUICK, epochs=2), lora=LoraSize(rank=4))
    lines: list[str] = []
    found = compare(subject, data, settings, lines.append)
    assert {each.system for each in found.results} == {STACK, LLM, ENCODER, TRANSLATE}
    assert found.scores(LLM, ENGLISH)[0].accuracy == 100
    assert "Javanese: 2 questions translated, the first as 'good room how is it? good'" in lines
    tree = comparison_json(found)
    assert tree["trained_on"] == {"language": "eng_Latn", "questions": 4} and tree["classes"] == []
    assert all({"accuracy", "questions"} <= row.keys() and not {"macro_f1", "texts"} & row.keys() for row in tree["results"])
    assert all(not {"macro_f1", "macro_f1_spread"} & row.keys() for row in tree["means"])
    assert comparison_table(found).title == "belebele: accuracy, learnt from 4 English questions"
    assert task_score([0, 1, 1], [0, 1, 2], 0).macro_f1 is None


# ---- Belebele's files ----


def row(**changes: Any) -> dict[str, Any]:
    options = {f"mc_answer{number}": f"option {number}" for number in range(1, 5)}
    whole = {"link": "x", "flores_passage": "A passage.", "question": "What?", **options, "correct_answer_num": "2", "dialect": "deu_Latn"}
    return {key: value for key, value in {**whole, **changes}.items() if value is not None}


def write_rows(path: Path, *rows: Any) -> None:
    path.write_text("".join(json.dumps(one, ensure_ascii=False) + "\n" for one in rows), encoding="utf-8")


def test_usable_rows_are_read_and_the_others_counted_by_what_is_wrong(tmp_path: Path) -> None:
    rows = [
        row(),
        row(flores_passage="Zwei\n Zeilen", correct_answer_num=4),
        row(mc_answer4=None, mc_answer3=None, correct_answer_num=2.0),
        *(row(correct_answer_num=wrong) for wrong in ("0", "5", "two", None, True, "1.5")),
        row(question=" "),
        row(mc_answer3=""),
        row(mc_answer2=None),
        row(flores_passage=7),
        row(dialect="fra_Latn"),
        ["no object"],
    ]
    write_rows(tmp_path / "deu_Latn.jsonl", *rows)
    tally = Tally()
    found = read_split(BELEBELE, tmp_path, GERMAN, "test", tally)
    assert isinstance(found, Choices)
    assert found.labels == (1, 3, 1, 1)
    assert found.sizes == (4, 4, 2, 4)
    assert found.items[1].context == "Zwei Zeilen"
    assert (tally.kept, tally.read) == (4, len(rows))
    assert dict(tally.skipped) == {
        **{f"the right answer is number {wrong!r}": 1 for wrong in ("0", "5", "two", None, True, "1.5")},
        **dict.fromkeys(["no question", "no mc_answer3", "fewer than two options", "no flores_passage", "not a JSON object"], 1),
    }
    assert dict(tally.noted) == {"says that its dialect is 'fra_Latn'": 1}


def test_languages_are_the_test_files_and_an_unknown_one_is_said(tmp_path: Path) -> None:
    for name in ("deu_Latn", "arb_Arab", "xyz_Nope", "train", "dev"):
        write_rows(tmp_path / f"{name}.jsonl", row(dialect="eng_Latn", flores_passage="مقطع"))
    assert languages_of(BELEBELE, tmp_path) == [ARABIC, GERMAN]
    with pytest.raises(LanguageError, match=r"(?s)belebele has no Javanese here.*arb_Arab, deu_Latn"):
        read_task(BELEBELE, tmp_path, [JAVANESE], Tally())
    data = read_task(BELEBELE, tmp_path, [ARABIC], Tally())
    assert data.train.labels == (1,) and data.tests[0][1].texts[0] == "مقطع What? option 1"


def test_the_assembled_training_table_is_read_and_its_other_split_counted(tmp_path: Path) -> None:
    header = ["", "dataset", "split", "passage_id", "question_id", "passage", "question"]
    header += [*(f"answer{number}" for number in range(1, 5)), "correct_answer", "correct_answer_num"]
    rows = [
        ["0", "RACE", "train", "1", "1", 'He said "no",\nthen\tleft.', "Why?", "a", "b", "c", "d", "c", "3.0"],
        ["1", "RACE", "dev", "1", "2", "p", "q", "a", "b", "c", "d", "c", "3.0"],
        ["2", "sciQ", "train", "1", "3", "p", "q", "a", "", "c", "d", "c", "3.0"],
    ]
    with (tmp_path / "belebele_training_set.tsv").open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream, delimiter="\t", lineterminator="\n").writerows([header, *rows])
    tally = Tally()
    found = read_split(BELEBELE, tmp_path, ENGLISH, "train", tally)
    assert found == Choices((Choice('He said "no", then\tleft.', "Why?", ("a", "b", "c", "d")),), (2,))
    assert dict(tally.skipped) == {"of the split 'dev'": 1, "no answer2": 1}


def test_no_training_set_and_no_usable_row_are_errors(tmp_path: Path) -> None:
    write_rows(tmp_path / "deu_Latn.jsonl", row(question=None))
    with pytest.raises(CorpusError, match=r"(?s)no train set.*train\.jsonl or belebele_training_set\.tsv"):
        read_split(BELEBELE, tmp_path, ENGLISH, "train", Tally())
    with pytest.raises(CorpusError, match=r"(?s)not one usable row.*flores_passage, question, mc_answer1"):
        read_split(BELEBELE, tmp_path, GERMAN, "test", Tally())
