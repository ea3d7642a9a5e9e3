"""Import every module of the installed package: with the required dependencies alone, none may fail.

python scripts/import_everything.py
"""

from __future__ import annotations

import importlib
import pkgutil
import sys

EXTRAS = {"anyio", "fastapi", "gradio", "starlette", "uvicorn"}  # what modules of an extra import at their top


def main() -> int:
    """Print each module that cannot be imported, and why; 1 if there is one."""
    import dragoman

    names = [module.name for module in pkgutil.walk_packages(dragoman.__path__, "dragoman.")]
    failures: list[str] = []
    waiting: list[str] = []
    for name in names:
        try:
            importlib.import_module(name)
        except ImportError as error:
            (waiting if (error.name or "").partition(".")[0] in EXTRAS else failures).append(f"{name}: {error}")
    imported = f"{len(names) - len(waiting)} modules imported from {next(iter(dragoman.__path__))}"
    print("\n".join(failures) or f"{imported}; {len(waiting)} want an extra")
    return 1 if failures or not names else 0


if __name__ == "__main__":
    sys.exit(main())
