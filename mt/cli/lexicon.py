"""`dragoman lexicon`: dictionaries made from parallel text or by a model, and any dictionary looked over before it is used."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from ..lexicons import Lexicon

lexicon = typer.Typer(
    name="lexicon",
    help="Make a dictionary out of parallel text or with a model, or look one over before it goes into prompts.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
)

_Source = Annotated[str, typer.Option("--from", help="The language looked up, as ISO 639-3, BCP 47 or FLORES code.")]
_Target = Annotated[str, typer.Option("--to", help="The language of the translations.")]
_Output = Annotated[Path, typer.Option("--output", "-o", metavar="FILE.tsv", help="Where the entries go, a translation a line.")]
_Json = Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Write the figures as JSON; - for standard output.")]


@lexicon.command()
def learn(
    text: Annotated[list[str], typer.Argument(metavar="FILE [FILE]", help="Two aligned files, or one TSV, CSV, JSONL or PO file.")],
    source: _Source,
    target: _Target,
    output: _Output,
    min_count: Annotated[int, typer.Option("--min-count", min=1, help="Links a translation needs.")] = 3,
    min_share: Annotated[float, typer.Option("--min-share", min=0, max=1, help="Share of a word's links a translation needs.")] = 0.1,
    alternatives: Annotated[int, typer.Option("--alternatives", min=1, help="Most translations of a word.")] = 5,
    lines: Annotated[int | None, typer.Option("--lines", min=1, help="Only the first N pairs.")] = None,
    json_file: _Json = None,
) -> None:
    """Learn a dictionary of single words from parallel text (IBM Model 1, both directions, their common links).

    Examples:

        dragoman lexicon learn train.en train.de --from eng --to deu -o en_de.tsv

        dragoman lexicon learn pairs.tsv --from eng --to lij --min-count 2 --json figures.json -o en_lij.tsv
    """
    from ..config import CorpusConfig
    from ..corpora import Tally, read_pairs
    from ..languages import find_language
    from ..lexicons import AlignmentSettings, learn_lexicon
    from .console import check_outputs, make_console

    console = make_console()
    first, second = find_language(source), find_language(target)
    check_outputs(output, json_file)
    corpus = CorpusConfig(list(text) if len(text) > 1 else text[0], source=source, target=target, max_rows=lines)
    tally = Tally()
    pairs = [(pair.source, pair.target) for pair in read_pairs(corpus, tally)]
    _tell(console, tally.lines())
    settings = AlignmentSettings(min_count=min_count, min_probability=min_share, alternatives=alternatives)
    _finish(learn_lexicon(pairs, first.bcp47, second.bcp47, settings, name=" + ".join(text)), output, json_file, console)


@lexicon.command()
def translate(
    words: Annotated[str, typer.Argument(metavar="FILE", help="A word or phrase a line; - for standard input.")],
    model: Annotated[str, typer.Option("--model", "-m", help="A folder, run, Hub id or wheel.")],
    source: _Source,
    target: _Target,
    output: _Output,
    copies: Annotated[bool, typer.Option("--copies", help="Keep outputs that repeat their source, as names do.")] = False,
    beams: Annotated[int, typer.Option("--beams", min=1, help="Beams.")] = 1,
    device: Annotated[str, typer.Option("--device", help="auto, cpu or cuda.")] = "auto",
    json_file: _Json = None,
) -> None:
    """Make a dictionary by asking a model for a translation of each word.

    Examples:

        dragoman lexicon translate words.eng --model runs/first --from eng --to fra -o en_fr.tsv

        cut -f1 counts.tsv | dragoman lexicon translate - -m runs/first --from eng --to fra -o en_fr.tsv
    """
    from ..languages import find_language
    from .console import check_outputs, make_console, quiet_libraries, translation_bar

    console = make_console()
    first, second = find_language(source), find_language(target)
    check_outputs(output, json_file)
    asked = list(dict.fromkeys(_lines(words)))
    quiet_libraries()
    from ..config import DecodingConfig
    from ..lexicons import translate_lexicon
    from ..translator import Translator

    translator = Translator.from_source(model, first, second, DecodingConfig(beams=beams), device=device)
    with translation_bar(console) as progress:

        def answers(texts: list[str]) -> list[str]:
            return [one.text for one in translator.translate(texts, progress=progress)]

        made = translate_lexicon(asked, answers, first.bcp47, second.bcp47, name=words, copies=copies)
    _finish(made, output, json_file, console)


@lexicon.command()
def check(
    file: Annotated[str, typer.Argument(metavar="FILE[:format]", help="Any lexicon: TSV, CSV, JSONL, TBX, FreeDict, GATITOS, NusaX.")],
    source: _Source,
    target: _Target,
    text: Annotated[
        str | None, typer.Option("--text", metavar="FILE", help="Text of the source language: how much of it the entries cover.")
    ] = None,
    json_file: _Json = None,
) -> None:
    """Read a dictionary as `translate --dictionary` would; tell what is in it, what is wrong with it and what it covers.

    Examples:

        dragoman lexicon check terms.tbx --from eng --to deu

        dragoman lexicon check gatitos --from eng --to lus --text news.eng --json figures.json
    """
    from ..lexicons import Matcher, read_lexicon
    from ..prompting.loading import split_format
    from .console import check_outputs, make_console, write_json_output

    console = make_console()
    check_outputs(json_file)
    path, form = split_format(file)
    read = read_lexicon(path, source, target, form)
    figures = _figures(read)
    _tell(console, read.warnings)
    if text is not None:
        matcher, lines = Matcher.of(read), list(_lines(text))
        found = [matcher.find(line) for line in lines]
        figures |= {"lines": len(lines), "lines_with_entries": sum(map(bool, found)), "found": sum(map(len, found))}
        console.print(f"{figures['found']:,} entries stand in {figures['lines_with_entries']:,} of {len(lines):,} lines", highlight=False)
    write_json_output(figures, json_file)
    console.print(f"{figures['entries']:,} entries with {figures['translations']:,} translations", highlight=False)


def _lines(name: str) -> Iterator[str]:
    """The lines of a file, or of standard input, without outer whitespace and without empty ones."""
    from .segments import open_input, read_segments

    with open_input(name) as stream:
        yield from filter(None, (segment.text.strip() for segment in read_segments(stream, "line")))


def _figures(made: Lexicon) -> dict[str, Any]:
    return {
        "name": made.name,
        "source": made.source.bcp47,
        "target": made.target.bcp47,
        "entries": len(made),
        "translations": sum(len(entry.targets) for entry in made.entries),
        "tally": made.tally.to_json(),
    }


def _finish(made: Lexicon, output: Path, json_file: Path | None, console: Console) -> None:
    from ..lexicons import write_tsv
    from .console import write_json_output

    write_tsv(made, output)
    _tell(console, made.warnings)
    write_json_output(_figures(made), json_file)
    console.print(f"{len(made):,} entries are in {output}", markup=False, highlight=False, soft_wrap=True)
    console.print("next: dragoman translate --dictionary " + str(output) + " ...", markup=False, highlight=False, soft_wrap=True)


def _tell(console: Console, lines: Iterable[str]) -> None:
    for line in lines:
        console.print(f"note: {line}", style="dim", markup=False, soft_wrap=True)
