"""`dragoman quickstart`: from nothing to a fine-tuned translator, with a table that shows what it bought."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def quickstart(
    source: Annotated[str, typer.Option("--source", help="Language to translate from: fra, fr, fra_Latn or French.")] = "eng",
    target: Annotated[str, typer.Option("--target", help="Language to translate into; the catalogues hold 103 large enough.")] = "fra",
    minutes: Annotated[
        float | None, typer.Option("--minutes", help="Minutes to train; without it a fixed budget of 52,000 tokens.")
    ] = None,
    model: Annotated[str | None, typer.Option("--model", help="Folder, Hub id or pypi:NAME; the embedded SmolLM2-135M without it.")] = None,
    run: Annotated[str | None, typer.Option("--run", help="Run folder; runs/quickstart-SOURCE-TARGET without it.")] = None,
    seed: Annotated[int, typer.Option("--seed", help="Decides split, order and adapter.")] = 1,
    device: Annotated[str, typer.Option("--device", help="auto, cpu or cuda.")] = "auto",
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Also write the table, signatures, versions and seconds to this file.")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Throw away a quickstart run that is in the run folder.")] = False,
) -> None:
    """Fetch a small model and real translations, fine-tune in two stages, show what it bought.

    Examples:

        dragoman quickstart

        dragoman quickstart --target deu --minutes 20 --json table.json

        dragoman quickstart --source cy --target eng
    """
    from ..files import check_writable
    from .console import make_console, quiet_libraries

    if json_file:
        check_writable(json_file)
    quiet_libraries()  # before anything imports them
    console = make_console()

    from ..quickstart import QuickstartOptions, run_quickstart, show_result, write_result

    options = QuickstartOptions(source, target, run, minutes, model, seed, device, overwrite)
    result = run_quickstart(options, console)
    show_result(result, console)
    if json_file:
        write_result(result, json_file)
        console.print(f"table written to {json_file}", markup=False)
