"""The settings of an encoder-decoder trained from scratch, or from an earlier one on; `mt.recipes.load_settings` reads them from YAML."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Literal

from pydantic import ConfigDict

from ...mt.config import BudgetConfig, CorpusConfig, MixtureConfig, ScheduleConfig

_STRICT = ConfigDict(extra="forbid")


@dataclass(frozen=True)
class ShapeConfig:
    """Sizes of the model (Vaswani et al. 2017); both halves have the same width, and all embeddings are one matrix."""

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT

    vocabulary: int = 8000  # pieces, language tokens not counted
    width: int = 256
    encoder_layers: int = 3
    decoder_layers: int = 2
    heads: int = 4
    feed_forward: int = 768
    dropout: float = 0.1
    positions: int = 512  # most tokens of a side


@dataclass(frozen=True)
class TranslationModelConfig:
    """A whole training run; the pairs of a step are of like length."""

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT

    corpora: list[CorpusConfig]
    run: str = "runs/{recipe}"
    seed: int = 1
    start: str | None = None  # the model folder of an earlier run: its weights, shape and vocabulary are where this one begins
    shape: ShapeConfig = field(default_factory=ShapeConfig)
    mixture: MixtureConfig = field(default_factory=MixtureConfig)
    schedule: ScheduleConfig = field(default_factory=lambda: ScheduleConfig("linear", peak=2e-3, warmup=0.08))
    budget: BudgetConfig = field(default_factory=lambda: BudgetConfig(epochs=5.0))
    sequences: int = 96  # pairs of a step
    label_smoothing: float = 0.1
    dtype: Literal["float32", "bfloat16"] = "float32"  # of the matrix products; weights stay in float32
    longest: int = 80  # pieces of a side; longer pairs are left out, and counted
    save_every: int = 250  # steps
    test: list[CorpusConfig] = field(default_factory=list)
    test_sentences: int | None = None
