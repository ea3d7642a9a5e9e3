"""The `dragoman` command: finds the verb, prints user errors without a traceback, exits with 2 on them.

Verbs import what they need when they run, so that `dragoman --help` answers at once.
"""

from __future__ import annotations

import errno
import os
import sys
from importlib.metadata import version as installed_version
from typing import Annotated

import typer

from ..errors import DragomanError
from .doctor import doctor
from .quickstart import quickstart
from .train import train
from .translate import translate

app = typer.Typer(
    name="dragoman",
    help="Dragoman makes language models translate: fine-tune, evaluate, translate.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    epilog="Start with **dragoman quickstart**; **dragoman VERB --help** shows examples.",
)
for verb in (quickstart, train, translate, doctor):
    app.command()(verb)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"dragoman {installed_version('dragoman')}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")] = False,
) -> None:
    """Dragoman makes language models translate: fine-tune, evaluate, translate."""


def main() -> None:
    """Run the command line; user errors and full disks exit with 2 and one message, Ctrl-C with 130."""
    try:
        app()
    except DragomanError as error:
        _fail(str(error))
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS):
            raise
        _fail(f"{error.filename or 'output'}: {error.strerror}\n  next: free some space or choose another folder")
    except KeyboardInterrupt:
        sys.stderr.write("\ninterrupted; a run goes on with --resume\n")
        os._exit(130)


def _fail(message: str) -> None:
    sys.stderr.write(f"error: {message}\n")
    sys.exit(2)
