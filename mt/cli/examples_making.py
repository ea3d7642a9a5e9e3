"""What the verbs of `dragoman examples` share: text in, a model at work, an example file and its account out."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import CorpusError
from .console import check_outputs, quiet_libraries, translation_bar, write_json_output

if TYPE_CHECKING:
    from rich.console import Console

    from ..corpora import Segment, Tally
    from ..languages import Language
    from ..mining import Example, Translate
    from ..translator import Progress

# The options that both verbs have.
Source = Annotated[str, typer.Option("--from", help="Language to translate from, as ISO 639-3, BCP 47 or FLORES code.")]
Target = Annotated[str, typer.Option("--to", help="Language to translate into.")]
Output = Annotated[Path, typer.Option("--output", "-o", metavar="FILE.jsonl", help="Where the examples go.")]
Prompt = Annotated[str | None, typer.Option("--prompt", help="A template's name or YAML file; by default the model's own.")]
Beams = Annotated[int, typer.Option("--beams", min=1, help="Beams.")]
MaxNewTokens = Annotated[int | None, typer.Option("--max-new-tokens", help="Longest output; default twice the source's + 20.")]
BatchTokens = Annotated[int, typer.Option("--batch-tokens", help="Padded tokens that go through the model together.")]
Device = Annotated[str, typer.Option("--device", help="auto, cpu or cuda.")]
JsonFile = Annotated[Path | None, typer.Option("--json", metavar="FILE", help="The account as JSON; - for standard output.")]


def sentences(path: str, language: Language, most: int | None, seed: int, longest: int) -> tuple[list[Segment], Tally]:
    """Monolingual text: the usable lines of a file, or so many of them drawn at random, in the order of the file.

    Raises:
        CorpusError: no such file, or nothing in it that can be used.
    """
    from ..config import CorpusConfig
    from ..corpora import Tally, read_segments

    tally = Tally(f"reading {language.name}")
    found = list(read_segments(CorpusConfig(path, language=language.code, max_words=longest), tally))
    if most is None or most >= len(found):
        return found, tally
    taken = set(random.Random(f"{seed}\t{language.bcp47}").sample(range(len(found)), most))
    for number, segment in enumerate(found):
        if number not in taken:
            tally.kept -= 1
            tally.skip(segment.origin, f"not among the {most} drawn")
    return [segment for number, segment in enumerate(found) if number in taken], tally


@contextmanager
def working(
    console: Console, model: str, prompt: str | None, beams: int, max_new_tokens: int | None, batch_tokens: int, device: str
) -> Iterator[Translate]:
    """A model, with a bar for each direction it translates in."""
    quiet_libraries()
    from ..config import DecodingConfig
    from ..decoding import check_decoding
    from ..mining import translating
    from ..models import load_model
    from ..prompts import DEFAULT_TEMPLATE, load_template

    decoding = DecodingConfig(beams, max_new_tokens, stop="line", batch_tokens=batch_tokens)
    check_decoding(decoding)
    given = load_template(prompt) if prompt else None
    loaded = load_model(model, device=device, merge_adapter=True)
    with translation_bar(console) as bar:

        def progress(direction: str) -> Progress | None:
            console.print(f"translating {direction}", style="dim", markup=False)
            return bar

        yield translating(loaded, given or loaded.prompt or load_template(DEFAULT_TEMPLATE), decoding, progress)


def finish(
    console: Console, examples: Sequence[Example], tallies: Sequence[Tally], output: Path, json_file: Path | None, facts: dict[str, Any]
) -> None:
    """Write the file, tell what was left out on the way, and what to do next.

    Raises:
        CorpusError: there is no example.
    """
    if not examples:
        reasons = "; ".join(line.strip() for tally in tallies for line in tally.lines()[1:])
        raise CorpusError(f"not one example is left ({reasons})", allowed="more text, a better model or other limits")
    from ..mining import write_examples

    write_examples(examples, output)
    for tally in tallies:
        for line in tally.lines():
            console.print(line, style="dim", markup=False, soft_wrap=True)
    scores = sorted(example.score for example in examples if example.score is not None)
    middle = {"median_score": round(scores[len(scores) // 2], 4)} if scores else {}
    from ..runs import package_versions

    write_json_output(
        facts | {"versions": package_versions()} | {"examples": len(examples)} | middle | {"steps": [tally.to_json() for tally in tallies]},
        json_file,
    )
    console.print(f"{len(examples):,} examples are in {output}", markup=False, highlight=False, soft_wrap=True)
    console.print(f"next: dragoman translate --examples {output} ...", markup=False, highlight=False, soft_wrap=True)


def check_files(output: Path, json_file: Path | None) -> None:
    """See that both can be written, and that the examples go where their format can be told.

    Raises:
        ConfigError: they cannot.
        CorpusError: another ending than `.jsonl`.
    """
    check_outputs(output, json_file)
    if output.suffix not in (".jsonl", ".ndjson", ".json"):
        raise CorpusError("examples are written as JSON, an object a line", where=output, allowed="a name that ends in .jsonl")
