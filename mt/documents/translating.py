"""A document translated: every segment is asked for, accounted for, and written; one that fails costs no other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from ..checks import EXPLANATIONS as CHECKS
from ..corpora.records import Origin
from ..errors import DragomanError
from ..placeholders import PlaceholderCheck, check_placeholders, has_words
from .document import Document
from .records import DocumentSegment

Outcome = Literal["translated", "copied", "kept", "failed"]
ADDED_LINES = "added-lines"
FORMATTING = "formatting"
EXPLANATIONS: dict[str, str] = {
    ADDED_LINES: "The translation has line breaks that the source has not; where the file has no room for them they became spaces.",
    FORMATTING: "The formatting inside a paragraph could not be kept, so all of its text is formatted as its beginning is.",
    "split": "Too long for the model, so it was translated in parts.",
}
_ALL_KEPT = PlaceholderCheck()
_REASON = 200  # characters of an exception's message


class Translated(Protocol):
    """What a translator gives back for one text (`translator.Translation` is one)."""

    @property
    def text(self) -> str: ...  # noqa: D102

    @property
    def warnings(self) -> Sequence[str]: ...  # noqa: D102


Translate = Callable[[Sequence[str]], Sequence[Translated]]


class TranslationCancelled(Exception):  # noqa: N818 - it is no error
    """Somebody asked to stop; nothing was written. `done` of `total` different texts had been translated."""

    def __init__(self, done: int, total: int) -> None:
        super().__init__(f"cancelled after {done} of {total} texts")
        self.done = done
        self.total = total


@dataclass(frozen=True, slots=True)
class SegmentReport:
    """What became of one segment.

    Attributes:
        number: in the document, from 0.
        origin: its place in the file.
        source: the text.
        target: what stands in the file now; None where there is nothing.
        outcome: "translated"; "copied" from the source, which has no words; "kept" as it was, unasked; "failed", and so left as it was.
        reason: why it was copied, kept, or failed.
        warnings: the translator's, `placeholders` (see `checks.EXPLANATIONS`) and those of `EXPLANATIONS`.
        placeholders: what the translation lost or made up.
    """

    number: int
    origin: Origin
    source: str
    target: str | None
    outcome: Outcome
    reason: str = ""
    warnings: tuple[str, ...] = ()
    placeholders: PlaceholderCheck = _ALL_KEPT


@dataclass(frozen=True)
class DocumentResult:
    """A translated document.

    Attributes:
        name: of the file it was made from.
        data: the new file.
        segments: a report of every segment, in the order of the file.
        notes: the document's.
    """

    name: str
    data: bytes
    segments: tuple[SegmentReport, ...]
    notes: tuple[str, ...] = ()

    @property
    def counts(self) -> dict[Outcome, int]:
        """How many segments had each outcome; together they are all segments."""
        found = Counter(report.outcome for report in self.segments)
        return {"translated": found["translated"], "copied": found["copied"], "kept": found["kept"], "failed": found["failed"]}

    def lines(self) -> list[str]:
        """The report for people: totals, notes, then every reason and warning with how many there are, where, and what it means."""
        counts = ", ".join(f"{count:,} {outcome}" for outcome, count in self.counts.items())
        groups: dict[tuple[str, str], list[int]] = {}
        for report in self.segments:
            kinds: list[tuple[str, str]] = [(report.outcome, report.reason)] if report.reason else []
            kinds += [("warning", "split" if name.startswith("split into") else name) for name in report.warnings]
            for kind in kinds:
                groups.setdefault(kind, []).append(report.origin.line)
        explanations = {**CHECKS, **EXPLANATIONS}
        return [
            f"{self.name}: {len(self.segments):,} segments: {counts}",
            *(f"note: {self.name}: {note}" for note in self.notes),
            *(_line(self.name, kind, what, numbers, explanations.get(what, "")) for (kind, what), numbers in sorted(groups.items())),
        ]


def _line(name: str, kind: str, what: str, numbers: Sequence[int], explanation: str) -> str:
    places = ", ".join(map(str, numbers[:5])) + (", ..." if len(numbers) > 5 else "")
    return f"{kind}: {name}: {what} ({len(numbers):,}; line {places})" + (f": {explanation}" if explanation else "")


def translate_document(
    document: Document,
    translate: Translate,
    *,
    progress: Callable[[int, int], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
    batch: int = 64,
    mark_failed: bool = True,
) -> DocumentResult:
    """Translate the segments that are to be translated, equal ones once.

    A segment keeps the outer white space of its source. One without words (numbers, placeholders) is copied without asking.

    Args:
        document: what to translate; it is left as it is.
        translate: texts in, a result for each out. If it raises, the texts are tried again by halves until those that fail are alone.
        progress: called with (texts done, texts to do) after every batch.
        cancelled: asked before every batch.
        batch: texts handed over at once.
        mark_failed: see `Document.write`.

    Raises:
        TranslationCancelled: `cancelled` said so.
    """
    wanted = [segment.source for segment in document.segments if segment.translate and has_words(segment.source)]
    texts = list(dict.fromkeys(text.strip() for text in wanted))
    answers: dict[str, Translated | str] = {}
    for start in range(0, len(texts), batch):
        if cancelled is not None and cancelled():
            raise TranslationCancelled(len(answers), len(texts))
        answers.update(_answers(texts[start : start + batch], translate))
        if progress is not None:
            progress(len(answers), len(texts))
    if cancelled is not None and cancelled():
        raise TranslationCancelled(len(answers), len(texts))
    current = document.targets
    made = [_outcome(document, number, segment, current[number], answers) for number, segment in enumerate(document.segments)]
    targets = {report.number: target for report, target in made if report.outcome != "kept"}
    doubtful = [report.number for report, _ in made if report.warnings]
    data = document.write(targets, mark_failed=mark_failed, doubtful=doubtful)
    return DocumentResult(document.name, data, tuple(report for report, _ in made), document.notes)


def _answers(texts: Sequence[str], translate: Translate) -> Iterator[tuple[str, Translated | str]]:
    """A result for every text, or the reason why there is none."""
    try:
        results = translate(texts)
        if len(results) != len(texts):
            raise RuntimeError(f"{len(results)} results for {len(texts)} texts")
        yield from zip(texts, results, strict=True)
    except Exception as error:  # whatever it is, the other texts are worth having
        if len(texts) == 1:
            yield texts[0], _reason(error)
            return
        for half in (texts[: len(texts) // 2], texts[len(texts) // 2 :]):
            yield from _answers(half, translate)


def _reason(error: Exception) -> str:
    said = error.problem if isinstance(error, DragomanError) else str(error)
    return (said.strip().split("\n")[0] or type(error).__name__)[:_REASON]


def _outcome(
    document: Document, number: int, segment: DocumentSegment, there: str | None, answers: Mapping[str, Translated | str]
) -> tuple[SegmentReport, str | None]:
    """What becomes of a segment, and the target to write (None: leave what is there)."""

    def left(outcome: Outcome, reason: str) -> tuple[SegmentReport, None]:
        return SegmentReport(number, segment.origin, segment.source, there, outcome, reason), None

    core = segment.source.strip()
    if segment.skip:
        return left("kept", segment.skip)
    if not has_words(core):
        copied = document.fitted(number, segment.source)
        return SegmentReport(number, segment.origin, segment.source, copied, "copied", "no words to translate"), segment.source
    answer = answers[core]
    if isinstance(answer, str):
        return left("failed", answer)
    translated = answer.text.strip()
    if not translated:
        return left("failed", "an empty translation")
    start = segment.source.index(core)
    target = segment.source[:start] + translated + segment.source[start + len(core) :]
    shown = document.fitted(number, target)
    if refused := document.refusal(number, shown):
        return left("failed", refused)
    checked = check_placeholders(core, translated)
    found = {"placeholders": not checked.kept, ADDED_LINES: "\n" in translated and "\n" not in core}
    told = [*answer.warnings, *document.remarks(number, target), *(name for name, wrong in found.items() if wrong)]
    warnings = tuple(dict.fromkeys(told))
    return SegmentReport(number, segment.origin, segment.source, shown, "translated", "", warnings, checked), target
