"""Apertium (Forcada et al. 2011), a rule-based system, through its own command: no model, a few milliseconds a sentence, no confidences."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import ConfigError, ModelError, nearest
from .apertium_stream import from_stream, to_stream
from .records import NO_DRAFT, Draft, Opening

_BATCH = 256  # texts a process: the third of a second that one takes to start is shared
_QUOTED = re.compile(r"'(/[^']+)'")
_MODES = Path("/usr/share/apertium/modes")


@dataclass(frozen=True)
class Apertium:
    """Drafts by an Apertium mode.

    Attributes:
        name: as the user spelled it.
        mode: `eng-spa`, as `apertium -l` lists it.
        seconds: most that a batch of texts may take.
    """

    name: str
    mode: str
    seconds: float = 120.0

    def drafts(self, texts: Sequence[str]) -> list[Draft]:
        """A draft of each text; unknown words stay as they are, without a mark.

        Raises:
            ModelError: the command failed, took too long, or lost count of the texts.
        """
        wanted = [number for number, text in enumerate(texts) if text.strip()]
        found = [NO_DRAFT] * len(texts)
        for start in range(0, len(wanted), _BATCH):
            batch = wanted[start : start + _BATCH]
            for number, text in zip(batch, self._translated([texts[number] for number in batch]), strict=True):
                found[number] = Draft.plain(text.strip())
        return found

    def _translated(self, texts: Sequence[str]) -> list[str]:
        found = from_stream(self._run(to_stream(texts)), len(texts))
        if found is not None:
            return found
        if len(texts) == 1:
            raise ModelError(f"Apertium lost the text {texts[0][:60]!r}", where=self.name)
        return [self._translated([text])[0] for text in texts]

    def _run(self, stream: bytes) -> bytes:
        command = [_program(), "-z", "-u", "-f", "none", self.mode]
        # A session of its own: the command is a shell with a pipe of programs below it, which must all end together.
        with subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
            env={**os.environ, "LC_ALL": "C.UTF-8"},
        ) as process:
            try:
                out, problem = process.communicate(stream, timeout=self.seconds)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                raise ModelError(f"Apertium took longer than {self.seconds:g} s", where=self.name, hint="shorter texts") from None
            except BaseException:
                os.killpg(process.pid, signal.SIGKILL)
                raise
        if process.returncode:
            said = problem.decode("utf-8", "replace").strip().split("\n")[-1]
            raise ModelError(f"Apertium ended with {process.returncode}: {said}", where=self.name)
        return out


def open_specialist(opening: Opening) -> Apertium:
    """The mode, if it is installed.

    Raises:
        ConfigError: neither the command nor the mode is there; the hint names the Debian package.
    """
    installed = modes()
    if opening.where not in installed:
        raise ConfigError(
            f"Apertium has no mode {opening.where!r} here",
            where=opening.spelled,
            allowed=nearest(opening.where, installed) if installed else "none is installed",
            hint=_packages(opening.where),
        )
    return Apertium(opening.spelled, opening.where)


def modes() -> list[str]:
    """The installed modes.

    Raises:
        ConfigError: the command is not installed.
    """
    listed = subprocess.run([_program("eng-spa"), "-l"], capture_output=True, text=True, timeout=30, check=False)
    return listed.stdout.split()


def files(where: str) -> Iterator[Path]:
    """The mode's compiled rules and dictionaries, which its file quotes."""
    mode = _MODES / f"{where}.mode"
    if mode.is_file():
        yield mode
        yield from (path for quoted in _QUOTED.findall(mode.read_text(encoding="utf-8")) if (path := Path(quoted)).is_file())


def _program(mode: str = "eng-spa") -> str:
    found = shutil.which("apertium")
    if found is None:
        raise ConfigError("the command `apertium` is not installed", allowed="Apertium on the PATH", hint=_packages(mode))
    return found


def _packages(mode: str) -> str:
    """Debian names a package after both languages, in either order and with two letters or three."""
    one, _, other = mode.partition("-")
    return f"apt-get install apertium-{one}-{other}, or apertium-{other}-{one}; apt-cache search apertium lists them"
