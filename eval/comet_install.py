"""COMET's own environment: its pins contradict ours (transformers < 5, numpy < 2), so it is built apart, with the user's pip settings."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path

from ..mt.cache import MANIFEST, cache_folder, locked, partial_folder, read_facts
from ..mt.errors import SourceError
from ..mt.files import write_json

INSTALL_COMMAND = "dragoman evaluate --install-comet"
_PYTHONS = ("3.11", "3.12")  # numpy 1.26, the last one COMET accepts, has no wheels for later ones
_SHOWN = ("Downloading ", "Using cached ", "Installing collected packages")  # the lines of pip's that people want to see

_MISLEADING = ("PYTHONPATH", "PYTHONHOME", "PIP_TARGET", "PIP_PREFIX", "PIP_USER")  # would put packages elsewhere, or find others'

Report = Callable[[str], None]


def comet_folder() -> Path:
    """Where the environment lives: `comet` in the cache."""
    return cache_folder() / "comet"


def comet_python(folder: Path | None = None) -> Path | None:
    """The Python of COMET's environment, or None when it is not installed (or the Python it was made from is gone).

    An environment is put into its place when it is whole, so one that is there can be used.
    """
    binaries = (folder or comet_folder()) / ("Scripts" if os.name == "nt" else "bin")
    return next((path for path in (binaries / "python", binaries / "python.exe") if path.exists()), None)


def install_comet(report: Report, folder: Path | None = None) -> Path:
    """Build COMET's environment (1.6 GB with torch's CPU build) unless it is there already and works.

    torch comes first and alone: from `TORCH_INDEX` when that is set, else from pip's own settings, so that a CPU build stays one.
    The environment is built beside its place and moved there at the end: a cut installation leaves the old one, or none.

    Args:
        report: called with each line of progress.
        folder: where to, instead of `comet_folder()`.

    Returns:
        The environment's Python.

    Raises:
        SourceError: no fitting Python, nothing to be fetched (offline), no room, or a folder in its place that is not ours.
    """
    target = (folder or comet_folder()).absolute()
    with locked(target):
        ready = _working(target, report)
        if ready:
            report(f"COMET is installed in {target}")
            return ready
        base = _base_python()
        with partial_folder(target) as staging:
            facts = _build(base, staging / "new", report)
            write_json(staging / "new" / MANIFEST, {**facts, "requirements": _fingerprint()})
            _put_in_place(staging, target)
    built = comet_python(target)
    assert built is not None, target
    report(f"COMET {facts['unbabel-comet']} is installed in {target}")
    return built


def _working(target: Path, report: Report) -> Path | None:
    """The Python of an environment that is of this version and whose COMET can be imported."""
    if not target.exists():
        return None
    if not (target / MANIFEST).is_file() and any(target.iterdir()):
        raise SourceError("exists and was not made by Dragoman, so it is not overwritten", where=target, hint="remove it, then try again")
    python = comet_python(target)
    if python is None or read_facts(target).get("requirements") != _fingerprint():
        return None
    report("checking the environment that is there")
    try:
        _run(_isolated(python, "import comet"), report)
    except SourceError:
        report("it is damaged; building it again")
        return None
    return python


def _build(base: str, new: Path, report: Report) -> dict[str, str]:
    """Make an environment, fill it, and look whether COMET can be imported. Returns the versions of what matters."""
    report("1/4 making an environment")
    _run([base, "-m", "venv", str(new)], report)
    python = comet_python(new)
    assert python is not None, new
    pip = [str(python), "-m", "pip", "install", "--no-input", "--disable-pip-version-check", "--progress-bar=off", "--only-binary=:all:"]
    index = os.environ.get("TORCH_INDEX")
    report("2/4 torch")
    _run([*pip, "--no-deps", *(["--index-url", index] if index else []), _torch_pin()], report)
    report("3/4 COMET and what it needs")
    _run([*pip, "--requirement", _requirements_in(new)], report)
    report("4/4 checking")
    _run([str(python), "-m", "pip", "check", "--disable-pip-version-check"], report)
    names = ("unbabel-comet", "torch", "transformers")
    look = f"import comet; from importlib.metadata import version; print(*map(version, {names}))"
    versions = _run(_isolated(python, look), report)[-1].split()
    return dict(zip(names, versions, strict=True))


def _put_in_place(staging: Path, target: Path) -> None:
    """Swap the new environment in. `staging`, with the old one in it, is removed by the caller."""
    _forget_launchers(staging / "new")
    try:
        if hasattr(os, "sync"):
            os.sync()  # thousands of small files: after a power cut none of them may be empty
        if target.exists():
            target.replace(staging / "old")
        (staging / "new").replace(target)
    except OSError as error:
        raise SourceError(f"cannot be written: {error.strerror or error}", where=target) from error


def _forget_launchers(environment: Path) -> None:
    """Remove pip's launchers (`comet-score`, ...): each names the Python of the folder it was made in. `python -m` works as before."""
    python = comet_python(environment)
    assert python is not None, environment
    for path in python.parent.iterdir():
        if not path.name.casefold().startswith("python") and path.suffix != ".dll":
            path.unlink()


def _isolated(python: Path, code: str) -> list[str]:
    return [str(python), "-I", "-c", code]


def _fingerprint() -> str:
    """Of the pins, without the comments: an environment is built again when a pin changes."""
    return hashlib.sha256("\n".join(_pins()).encode("utf-8")).hexdigest()


def _pins() -> list[str]:
    return [line for line in _requirements().splitlines() if line and not line.startswith("#")]


def _requirements() -> str:
    return files(__package__).joinpath("comet-requirements.txt").read_text(encoding="utf-8")


def _requirements_in(folder: Path) -> str:
    """The list as a file: a package may live in a zip."""
    path = folder / "comet-requirements.txt"
    path.write_text(_requirements(), encoding="utf-8")
    return str(path)


def _torch_pin() -> str:
    return next(pin for pin in _pins() if pin.startswith("torch=="))


def _base_python() -> str:
    """A Python that COMET's pins have wheels for: this one, or another on the path.

    Raises:
        SourceError: there is none.
    """
    ours = f"{sys.version_info.major}.{sys.version_info.minor}"
    if ours in _PYTHONS and find_spec("ensurepip"):
        return sys.executable
    for release in reversed(_PYTHONS):
        found = shutil.which(f"python{release}")
        if found and _makes_environments(found):
            return found
    raise SourceError(
        f"COMET needs Python {' or '.join(_PYTHONS)} with its venv module; this is {ours}, and none is on the path",
        hint="install one of them (on Debian and Ubuntu also its package python3-venv), then try again",
    )


def _makes_environments(python: str) -> bool:
    """Whether it runs at all (version managers leave launchers of Pythons that are not chosen) and can make environments with pip."""
    try:
        return subprocess.run([python, "-c", "import ensurepip, venv"], capture_output=True, timeout=60, check=False).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def _run(command: Sequence[str], report: Report) -> list[str]:
    """Run to the end, reporting what people want to see of it; its lines.

    Raises:
        SourceError: it failed; says with which words.
    """
    lines: list[str] = []
    environment = {
        name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME", "PIP_TARGET", "PIP_PREFIX")
    }
    with subprocess.Popen(
        command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
    ) as process:
        assert process.stdout is not None
        try:
            for line in process.stdout:
                if said := line.strip():
                    lines.append(said)
                    if said.startswith(_SHOWN):
                        report(f"    {said[:100]}")
        except BaseException:
            process.kill()
            raise
    if process.returncode != 0:
        raise _failed(command, lines)
    return lines


def _failed(command: Sequence[str], lines: list[str]) -> SourceError:
    errors = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR:")]
    reason = (errors or lines or ["no word why"])[-1]
    if "pip" not in command:
        return SourceError(f"COMET's environment does not work: {reason}", hint=INSTALL_COMMAND)
    return SourceError(
        f"COMET could not be installed: {reason}",
        allowed="pip with access to the package index, or PIP_NO_INDEX and PIP_FIND_LINKS naming a folder of the wheels; 2 GB of disk",
        hint=f"when online: {INSTALL_COMMAND}",
    )
