"""Fixtures of several test files."""

from __future__ import annotations

from pathlib import Path

import pytest
from training_recipes import write_corpus


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """`train.tsv`, `dev.tsv`, `test.tsv` (English to French) and `mono.txt`."""
    write_corpus(tmp_path / "data")
    return tmp_path / "data"
