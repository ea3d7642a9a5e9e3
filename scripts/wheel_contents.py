"""Compare a wheel with the checkout: every tracked file of the mapped folders must be in it, and nothing of the tests.

python scripts/wheel_contents.py dist/dragoman-*.whl
"""

from __future__ import annotations

import sys
import tomllib
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
IGNORED = ("__pycache__", ".egg-info")


def expected_files(root: Path) -> set[str]:
    """Paths inside the wheel of all files under the mapped folders."""
    folders: dict[str, str] = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]["package-dir"]
    return {
        f"{package.replace('.', '/')}/{file.relative_to(root / folder).as_posix()}"
        for package, folder in folders.items()
        for file in (root / folder).rglob("*")
        if file.is_file() and not any(part.endswith(IGNORED) for part in file.parts)
    }


def main(wheel: Path) -> int:
    """Print what is missing or too much; 1 if anything is."""
    with zipfile.ZipFile(wheel) as archive:
        packed = {name for name in archive.namelist() if ".dist-info/" not in name}
        licence = any(name.endswith("licenses/LICENSE") for name in archive.namelist())
    wrong = [f"missing: {name}" for name in sorted(expected_files(ROOT) - packed)]
    wrong += [f"too much: {name}" for name in sorted(packed - expected_files(ROOT))]
    wrong += [] if licence else ["missing: the licence"]
    print("\n".join(wrong) or f"{wheel.name}: all {len(packed)} files")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
