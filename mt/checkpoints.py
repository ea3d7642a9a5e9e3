"""Checkpoints that are complete or do not count.

A checkpoint is written into a temporary folder; its manifest, with the SHA-256 of every file and the facts it depends on, is written last;
one rename puts it in place. Whatever has no valid manifest is not a checkpoint.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .errors import RunError
from .files import sha256_of, write_json

MANIFEST = "manifest.json"


def write_manifest(folder: Path, facts: Mapping[str, Any]) -> None:
    """Hash every file in `folder` and write the manifest beside them."""
    hashes = {str(path.relative_to(folder)): sha256_of(path) for path in sorted(folder.rglob("*")) if path.is_file()}
    write_json(folder / MANIFEST, {"facts": dict(facts), "files": hashes})


def read_manifest(folder: Path) -> dict[str, Any]:
    """The facts of a checkpoint whose files are all there and unchanged.

    Raises:
        RunError: the manifest is missing or a file differs from it.
    """
    path = folder / MANIFEST
    try:
        manifest: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RunError("the checkpoint has no readable manifest, so it was never finished", where=folder) from error
    for name, expected in manifest["files"].items():
        file = folder / name
        if not file.is_file() or sha256_of(file) != expected:
            raise RunError(f"{name} is missing or was changed after it was written", where=folder, hint="remove this checkpoint")
    facts: dict[str, Any] = manifest["facts"]
    return facts


def publish(written: Path, final: Path, facts: Mapping[str, Any]) -> None:
    """Put a checkpoint that lies aside into its place, in place of what was there, with its manifest."""
    write_manifest(written, facts)
    shutil.rmtree(final, ignore_errors=True)
    written.rename(final)


def step_folder(folder: Path, step: int) -> Path:
    """Where the checkpoint of a step lies."""
    return folder / f"step-{step}"


def complete_steps(folder: Path) -> list[int]:
    """Steps with a manifest, ascending. Unfinished folders have other names and are passed over."""
    return sorted(int(path.parent.name[5:]) for path in folder.glob(f"step-*/{MANIFEST}") if path.parent.name[5:].isdigit())


def prune(folder: Path, *, keep: int, protect: int | None) -> None:
    """Delete all but the newest `keep` checkpoints and the protected step."""
    for step in complete_steps(folder)[: -keep or None]:
        if step != protect:
            shutil.rmtree(step_folder(folder, step))
