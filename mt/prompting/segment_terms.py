"""A glossary a segment: JSONL whose rows hold a text and its own terms, as the terminology task of WMT25 writes them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from ..corpora.jsonl import json_values
from ..corpora.records import Origin
from ..corpora.tally import Tally
from ..errors import CorpusError
from ..languages import Language
from ..lexicons import Matcher
from ..lexicons.building import build_lexicon
from ..lexicons.folding import composed
from ..lexicons.records import Row

KINDS = ("terms", "proper", "random")
_SUFFIXES = (".jsonl", ".ndjson", ".json")


def segment_kind(path: Path, wanted: str) -> str | None:
    """Under which key a file's rows hold their terms: the one wanted or, with `auto`, the first of `KINDS` that its first row has."""
    if wanted in KINDS:
        return wanted
    if wanted != "auto" or not path.name.lower().removesuffix(".gz").endswith(_SUFFIXES) or not path.is_file():
        return None
    first = next((value for _, value in json_values(path, Tally())), None)
    return next((kind for kind in KINDS if isinstance(first, dict) and isinstance(first.get(kind), dict)), None)


def read_segment_terms(path: Path, kind: str, source: Language, target: Language, tally: Tally) -> Mapping[str, Matcher]:
    """What finds the terms of each text, by that text with single spaces; pairs kept and skipped are counted.

    Args:
        path: JSONL, or JSON with one list.
        kind: the key of the terms: an object of source terms and a translation, or a list of them.
        source: language of the texts, which stand under one of its codes or `source`.
        target: language of the translations.
        tally: the account.

    Raises:
        CorpusError: unreadable, or not one row with a text and a term that can be used.
    """
    rows: dict[str, list[Row]] = {}
    for origin, value in json_values(path, tally):
        text = _text(value, source)
        terms = value.get(kind) if isinstance(value, dict) else None
        if text is None or not isinstance(terms, dict):
            tally.skip(origin, f"no text in {source.name} or no object under {kind}")
        else:
            rows.setdefault(composed(text), []).extend(_rows(terms, origin, tally))
    found = {text: matcher for text, own in rows.items() if (matcher := _matcher(own, str(path), source, target, tally)) is not None}
    if not found:
        reasons = "; ".join(line.strip() for line in tally.lines()[1:])
        raise CorpusError("no row has a text and a term that can be used", where=path, hint=reasons or None)
    return found


def _text(value: object, source: Language) -> str | None:
    row = value if isinstance(value, dict) else {}
    found = next((row[key] for key in (*source.spellings, "source") if key in row), None)
    return found if isinstance(found, str) else None


def _rows(terms: Mapping[str, object], origin: Origin, tally: Tally) -> Iterator[Row]:
    for term, translations in terms.items():
        given = translations if isinstance(translations, list) else [translations]
        texts = [text for text in given if isinstance(text, str)]
        if len(texts) == len(given):
            yield Row(term, [(text, None) for text in texts], origin)
        else:
            tally.skip(origin, "a translation that is not text")


def _matcher(rows: list[Row], name: str, source: Language, target: Language, tally: Tally) -> Matcher | None:
    try:
        return Matcher.of(build_lexicon(rows, name, source, target, tally)) if rows else None
    except CorpusError:  # not one of this row's terms can be used: the tally says why
        return None
