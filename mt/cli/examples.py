"""`dragoman examples`: files of examples for prompts, where there is no parallel text to take them from."""

from __future__ import annotations

import typer

from .examples_diverse import diverse
from .examples_mine import mine

examples = typer.Typer(
    name="examples",
    help="Make examples for prompts: mined out of monolingual text with a model, or diverse ones from other languages.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
)
for verb in (mine, diverse):
    examples.command()(verb)
