"""Slow tests run in two processes: what takes longest goes first, so that nothing waits for it alone at the end."""

from __future__ import annotations

import pytest

_LONGEST = "test_readme.py"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The rest keeps its order."""
    items.sort(key=lambda item: item.path.name != _LONGEST)
