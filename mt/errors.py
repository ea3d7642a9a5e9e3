"""One small tree of errors for users.

Each carries what is wrong, where, what is allowed and what to do next; the command line prints it without a traceback and exits with 2.
Broken promises inside Dragoman itself are `assert`s, never these.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path


class DragomanError(ValueError):
    """Something the user gave cannot be used.

    Args:
        problem: what was given and why it cannot be used, one sentence.
        where: file, `file:line` or key the problem is at.
        allowed: what would be accepted there.
        hint: the next command or change to try.
    """

    def __init__(self, problem: str, *, where: str | Path | None = None, allowed: str | None = None, hint: str | None = None) -> None:
        super().__init__(problem, where, allowed, hint)
        self.problem = problem
        self.where = str(where) if where is not None else None
        self.allowed = allowed
        self.hint = hint

    def __str__(self) -> str:
        lines = [f"{self.where}: {self.problem}" if self.where else self.problem]
        if self.allowed:
            lines.append(f"  allowed: {self.allowed}")
        if self.hint:
            lines.append(f"  next: {self.hint}")
        return "\n".join(lines)


class ConfigError(DragomanError):
    """A recipe, an override or a command-line value."""


class LanguageError(DragomanError):
    """A language code or name nobody knows."""


class CorpusError(DragomanError):
    """A data file: missing, empty, misaligned, undecodable."""


class SourceError(DragomanError):
    """A model or corpus source that cannot be resolved or fetched."""


class ModelError(DragomanError):
    """A model folder without weights, a tokenizer that does not fit, a device that cannot run it."""


class RunError(DragomanError):
    """A run folder: nothing to resume, changed inputs, damaged checkpoint."""


def nearest(given: str, known: Iterable[str], count: int = 3) -> str:
    """The known spellings closest to `given`, as text for an error's `allowed` (all of them when none is close)."""
    names = sorted(known)
    close = get_close_matches(given, names, n=count, cutoff=0.5)
    return f"did you mean {' or '.join(close)}?" if close else ", ".join(names)
