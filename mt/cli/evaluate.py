"""`dragoman evaluate`: how good outputs or models are, with intervals and p-values."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from ...eval.records import Evaluation


def evaluate(
    hypotheses: Annotated[
        list[str] | None, typer.Option("--hypotheses", metavar="[NAME=]FILE", help="A system's output; repeat for several systems.")
    ] = None,
    references: Annotated[list[Path] | None, typer.Option("--references", "-r", help="Reference file; repeat for several streams.")] = None,
    source_file: Annotated[Path | None, typer.Option("--source", "-s", help="Source file, for COMET and for what a copy is.")] = None,
    test_set: Annotated[
        str | None, typer.Option("--test-set", "-t", help="flores200:devtest, ntrex128, wmt22, one of sacrebleu's, or a folder.")
    ] = None,
    pair: Annotated[str | None, typer.Option("--pair", "-p", help="Direction, or several: eng-deu,deu-eng.")] = None,
    pairs: Annotated[str | None, typer.Option("--pairs", help="A named list of directions: flores46.")] = None,
    model: Annotated[
        list[str] | None, typer.Option("--model", "-m", metavar="[NAME=]MODEL", help="Translate with it first: run, folder, Hub id, wheel.")
    ] = None,
    metrics: Annotated[str, typer.Option("--metrics", help="chrF++, BLEU, chrF, TER, spBLEU; separated by commas.")] = "chrF++,BLEU",
    tokenizer: Annotated[str | None, typer.Option("--tokenizer", help="BLEU's, instead of the target language's: 13a, zh, char.")] = None,
    spm_model: Annotated[Path | None, typer.Option("--spm-model", help="spBLEU's SentencePiece model.")] = None,
    comet: Annotated[bool, typer.Option("--comet", help="Also score with COMET, in the environment --install-comet builds.")] = False,
    comet_model: Annotated[
        list[str] | None, typer.Option("--comet-model", help="A COMET model by name or path; repeat for several.")
    ] = None,
    install_comet: Annotated[bool, typer.Option("--install-comet", help="Build COMET's environment (1.6 GB), and stop.")] = False,
    terms: Annotated[Path | None, typer.Option("--terms", help="A term list: adds how many terms were kept to.")] = None,
    terms_kind: Annotated[
        str | None, typer.Option("--terms-kind", help="Of a list with several dictionaries: terms, proper, random.")
    ] = None,
    test: Annotated[
        Literal["randomisation", "bootstrap"], typer.Option("--test", help="What gives p-values; bootstrap is that of Moses and sacrebleu.")
    ] = "randomisation",
    all_pairs: Annotated[bool, typer.Option("--all-pairs", help="Compare each system with each, not only with the first.")] = False,
    bootstrap: Annotated[int, typer.Option("--bootstrap", metavar="N", help="Resamples, for intervals and --test bootstrap.")] = 1000,
    trials: Annotated[int, typer.Option("--trials", metavar="N", help="Shuffles of --test randomisation.")] = 10_000,
    seed: Annotated[int, typer.Option("--seed", help="Of both.")] = 12345,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write everything as JSON; - for standard output.")] = None,
    tsv_file: Annotated[Path | None, typer.Option("--tsv", help="Write a line a score; - for standard output.")] = None,
    report: Annotated[
        Path | None, typer.Option("--report", metavar="FILE.html", help="Write a page with every segment to look at.")
    ] = None,
    beams: Annotated[int, typer.Option("--beams", "-b", help="Of --model: beam search with so many; 1 is greedy.")] = 1,
    batch_tokens: Annotated[int, typer.Option("--batch-tokens", help="Of --model: padded tokens that go through together.")] = 4096,
    prompting: Annotated[
        Path | None, typer.Option("--prompting", metavar="FILE.yaml", help="Of --model: examples, dictionary and glossary in the prompt.")
    ] = None,
    backend: Annotated[str, typer.Option("--backend", help="Of --model: auto, hf, ct2 (exports) or vllm.")] = "auto",
    device: Annotated[str, typer.Option("--device", help="Of --model: auto, cpu, cuda or cuda:N.")] = "auto",
    dtype: Annotated[str, typer.Option("--dtype", help="Of --model: auto, float32 or bfloat16.")] = "auto",
    no_cache: Annotated[bool, typer.Option("--no-cache", help="Of --model: translate again, and keep nothing.")] = False,
) -> None:
    """Score outputs or models on a test set, and test their differences.

    The first system is the one the others are compared with. The table goes to standard output, warnings to standard error.

    Examples:

        dragoman evaluate --hypotheses ours=out.de --hypotheses theirs=base.de --references ref.de --source src.en --pair eng-deu

        dragoman evaluate --model runs/first --test-set flores200:devtest --pair eng-fra,fra-eng --report report.html

        dragoman evaluate --hypotheses out.de --test-set wmt22:A+B --pair eng-deu --metrics chrF++,BLEU,TER --comet --json scores.json
    """
    from ...eval.comet import DEFAULT_MODEL
    from ...eval.evaluate import EvaluateOptions
    from ...eval.pairs import named_pairs, parse_pairs
    from ...eval.requests import Request, run_request
    from ...eval.significance import TestSettings
    from ..config import DecodingConfig
    from ..prompting import read_prompting
    from .console import make_console, quiet_libraries

    console = make_console()
    if install_comet:
        _install_comet(console)
        return
    _check_outputs(pair, pairs, json_file, tsv_file, report)
    options = EvaluateOptions(
        metrics=tuple(name.strip() for name in metrics.split(",") if name.strip()),
        tokenizer=tokenizer,
        spm_model=spm_model,
        comet=tuple(comet_model or ([DEFAULT_MODEL] if comet else [])),
        terms=terms,
        terms_kind=terms_kind,
        all_pairs=all_pairs,
        test=TestSettings(test, bootstrap, trials, seed),
    )
    request = Request(
        hypotheses=tuple(hypotheses or ()),
        references=tuple(references or ()),
        source_file=source_file,
        test_set=test_set,
        pairs=(*(parse_pairs(pair) if pair else ()), *(named_pairs(pairs) if pairs else ())),
        models=tuple(model or ()),
        options=options,
        decoding=DecodingConfig(beams=beams, stop="line", batch_tokens=batch_tokens),
        device=device,
        dtype=dtype,
        backend=backend,
        use_cache=not no_cache,
        prompting=read_prompting(prompting) if prompting else None,
    )
    if request.models:
        quiet_libraries()
    from .console import translation_bar

    with translation_bar(console) as progress:
        evaluations = run_request(request, lambda line: console.print(line, style="dim", markup=False), progress=progress)
    _show(evaluations, console, to_stderr=Path("-") in (json_file, tsv_file))
    _write(evaluations, json_file, tsv_file, report, console)


def _install_comet(console: Console) -> None:
    from ...eval.comet_install import install_comet

    python = install_comet(lambda line: console.print(line, style="dim", markup=False))
    console.print(f"COMET is ready: {python}", markup=False)


def _check_outputs(pair: str | None, pairs: str | None, json_file: Path | None, tsv_file: Path | None, report: Path | None) -> None:
    """Refuse what could not be written, before anything slow begins."""
    from ..errors import ConfigError
    from .console import check_outputs

    if pair and pairs:
        raise ConfigError("--pair with --pairs cannot be done", allowed="one of them")
    if json_file == tsv_file == Path("-"):
        raise ConfigError("--json and --tsv cannot both go to standard output", allowed="a file for one of them")
    check_outputs(json_file, tsv_file, report)


def _show(evaluations: Sequence[Evaluation], console: Console, *, to_stderr: bool) -> None:
    from rich.console import Console as Terminal

    from ...eval.tables import tables

    shown = console if to_stderr else Terminal(highlight=False)
    if not to_stderr and not shown.is_terminal:
        shown = Terminal(highlight=False, width=160)
    for table in tables(evaluations):
        shown.print(table)
    for signature in dict.fromkeys(
        f"{one.name}: {one.signature}" for each in evaluations for result in each.results for one in result.scores
    ):
        shown.print(signature, style="dim", markup=False, soft_wrap=True)
    for each in evaluations:
        place = f"{each.test_set.direction}: " if len(evaluations) > 1 else ""
        for warning in each.warnings:
            console.print(f"warning: {place}{warning}", markup=False, soft_wrap=True)


def _write(evaluations: Sequence[Evaluation], json_file: Path | None, tsv_file: Path | None, report: Path | None, console: Console) -> None:
    from ...eval.exports import to_json, to_tsv
    from .console import write_json_output, write_output

    if json_file is not None:
        write_json_output(to_json(evaluations), json_file)
    if tsv_file is not None:
        write_output(to_tsv(evaluations), tsv_file)
    if report is not None:
        from ...eval.report import write_report

        console.print(f"report: {write_report(evaluations, report)}", markup=False, soft_wrap=True)
