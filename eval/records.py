"""What an evaluation is made of: a test set, systems' outputs, and results; plain frozen data between reading, scoring and reporting."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ..mt.languages import Language
from .metrics import Score


@dataclass(frozen=True)
class TestSet:
    """Segments to translate and what they are compared with.

    Attributes:
        name: `flores200:devtest`, or the reference file's name.
        source, target: languages, None where files were given without saying.
        sources: (N,) segments, None where no source was given.
        references: (R, N) reference streams; at least one.
        documents: (N,) document name of each segment, None where the set has no documents.
        warnings: what was tolerated while it was read (a byte order mark, another checksum).
    """

    __test__ = False  # pytest would take the name for a test class

    name: str
    source: Language | None
    target: Language | None
    sources: tuple[str, ...] | None
    references: tuple[tuple[str, ...], ...]
    documents: tuple[str, ...] | None = None
    warnings: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.references[0])

    @property
    def direction(self) -> str:
        """`eng_Latn-deu_Latn`, `?` for a side that was not named."""
        return "-".join(side.code if side else "?" for side in (self.source, self.target))

    def first(self, count: int) -> TestSet:
        """The same with its first `count` segments only."""
        return replace(
            self,
            sources=self.sources[:count] if self.sources else self.sources,
            references=tuple(stream[:count] for stream in self.references),
            documents=self.documents[:count] if self.documents else None,
        )


@dataclass(frozen=True)
class SystemOutput:
    """One system's translations of a test set: (N,) hypotheses, and the file or model they came from."""

    name: str
    hypotheses: tuple[str, ...]
    origin: str


@dataclass(frozen=True)
class Diagnostic:
    """A count of segments with something wrong, `share` of all, and the numbers of those segments (from 1)."""

    name: str
    count: int
    share: float
    segments: tuple[int, ...]


@dataclass(frozen=True)
class SystemResult:
    """One system's results.

    Attributes:
        scores: corpus scores with intervals, in the order asked for.
        segment_scores: metric -> (N,) segment-level scores (sentence chrF++, COMET, ...).
        diagnostics: wrong language, empty, copied, looping, length ratio.
        terms: terminology figures by name; empty without a term list.
        spans: for each segment the error spans xCOMET marks, as {start, end, severity, confidence}; empty without xCOMET.
    """

    system: SystemOutput
    scores: tuple[Score, ...]
    segment_scores: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    diagnostics: tuple[Diagnostic, ...] = ()
    terms: Mapping[str, float] = field(default_factory=dict)
    spans: tuple[tuple[Mapping[str, Any], ...], ...] = ()


@dataclass(frozen=True)
class Comparison:
    """Two systems on one metric: difference (first minus second), its 95% interval, two-sided p and the test that gave it."""

    metric: str
    first: str
    second: str
    difference: float
    low: float
    high: float
    p_value: float
    method: str  # "paired bootstrap" or "approximate randomisation"


@dataclass(frozen=True)
class Evaluation:
    """Everything about one test set and direction.

    Attributes:
        results: one a system, as given.
        comparisons: every pair of systems and metric; empty with one system.
        warnings: what a reader must know (metrics left out, languages a metric never saw, repaired input).
        facts: versions, seeds, seconds, fingerprints of the inputs.
    """

    test_set: TestSet
    results: tuple[SystemResult, ...]
    comparisons: tuple[Comparison, ...] = ()
    warnings: tuple[str, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)
