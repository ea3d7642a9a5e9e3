"""What `dragoman vocab report` found, as frozen data, and as JSON for machines."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from ..mt.languages import Language
from .fertility import Fertility
from .new_pieces import PieceUsage
from .segmentation import Unit

if TYPE_CHECKING:
    from .bits_per_byte import BitsPerByte
    from .generation_time import GenerationTime

_FORMAT = 1


@dataclass(frozen=True)
class DevText:
    """Text of one language that both tokenizers split.

    Attributes:
        language: decides what a word is.
        segments: its lines, none of them blank.
        origin: file or test set, for people.
        skipped: lines left out, by reason.
    """

    language: Language
    segments: tuple[str, ...]
    origin: str
    skipped: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Sample:
    """One line under both tokenizers."""

    before: tuple[Unit, ...]
    after: tuple[Unit, ...]


@dataclass(frozen=True)
class LanguageReport:
    """One language before and after.

    Attributes:
        text: the lines it was measured on.
        before: fertility of the first tokenizer.
        after: of the second.
        changed: lines that are other pieces now.
        new_pieces: how many different new pieces occur; None when the second tokenizer is no expansion of the first.
        new_share: share of the second tokenizer's tokens that are new pieces; None likewise.
        bits: bits per byte before and after; None without weights.
        generation: seconds before and after; None when they were not asked for.
        samples: a few lines to look at.
    """

    text: DevText
    before: Fertility
    after: Fertility
    changed: int
    new_pieces: int | None
    new_share: float | None
    samples: tuple[Sample, ...] = ()
    bits: tuple[BitsPerByte, BitsPerByte] | None = None
    generation: GenerationTime | None = None

    @property
    def code(self) -> str:
        """The language's FLORES code, else its BCP 47 tag."""
        return self.text.language.code

    @property
    def speed_up(self) -> float:
        """Tokens before over tokens after: how many times fewer steps the same text takes."""
        return self.before.tokens / self.after.tokens if self.after.tokens else 1.0

    @property
    def changed_share(self) -> float:
        """Share of the lines that are other pieces now."""
        return self.changed / self.before.segments


@dataclass(frozen=True)
class Side:
    """One of the two models: its source as the user spelled it, the size of its vocabulary, and where and how it ran (None: it did not)."""

    source: str
    vocabulary: int
    device: str | None = None


@dataclass(frozen=True)
class VocabularyReport:
    """Everything `dragoman vocab report` prints and writes.

    Attributes:
        before: the first model.
        after: the second.
        languages: in the order given.
        usage: of the new pieces; None when the second tokenizer is no expansion of the first.
        learning: what the pieces were learnt from: origins, lines, and what of them was skipped; empty when it was not given.
        notes: what a reader must know before believing a figure.
        facts: versions and settings.
    """

    before: Side
    after: Side
    languages: tuple[LanguageReport, ...]
    usage: PieceUsage | None
    learning: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    facts: dict[str, Any] = field(default_factory=dict)


def to_json(report: VocabularyReport) -> dict[str, Any]:
    """Everything but the sample lines, every new piece with its counts: `{"format": 1, "languages": [...], "new_pieces": {...}, ...}`."""
    return {
        "format": _FORMAT,
        "before": asdict(report.before),
        "after": asdict(report.after),
        "languages": [_language(each) for each in report.languages],
        "new_pieces": _usage(report.usage) if report.usage else None,
        "learning_text": report.learning or None,
        "notes": list(report.notes),
        "facts": report.facts,
    }


def _language(each: LanguageReport) -> dict[str, Any]:
    return {
        "language": each.code,
        "name": each.text.language.name,
        "text": each.text.origin,
        "lines": each.before.segments,
        "skipped": each.text.skipped,
        "before": _fertility(each.before),
        "after": _fertility(each.after),
        "speed_up_in_tokens": each.speed_up,
        "lines_changed": each.changed,
        "share_of_lines_changed": each.changed_share,
        "new_pieces_used": each.new_pieces,
        "share_of_new_pieces": each.new_share,
        "bits_per_byte": {"before": asdict(each.bits[0]), "after": asdict(each.bits[1])} if each.bits else None,
        "generation": {**asdict(each.generation), "speed_up": each.generation.speed_up} if each.generation else None,
    }


def _fertility(found: Fertility) -> dict[str, Any]:
    return {
        "tokens": found.tokens,
        "per_sentence": found.per_segment,
        "per_word": found.per_word,
        "per_character": found.per_character,
    }


def _usage(usage: PieceUsage) -> dict[str, Any]:
    learning = len(usage.pieces) - len(usage.unused_in_learning) if usage.has_learning_text else None
    return {
        "count": len(usage.pieces),
        "used_on_dev": len(usage.pieces) - len(usage.unused_on_dev),
        "used_in_learning_text": learning,
        "unused_on_dev": [piece.id for piece in usage.unused_on_dev],
        "unused_in_learning_text": [piece.id for piece in usage.unused_in_learning] if usage.has_learning_text else None,
        "pieces": [asdict(piece) for piece in usage.pieces],
    }
