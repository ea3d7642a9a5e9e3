"""`dragoman doctor`: what is there, what is missing, and the command that mends it."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

_COLOURS = {"ok": "green", "warning": "yellow", "missing": "red"}


def doctor(
    json: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write the findings as JSON too (- for standard output).")
    ] = None,
) -> None:
    """Check this machine: packages, devices, memory, cache, extras. Touches no network; exits with 2 when something required is missing.

    Examples:

        dragoman doctor

        dragoman doctor --json findings.json
    """
    from rich.table import Table
    from rich.text import Text

    from ..doctor import examine, healthy
    from ..files import check_writable
    from .console import make_console

    if json is not None and str(json) != "-":
        check_writable(json)
    findings = examine()
    table = Table("what", "state", "detail", "fix", title="dragoman doctor")
    for finding in findings:
        state = Text(finding.state, style=_COLOURS[finding.state])
        table.add_row(Text(finding.name), state, Text(finding.detail), Text(finding.fix or ""))
    make_console().print(table)
    if json is not None:
        _write(json, [asdict(finding) for finding in findings])
    if not healthy(findings):
        raise typer.Exit(2)


def _write(path: Path, findings: list[dict[str, str | None]]) -> None:
    import json

    from ..files import write_json

    if str(path) == "-":
        typer.echo(json.dumps(findings, indent=2, ensure_ascii=False))
    else:
        write_json(path, findings)
