"""Where people's output goes: standard error for progress and tables, so that standard output stays data."""

from __future__ import annotations

import json
import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from rich.console import Console

if TYPE_CHECKING:
    from ..translator import Progress


def make_console() -> Console:
    """A console on standard error; wide enough for tables when it is not a terminal."""
    console = Console(stderr=True, highlight=False)
    if not console.is_terminal:
        console = Console(stderr=True, highlight=False, width=140)
    _show_our_notes(console)
    return console


def _show_our_notes(console: Console) -> None:
    """The library logs what takes long ("fetching ...", "converting ..."); people want to know."""
    logger = logging.getLogger("dragoman")
    handler = logging.Handler()
    handler.emit = lambda record: console.print(record.getMessage(), style="dim", markup=False)  # type: ignore[method-assign]
    logger.handlers = [handler]
    logger.setLevel(logging.INFO)
    logger.propagate = False


def quiet_libraries() -> None:
    """Keep libraries' own progress bars and advice out of our output; their errors still raise."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
    import transformers

    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    warnings.filterwarnings("ignore", category=UserWarning, module="torch|peft|transformers|accelerate|bitsandbytes")
    warnings.filterwarnings("ignore", category=FutureWarning)


@contextmanager
def translation_bar(console: Console, work: str = "translating") -> Iterator[Progress | None]:
    """A bar on standard error when that is a terminal; nothing otherwise."""
    if not console.is_terminal:
        yield None
        return
    from rich.progress import Progress as Bar
    from rich.progress import TimeElapsedColumn

    with Bar(*Bar.get_default_columns(), TimeElapsedColumn(), console=console, transient=True) as bar:
        task = bar.add_task(work)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def check_outputs(*paths: Path | None) -> None:
    """See, before any work is done, that files can be written where they are wanted; `-` and None are always fine.

    Raises:
        DragomanError: as `files.check_writable`.
    """
    from ..files import check_writable

    for path in paths:
        if path is not None and path != Path("-"):
            check_writable(path)


def write_json_output(tree: Any, path: Path | None) -> None:
    """What `--json FILE` asks for: a tree of plain values in a file, or with `-` on standard output. NaN is no JSON, and fails loudly."""
    if path is not None:
        write_output(json.dumps(tree, ensure_ascii=False, indent=1, allow_nan=False) + "\n", path)


def write_output(text: str, path: Path) -> None:
    """A whole file, or with `-` standard output."""
    from ..files import write_atomically

    typer.echo(text, nl=False) if path == Path("-") else write_atomically(path, text)
