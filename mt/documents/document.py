"""A document: segments to translate, and the file around them that is written again as it was."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from ..errors import CorpusError
from .records import Body, DocumentSegment


@dataclass(frozen=True)
class Document:
    """A file in parts.

    Attributes:
        name: of the file, for messages.
        format: a name out of `FORMATS`.
        segments: its texts in the order of the file, known by their number from 0.
        body: the rest of the file.
        notes: what people should know about it (entries left alone, and how many).
    """

    name: str
    format: str
    segments: tuple[DocumentSegment, ...]
    body: Body
    notes: tuple[str, ...] = ()

    @property
    def targets(self) -> tuple[str | None, ...]:
        """What stands at each target's place now; None where the file has no place for it yet."""
        return tuple(self.body.current)

    def fitted(self, number: int, target: str) -> str:
        """A target as its place in the file can hold it; what is there already, or equals the source, keeps its layout."""
        current = self.body.current[number]
        if target == current or (current is not None and self.segments[number].target is None and target == self.segments[number].source):
            return current if current is not None else target
        return self.body.fitted(number, target)

    def refusal(self, number: int, target: str) -> str | None:
        """Why a target cannot be written there, or None; what is there already always can."""
        return None if target == self.body.current[number] else self.body.refusal(number, target)

    def remarks(self, number: int, target: str) -> Sequence[str]:
        """Warnings about how a target is written there (names of `translating.EXPLANATIONS`)."""
        return () if target == self.body.current[number] else self.body.remarks(number, target)

    def write(
        self, targets: Mapping[int, str | None] | Sequence[str | None], *, mark_failed: bool = True, doubtful: Collection[int] = ()
    ) -> bytes:
        """The file with these targets and every other byte as it was.

        Args:
            targets: by segment number, or one for each segment. None says that the translation failed: what is there stays. Segments that
                a mapping leaves out stay too, unmarked.
            mark_failed: mark the failed segments that were to be translated in the format's own way (PO: `fuzzy`), where it has one.
            doubtful: numbers of targets that a person should look at, marked where the format has a way to (XLIFF).

        Raises:
            CorpusError: a target that cannot be written (see `refusal`); numbers or a count that do not fit the document.
        """
        given = dict(targets) if isinstance(targets, Mapping) else dict(enumerate(targets))
        wrong = [number for number in given if not 0 <= number < len(self.segments)]
        if wrong or (not isinstance(targets, Mapping) and len(given) != len(self.segments)):
            raise CorpusError(f"targets for {len(given)} segments, but there are {len(self.segments)}", where=self.name)
        fitted = {number: self.fitted(number, target) for number, target in given.items() if target is not None}
        for number, target in fitted.items():
            if reason := self.refusal(number, target):
                raise CorpusError(f"a translation cannot be written: {reason}", where=str(self.segments[number].origin))
        failed = [number for number, target in given.items() if target is None and self.segments[number].translate]
        return self.body.write(fitted, failed if mark_failed else (), doubtful)
