"""What this machine has and lacks for Dragoman, with the command that mends each. Reads only; nothing is fetched, no network is touched."""

from __future__ import annotations

import os
import platform
import shlex
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from packaging.requirements import Requirement

from .cache import cache_folder
from .errors import DragomanError
from .sources import is_cached
from .wheels import Pin, read_pins, wheel_folder

_GIB = 1 << 30
_VARIABLES = (
    "DRAGOMAN_CACHE",
    "DRAGOMAN_TOKENS",
    "HF_HOME",
    "HF_HUB_CACHE",
    "HF_HUB_OFFLINE",
    "TRANSFORMERS_OFFLINE",
    "PIP_NO_INDEX",
    "CUDA_VISIBLE_DEVICES",
)


@dataclass(frozen=True)
class Finding:
    """One thing looked at. `missing` is for what Dragoman cannot do without; `fix` is a command or a change."""

    name: str
    state: Literal["ok", "missing", "warning"]
    detail: str
    fix: str | None = None


@dataclass(frozen=True)
class Extra:
    """A package that only some features need."""

    distribution: str
    purpose: str
    fix: str


_EXTRAS = (
    Extra("bitsandbytes", "QLoRA: training over 4-bit weights", 'pip install "dragoman[qlora]"'),
    Extra("matplotlib", "plots of the training curves", 'pip install "dragoman[plots]"'),
    Extra("tensorboard", "curves in TensorBoard", 'pip install "dragoman[plots]"'),
    Extra("gradio", "the playground in the browser", "pip install gradio"),
    Extra("ctranslate2", "int8 translation on CPU and GPU", "pip install ctranslate2"),
)


def examine() -> list[Finding]:
    """Look at Python, packages, devices, memory, disk, cache, environment variables and extras, in that order."""
    return [
        _python(),
        _dragoman(),
        *_stack(),
        _pip(),
        *_torch(),
        _memory(),
        _disk(),
        _cache(),
        _variables(),
        *_extras(),
        _comet(),
        *_parcels(),
    ]


def healthy(findings: list[Finding]) -> bool:
    """Whether nothing required is missing."""
    return all(finding.state != "missing" for finding in findings)


def _python() -> Finding:
    return Finding("python", "ok", f"{platform.python_version()} ({sys.executable}), {platform.system()} {platform.machine()}")


def _dragoman() -> Finding:
    try:
        return Finding("dragoman", "ok", version("dragoman"))
    except PackageNotFoundError:
        return Finding("dragoman", "missing", "not installed, only found on the path", "pip install -e . (in the checkout)")


def _stack() -> Iterator[Finding]:
    """Every required package against the bounds Dragoman was installed with; those in order share one line."""
    found: list[str] = []
    for requirement in _requirements():
        try:
            installed = version(requirement.name)
        except PackageNotFoundError:
            yield Finding(requirement.name, "missing", f"not installed; {requirement} is required", f'pip install "{requirement}"')
            continue
        if requirement.specifier.contains(installed, prereleases=True):
            found.append(f"{requirement.name} {installed}")
        else:
            yield Finding(
                requirement.name,
                "missing",
                f"{installed} is installed; {requirement} is required",
                f'pip install --upgrade "{requirement}"',
            )
    if found:
        yield Finding("packages", "ok", ", ".join(found))
    yield from _beside_constraints()


def _requirements() -> list[Requirement]:
    try:
        lines = requires("dragoman") or []
    except PackageNotFoundError:
        lines = []
    return [requirement for requirement in map(Requirement, lines) if requirement.marker is None]


def _beside_constraints() -> Iterator[Finding]:
    """In a checkout: required packages at another version than the tested set (`constraints.txt`)."""
    constraints = Path(__file__).resolve().parents[1] / "constraints.txt"
    if not constraints.is_file():
        return
    lines = (line.partition("==") for line in constraints.read_text(encoding="utf-8").splitlines())
    tested = {name.lower().replace("_", "-"): pinned.strip() for name, _, pinned in lines if pinned}
    others = []
    for requirement in _requirements():
        pinned = tested.get(requirement.name.lower().replace("_", "-"))
        installed = _version_of(requirement.name)
        # A local build tag (`2.13.0+cpu`) is the same release.
        if pinned and installed and installed.partition("+")[0] != pinned:
            others.append(f"{requirement.name} {installed} (tested: {pinned})")
    if others:
        yield Finding("tested set", "warning", ", ".join(others), "pip install -e . -c constraints.txt")


def _version_of(distribution: str) -> str | None:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None


def _pip() -> Finding:
    if find_spec("pip") is None:
        fix = f"{sys.executable} -m ensurepip --upgrade (in a uv environment: uv pip install pip)"
        return Finding("pip", "warning", "not in this environment: pypi: sources cannot be fetched", fix)
    return Finding("pip", "ok", version("pip"))


def _torch() -> Iterator[Finding]:
    """The build of torch, then what each device would run with."""
    try:
        import torch
    except (ImportError, OSError) as error:  # OSError: a shared library torch wants is not there
        yield Finding("torch", "missing", f"cannot be imported: {error}", "pip install torch (the CPU build is enough to start)")
        return
    build = f"CUDA {torch.version.cuda}" if torch.version.cuda else "CPU build"
    yield Finding("torch", "ok", f"{torch.__version__} ({build}), {torch.get_num_threads()} threads")
    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    for place in ["cpu", *(f"cuda:{index}" for index in range(gpus))]:
        yield _device(place)


def _device(place: str) -> Finding:
    import torch

    from .devices import choose_device

    try:
        choice = choose_device(place)
    except DragomanError as error:
        return Finding(place, "warning", str(error))
    detail = f"{str(choice.dtype).removeprefix('torch.')}, {choice.attention} attention: {choice.reason}"
    if place.startswith("cuda"):
        index = int(place.partition(":")[2])
        free, total = torch.cuda.mem_get_info(index)
        detail = f"{torch.cuda.get_device_name(index)}, {free / _GIB:.1f} of {total / _GIB:.1f} GiB free; {detail}"
    return Finding(place, "ok", detail)


def _memory() -> Finding:
    free = _free_memory()
    if free is None:
        return Finding("memory", "ok", "this system does not say how much is free")
    # LoRA over the embedded model at 8 sentences of 128 tokens takes 3.7 GB.
    if free < 4 * _GIB:
        return Finding(
            "memory",
            "warning",
            f"{free / _GIB:.1f} GiB free; quickstart wants about 4",
            "close other programs, or a smaller batch.micro_tokens",
        )
    return Finding("memory", "ok", f"{free / _GIB:.1f} GiB free")


def _free_memory() -> int | None:
    """Bytes a new process could take without swapping (Linux), or all there is; None where neither is known."""
    meminfo = Path("/proc/meminfo")
    if meminfo.is_file():
        for line in meminfo.read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return None


def _disk() -> Finding:
    folder = cache_folder()
    place = next(path for path in [folder, *folder.parents] if path.exists())
    free = shutil.disk_usage(place).free
    state: Literal["ok", "warning"] = "ok" if free >= 2 * _GIB else "warning"
    return Finding(
        "disk",
        state,
        f"{free / _GIB:.1f} GiB free at {place}",
        None if state == "ok" else "free 2 GiB, or set DRAGOMAN_CACHE to a larger disk",
    )


def _cache() -> Finding:
    folder = cache_folder()
    if not folder.is_dir():
        return Finding("cache", "ok", f"{folder} (not there yet; made at the first fetch)")
    if not os.access(folder, os.W_OK):
        return Finding("cache", "warning", f"{folder} cannot be written", "set DRAGOMAN_CACHE to a folder you can write")
    rooms = sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    contents = ", ".join(f"{room.name} {_size(room) / _GIB:.2f} GiB" for room in rooms)
    return Finding("cache", "ok", f"{folder}: {contents or 'empty'}")


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _variables() -> Finding:
    present = [f"{name}={os.environ[name]}" for name in _VARIABLES if name in os.environ]
    return Finding("environment", "ok", ", ".join(present) or f"none of {', '.join(_VARIABLES)} is set")


def _extras() -> Iterator[Finding]:
    for extra in _EXTRAS:
        installed = _version_of(extra.distribution)
        if installed:
            yield Finding(extra.distribution, "ok", f"{installed}: {extra.purpose}")
        else:
            yield Finding(extra.distribution, "warning", f"not installed (optional): {extra.purpose}", extra.fix)


def _comet() -> Finding:
    """COMET's pins contradict ours, so it lives in an environment of its own."""
    from ..eval.comet_install import INSTALL_COMMAND, comet_folder, comet_python

    if comet_python() is not None:
        return Finding("comet", "ok", f"environment at {comet_folder()}")
    return Finding("comet", "warning", "no COMET environment (optional): neural scores", INSTALL_COMMAND)


def _parcels() -> Iterator[Finding]:
    """The embedded model and the pinned catalogues: ready offline, or what it takes to have them."""
    for pin in read_pins():
        name = f"pypi:{pin.name}"
        if is_cached(f"{pin.name}=={pin.version}", pin.holds):
            yield Finding(name, "ok", f"{pin.version} cached: {pin.about}")
        elif (wheel_folder() / pin.file).is_file():
            yield Finding(name, "ok", f"{pin.version} fetched, unpacked at first use: {pin.about}")
        else:
            yield Finding(name, "warning", f"{pin.version} not cached ({pin.size / 1e6:.0f} MB): {pin.about}", _fetch_command(pin))


def _fetch_command(pin: Pin) -> str:
    return f"pip download --no-deps --only-binary=:all: --dest {shlex.quote(str(wheel_folder()))} {pin.name}=={pin.version}"
