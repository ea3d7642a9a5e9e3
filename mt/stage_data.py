"""A stage's corpora read, tokenised and put in order: the examples and the plan that training follows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..vocab.fertility import Fertility, measure_fertility
from .cache import is_complete
from .config import CorpusConfig, RunConfig, StageConfig
from .corpora import fingerprint, read_pairs, read_preferences, read_segments
from .corpora.paths import Fingerprint
from .corpora.records import Pair, Preference, Segment
from .corpora.tally import Tally
from .errors import CorpusError
from .examples import Example, Examples, ExampleSet, ExampleSink, document_examples, interlinear_segments, pair_examples
from .files import may_write
from .languages import Language, find_language
from .plan import Indices, Plan, Stream, block_sequences, make_plan
from .preferences import SIDES, preference_examples, preference_sequences
from .prompts import PromptTemplate
from .stage_tokens import CorporaAccount, Span, column_codes, stage_folder
from .token_files import stored_examples

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from .prompting.training import TermPrompts

SAMPLE = 500  # texts of each language that fertility is measured on
Samples = dict[Language, list[str]]


@dataclass(frozen=True)
class StageData:
    """What one stage trains on.

    Attributes:
        examples: every usable example of every corpus.
        plan: which of them each optimizer step takes.
        tallies: for each corpus and direction what was kept and skipped in reading and in tokenising, with places.
        streams: for each corpus and direction the number of examples.
        fertility: for each language in it what the tokenizer spends on a sample of its text.
        files: every file of the corpora, as it was when it was read.
        told: where the tokens lie, for people.
    """

    examples: Examples
    plan: Plan
    tallies: dict[str, list[Tally]]
    streams: dict[str, int]
    fertility: dict[str, Fertility]
    files: list[Fingerprint]
    told: str | None = None

    @property
    def target_tokens(self) -> int:
        """Tokens of the plan that carry loss."""
        targets = self.examples.target_lengths()
        return int(sum(targets[step].sum() for step in self.plan.steps))


def build_stage(
    config: RunConfig, number: int, tokenizer: PreTrainedTokenizerBase, template: PromptTemplate, *, on_disk: bool = False
) -> StageData:
    """Read, tokenise and plan stage `number` of a recipe.

    Args:
        config: the recipe.
        number: position of the stage.
        tokenizer: of the model that is trained.
        template: of the prompts.
        on_disk: tokens go to the cache and are read from there, also by later runs that need the same; else they are kept in memory.

    Raises:
        CorpusError: a file is missing, misaligned or holds no usable row.
    """
    stage = config.stages[number]
    files = [fingerprint(corpus) for corpus in stage.corpora]
    folder = stage_folder(stage, files, tokenizer, template, config.seed) if on_disk else None
    examples, corpora, told = _tokenised(stage, tokenizer, template, config.seed, folder)
    rng = np.random.default_rng([config.seed, number, 1])
    every = [oriented for _, oriented in _labelled(stage)]
    streams = [
        Stream(label, _sequences(oriented, stage, range(first, stop), examples, rng), oriented.weight, oriented.replay)
        for (label, first, stop), oriented in zip(corpora.spans, every, strict=True)
    ]
    plan = make_plan(
        streams,
        examples.lengths(),
        mixture=stage.mixture,
        budget=stage.budget,
        sequences_per_step=stage.batch.sequences,
        seed=[config.seed, number, 2],
        together=SIDES if stage.preference is not None else 1,
    )
    counts = {stream.name: sum(len(sequence) for sequence in stream.sequences) for stream in streams}
    return StageData(examples, plan, corpora.tallies, counts, corpora.fertility, [file for each in files for file in each], told)


def _tokenised(
    stage: StageConfig, tokenizer: PreTrainedTokenizerBase, template: PromptTemplate, seed: int, folder: Path | None
) -> tuple[Examples, CorporaAccount, str | None]:
    """A stage's examples, in memory or in a folder, and a line about where on disk."""

    def tokenise(sink: ExampleSink) -> CorporaAccount:
        return _tokenise(stage, tokenizer, template, seed, sink)

    if folder is None or not (is_complete(folder) or may_write(folder)):
        examples = ExampleSet()
        return examples, tokenise(examples), f"tokens are kept in memory, since {folder} cannot be written" if folder else None
    stored, account, told = stored_examples(folder, column_codes(tokenizer), lambda sink: tokenise(sink).to_json())
    return stored, CorporaAccount.from_json(account), told


def _tokenise(
    stage: StageConfig, tokenizer: PreTrainedTokenizerBase, template: PromptTemplate, seed: int, sink: ExampleSink
) -> CorporaAccount:
    spans: list[Span] = []
    tallies: dict[str, list[Tally]] = {}
    samples: Samples = {}
    for label, oriented in _labelled(stage):
        reading, tokenising = Tally(), Tally("tokenising")
        first = len(sink)
        for example in _corpus_examples(oriented, stage, tokenizer, template, seed, reading, tokenising, samples):
            sink.add(example)
        if len(sink) == first:
            raise CorpusError("no usable row", where=label, allowed="; ".join([*reading.lines(), *tokenising.lines()]))
        tallies[label] = [reading, tokenising]
        spans.append((label, first, len(sink)))
    fertility = {language.name: measure_fertility(texts, tokenizer, language) for language, texts in samples.items()}
    return CorporaAccount(spans, tallies, fertility)


def _labelled(stage: StageConfig) -> Iterator[tuple[str, CorpusConfig]]:
    """Every corpus of a stage in every direction, with its label."""
    for position, corpus in enumerate(stage.corpora):
        yield from directions(corpus, position)


def _sequences(corpus: CorpusConfig, stage: StageConfig, indices: range, examples: Examples, rng: np.random.Generator) -> list[Indices]:
    """A corpus's examples as the plan draws them: blocks of documents, both sides of a preference, or pairs one by one."""
    if corpus.language is not None or corpus.interlinear:
        return block_sequences(indices, examples.lengths(), stage.batch.max_length, rng)
    if stage.preference is not None:
        return preference_sequences(indices)
    return [np.asarray([index], dtype=np.int64) for index in indices]


def directions(corpus: CorpusConfig, position: int = 0) -> Iterator[tuple[str, CorpusConfig]]:
    """A label and an oriented corpus for each direction it is trained in; two directions share the corpus's weight."""
    name = corpus.name or f"corpus {position + 1}"
    if corpus.language:
        yield f"{name} ({find_language(corpus.language).bcp47})", corpus
        return
    assert corpus.source and corpus.target
    source, target = find_language(corpus.source).bcp47, find_language(corpus.target).bcp47
    share = replace(corpus, weight=corpus.weight / 2) if corpus.directions == "both" else corpus
    if corpus.directions in ("forward", "both"):
        yield f"{name} ({source}-{target})", replace(share, directions="forward")
    if corpus.directions in ("reverse", "both"):
        yield f"{name} ({target}-{source})", replace(share, directions="reverse")


def oriented_pairs(corpus: CorpusConfig, tally: Tally) -> tuple[Language, Language, Iterator[Pair]]:
    """The languages and pairs of a corpus in its (single) direction."""
    assert corpus.source and corpus.target
    source, target = find_language(corpus.source), find_language(corpus.target)
    pairs = read_pairs(corpus, tally)
    if corpus.directions == "reverse":
        return target, source, (Pair(pair.target, pair.source, pair.origin) for pair in pairs)
    return source, target, pairs


def _corpus_examples(
    corpus: CorpusConfig,
    stage: StageConfig,
    tokenizer: PreTrainedTokenizerBase,
    template: PromptTemplate,
    seed: int,
    reading: Tally,
    tokenising: Tally,
    samples: Samples,
) -> Iterator[Example]:
    batch = stage.batch
    if corpus.language:
        segments = _sampled_segments(read_segments(corpus, reading), find_language(corpus.language), samples)
        return document_examples(segments, tokenizer, batch.max_length, batch.long_rows, tokenising)
    if stage.preference is not None:
        assert corpus.source and corpus.target
        source, target = find_language(corpus.source), find_language(corpus.target)
        preferences = _sampled_preferences(read_preferences(corpus, reading), source, target, samples)
        return preference_examples(preferences, tokenizer, template, source, target, batch.max_length, tokenising)
    source, target, pairs = oriented_pairs(corpus, reading)
    pairs = _sampled_pairs(pairs, source, target, samples)
    if corpus.interlinear:
        return document_examples(interlinear_segments(pairs), tokenizer, batch.max_length, batch.long_rows, tokenising)
    terms = term_prompts(corpus, template, source, target, seed) if corpus.lexicon else None
    return pair_examples(pairs, tokenizer, template, source, target, batch.max_length, tokenising, terms)


def term_prompts(corpus: CorpusConfig, template: PromptTemplate, source: Language, target: Language, seed: int) -> TermPrompts:
    """The prompts of a corpus with a lexicon, which is read in the corpus's own direction and turned round where the pairs are.

    Raises:
        CorpusError: the lexicon is missing, unreadable or empty.
    """
    from .lexicons import read_lexicon
    from .prompting.dictionary import turned_round
    from .prompting.loading import split_format
    from .prompting.training import TermPrompts

    assert corpus.lexicon
    path, format_ = split_format(corpus.lexicon)
    reverse = corpus.directions == "reverse"
    first, second = (target, source) if reverse else (source, target)
    lexicon = read_lexicon(path, first.bcp47, second.bcp47, format_)
    lexicon = turned_round(lexicon) if reverse else lexicon
    return TermPrompts.of(lexicon, template, source, target, corpus.lexicon_style, corpus.lexicon_share, seed)


def _sampled_segments(segments: Iterator[Segment], language: Language, samples: Samples) -> Iterator[Segment]:
    kept = samples.setdefault(language, [])
    for segment in segments:
        if len(kept) < SAMPLE:
            kept.append(segment.text)
        yield segment


def _sampled_preferences(preferences: Iterator[Preference], source: Language, target: Language, samples: Samples) -> Iterator[Preference]:
    sources, targets = samples.setdefault(source, []), samples.setdefault(target, [])
    for preference in preferences:
        for kept, text in ((sources, preference.source), (targets, preference.chosen)):
            if len(kept) < SAMPLE:
                kept.append(text)
        yield preference


def _sampled_pairs(pairs: Iterator[Pair], source: Language, target: Language, samples: Samples) -> Iterator[Pair]:
    sources, targets = samples.setdefault(source, []), samples.setdefault(target, [])
    for pair in pairs:
        for kept, text in ((sources, pair.source), (targets, pair.target)):
            if len(kept) < SAMPLE:
                kept.append(text)
        yield pair
