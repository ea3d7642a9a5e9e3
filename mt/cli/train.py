"""`dragoman train`: a recipe in, a run folder out."""

from __future__ import annotations

import shlex
from typing import Annotated

import typer


def train(
    recipe: Annotated[str, typer.Argument(help="A YAML file, or a shipped recipe's name (see --list).")] = "",
    overrides: Annotated[list[str] | None, typer.Argument(metavar="[KEY=VALUE]...", help="Settings that replace the recipe's.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the newest complete checkpoint of this run folder.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Throw away the run that is in the run folder.")] = False,
    accept_changes: Annotated[bool, typer.Option("--accept-changes", help="Resume although data, tokenizer or recipe changed.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Preflight only: data, one batch, memory and time. Writes nothing.")] = False,
    list_recipes: Annotated[bool, typer.Option("--list", help="List the shipped recipes and exit.")] = False,
) -> None:
    """Fine-tune a model in the stages a recipe describes.

    Examples:

        dragoman train alma-7b-lora --dry-run

        dragoman train my.yaml run=runs/try2 stages.parallel.schedule.peak=1e-3

        dragoman train my.yaml --resume
    """
    from ..errors import ConfigError
    from ..recipes import load_recipe, shipped_recipes

    if list_recipes:
        for name, path in shipped_recipes().items():
            first = path.read_text(encoding="utf-8").split("\n", 1)[0].lstrip("# ")
            typer.echo(f"{name:20} {first}")
        return
    if not recipe:
        shipped = ", ".join(shipped_recipes())
        raise ConfigError("no recipe is given", allowed=f"a YAML file, or one of {shipped}", hint="dragoman train --list")
    if resume and overwrite:
        raise ConfigError("--resume with --overwrite cannot be done", allowed="one of them")
    if accept_changes and not resume:
        raise ConfigError("--accept-changes without --resume means nothing", allowed="--resume --accept-changes")
    config = load_recipe(recipe, overrides or [])

    from .console import make_console, quiet_libraries

    quiet_libraries()  # before anything imports them
    console = make_console()

    from rich.text import Text

    from ..reports import scored_stages, stage_table
    from ..runs import RunOptions
    from ..stages import train_run

    finished = train_run(config, RunOptions(resume, overwrite, accept_changes, dry_run), console)
    if not finished.is_main:
        return
    if dry_run:
        console.print("dry run: nothing was written")
        return
    rows = scored_stages(finished.run.path)
    if rows:
        console.print(stage_table(rows))
    console.print(f"report: {finished.run.path / 'report.html'}", markup=False, soft_wrap=True)
    console.print(Text(f"next: dragoman translate --model {shlex.quote(str(finished.run.path))}"), soft_wrap=True)
