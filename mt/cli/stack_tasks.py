"""`dragoman stack tasks`: what a stack understands, beside what one would use otherwise."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import ConfigError, LanguageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from ...adapters.stacking.saving import LoadedStack
    from ...adapters.stacking.tasks.comparison import Comparison, ComparisonSettings
    from ...adapters.stacking.tasks.records import Task, TaskData
    from ...adapters.stacking.tasks.subject import Subject
    from ..languages import Language


def tasks(
    stack: Annotated[str, typer.Option("--stack", metavar="FOLDER", help="A stack, or the run that trained it.")],
    task: Annotated[str, typer.Option("--task", help="nusax (sentiment), sib200 (topics) or belebele (reading comprehension).")],
    data: Annotated[
        Path | None,
        typer.Option("--data", metavar="FOLDER", help="The task's folder, a folder or a file a language in it; else below DRAGOMAN_DATA."),
    ] = None,
    languages: Annotated[str, typer.Option("--languages", help="Languages to test, with commas; else all that the encoder knows.")] = "",
    seeds: Annotated[int, typer.Option("--seeds", min=1, help="Teachers and students, with the seeds 1 to N.")] = 3,
    systems: Annotated[str, typer.Option("--systems", help="Which of stack, llm, encoder, translate-test, with commas.")] = "",
    epochs: Annotated[int, typer.Option("--epochs", min=1, help="Passes over the English text, of teacher and student.")] = 20,
    batch: Annotated[int, typer.Option("--batch", min=1, help="Texts a step, or questions with their options.")] = 32,
    rate: Annotated[float, typer.Option("--rate", min=0, help="Peak learning rate.")] = 1e-4,
    rank: Annotated[int, typer.Option("--rank", min=1, help="Rank of the teacher's LoRA; its alpha is twice that.")] = 16,
    longest: Annotated[
        int | None, typer.Option("--longest", min=2, help="Tokens read of a text, 256 or all the encoder reads; cut texts are counted.")
    ] = None,
    rows: Annotated[int | None, typer.Option("--rows", min=1, help="Only the first N texts or questions of every split.")] = None,
    teachers: Annotated[
        Path | None, typer.Option("--teachers", metavar="FOLDER", help="Keep teachers here, and use those that are kept.")
    ] = None,
    device: Annotated[str, typer.Option("--device", help="auto, cpu or cuda.")] = "auto",
    dtype: Annotated[str, typer.Option("--dtype", help="Of the language model: auto, float32 or bfloat16.")] = "auto",
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write every figure as JSON; - for standard output.")
    ] = None,
) -> None:
    """Teach a task in English, test it in other languages: the stack, the language model alone, the encoder alone, translate-test.

    The language model learns the task with LoRA and a linear head; the stack learns to give the vectors that it gives (stage 2 of Schmidt
    et al. 2024). A question with options is a text an option, and the head scores each. The stack on disk stays as it is.

    Examples:

        dragoman stack tasks --stack runs/stack --task nusax --seeds 3 --json nusax.json

        dragoman stack tasks --stack runs/stack --task sib200 --languages deu,fra,ces --epochs 5 --teachers runs/teachers

        dragoman stack tasks --stack runs/stack --task belebele --data Belebele --epochs 5
    """
    from .console import check_outputs, make_console, quiet_libraries, write_json_output

    console = make_console()
    check_outputs(json_file)
    quiet_libraries()
    from ...adapters.stacking.saving import load_stack
    from ...adapters.stacking.tasks.comparison import ComparisonSettings, compare
    from ...adapters.stacking.tasks.from_stack import subject_of
    from ...adapters.stacking.tasks.readers import find_task, task_folder
    from ...adapters.stacking.tasks.tables import comparison_json, comparison_table
    from ...adapters.stacking.tasks.teacher import LoraSize
    from ...adapters.stacking.tasks.tuning import TuningSettings

    found = find_task(task)
    folder = task_folder(found, data)
    tuning = TuningSettings(epochs=epochs, batch=batch, rate=rate)
    settings = ComparisonSettings(tuple(range(1, seeds + 1)), tuning, tuning, LoraSize(rank, 2 * rank), _systems(systems), teachers)
    begun = time.perf_counter()
    opened = load_stack(stack, device=device, dtype=dtype)
    read = _read(found, folder, languages, rows, opened, console)
    subject = subject_of(opened.model, opened.tokenizer, opened.identity, longest=longest, mixed=opened.loaded.choice.mixed)
    if subject.translate is None and "translate-test" in settings.systems:
        console.print(
            "no translate-test: how to ask this encoder's translation model for English is not known", style="yellow", markup=False
        )
    comparison = compare(subject, read, settings, lambda line: console.print(line, style="dim", markup=False))
    for reader, count in subject.cuts.counts.items():
        console.print(f"cut at {subject.longest} tokens: {count} texts for the {reader}", style="yellow", markup=False)
    console.print(comparison_table(comparison))
    minutes = (time.perf_counter() - begun) / 60
    console.print(
        f"{minutes:.1f} minutes; seconds: " + ", ".join(f"{part} {spent:g}" for part, spent in comparison.seconds.items()), markup=False
    )
    write_json_output({**comparison_json(comparison), **_facts(settings, subject, stack, minutes, comparison, opened)}, json_file)


def _systems(spelled: str) -> tuple[str, ...]:
    from ...adapters.stacking.tasks.comparison import ENCODER, LLM, STACK, SYSTEMS, TRANSLATE

    names = {"stack": STACK, "llm": LLM, "encoder": ENCODER, "translate-test": TRANSLATE}
    wanted = [name.strip() for name in spelled.split(",") if name.strip()]
    for name in wanted:
        if name not in names:
            raise ConfigError(f"unknown system {name!r}", where="--systems", allowed=", ".join(names))
    return tuple(names[name] for name in wanted) or SYSTEMS


def _read(task: Task, folder: Path, spelled: str, rows: int | None, opened: LoadedStack, console: Console) -> TaskData:
    from ...adapters.stacking.tasks.readers import read_task
    from ..corpora import Tally

    tally = Tally()
    read = read_task(task, folder, _languages(task, folder, spelled, opened, console), tally, rows)
    for line in tally.lines():
        console.print(line, style="dim", markup=False)
    return read


def _languages(task: Task, folder: Path, spelled: str, opened: LoadedStack, console: Console) -> Sequence[Language]:
    """The languages asked for, which the encoder must know; else the task's that it knows.

    Raises:
        LanguageError: a language that the encoder does not know, or none is left.
    """
    from ...adapters.stacking.tasks.from_stack import known_languages
    from ...adapters.stacking.tasks.readers import languages_of
    from ..languages import find_language

    encoder = opened.model.encoder
    if spelled:
        asked = [find_language(each) for each in spelled.split(",")]
        for language in asked:
            encoder.check(language)
        return asked
    there = languages_of(task, folder)
    known = known_languages(encoder, there)
    if not known:
        raise LanguageError(f"the encoder knows none of the {len(there)} languages of {task.name}", where=str(folder))
    if len(known) < len(there):
        console.print(f"{len(there) - len(known)} of {len(there)} languages are left out: the encoder does not know them", markup=False)
    return known


def _facts(
    settings: ComparisonSettings,
    subject: Subject,
    stack: str,
    minutes: float,
    comparison: Comparison,
    opened: LoadedStack,
) -> dict[str, Any]:
    from dataclasses import asdict

    from ..runs import machine, package_versions

    return {
        "settings": {**asdict(settings), "cache": settings.cache and str(settings.cache), "longest": subject.longest},
        "stack": {"folder": stack, **asdict(opened.facts)},
        "cut": subject.cuts.counts,
        "languages": len(comparison.data.tests),
        "minutes": round(minutes, 2),
        "machine": machine(),
        "versions": package_versions(),
    }
