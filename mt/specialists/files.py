"""A file of drafts made elsewhere: a line a segment, or JSONL with confidences.

    {"source": "The dog.", "draft": "El perro.", "words": [["El", 0.97], ["perro.", 0.58]]}

`words` may be absent. Where every row has a `source`, drafts are looked up by it; else the rows are those of the input, in order.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from ..corpora.jsonl import json_values
from ..corpora.lines import decoded_lines
from ..corpora.records import Origin
from ..corpora.tally import Tally
from ..errors import CorpusError
from .records import NO_DRAFT, Draft, Opening, Words

_JSON = (".jsonl", ".ndjson", ".json")
_ROW = '{"draft": "...", "words": [["...", 0.58], ...]}, with "source" or in the order of the input'


@dataclass(frozen=True)
class FileDrafts:
    """Drafts out of a file.

    Attributes:
        name: as the user spelled it.
        path: the file.
        rows: its drafts, in order.
        known: drafts by source text, without its outer whitespace.
        by_position: whether they are the input's, in order, so that `aligned` must be called before `drafts`.
        repeated: drafts that are not used, because their text has one before.
    """

    name: str
    path: Path
    rows: tuple[Draft, ...]
    known: dict[str, Draft] = field(default_factory=dict)
    by_position: bool = False
    repeated: int = 0

    def aligned(self, texts: Sequence[str]) -> FileDrafts:
        """The same drafts as those of the texts, one each; of a text that comes again the first draft is kept.

        Raises:
            CorpusError: not as many as texts.
        """
        if not self.by_position:
            return self
        if len(texts) != len(self.rows):
            raise CorpusError(
                f"{len(self.rows):,} drafts for {len(texts):,} segments",
                where=f"{self.path}:{min(len(self.rows), len(texts)) + 1}",
                allowed="a draft a segment, a blank line for none",
            )
        known: dict[str, Draft] = {}
        repeated = 0
        for text, draft in zip(texts, self.rows, strict=True):
            repeated += known.setdefault(text.strip(), draft) != draft
        return replace(self, known=known, by_position=False, repeated=repeated)

    def drafts(self, texts: Sequence[str]) -> list[Draft]:
        """The drafts of texts; none for a text that the file does not know, such as a part of a segment that was split.

        Raises:
            CorpusError: nothing says which draft is whose.
        """
        if self.by_position:
            raise CorpusError("its drafts are in the order of an input, which is not known here", where=self.path, allowed=_ROW)
        return [self.known.get(text.strip(), NO_DRAFT) for text in texts]


def open_specialist(opening: Opening) -> FileDrafts:
    """Read a file of drafts: JSON by its name's ending, else plain lines; `.gz` or not.

    Raises:
        CorpusError: unreadable, not UTF-8, or a row without a draft, at its place.
    """
    path = Path(opening.where).expanduser()
    if not path.name.lower().removesuffix(".gz").endswith(_JSON):
        return FileDrafts(opening.spelled, path, _lines(path), by_position=True)
    tally = Tally("reading drafts")
    rows = [(_source(value), draft_of_json(value, origin)) for origin, value in json_values(path, tally)]
    _refuse_skipped(tally, path)
    if not rows:
        raise CorpusError("there is no draft in it", where=path, allowed=_ROW)
    sources = [source for source, _ in rows if source is not None]
    drafts = tuple(draft for _, draft in rows)
    if len(sources) < len(rows):
        return FileDrafts(opening.spelled, path, drafts, by_position=True)
    return FileDrafts(opening.spelled, path, drafts, by_position=True).aligned(sources)


def files(where: str) -> Iterable[Path]:
    """The file."""
    return [Path(where).expanduser()]


def draft_of_json(value: object, origin: Origin) -> Draft:
    """A draft out of JSON: text, or an object with `draft` and, if wanted, `words`.

    Raises:
        CorpusError: neither, a confidence that is not 0 to 1, or a word that the draft does not have there.
    """
    if isinstance(value, str):
        return Draft.plain(value)
    text = value.get("draft") if isinstance(value, dict) else None
    if not isinstance(value, dict) or not isinstance(text, str):
        raise CorpusError("a row without a draft", where=str(origin), allowed=_ROW)
    if value.get("words") is None:
        return Draft.plain(text)
    return Draft(text, _words(text, value["words"], origin))


def _words(text: str, given: object, origin: Origin) -> Words:
    words: list[tuple[str, float | None]] = []
    at = 0
    for item in given if isinstance(given, list) else [None]:
        match item:
            case [str(word), float() | int() | None as confidence] if word and not isinstance(confidence, bool):
                place = text.find(word, at)
            case _:
                raise CorpusError("words that are not pairs of a word and a confidence", where=str(origin), allowed=_ROW)
        if place < 0:
            raise CorpusError(f"the word {word!r} is not in the draft, or not in this order", where=str(origin))
        if confidence is not None and not (math.isfinite(confidence) and 0 <= confidence <= 1):
            raise CorpusError(f"a confidence of {confidence}", where=str(origin), allowed="0 to 1, or null")
        words.append((word, None if confidence is None else float(confidence)))
        at = place + len(word)
    return tuple(words)


def _source(value: object) -> str | None:
    source = value.get("source") if isinstance(value, dict) else None
    return source if isinstance(source, str) else None


def _lines(path: Path) -> tuple[Draft, ...]:
    tally = Tally("reading drafts")
    found = tuple(Draft.plain(line) for _, line in decoded_lines(path, tally))
    _refuse_skipped(tally, path)
    return found


def _refuse_skipped(tally: Tally, path: Path) -> None:
    """A line that cannot be read would shift all that follow."""
    if tally.lines()[1:]:
        raise CorpusError(f"lines that cannot be read: {'; '.join(line.strip() for line in tally.lines()[1:])}", where=path)
