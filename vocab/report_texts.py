"""The texts a report is measured on, out of files of any format a corpus may have."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

from ..mt.config import CorpusConfig
from ..mt.corpora import Tally, read_segments
from ..mt.errors import ConfigError
from ..mt.languages import Language, find_language
from .report_data import DevText


def read_text(path: str, language: Language, lines: int | None = None) -> DevText:
    """The usable lines of a file (see `read_segments`), the first `lines` of them when that is given.

    Raises:
        CorpusError: missing, unreadable, or without one usable line.
    """
    tally = Tally()
    config = CorpusConfig(path=path, language=language.bcp47, max_rows=lines)
    segments = tuple(segment.text for segment in read_segments(config, tally))
    return DevText(language, segments, path, dict(tally.skipped))


def lines_text(found: Iterable[str], language: Language, origin: str, lines: int | None = None) -> DevText:
    """Lines that are there already; blank ones are left out and counted."""
    read = list(islice(found, lines))
    segments = tuple(line for line in read if line.strip())
    blank = len(read) - len(segments)
    return DevText(language, segments, origin, {"empty side": blank} if blank else {})


def language_and_path(given: str) -> tuple[Language, str]:
    """`nqo=dev.nqo` taken apart.

    Raises:
        ConfigError: no language, or no file.
        LanguageError: a language nobody knows.
    """
    spelling, equals, path = given.partition("=")
    if not equals or not spelling.strip() or not path.strip():
        raise ConfigError(f"{given!r} does not say which language which file is in", allowed="LANGUAGE=FILE", hint="--text nqo=dev.nqo")
    return find_language(spelling), path
