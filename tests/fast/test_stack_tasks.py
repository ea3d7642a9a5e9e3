"""Tasks for stacks: readers, scores, teachers, students and the comparison, on a tiny language model built in code."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM, AutoTokenizer

from dragoman.adapters.stacking.model import masked_mean
from dragoman.adapters.stacking.tasks.adapters import adapter_parameters, copied
from dragoman.adapters.stacking.tasks.comparison import ENCODER, LLM, STACK, TRANSLATE, ComparisonSettings, compare
from dragoman.adapters.stacking.tasks.heads import fit_head
from dragoman.adapters.stacking.tasks.readers import find_task, languages_of, read_split, read_task
from dragoman.adapters.stacking.tasks.reading import Cuts, Padding, text_rows, vectors_of
from dragoman.adapters.stacking.tasks.records import Labelled, TaskData
from dragoman.adapters.stacking.tasks.scores import mean_and_spread, task_score
from dragoman.adapters.stacking.tasks.student import distilled
from dragoman.adapters.stacking.tasks.subject import Subject
from dragoman.adapters.stacking.tasks.tables import comparison_json, comparison_table
from dragoman.adapters.stacking.tasks.teacher import Lesson, LoraSize, teaching
from dragoman.adapters.stacking.tasks.tuning import TuningSettings, tune
from dragoman.mt.corpora.tally import Tally
from dragoman.mt.errors import ConfigError, CorpusError, LanguageError
from dragoman.mt.languages import find_language

ENGLISH, JAVANESE = find_language("eng"), find_language("jav")
QUICK = TuningSettings(epochs=8, batch=8, rate=1e-2)
TEXTS = ("good good food", "bad bad room", "good bed", "bad food", "a good room", "a bad bed", "good", "bad")
LABELS = (2, 0, 2, 0, 2, 0, 2, 0)
ITEMS = Labelled(TEXTS, LABELS)


def subject_with_equal_encoder(folder: Path, *, longest: int = 64) -> Subject:
    """A stack whose encoder is the language model's own tokenizer and embeddings."""
    model = AutoModelForCausalLM.from_pretrained(folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    torch.manual_seed(0)
    llm = get_peft_model(model, LoraConfig(r=4, target_modules="all-linear", task_type="CAUSAL_LM"), adapter_name="stack")
    llm.eval()

    def read(ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        base = llm.get_base_model().model
        return masked_mean(base(inputs_embeds=base.embed_tokens(ids), attention_mask=mask).last_hidden_state, mask)

    def embedded(ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        return masked_mean(llm.get_base_model().model.embed_tokens(ids), mask)

    return Subject(
        llm=llm,
        adapter="stack",
        identity="tiny",
        tokenizer=tokenizer,
        read_text=read,
        read_source=read,
        read_encoder=embedded,
        encode=lambda texts, _: text_rows(texts, tokenizer),
        text_padding=Padding(0),
        source_padding=Padding(0),
        translate=lambda texts, _: [text.replace("apik", "good").replace("ala", "bad") for text in texts],
        longest=longest,
        cuts=Cuts(),
    )


@pytest.fixture
def subject(tiny_llama_folder: Path) -> Subject:
    return subject_with_equal_encoder(tiny_llama_folder)


def lesson(settings: TuningSettings = QUICK, seed: int = 1) -> Lesson:
    return Lesson(ITEMS, 3, settings, LoraSize(rank=4), seed)


def weights_of(subject: Subject) -> dict[str, torch.Tensor]:
    return {name: value.detach().clone() for name, value in subject.llm.named_parameters()}


def test_a_teacher_learns_the_task_and_leaves_the_model_as_it_was(subject: Subject) -> None:
    before = weights_of(subject)
    with teaching(subject, lesson(replace(QUICK, epochs=12))) as teacher:
        assert teacher.labels(ITEMS) == list(LABELS)
        assert teacher.head.bias is None
        assert teacher.head.weight.shape == (3, teacher.states.shape[1])
    after = weights_of(subject)
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert subject.llm.active_adapter == "stack"


def test_cached_teacher_states_equal_fresh_ones_and_other_lessons_are_not_mixed_up(subject: Subject, tmp_path: Path) -> None:
    with teaching(subject, lesson(), cache=tmp_path) as fresh:
        again = fresh.vectors(ITEMS)
    lines: list[str] = []
    with teaching(subject, lesson(), cache=tmp_path, report=lines.append) as kept:
        assert not lines
        assert torch.equal(kept.states, fresh.states)
        assert torch.equal(kept.states, again)
        assert torch.equal(kept.vectors(ITEMS), again)
        assert torch.equal(kept.head.weight, fresh.head.weight)
    with teaching(subject, lesson(seed=2), cache=tmp_path, report=lines.append) as other:
        assert len(lines) == QUICK.epochs
        assert not torch.equal(other.states, fresh.states)


def test_the_same_seed_gives_the_same_teacher(subject: Subject) -> None:
    with teaching(subject, lesson()) as one:
        pass
    with teaching(subject, lesson()) as other:
        pass
    assert torch.equal(one.states, other.states)


def test_a_student_with_an_equal_encoder_gets_the_teachers_vectors_and_labels(subject: Subject) -> None:
    settings = replace(QUICK, epochs=30, rate=1e-2)
    with teaching(subject, lesson(replace(QUICK, epochs=12))) as teacher:
        plain = vectors_of(subject.read_text, subject.text_rows(TEXTS), subject.text_padding)
        states, head = teacher.states, teacher.head
    with distilled(subject, ITEMS, ENGLISH, states, head, settings, seed=1) as student:
        assert student.labels(ITEMS, JAVANESE) == list(LABELS)
        left = (student.vectors(ITEMS, ENGLISH) - states).square().mean()
        assert left < 0.2 * (plain - states).square().mean()
        assert student.losses[-1] < 0.2 * student.losses[0]


def test_only_the_adapter_moves_in_a_student_and_it_is_put_back(subject: Subject) -> None:
    before, adapter = weights_of(subject), copied(subject.llm, "stack")
    states = torch.ones(len(TEXTS), subject.llm.config.hidden_size)
    head = fit_head(states, LABELS, 3)
    with distilled(subject, ITEMS, ENGLISH, states, head, QUICK, seed=1):
        moved = {name for name, value in weights_of(subject).items() if not torch.equal(value, before[name])}
    assert moved
    assert moved <= adapter.keys() == adapter_parameters(subject.llm, "stack").keys()
    assert all(torch.equal(value, before[name]) for name, value in weights_of(subject).items())


def test_every_system_is_compared_on_every_language_with_every_seed(subject: Subject) -> None:
    data = TaskData(
        find_task("nusax"),
        Labelled(TEXTS, LABELS),
        ((ENGLISH, Labelled(TEXTS, LABELS)), (JAVANESE, Labelled(("apik apik", "ala ala"), (2, 0)))),
    )
    settings = ComparisonSettings(seeds=(1, 2), teacher=replace(QUICK, epochs=12), student=QUICK, lora=LoraSize(rank=4))
    found = compare(subject, data, settings)
    assert {(each.system, each.seed) for each in found.results} == {
        *((system, seed) for system in (STACK, LLM, TRANSLATE) for seed in (1, 2)),
        (ENCODER, None),
    }
    assert [score.accuracy for score in found.scores(TRANSLATE, JAVANESE)] == [100.0, 100.0]
    assert not found.scores(TRANSLATE, ENGLISH)
    assert found.scores(ENCODER, ENGLISH)[0].accuracy == 100.0
    assert comparison_table(found).row_count == 2
    tree = comparison_json(found)
    stack = next(each for each in tree["means"] if (each["system"], each["language"]) == (STACK, "eng_Latn"))
    assert stack["accuracy"] == pytest.approx(sum(score.accuracy for score in found.scores(STACK, ENGLISH)) / 2, abs=1e-3)
    assert set(tree["seconds"]) == {"teacher", "student", "translation", *(STACK, LLM, TRANSLATE, ENCODER)}


def test_vectors_do_not_depend_on_the_batch_they_are_read_in(subject: Subject) -> None:
    rows = subject.text_rows(["a", "a much longer text than the first", "good"])
    together = vectors_of(subject.read_text, rows, subject.text_padding)
    alone = torch.cat([vectors_of(subject.read_text, [row], subject.text_padding) for row in rows])
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-4)


def test_long_texts_are_cut_and_counted(tiny_llama_folder: Path) -> None:
    short = subject_with_equal_encoder(tiny_llama_folder, longest=3)
    rows = short.source_rows(["one two three four five", "a"], ENGLISH)
    whole = text_rows(["one two three four five"], short.tokenizer)[0]
    assert rows[0] == [*whole[:2], whole[-1]]
    assert short.text_rows(["one two three four five"])[0] == whole[:3]
    assert short.cuts.counts == {"encoder": 1, "language model": 1}


def test_scores_are_those_of_the_field() -> None:
    found = task_score([0, 0, 1, 2], [0, 1, 1, 1], 3)
    assert found.accuracy == 50.0
    assert found.macro_f1 == pytest.approx(100 * (2 / 3 + 0.5 + 0) / 3)
    assert mean_and_spread([1.0, 3.0]) == (2.0, pytest.approx(2**0.5))
    assert mean_and_spread([1.0]) == (1.0, None)


def test_a_head_separates_what_can_be_separated() -> None:
    vectors = torch.tensor([[0.0, 5.0], [0.1, 5.1], [900.0, 5.0], [901.0, 5.2]])
    assert fit_head(vectors, [1, 1, 0, 0], 2).labels(vectors) == [1, 1, 0, 0]


@pytest.mark.parametrize("count", [1, 7, 40])
def test_tuning_takes_every_row_once_an_epoch(count: int) -> None:
    weight, seen = torch.nn.Parameter(torch.zeros(1)), []

    def loss_of(batch: Sequence[int]) -> torch.Tensor:
        seen.extend(batch)
        return (weight - 1).square().sum()

    tune([weight], loss_of, [row % 5 for row in range(count)], TuningSettings(epochs=2, batch=4, rate=0.1), seed=3)
    assert sorted(seen[:count]) == sorted(seen[count:]) == list(range(count))


def _write(folder: Path, language: str, split: str, text: str) -> None:
    (folder / language).mkdir(parents=True, exist_ok=True)
    (folder / language / split).write_text(text, encoding="utf-8")


def test_rows_with_unknown_labels_are_counted_and_quotes_mean_what_the_format_says(tmp_path: Path) -> None:
    _write(tmp_path / "n", "toba_batak", "test.csv", 'id,text,label\n1,"a, ""b""",positive\n2,c,odd\n3,,neutral\n')
    tally, batak = Tally(), find_language("bbc")
    assert read_split(find_task("nusax"), tmp_path / "n", batak, "test", tally) == Labelled(('a, "b"',), (2,))
    assert dict(tally.skipped) == {"the label 'odd'": 1, "no text": 1}
    _write(tmp_path / "s", "nqo_Nkoo", "test.tsv", 'index_id\tcategory\ttext\n1\tsports\t"ߒߞߏ\n')
    nko = find_language("nqo")
    assert read_split(find_task("sib200"), tmp_path / "s", nko, "test", Tally()) == Labelled(('"ߒߞߏ',), (3,))
    assert languages_of(find_task("sib200"), tmp_path / "s") == [nko]


def test_what_cannot_be_read_is_said(tmp_path: Path) -> None:
    _write(tmp_path, "eng_Latn", "train.tsv", "index_id\ttext\n")
    task = find_task("sib200")
    with pytest.raises(CorpusError, match="no column named category"):
        read_split(task, tmp_path, ENGLISH, "train", Tally())
    with pytest.raises(LanguageError, match="no Javanese here"):
        read_task(task, tmp_path, [JAVANESE], Tally())
    with pytest.raises(ConfigError, match="unknown task 'sib'"):
        find_task("sib")
