"""`dragoman stack`: a translation encoder in front of a language model, trained, and tested on tasks."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from .stack_tasks import tasks

stack = typer.Typer(
    name="stack",
    help="Put a translation model's encoder in front of a language model, so that it understands, and translates from, more languages.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
)


@stack.command()
def train(
    recipe: Annotated[Path, typer.Argument(help="A YAML file: encoder, language model, stages.")],
    overrides: Annotated[list[str] | None, typer.Argument(metavar="[KEY=VALUE]...", help="Settings that replace the recipe's.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the newest complete checkpoint of this run folder.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Throw away the run that is in the run folder.")] = False,
    accept_changes: Annotated[bool, typer.Option("--accept-changes", help="Resume although data, models or recipe changed.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Load both models, read the text, say what is planned. Writes nothing.")
    ] = False,
) -> None:
    """Train a stack in the stages a recipe describes: distil, mapping, generation.

    Examples:

        dragoman stack train captions.yaml --dry-run

        dragoman stack train captions.yaml run=runs/try2 encoder.source=facebook/nllb-200-distilled-600M

        dragoman stack train captions.yaml --resume
    """
    from ...adapters.stacking.config import load_stack_recipe
    from ..errors import ConfigError

    if resume and overwrite:
        raise ConfigError("--resume with --overwrite cannot be done", allowed="one of them")
    if accept_changes and not resume:
        raise ConfigError("--accept-changes without --resume means nothing", allowed="--resume --accept-changes")
    config = load_stack_recipe(recipe, overrides or [])

    from .console import make_console, quiet_libraries

    quiet_libraries()  # before anything imports them
    console = make_console()

    from ...adapters.stacking.run import train_stack
    from ..runs import RunOptions

    options = RunOptions(resume, overwrite, accept_changes, dry_run)
    finished = train_stack(config, options, lambda line: console.print(line, markup=False, soft_wrap=True))
    if dry_run:
        console.print("dry run: nothing was written")
    elif finished.loaded.stack is not None and any(one.kind == "generation" for one in config.stages):
        console.print(f"next: dragoman translate --model {shlex.quote(str(finished.run.path))}", markup=False, soft_wrap=True)


stack.command()(tasks)
