"""`dragoman app` as a process of its own, on a free port of this machine."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# One thread, so that servers and browsers leave each other some of the processor; no data, so that no test set of this machine is offered.
ENVIRONMENT = {**{name: value for name, value in os.environ.items() if name != "DRAGOMAN_DATA"}, "OMP_NUM_THREADS": "1"}


@contextmanager
def started(folder: Path, *options: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """The server's address and process; stopped at the end."""
    command = [sys.executable, "-m", "dragoman.mt", "app", "--port", "0", "--device", "cpu", *options]
    with (folder / "err.txt").open("w") as errors:
        process = subprocess.Popen(command, cwd=folder, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=errors, text=True)
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        found = re.search(r"http://\S+", line)
        assert found, line + (folder / "err.txt").read_text()
        yield found[0], process
    finally:
        process.kill()
        process.wait()
