"""A stage's corpora read, tokenised and put in order: the examples and the plan that training follows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from ..vocab.fertility import Fertility, measure_fertility
from .config import CorpusConfig, RunConfig, StageConfig
from .corpora import read_pairs, read_segments
from .corpora.records import Pair, Segment
from .corpora.tally import Tally
from .errors import CorpusError
from .examples import Example, ExampleSet, document_examples, interlinear_segments, pair_examples
from .languages import Language, find_language
from .plan import Plan, Stream, block_sequences, make_plan
from .prompts import PromptTemplate

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
    """

    examples: ExampleSet
    plan: Plan
    tallies: dict[str, list[Tally]]
    streams: dict[str, int]
    fertility: dict[str, Fertility]

    @property
    def target_tokens(self) -> int:
        """Tokens of the plan that carry loss."""
        targets = self.examples.target_lengths()
        return int(sum(targets[step].sum() for step in self.plan.steps))


def build_stage(config: RunConfig, number: int, tokenizer: PreTrainedTokenizerBase, template: PromptTemplate) -> StageData:
    """Read, tokenise and plan stage `number` of a recipe.

    Raises:
        CorpusError: a file is missing, misaligned or holds no usable row.
    """
    stage = config.stages[number]
    examples = ExampleSet()
    tallies: dict[str, list[Tally]] = {}
    streams: list[Stream] = []
    samples: Samples = {}
    rng = np.random.default_rng([config.seed, number, 1])
    for position, corpus in enumerate(stage.corpora):
        for label, oriented in directions(corpus, position):
            reading, tokenising = Tally(), Tally("tokenising")
            first = len(examples)
            for example in _corpus_examples(oriented, stage, tokenizer, template, config.seed, reading, tokenising, samples):
                examples.add(example)
            if len(examples) == first:
                raise CorpusError("no usable row", where=label, allowed="; ".join([*reading.lines(), *tokenising.lines()]))
            indices = range(first, len(examples))
            whole = corpus.language is not None or corpus.interlinear
            sequences = (
                block_sequences(indices, examples.lengths(), stage.batch.max_length, rng)
                if whole
                else [np.asarray([index], dtype=np.int64) for index in indices]
            )
            tallies[label] = [reading, tokenising]
            streams.append(Stream(label, sequences, oriented.weight, corpus.replay))
    plan = make_plan(
        streams,
        examples.lengths(),
        mixture=stage.mixture,
        budget=stage.budget,
        sequences_per_step=stage.batch.sequences,
        seed=[config.seed, number, 2],
    )
    counts = {stream.name: sum(len(sequence) for sequence in stream.sequences) for stream in streams}
    fertility = {language.name: measure_fertility(texts, tokenizer, language) for language, texts in samples.items()}
    return StageData(examples, plan, tallies, counts, fertility)


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


def _sampled_pairs(pairs: Iterator[Pair], source: Language, target: Language, samples: Samples) -> Iterator[Pair]:
    sources, targets = samples.setdefault(source, []), samples.setdefault(target, [])
    for pair in pairs:
        for kept, text in ((sources, pair.source), (targets, pair.target)):
            if len(kept) < SAMPLE:
                kept.append(text)
        yield pair
