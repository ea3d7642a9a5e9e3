"""Tokens on disk: the same as in memory, made once, made again whenever anything they depend on changes or their files are damaged."""

from __future__ import annotations

import subprocess
import sys
import tracemalloc
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from training_recipes import recipe

from dragoman.mt import stage_data
from dragoman.mt.batches import StepDataset
from dragoman.mt.config import BatchConfig, MixtureConfig, RunConfig
from dragoman.mt.corpora import fingerprint
from dragoman.mt.corpora.records import Origin
from dragoman.mt.examples import Example, ExampleSink
from dragoman.mt.losses import target_loss
from dragoman.mt.prompts import load_template
from dragoman.mt.recipes import check_recipe
from dragoman.mt.stage_data import StageData, build_stage
from dragoman.mt.stage_tokens import column_codes, stage_folder
from dragoman.mt.token_files import ACCOUNT, NARROW, WIDE, ExampleWriter, stored_examples

TEMPLATE = load_template("alma")


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRAGOMAN_TOKENS", str(tmp_path / "tokens"))


@pytest.fixture(scope="module")
def tokenizer(tiny_llama_folder: Path) -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(tiny_llama_folder)


@pytest.fixture
def config(data: Path) -> RunConfig:
    """One stage of everything: pairs in both directions with terms, interlinear documents, text with a row to split and one to skip."""
    mono = data / "mono.txt"
    mono.write_text(mono.read_text(encoding="utf-8") + "chien " * 90 + "\n\n", encoding="utf-8")
    (data / "words.tsv").write_text("dog\tchien\ncat\tchat\n", encoding="utf-8")
    tree = recipe(data, Path("model"), Path("run"), evaluate=False)
    pairs = {"path": str(data / "train.tsv"), "source": "eng", "target": "fra", "max_rows": 60}
    tree["stages"][1]["corpora"] = [
        {**pairs, "name": "pairs", "directions": "both", "lexicon": str(data / "words.tsv"), "weight": 3},
        {**pairs, "name": "lines", "interlinear": True},
        {"name": "text", "path": str(mono), "language": "fra"},
    ]
    tree["stages"][1]["batch"]["max_length"] = 150
    return check_recipe(tree)


def built(config: RunConfig, tokenizer: Any, *, on_disk: bool = True) -> StageData:
    return build_stage(config, 1, tokenizer, TEMPLATE, on_disk=on_disk)


def changed(config: RunConfig, **stage: Any) -> RunConfig:
    return replace(config, stages=[config.stages[0], replace(config.stages[1], **stage)])


def facts(data: StageData) -> Any:
    """Everything of a stage's data, comparable."""
    examples = data.examples
    every = [(list(each.ids), each.target_start, each.origin) for each in (examples[i] for i in range(len(examples)))]
    flat = [array.tolist() for array in (examples.lengths(), examples.target_lengths(), examples.last_tokens())]
    tallies = {label: [(tally.to_json(), tally.lines()) for tally in tallies] for label, tallies in data.tallies.items()}
    return every, flat, data.plan.digest, data.target_tokens, tallies, list(data.tallies), data.streams, data.fertility


def test_examples_plan_and_losses_from_disk_are_those_from_memory(config: RunConfig, tokenizer: Any, tiny_llama_folder: Path) -> None:
    from transformers import AutoModelForCausalLM

    in_memory, written, read = built(config, tokenizer, on_disk=False), built(config, tokenizer), built(config, tokenizer)
    assert facts(in_memory) == facts(written) == facts(read)
    assert facts(read)[4]["text (fr)"][1][0]["noted"]  # the split row is accounted for
    assert [data.told and data.told.split(" tokens ")[1].split(" /")[0] for data in (in_memory, written, read)] == [
        None,
        "written to",
        "read from",
    ]
    model = AutoModelForCausalLM.from_pretrained(tiny_llama_folder)
    for layout in ("buckets", "packed"):
        datasets = [StepDataset(data.plan, data.examples, layout=layout, micro_tokens=300, padding=2) for data in (in_memory, read)]
        with torch.no_grad():
            losses = [[target_loss(model, batch).item() for batch in dataset[0]] for dataset in datasets]
        assert losses[0] == losses[1]


def test_what_is_on_disk_is_not_tokenised_again(config: RunConfig, tokenizer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    first = built(config, tokenizer)

    def refuse(*_: Any) -> None:
        pytest.fail("tokenised again")

    monkeypatch.setattr(stage_data, "_corpus_examples", refuse)
    others = {"mixture": MixtureConfig("temperature", 5.0), "schedule": config.stages[0].schedule, "train": config.stages[0].train}
    assert facts(built(config, tokenizer)) == facts(first)
    built(changed(config, **others, corpora=[replace(each, weight=7.0) for each in config.stages[1].corpora]), tokenizer)


def test_any_change_of_what_tokens_depend_on_is_another_folder(config: RunConfig, tokenizer: Any, data: Path) -> None:
    from transformers import AutoTokenizer

    stage = config.stages[1]
    corpora = stage.corpora

    def folder(stage: Any = stage, tokenizer: Any = tokenizer, template: Any = TEMPLATE, seed: int = 3) -> Path:
        return stage_folder(stage, [fingerprint(corpus) for corpus in stage.corpora], tokenizer, template, seed)

    other = AutoTokenizer.from_pretrained(tokenizer.name_or_path)
    other.add_tokens(["chien"])
    found = [
        folder(),
        folder(tokenizer=other),
        folder(template=replace(TEMPLATE, prompt=TEMPLATE.prompt + " ")),
        folder(seed=4),  # which pairs get terms
        folder(replace(stage, batch=BatchConfig(max_length=151))),
        folder(replace(stage, batch=BatchConfig(max_length=150, long_rows="refuse"))),
        folder(replace(stage, corpora=[*corpora[:2], replace(corpora[2], min_words=2)])),
        folder(replace(stage, corpora=corpora[::-1])),
    ]
    with (data / "words.tsv").open("a", encoding="utf-8") as stream:
        stream.write("tree\tarbre\n")
    found.append(folder())
    (data / "mono.txt").write_text((data / "mono.txt").read_text(encoding="utf-8").replace("lune", "Lune"), encoding="utf-8")
    found.append(folder())
    assert len(set(found)) == len(found)
    plain = [replace(each, lexicon=None) for each in corpora]
    assert folder(replace(stage, corpora=plain), seed=3) == folder(replace(stage, corpora=plain), seed=4)


def flipped(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize(
    "harm",
    [
        lambda folder: flipped(folder / "tokens.bin"),
        lambda folder: flipped(folder / "ends.bin"),
        lambda folder: flipped(folder / ACCOUNT),
        lambda folder: (folder / "tokens.bin").write_bytes((folder / "tokens.bin").read_bytes()[:-100]),
        lambda folder: (folder / "lines.bin").unlink(),
        lambda folder: (folder / "cached.json").write_text("{", encoding="utf-8"),
        lambda folder: (folder / "cached.json").unlink(),
    ],
    ids=["a bit of the tokens", "a bit of an index", "a bit of the account", "cut short", "a file gone", "no JSON", "no manifest"],
)
def test_damaged_files_are_noticed_said_and_made_again(harm: Any, tmp_path: Path) -> None:
    folder = tmp_path / "tokens" / "abc"
    before, _, _ = stored_examples(folder, NARROW, tokenise)
    harm(folder)
    after, account, told = stored_examples(folder, NARROW, tokenise)
    assert "written to" in told
    assert "damaged" in told
    assert account["corpora"] == "some"
    assert [list(after[i].ids) for i in range(3)] == [[1, 2, 3], [4, 65_535], [6, 7]]
    assert len(before) == len(after)
    assert "read from" in stored_examples(folder, NARROW, tokenise)[2]


def tokenise(sink: ExampleSink) -> dict[str, Any]:
    for number, ids in enumerate(([1, 2, 3], [4, 65_535], [6, 7])):
        sink.add(Example(ids, 1, Origin("a" if number else "b", 2**40 + number)))
    return {"corpora": "some"}


def test_what_fails_half_way_leaves_nothing(tmp_path: Path) -> None:
    def fail(sink: ExampleSink) -> dict[str, Any]:
        tokenise(sink)
        raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        stored_examples(tmp_path / "tokens" / "abc", NARROW, fail)
    assert [path.name for path in (tmp_path / "tokens").iterdir() if not path.name.endswith(".lock")] == []


def test_processes_that_start_at_once_tokenise_once(tmp_path: Path) -> None:
    program = f"""
import sys, time
from pathlib import Path
from dragoman.mt.corpora.records import Origin
from dragoman.mt.examples import Example
from dragoman.mt.token_files import NARROW, stored_examples

def tokenise(sink):
    time.sleep(0.3)
    sink.add(Example([1, 2, 3], 1, Origin("a", 1)))
    return {{}}

assert "torch" not in sys.modules
examples, _, told = stored_examples(Path({str(tmp_path / "tokens" / "abc")!r}), NARROW, tokenise)
print(list(examples[0].ids), told.split(" /")[0])
"""
    started = [subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) for _ in range(2)]
    said = sorted(process.communicate(timeout=60)[0].strip() for process in started)
    assert said == ["[1, 2, 3] 3 tokens read from", "[1, 2, 3] 3 tokens written to"]


def test_writing_takes_no_memory_that_grows_with_the_corpus(tmp_path: Path) -> None:
    example = Example(list(range(1000)), 1, Origin("a", 1))
    with ExampleWriter(tmp_path, NARROW) as writer:
        tracemalloc.start()
        for _ in range(1000):
            writer.add(example)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        writer.finish({})
    assert (tmp_path / "tokens.bin").stat().st_size == 2_000_000
    assert peak < 1_000_000


def test_ids_above_65535_take_four_bytes(tmp_path: Path) -> None:
    codes = [column_codes(SimpleNamespace(get_vocab=lambda last=last: {"a": 0, "z": last})) for last in (65_535, 65_536)]  # type: ignore[arg-type]
    assert codes == [NARROW, WIDE]
    wide = Example([65_536, 200_000], 1, Origin("a", 1))
    examples, _, _ = stored_examples(tmp_path / "wide", WIDE, lambda sink: sink.add(wide) or {})
    assert list(examples[0].ids) == [65_536, 200_000]
    with pytest.raises(OverflowError):
        stored_examples(tmp_path / "narrow", NARROW, lambda sink: sink.add(wide) or {})


def test_where_nothing_can_be_written_tokens_stay_in_memory(
    config: RunConfig, tokenizer: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("DRAGOMAN_TOKENS", str(tmp_path / "file" / "tokens"))
    data = built(config, tokenizer)
    assert data.told
    assert data.told.startswith("tokens are kept in memory")
    assert facts(data) == facts(built(config, tokenizer, on_disk=False))
