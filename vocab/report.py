"""What another vocabulary buys: two models measured on the same text, tokenizers first, then, where wanted, their weights."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ..mt.errors import ConfigError, CorpusError, ModelError
from .fertility import fertility_of
from .new_pieces import kept, new_ids, piece_usage
from .report_data import DevText, LanguageReport, Sample, Side, VocabularyReport
from .segmentation import changed, segment, units

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from ..mt.models import LoadedModel
    from .bits_per_byte import BitsPerByte, Progress

logger = logging.getLogger(__name__)

SAMPLES = 3  # lines a language shown piece by piece


@dataclass(frozen=True)
class ReportSettings:
    """What is measured beside the tokenizers.

    Attributes:
        weights: load the models and measure bits per byte.
        generate: sentences a language that both models generate against the clock; 0 for none.
        device: see `choose_device`.
        dtype: see `choose_device`.
        batch_tokens: padded tokens of a forward pass; None for what suits the device.
    """

    weights: bool = True
    generate: int = 0
    device: str = "auto"
    dtype: str = "auto"
    batch_tokens: int | None = None


def report_vocabulary(
    before: str,
    after: str,
    texts: Sequence[DevText],
    *,
    learning: DevText | None = None,
    settings: ReportSettings | None = None,
    progress: Progress | None = None,
) -> VocabularyReport:
    """Measure two models on the same text.

    Args:
        before: source of the first model (see `load_model`).
        after: source of the second; any model does, but how its new pieces are used is told of expansions only.
        texts: a text a language.
        learning: the text the new pieces were learnt from, to count how many occur there.
        settings: what is measured.
        progress: of predicting tokens, then of generating sentences; each slow step is logged too.

    Raises:
        ConfigError: settings that mean nothing.
        CorpusError: no text, or a language twice.
        SourceError, ModelError: a model that cannot be loaded, or two tokenizers that are the same.
    """
    from ..mt.models import load_tokenizer

    settings = settings or ReportSettings()
    _check(texts, settings)
    tokenizers = load_tokenizer(before), load_tokenizer(after)
    report = _compare_tokenizers(before, after, tokenizers, texts, learning)
    return _with_weights(report, settings, progress) if settings.weights else report


def _check(texts: Sequence[DevText], settings: ReportSettings) -> None:
    if not texts:
        raise CorpusError("no text to measure on", allowed="at least one text of one language")
    codes = [text.language.bcp47 for text in texts]
    twice = next((code for code in codes if codes.count(code) > 1), None)
    if twice:
        raise CorpusError(f"{twice} is given twice", allowed="one text a language")
    empty = next((text for text in texts if not any(segment.strip() for segment in text.segments)), None)
    if empty:
        raise CorpusError("there is no text in it", where=empty.origin)
    if settings.generate < 0:
        raise ConfigError(f"{settings.generate} sentences to generate", allowed="0 (none) or more")
    if settings.generate and not settings.weights:
        raise ConfigError("generation cannot be timed without the models' weights", allowed="one of the two")
    if settings.batch_tokens is not None and settings.batch_tokens < 1:
        raise ConfigError(f"batches of {settings.batch_tokens} tokens", allowed="1 or more")


def _check_different(before: PreTrainedTokenizerBase, after: PreTrainedTokenizerBase, same_pieces: bool, source: str) -> None:
    from ..mt.provenance import tokenizer_digest

    # The digest alone would miss a pre-tokenizer that was widened for a script it does not probe.
    if same_pieces and tokenizer_digest(before) == tokenizer_digest(after):
        raise ModelError(
            "both models have the same tokenizer: there is no change of vocabulary to report",
            where=source,
            allowed="two models with different tokenizers",
            hint="dragoman vocab expand makes a model with new pieces",
        )


def _compare_tokenizers(
    before: str,
    after: str,
    tokenizers: tuple[PreTrainedTokenizerBase, PreTrainedTokenizerBase],
    texts: Sequence[DevText],
    learning: DevText | None,
) -> VocabularyReport:
    new = new_ids(*tokenizers)
    notes = [] if new is not None else [_no_expansion(*tokenizers)]
    split = [[segment(tokenizer, text.segments) for tokenizer in tokenizers] for text in texts]
    _check_different(*tokenizers, all(first == second for first, second in split), after)
    languages = [_language(text, tokenizers, pieces, new) for text, pieces in zip(texts, split, strict=True)]
    usage = facts = None
    if new is not None:
        learnt = None
        if learning:
            logger.info("splitting the %s lines of %s", f"{len(learning.segments):,}", learning.origin)
            learnt = segment(tokenizers[1], learning.segments)
            facts = {"origin": learning.origin, "lines": len(learning.segments), "skipped": learning.skipped}
        usage = piece_usage(tokenizers[1], new, [ids for pieces in split for ids in pieces[1]], learnt)
    sides = [Side(source, len(tokenizer)) for source, tokenizer in zip((before, after), tokenizers, strict=True)]
    notes += [_few_lines(each) for each in languages if each.before.segments < 100]
    return VocabularyReport(sides[0], sides[1], tuple(languages), usage, facts or {}, tuple(notes), _facts())


def _language(
    text: DevText,
    tokenizers: tuple[PreTrainedTokenizerBase, PreTrainedTokenizerBase],
    pieces: Sequence[Sequence[list[int]]],
    new: dict[int, str] | None,
) -> LanguageReport:
    first, second = pieces
    after = fertility_of(text.segments, second, text.language)
    found = [each for ids in second for each in ids if new is not None and each in new]
    shown = range(0, len(first), max(1, -(-len(first) // SAMPLES)))
    return LanguageReport(
        text,
        fertility_of(text.segments, first, text.language),
        after,
        changed=sum(changed(*tokenizers, *pair) for pair in zip(first, second, strict=True)),
        new_pieces=None if new is None else len(set(found)),
        new_share=None if new is None else len(found) / max(1, after.tokens),
        samples=tuple(Sample(units(tokenizers[0], first[at]), units(tokenizers[1], second[at])) for at in shown),
    )


def _no_expansion(before: PreTrainedTokenizerBase, after: PreTrainedTokenizerBase) -> str:
    old = before.get_vocab()
    missing = len(old) - kept(old, after.get_vocab())
    return (
        f"the second tokenizer is no expansion of the first ({missing:,} of {len(old):,} pieces are not there under the same id): "
        "which pieces are new cannot be told, the rest can"
    )


def _few_lines(each: LanguageReport) -> str:
    return f"{each.text.language.name}: {each.before.segments} line(s) only, so its figures say little"


def _facts() -> dict[str, Any]:
    from ..mt.runs import package_versions

    return {"versions": package_versions()}


def _with_weights(report: VocabularyReport, settings: ReportSettings, progress: Progress | None) -> VocabularyReport:
    """The report with what only the models' weights can tell; both models are held at once only where they are timed side by side."""
    from ..mt.runs import machine

    held: list[LoadedModel] = []
    before, first = _measured(report.before, report.languages, settings, held, progress)
    after, second = _measured(report.after, report.languages, settings, held, progress)
    languages = [replace(each, bits=(one, other)) for each, one, other in zip(report.languages, first, second, strict=True)]
    if settings.generate:
        languages = [_timed(each, held, settings.generate, progress) for each in languages]
    return replace(
        report,
        before=before,
        after=after,
        languages=tuple(languages),
        notes=(*report.notes, *(note for each in languages for note in _remarks(each))),
        facts={**report.facts, "machine": machine()},
    )


def _load(source: str, settings: ReportSettings) -> LoadedModel:
    from ..mt.models import load_model

    try:
        return load_model(source, device=settings.device, dtype=settings.dtype)
    except ModelError as error:
        hint = f"{error.hint}; or --no-model, to compare the tokenizers alone" if error.hint else "--no-model compares the tokenizers alone"
        raise ModelError(error.problem, where=error.where, allowed=error.allowed, hint=hint) from error


def _measured(
    side: Side, languages: Sequence[LanguageReport], settings: ReportSettings, held: list[LoadedModel], progress: Progress | None
) -> tuple[Side, list[BitsPerByte]]:
    """One model's bits per byte on every text, and where it ran; it goes to `held` when it is needed again."""
    from .bits_per_byte import bits_per_byte

    model = _load(side.source, settings)
    if settings.generate:
        held.append(model)
    found = []
    for each in languages:
        logger.info("bits per byte of %s on %s lines of %s", model.source, f"{each.before.segments:,}", each.text.language.name)
        found.append(bits_per_byte(model, each.text.segments, batch_tokens=settings.batch_tokens, progress=progress))
    return replace(side, device=f"{model.choice.device}, {str(model.choice.dtype).removeprefix('torch.')}"), found


def _timed(each: LanguageReport, loaded: Sequence[LoadedModel], sentences: int, progress: Progress | None) -> LanguageReport:
    from .generation_time import time_generation

    count = min(sentences, each.before.segments)
    logger.info("generating %s sentences of %s with both models in turn", count, each.text.language.name)
    return replace(each, generation=time_generation(loaded[0], loaded[1], each.text.segments, sentences, progress))


def _remarks(each: LanguageReport) -> list[str]:
    """What spoils a figure, said beside it."""
    found = []
    name = each.text.language.name
    for side, bits in zip(("before", "after"), each.bits or (), strict=False):
        if bits.cut:
            found.append(f"{name}, {side}: {bits.cut:,} line(s) exceed the model's context and were read through overlapping windows")
        if bits.unknown:
            found.append(f"{name}, {side}: {bits.unknown:,} unknown token(s) hide what they stand for, so bits per byte are too low")
    if each.generation and each.generation.left_out:
        found.append(f"{name}: {each.generation.left_out} sentence(s) exceed a model's context and were not timed")
    return found
