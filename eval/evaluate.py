"""Systems' outputs on a test set, scored, compared and looked over: everything `dragoman evaluate` prints and writes comes from here."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from ..mt.errors import ConfigError, CorpusError
from .bootstrap import interval
from .measures import Measure, NeuralScorer, Remarks, comet_measures, corpus_measures, usable_metrics
from .metrics import CorpusScorer, Score
from .outputs import content_warnings, tokenized_warning
from .records import Comparison, Diagnostic, Evaluation, SystemOutput, SystemResult, TestSet
from .significance import PairedMetric, TestSettings, compare, resampled_scores, system_pairs

if TYPE_CHECKING:
    from .terms import TermList

DEFAULT_METRICS = ("chrF++", "BLEU")


@dataclass(frozen=True)
class EvaluateOptions:
    """What is computed.

    Attributes:
        metrics: corpus metrics, in the order shown.
        tokenizer: BLEU's, instead of the target language's.
        spm_model: spBLEU's SentencePiece model.
        comet: COMET models by name or path; none without.
        terms: a term list.
        terms_kind: which dictionary of each row, for a list with a dictionary a segment.
        all_pairs: compare each system with each, not only with the first.
        test: significance settings, also of the intervals.
    """

    metrics: tuple[str, ...] = DEFAULT_METRICS
    tokenizer: str | None = None
    spm_model: Path | None = None
    comet: tuple[str, ...] = ()
    terms: Path | None = None
    terms_kind: str | None = None
    all_pairs: bool = False
    test: TestSettings = field(default_factory=TestSettings)


def evaluate(
    test_set: TestSet, systems: Sequence[SystemOutput], options: EvaluateOptions | None = None, *, worker: NeuralScorer | None = None
) -> Evaluation:
    """Score systems on one test set; the first is what the others are compared with.

    Args:
        test_set: references, and sources where there are any.
        systems: at least one, all with as many hypotheses as the test set has segments.
        options: what is computed; by default chrF++ and BLEU with approximate randomisation.
        worker: scores with `options.comet`; by default a `CometWorker` of this call's own.

    Raises:
        ConfigError: unknown metrics or tokenizers, settings that mean nothing.
        CorpusError: no systems, two of one name, line counts that differ, a term list that cannot be read.
    """
    options = options or EvaluateOptions()
    started = time.perf_counter()
    check_systems(test_set, systems)
    options.test.check()
    if not options.metrics and not options.comet:
        raise ConfigError("no metric is asked for", allowed="--metrics chrF++,BLEU, or --comet")
    remarks = Remarks()
    for line in (*test_set.warnings, *content_warnings(test_set)):
        remarks.add(line)
    measures = _measure(test_set, systems, options, worker, remarks)
    scores, comparisons = _compared(systems, measures, options, remarks)
    terms = read_terms(options, test_set)
    if terms is not None and (terms.tally.skipped or terms.tally.noted):
        remarks.add(f"{options.terms}: " + "; ".join(line.strip() for line in terms.tally.lines()))
    results = tuple(
        SystemResult(
            system,
            tuple(system_scores),
            {one.name: one.segments for one in found},
            _diagnostics(system, test_set),
            _term_figures(system, test_set, terms),
            next((one.spans for one in found if one.spans), ()),
        )
        for system, system_scores, found in zip(systems, scores, measures, strict=True)
    )
    facts = _facts(test_set, systems, options, time.perf_counter() - started)
    return Evaluation(test_set, results, comparisons, tuple(remarks.lines), facts)


def check_systems(test_set: TestSet, systems: Sequence[SystemOutput]) -> None:
    """Refuse what cannot be scored.

    Raises:
        CorpusError: no segments, references that are all empty, no systems, one name twice, or line counts that differ.
    """
    if not len(test_set):
        raise CorpusError("there are no segments to score", where=test_set.name)
    if not any(reference.strip() for stream in test_set.references for reference in stream):
        raise CorpusError(f"all {len(test_set):,} references are empty: there is nothing to compare with", where=test_set.name)
    if not systems:
        raise CorpusError("there is no system to score", hint="--hypotheses FILE or --model MODEL")
    names = [system.name for system in systems]
    for system in systems:
        if names.count(system.name) > 1:
            raise CorpusError(f"two systems are called {system.name!r}", hint="--hypotheses NAME=FILE")
        if len(system.hypotheses) != len(test_set):
            raise CorpusError(
                f"{len(system.hypotheses):,} hypothesis lines, but {test_set.name} has {len(test_set):,} segments", where=system.origin
            )


def _measure(
    test_set: TestSet, systems: Sequence[SystemOutput], options: EvaluateOptions, worker: NeuralScorer | None, remarks: Remarks
) -> list[list[Measure]]:
    """Every metric by system: corpus metrics first, then COMET."""
    metrics = usable_metrics(options.metrics, test_set.target, options.tokenizer, options.spm_model, remarks)
    scorer = CorpusScorer(
        test_set.references, metrics=metrics, target=test_set.target, tokenizer=options.tokenizer, spm_model=options.spm_model
    )
    found = [corpus_measures(scorer, system, remarks) for system in systems]
    if "BLEU" in metrics and options.tokenizer != "none":
        for warning in filter(None, map(tokenized_warning, systems)):
            remarks.add(warning)
    if not options.comet:
        return found
    from .comet import CometWorker, covers

    unseen = [side.name for side in (test_set.source, test_set.target) if side and not covers(side)]
    if unseen:
        remarks.add(f"COMET's encoder never saw {' or '.join(unseen)}: read chrF++ first, its number there means little")
    if worker is not None:
        neural = comet_measures(worker, options.comet, test_set, systems, remarks)
    else:
        with CometWorker() as own:
            neural = comet_measures(own, options.comet, test_set, systems, remarks)
    return [[*corpus, *learned] for corpus, learned in zip(found, neural, strict=True)]


def _compared(
    systems: Sequence[SystemOutput], measures: Sequence[Sequence[Measure]], options: EvaluateOptions, remarks: Remarks
) -> tuple[list[list[Score]], tuple[Comparison, ...]]:
    """Scores with intervals by system, and the comparisons; all from the same resamples."""
    settings = options.test
    names = list(dict.fromkeys(one.name for found in measures for one in found))
    holders = [[(at, one) for at, found in enumerate(measures) for one in found if one.name == name] for name in names]
    paired = [
        PairedMetric(name, held[0][1].from_sums, tuple(one.table for _, one in held)) for name, held in zip(names, holders, strict=True)
    ]
    resampled = resampled_scores(paired, settings.samples, settings.seed)
    scores: list[list[Score]] = [[] for _ in systems]
    for held, values in zip(holders, resampled, strict=True):
        for (at, one), row in zip(held, values, strict=True):
            low, high = interval(row, settings.confidence)
            scores[at].append(Score(one.name, one.value, low, high, one.signature, settings.samples, settings.seed))
    whole = [at for at, held in enumerate(holders) if len(held) == len(systems)]
    for at in range(len(names)):
        if at not in whole and len(systems) > 1:
            remarks.add(f"{names[at]} is not compared: some systems have no score")
    if measures and measures[0] and len(measures[0][0].segments) < 2:
        return scores, ()
    pairs = system_pairs(len(systems), all_pairs=options.all_pairs)
    compared = compare(
        [paired[at] for at in whole], [system.name for system in systems], pairs, settings, resampled=[resampled[at] for at in whole]
    )
    return scores, compared


def _diagnostics(system: SystemOutput, test_set: TestSet) -> tuple[Diagnostic, ...]:
    from .diagnostics import diagnose

    return diagnose(system.hypotheses, test_set.sources, test_set.source, test_set.target)


def read_terms(options: EvaluateOptions, test_set: TestSet) -> TermList | None:
    """The term list asked for, if one is.

    Raises:
        ConfigError: the test set has no source side, which is what asks for terms.
        CorpusError: the list cannot be read.
    """
    if options.terms is None:
        return None
    if test_set.sources is None:
        raise ConfigError(
            "terms are looked for in the source, and none was given", where=options.terms, hint="--source FILE, or --test-set NAME"
        )
    from .terms import load_terms

    return load_terms(options.terms, options.terms_kind)


def _term_figures(system: SystemOutput, test_set: TestSet, terms: TermList | None) -> dict[str, float]:
    if terms is None or test_set.sources is None:
        return {}
    from .terms import term_figures

    return term_figures(system.hypotheses, test_set.sources, terms, test_set.target, source=test_set.source)


def _facts(test_set: TestSet, systems: Sequence[SystemOutput], options: EvaluateOptions, seconds: float) -> dict[str, object]:
    """What a result depends on: versions, seeds, and digests of every text that went in."""
    inputs = {f"reference {number}": _digest(stream) for number, stream in enumerate(test_set.references, 1)}
    if test_set.sources is not None:
        inputs["source"] = _digest(test_set.sources)
    inputs |= {system.name: _digest(system.hypotheses) for system in systems}
    test = options.test
    return {
        "dragoman": version("dragoman"),
        "sacrebleu": version("sacrebleu"),
        "segments": len(test_set),
        "test": test.method,
        "samples": test.samples,
        "trials": test.trials,
        "seed": test.seed,
        "confidence": test.confidence,
        "seconds": round(seconds, 2),
        "sha256": inputs,
    }


def _digest(lines: Iterable[str]) -> str:
    """SHA-256 of segments as a file with `\\n` line ends would have it."""
    return hashlib.sha256("".join(f"{line}\n" for line in lines).encode("utf-8", "surrogatepass")).hexdigest()
