"""Tiny wheels and pins for the tests of sources, catalogues and the doctor."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path

from dragoman.mt.files import sha256_of
from dragoman.mt.wheels import Pin


def make_wheel(folder: Path, name: str, version: str, files: Mapping[str, bytes]) -> Path:
    """A wheel with these members and the metadata pip asks for."""
    folder.mkdir(parents=True, exist_ok=True)
    stem = f"{name.replace('-', '_')}-{version}"
    info = f"{stem}.dist-info"
    wheel = folder / f"{stem}-py3-none-any.whl"
    metadata = {
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\nRequires-Python: >=99\n".encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/LICENSE": b"free to use\n",
        f"{info}/RECORD": b"",
    }
    with zipfile.ZipFile(wheel, "w") as archive:
        for path, content in {**files, **metadata}.items():
            archive.writestr(path, content)
    return wheel


def pin_for(wheel: Path, holds: str = "catalogues") -> Pin:
    """The pin of a wheel as it is now."""
    name, version, *_ = wheel.name.split("-")
    return Pin(name.replace("_", "-"), version, wheel.name, sha256_of(wheel), wheel.stat().st_size, "CC0-1.0", holds, "a test")
