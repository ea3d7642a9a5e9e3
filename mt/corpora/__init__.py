"""Corpora in: files of any format become pairs or segments, each with its place, and every row that does not is counted."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from ..config import CorpusConfig
from ..errors import CorpusError
from ..languages import Language, find_language
from .formats import pair_format, segment_format
from .jsonl import read_preferences as read_preference_rows
from .paths import Fingerprint, corpus_files, fingerprint
from .records import Origin, Pair, Preference, Segment
from .tally import Tally

__all__ = [
    "MAX_CHARACTERS",
    "Fingerprint",
    "Origin",
    "Pair",
    "Preference",
    "Segment",
    "Tally",
    "corpus_files",
    "fingerprint",
    "read_pairs",
    "read_preferences",
    "read_segments",
    "word_count",
]

MAX_CHARACTERS = 20_000  # of one side: a longer line is a broken file, not a sentence
_SURROGATE = re.compile("[\ud800-\udfff]")

Row = TypeVar("Row", Pair, Preference, Segment)


def read_pairs(corpus: CorpusConfig, tally: Tally) -> Iterator[Pair]:
    """The pairs of a parallel corpus, source side first, stripped of surrounding whitespace and otherwise as they are.

    Skipped and counted: rows the format cannot read, an empty side, a NUL, a lone surrogate, over 20,000 characters, and what `min_words`
    and `max_words` exclude (words of the longer side). `max_rows` stops after so many kept rows.

    Raises:
        CorpusError: at the call for missing files, a wrong format or misaligned sides; at the end when not one row was usable.
    """
    if corpus.source is None or corpus.target is None:
        raise CorpusError("a parallel corpus needs both its languages", where=str(corpus.path), hint="set `source` and `target`")
    source, target = find_language(corpus.source), find_language(corpus.target)
    files = corpus_files(corpus)

    def check(pair: Pair) -> tuple[Pair, str | None]:
        stripped = Pair(pair.source.strip(), pair.target.strip(), pair.origin)
        words = max(word_count(stripped.source, source), word_count(stripped.target, target))
        reason = _unusable(stripped.source, MAX_CHARACTERS) or _unusable(stripped.target, MAX_CHARACTERS) or _outside(words, corpus)
        return stripped, reason

    return _usable(pair_format(corpus, files).read(files, corpus, tally), check, corpus, files, tally)


def read_segments(corpus: CorpusConfig, tally: Tally) -> Iterator[Segment]:
    """The documents of a monolingual corpus; skipped rows and errors as `read_pairs`, save that only single lines have a length limit."""
    if corpus.language is None:
        raise CorpusError("a monolingual corpus needs its language", where=str(corpus.path), hint="set `language`")
    language = find_language(corpus.language)
    files = corpus_files(corpus)
    limit = MAX_CHARACTERS if corpus.documents == "line" else None

    def check(segment: Segment) -> tuple[Segment, str | None]:
        stripped = Segment(segment.text.strip(), segment.origin)
        return stripped, _unusable(stripped.text, limit) or _outside(word_count(stripped.text, language), corpus)

    return _usable(segment_format(corpus, files).read(files, corpus, tally), check, corpus, files, tally)


def read_preferences(corpus: CorpusConfig, tally: Tally) -> Iterator[Preference]:
    """The preferences of a parallel JSONL corpus, stripped of surrounding whitespace; skipped rows and errors as `read_pairs`.

    Skipped and counted too: a chosen translation that equals the rejected one. Words are those of the longest of the three texts.
    """
    if corpus.source is None or corpus.target is None:
        raise CorpusError("preferences need both their languages", where=str(corpus.path), hint="set `source` and `target`")
    source, target = find_language(corpus.source), find_language(corpus.target)
    files = corpus_files(corpus)
    if pair_format(corpus, files).name != "jsonl":
        raise CorpusError("preferences are read from JSONL only", where=files[0], allowed=".jsonl, or `format: jsonl`")

    def check(row: Preference) -> tuple[Preference, str | None]:
        stripped = Preference(row.source.strip(), row.chosen.strip(), row.rejected.strip(), row.origin)
        texts = (stripped.source, stripped.chosen, stripped.rejected)
        reason = next((found for text in texts if (found := _unusable(text, MAX_CHARACTERS))), None)
        if reason is None and stripped.chosen == stripped.rejected:
            reason = "chosen and rejected are the same"
        words = max(word_count(stripped.source, source), *(word_count(text, target) for text in texts[1:]))
        return stripped, reason or _outside(words, corpus)

    return _usable(read_preference_rows(files, corpus, tally), check, corpus, files, tally)


def word_count(text: str, language: Language) -> int:
    """Whitespace-separated words; for languages written without spaces, half the characters that are no whitespace, rounded up."""
    words = text.split()
    return len(words) if language.spaced else (sum(map(len, words)) + 1) // 2


def _unusable(text: str, limit: int | None) -> str | None:
    if not text:
        return "empty side"
    if "\0" in text:
        return "NUL character"
    if limit is not None and len(text) > limit:
        return f"over {limit:,} characters"
    return "lone surrogate" if not text.isascii() and _SURROGATE.search(text) else None


def _outside(words: int, corpus: CorpusConfig) -> str | None:
    if corpus.min_words is not None and words < corpus.min_words:
        return f"under {corpus.min_words} words"
    if corpus.max_words is not None and words > corpus.max_words:
        return f"over {corpus.max_words} words"
    return None


def _usable(
    rows: Iterator[Row], check: Callable[[Row], tuple[Row, str | None]], corpus: CorpusConfig, files: list[Path], tally: Tally
) -> Iterator[Row]:
    kept = 0
    if corpus.max_rows is None or corpus.max_rows > 0:
        for row in rows:
            checked, reason = check(row)
            if reason is not None:
                tally.skip(checked.origin, reason)
                continue
            kept += 1
            tally.keep()
            yield checked
            if kept == corpus.max_rows:
                tally.stopped = f"max_rows {kept:,} reached, the rest of {files[0]} was not read"
                return
    if kept == 0:
        reasons = "; ".join(line.strip() for line in tally.lines()[1:])
        raise CorpusError(f"not one usable row ({reasons})" if reasons else "empty: there is nothing to read", where=files[0])
