"""Test sets that lie on the Hub as tables, with a configuration a language (FLORES), fetched by the package `datasets`.

`testsets` keeps what is fetched as plain text in the set's own layout, so it is read and verified like any other copy.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from textwrap import shorten
from types import ModuleType
from typing import Any

from ..mt.errors import ConfigError, CorpusError
from ..mt.languages import Language
from .testset_formats import HubTable

Texts = dict[Any, str]  # by the row's key


def fetch_texts(table: HubTable, split: str, languages: Sequence[Language]) -> list[tuple[str, tuple[str, ...]]]:
    """The split's segments in every language asked for, aligned by the table's key.

    Args:
        table: where the set is.
        split: of the set.
        languages: each is looked for in every spelling.

    Returns:
        For each language, in order: the name of its configuration, and its segments.

    Raises:
        ConfigError: `datasets` is not installed.
        CorpusError: not to be had (no network, no permission, no such language), or rows that do not belong together.
    """
    if find_spec("datasets") is None:
        raise ConfigError(
            f"{table.repository} is fetched by the package 'datasets', which is not installed",
            hint="pip install 'dragoman[testsets]'",
        )
    datasets = import_module("datasets")
    with _without_bars(datasets):
        found = [_rows(datasets, table, split, language) for language in languages]
    chosen, columns = [name for name, _ in found], [texts for _, texts in found]
    first, *others = columns
    for name, column in zip(chosen[1:], others, strict=True):
        if column.keys() != first.keys():
            raise CorpusError(
                f"{split} of {chosen[0]} has {len(first):,} rows and {name} {len(column):,}, and not the same {table.key!r}",
                where=table.repository,
                allowed="one row a segment in every language",
            )
    keys = sorted(first)
    return [(name, tuple(column[key] for key in keys)) for name, column in zip(chosen, columns, strict=True)]


def _rows(datasets: ModuleType, table: HubTable, split: str, language: Language) -> tuple[str, Texts]:
    """The first configuration that a spelling of the language is the name of, and its segments by key.

    Names are tried rather than listed: offline the library does not know the names of what it keeps, but reads it.
    """
    refused = None
    for name in dict.fromkeys([language.code, *language.spellings]):
        try:
            rows = datasets.load_dataset(table.repository, name, split=split, revision=table.revision)
        except ValueError as error:
            refused = refused or error
        except (OSError, RuntimeError, datasets.exceptions.DatasetsError) as error:
            raise _unfetched(table, str(error) or type(error).__name__) from error
        else:
            return name, _by_key(table, rows, f"{name} {split}")
    raise _unfetched(table, f"no {language.name}: {refused}") from refused


def _by_key(table: HubTable, rows: Any, place: str) -> Texts:
    absent = {table.column, table.key} - set(rows.column_names)
    if absent:
        raise CorpusError(f"{place} has no column {' and '.join(sorted(absent))}", where=table.repository)
    texts, keys = list(rows[table.column]), list(rows[table.key])
    for at, text in enumerate(texts):
        if not isinstance(text, str) or "\n" in text:
            raise CorpusError(f"{place}: row {at + 1} is not one line of text", where=table.repository)
    found = dict(zip(keys, texts, strict=True))
    if len(found) != len(texts):
        raise CorpusError(f"{place}: {len(texts) - len(found):,} rows share their {table.key!r} with another", where=table.repository)
    return found


def _unfetched(table: HubTable, cause: str) -> CorpusError:
    return CorpusError(
        f"{table.repository} could not be fetched: {shorten(cause, 250)}",
        hint="it takes a network, HF_HUB_OFFLINE unset and, for a gated set, its conditions accepted on its page and HF_TOKEN set",
    )


@contextmanager
def _without_bars(datasets: ModuleType) -> Iterator[None]:
    """No progress bars of the library's own for two files of 200 KB."""
    shown = not datasets.are_progress_bars_disabled()
    datasets.disable_progress_bars()
    try:
        yield
    finally:
        if shown:
            datasets.enable_progress_bars()
