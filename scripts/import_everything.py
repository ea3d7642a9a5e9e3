"""Import every module of the installed package: with the required dependencies alone, none may fail.

python scripts/import_everything.py
"""

from __future__ import annotations

import importlib
import pkgutil
import sys


def main() -> int:
    """Print each module that cannot be imported, and why; 1 if there is one."""
    import dragoman

    names = [module.name for module in pkgutil.walk_packages(dragoman.__path__, "dragoman.")]
    failures = []
    for name in names:
        try:
            importlib.import_module(name)
        except ImportError as error:
            failures.append(f"{name}: {error}")
    print("\n".join(failures) or f"{len(names)} modules imported from {next(iter(dragoman.__path__))}")
    return 1 if failures or not names else 0


if __name__ == "__main__":
    sys.exit(main())
