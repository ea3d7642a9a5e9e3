"""A session as training data: corrections as the pairs that `dragoman train` reads, votes and corrections as preferences."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

from ...mt.languages import Language
from .session import Session


def correction_files(session: Session) -> dict[str, str]:
    """A JSONL file for each direction that has corrections, by file name.

    A line is `{"translation": {"en": ..., "fr": ...}}`, the source as given and the target as corrected: what `mt.corpora.jsonl` reads for
    a corpus with `source: en` and `target: fr`.
    """
    files: dict[str, str] = {}
    for entry in session.entries:
        if entry.correction is not None:
            source, target = entry.source_language.bcp47, entry.target_language.bcp47
            row = {"translation": {source: entry.source, target: entry.correction}}
            name = f"corrections.{source}-{target}.jsonl"
            files[name] = files.get(name, "") + _line(row)
    return files


def preference_files(session: Session) -> dict[str, str]:
    """A JSONL file for each direction that has any: votes, and each correction preferred to what was corrected.

    A line has `source`, `chosen`, `rejected`, their languages, and who made the two texts; "correction" for a person. A stage of
    `dragoman train` with a `preference` block reads it as it is; as pairs, `columns: [source, chosen]` is its chosen side.
    """
    files: dict[str, str] = {}
    for direction, row in _preferences(session):
        name = f"preferences.{direction[0].bcp47}-{direction[1].bcp47}.jsonl"
        files[name] = files.get(name, "") + _line(row)
    return files


def _preferences(session: Session) -> Iterator[tuple[tuple[Language, Language], Mapping[str, object]]]:
    for vote in session.votes:
        direction = vote.source_language, vote.target_language
        yield direction, _preference(direction, vote.source, (vote.chosen, vote.chosen_by), (vote.rejected, vote.rejected_by))
    for entry in session.entries:
        if entry.correction is not None:
            direction = entry.source_language, entry.target_language
            yield direction, _preference(direction, entry.source, (entry.correction, "correction"), (entry.target, entry.model))


def _preference(
    direction: tuple[Language, Language], source: str, chosen: tuple[str, str], rejected: tuple[str, str]
) -> Mapping[str, object]:
    return {
        "source": source,
        "chosen": chosen[0],
        "rejected": rejected[0],
        "source_language": direction[0].bcp47,
        "target_language": direction[1].bcp47,
        "chosen_by": chosen[1],
        "rejected_by": rejected[1],
    }


def _line(row: Mapping[str, object]) -> str:
    return json.dumps(row, ensure_ascii=False) + "\n"
