"""The run folder: the unit that training writes and everything else reads.

config.yaml        the resolved recipe            checkpoints/STAGE/step-N/   resumable, with a manifest
data.json          fingerprints, what was skipped  metrics.jsonl              one event a line
environment.json   versions, machine, seed         model/                     what `translate`, `evaluate` and peft load
expanded/          the starting model with new vocabulary, where the recipe asks for one
"""

from __future__ import annotations

import json
import os
import platform
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from .errors import RunError
from .files import named_errors, nearest_there, write_atomically, write_json

PACKAGES = ("dragoman", "torch", "transformers", "peft", "accelerate", "tokenizers", "bitsandbytes", "sacrebleu", "safetensors", "numpy")
Event = Mapping[str, Any]


@dataclass(frozen=True)
class RunOptions:
    """How to treat a run folder that exists, and whether to train at all."""

    resume: bool = False
    overwrite: bool = False
    accept_changes: bool = False
    dry_run: bool = False


@dataclass(frozen=True)
class RunFolder:
    """Paths of a run and the reading and writing of its small files."""

    path: Path

    @property
    def config_file(self) -> Path:
        """The resolved recipe."""
        return self.path / "config.yaml"

    @property
    def data_file(self) -> Path:
        """Fingerprints of every input and the tally of skipped rows."""
        return self.path / "data.json"

    @property
    def metrics_file(self) -> Path:
        """One JSON event a line: `train`, `evaluate`, `test`, `stage_end`."""
        return self.path / "metrics.jsonl"

    @property
    def model(self) -> Path:
        """The finished model."""
        return self.path / "model"

    @property
    def expanded(self) -> Path:
        """The starting model with the new vocabulary the recipe asked for, if it did."""
        return self.path / "expanded"

    def checkpoints(self, stage: str) -> Path:
        """The checkpoints of a stage."""
        return self.path / "checkpoints" / stage

    def result_file(self, stage: str) -> Path:
        """Which checkpoint a finished stage ended with; absent while it is not finished."""
        return self.checkpoints(stage) / "result.json"

    def check_free(self, *, overwrite: bool) -> None:
        """Whether a fresh run can go here; nothing is touched yet.

        Raises:
            RunError: a run is there already and `overwrite` was not asked for, or the path cannot be a folder one may write to.
        """
        there = nearest_there(self.path)
        if not there.is_dir():
            raise RunError("a file is where the run folder should be", where=there, hint="run=ANOTHER_FOLDER")
        if not os.access(there, os.W_OK | os.X_OK):
            raise RunError("this folder cannot be written to", where=there, hint="run=ANOTHER_FOLDER")
        if not overwrite and (self.config_file.exists() or self.model.exists()):
            raise RunError("there is a run in this folder already", where=self.path, hint="--resume, --overwrite, or run=ANOTHER_FOLDER")

    def make_fresh(self) -> None:
        """Make the folder, without what an earlier run left in it; call `check_free` long before.

        Raises:
            RunError: it cannot be made after all.
        """
        if self.config_file.exists() or self.model.exists():
            for name in ("checkpoints", "expanded", "model", "plots", "tensorboard"):
                shutil.rmtree(self.path / name, ignore_errors=True)
            for name in ("config.yaml", "data.json", "metrics.jsonl", "report.html", "environment.json"):
                (self.path / name).unlink(missing_ok=True)
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RunError(f"the run folder cannot be made: {error.strerror}", where=self.path, hint="run=ANOTHER_FOLDER") from error

    def append(self, event: Event) -> None:
        """Add one event to metrics.jsonl."""
        with named_errors(self.metrics_file), self.metrics_file.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(event, ensure_ascii=False) + "\n")

    def events(self) -> Iterator[dict[str, Any]]:
        """All events so far; a half-written last line (a killed run) is passed over."""
        if not self.metrics_file.exists():
            return
        # Split at "\n" only: str.splitlines would also cut at line separators inside a translation.
        for line in self.metrics_file.read_text(encoding="utf-8").split("\n"):
            try:
                yield json.loads(line)
            except ValueError:
                continue

    def keep_events(self, wanted: Callable[[Event], bool]) -> None:
        """Rewrite metrics.jsonl with the events that still hold (after going back to a checkpoint)."""
        kept = [event for event in self.events() if wanted(event)]
        write_atomically(self.metrics_file, "".join(json.dumps(event, ensure_ascii=False) + "\n" for event in kept))

    def write_environment(self, extra: Mapping[str, Any]) -> None:
        """Record versions, machine and seeds beside the results."""
        write_json(self.path / "environment.json", {"versions": package_versions(), "machine": machine(), **extra})


def package_versions() -> dict[str, str]:
    """Installed versions of what decides a result."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def machine() -> dict[str, Any]:
    """Processor, cores and system, as a person would want them beside a figure."""
    import torch

    gpu = torch.cuda.get_device_name(0) if torch.cuda.is_available() else None
    return {
        "system": platform.platform(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "gpu": gpu,
        "threads": torch.get_num_threads(),
    }


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text(encoding="utf-8").split("\n"):
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
