"""The `dragoman` command: finds the verb, prints user errors without a traceback, exits with 2 on them.

Verbs import what they need when they run, so that `dragoman --help` answers at once.
"""

from __future__ import annotations

import errno
import os
import sys
from importlib.metadata import version as installed_version
from io import TextIOWrapper
from pathlib import Path
from typing import Annotated

import typer

from ..errors import DragomanError
from .app import app_command
from .doctor import doctor
from .evaluate import evaluate
from .examples import examples
from .export import export
from .lexicon import lexicon
from .quickstart import quickstart
from .stack import stack
from .train import train
from .translate import translate
from .vocab import vocab

_INTERRUPTED = 130
_SPACE, _RIGHTS, _PATH = "free some space, or choose another folder", "choose a file or folder you may use", "choose another path"
_ADVICE = {
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT), _SPACE),
    **dict.fromkeys((errno.EACCES, errno.EPERM, errno.EROFS), _RIGHTS),
    **dict.fromkeys((errno.ENAMETOOLONG, errno.ENOTDIR, errno.EISDIR, errno.ELOOP), _PATH),
}

app = typer.Typer(
    name="dragoman",
    help="Dragoman makes language models translate: fine-tune, evaluate, translate.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    epilog="Start with **dragoman quickstart**; **dragoman VERB --help** shows examples.",
)
for verb in (quickstart, train, translate, evaluate, doctor):
    app.command()(verb)
app.command("app")(app_command)
app.add_typer(vocab)
app.add_typer(examples)
app.add_typer(lexicon)
app.add_typer(export)
app.add_typer(stack)


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
    """Run the command line; user errors, full disks and unusable paths exit with 2 and one message, Ctrl-C with 130."""
    _mend_streams()
    try:
        app()
    except DragomanError as error:
        _fail(str(error))
    except OSError as error:
        if error.errno not in _ADVICE:
            raise
        _fail(f"{error.filename or 'output'}: {error.strerror}\n  next: {_ADVICE[error.errno]}")
    except SystemExit as stop:
        if stop.code == _INTERRUPTED:
            _interrupted(stop)
        raise


def _mend_streams() -> None:
    """Make the standard streams safe to write to, whatever the shell and the locale left of them.

    A closed one (`2>&-`) becomes the null device, or the next file opened would take its number and receive what is printed there. A
    character that the terminal's encoding lacks is shown as its number.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number, which is this one
    if sys.stderr is None:
        sys.stderr = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - open as long as the process
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _interrupted(stop: BaseException | None) -> None:
    """One line for Ctrl-C, with what the interrupted work says about going on; then out, without waiting for any thread."""
    notes: list[str] = []
    while stop is not None:
        notes += getattr(stop, "__notes__", [])
        stop = stop.__cause__ or stop.__context__
    sys.stderr.write("\n" + "; ".join(["interrupted", *notes]) + "\n")
    sys.stderr.flush()
    os._exit(_INTERRUPTED)


def _fail(message: str) -> None:
    _drop_unwritable_output()
    sys.stderr.write(f"error: {message}\n")
    sys.exit(2)


def _drop_unwritable_output() -> None:
    """What standard output still holds and cannot take (a full disk) must not raise again when Python exits."""
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
