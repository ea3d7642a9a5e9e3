"""What numbers a recipe may hold: one row a field, so that a slip of the keyboard is refused at its key before anything is read.

The upper bounds are far beyond any use; they are there because a list of 10^12 items fills the memory before it can be refused.
"""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from . import config as recipe
from .errors import ConfigError


@dataclass(frozen=True)
class Bound:
    """The numbers a field may hold: from `low` to `high`, without `low` where `above` and without `high` where `below` is set."""

    low: float
    high: float = math.inf
    above: bool = False
    below: bool = False

    def holds(self, number: float) -> bool:
        """Whether a finite number lies inside."""
        return (number > self.low if self.above else number >= self.low) and (number < self.high if self.below else number <= self.high)

    def __str__(self) -> str:
        low = f"above {self.low:g}" if self.above else f"{self.low:g} or more"
        if self.high == math.inf:
            return low
        high = f"{self.high:,g}" if self.high < 1e6 else f"{self.high:,.0f}"
        return f"{low}, {'below' if self.below else 'at most'} {high}"


_UNUSABLE = re.compile("[\\0\ud800-\udfff]")  # Python spells bytes of the command line that are not UTF-8 as lone surrogates
_POSITIVE = Bound(0, above=True)
_COUNT = Bound(1)
_SHARE = Bound(0, 1, below=True)
_NOT_NEGATIVE = Bound(0)

BOUNDS: dict[tuple[type, str], Bound] = {
    (recipe.RunConfig, "seed"): Bound(0, 4_000_000_000),  # numpy's seeds have 32 bits, and each stage adds a thousand
    (recipe.CorpusConfig, "weight"): Bound(0, 1_000_000_000, above=True),
    (recipe.CorpusConfig, "max_rows"): _COUNT,
    (recipe.CorpusConfig, "min_words"): _NOT_NEGATIVE,
    (recipe.CorpusConfig, "max_words"): _COUNT,
    (recipe.CorpusConfig, "lexicon_share"): Bound(0, 1),
    (recipe.MixtureConfig, "temperature"): Bound(0.1),  # sizes are raised to its inverse: below this they overflow
    (recipe.MixtureConfig, "replay"): _SHARE,
    (recipe.ScheduleConfig, "peak"): _POSITIVE,
    (recipe.ScheduleConfig, "warmup"): _SHARE,
    (recipe.ScheduleConfig, "anneal"): _SHARE,
    (recipe.BudgetConfig, "tokens"): _POSITIVE,
    (recipe.BudgetConfig, "steps"): _POSITIVE,
    (recipe.BudgetConfig, "epochs"): _POSITIVE,
    (recipe.BatchConfig, "sequences"): Bound(1, 65_536),
    (recipe.BatchConfig, "max_length"): Bound(2, 1_048_576),
    (recipe.BatchConfig, "micro_tokens"): _COUNT,
    (recipe.TrainableConfig, "rank"): Bound(1, 65_536),
    (recipe.TrainableConfig, "alpha"): _COUNT,
    (recipe.TrainableConfig, "dropout"): _SHARE,
    (recipe.OptimizerConfig, "weight_decay"): _NOT_NEGATIVE,
    (recipe.OptimizerConfig, "betas"): _SHARE,
    (recipe.OptimizerConfig, "epsilon"): _POSITIVE,
    (recipe.OptimizerConfig, "clip"): _NOT_NEGATIVE,
    (recipe.StageConfig, "evaluate_every"): _POSITIVE,
    (recipe.PreferenceConfig, "beta"): _POSITIVE,
    (recipe.PreferenceConfig, "nll_weight"): _NOT_NEGATIVE,
    (recipe.PreferenceConfig, "arpo_scale"): _NOT_NEGATIVE,
    (recipe.PreferenceConfig, "arpo_rate"): _NOT_NEGATIVE,
    (recipe.EvaluationConfig, "sentences"): _COUNT,
    (recipe.EvaluationConfig, "test_sentences"): _COUNT,
    (recipe.EvaluationConfig, "patience"): _COUNT,
    (recipe.VocabularyConfig, "pieces"): Bound(1, 1_000_000),
    (recipe.VocabularyConfig, "min_gain"): _NOT_NEGATIVE,
    (recipe.CheckpointConfig, "every"): _POSITIVE,
    (recipe.CheckpointConfig, "keep"): _COUNT,
}


def check_bounds(config: recipe.RunConfig, where: str | None = None) -> None:
    """Refuse numbers out of bounds or not finite, and texts no path or name can hold.

    Raises:
        ConfigError: the first of them, at its key.
    """
    for key, owner, name, value in _leaves(config, ()):
        at = f"{where}: {'.'.join(key)}" if where else ".".join(key)
        if isinstance(value, str) and _UNUSABLE.search(value):
            raise ConfigError(f"{value!r} holds a NUL character, or bytes that are not UTF-8", where=at, allowed="UTF-8 text without NUL")
        if isinstance(value, int | float) and not isinstance(value, bool):
            bound = BOUNDS.get((owner, name))
            if (isinstance(value, float) and not math.isfinite(value)) or (bound is not None and not bound.holds(value)):
                raise ConfigError(f"{_shown(value)} is out of range", where=at, allowed=str(bound or "a finite number"))


def _shown(value: float) -> str:
    text = str(value)
    return text if len(text) <= 30 else f"a number of {len(text)} digits"


def _leaves(node: Any, key: tuple[str, ...], owner: type = object, name: str = "") -> Iterator[tuple[tuple[str, ...], type, str, Any]]:
    """Every plain value below a dataclass: its dotted key (stages by name), the class and field that hold it, and itself."""
    if dataclasses.is_dataclass(node) and not isinstance(node, type):
        for field in dataclasses.fields(node):
            yield from _leaves(getattr(node, field.name), (*key, field.name), type(node), field.name)
    elif isinstance(node, list | tuple):
        for position, item in enumerate(node):
            called = item.name if isinstance(item, recipe.StageConfig) else str(position)
            yield from _leaves(item, (*key, called), owner, name)
    else:
        yield key, owner, name, node
