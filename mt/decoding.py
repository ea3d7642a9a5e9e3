"""Generate the continuations of a batch of prompts: greedy or sampled, a step at a time (beam search: `beams.py`).

A loop of our own rather than `generate`, because a translator called from training needs four things at once: rows that finish leave the
batch, every row has its own length limit (so a batch gives what single rows give), a caller may stop after any step, and neither the
model's generation settings nor torch's random state are touched.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch

from .config import DecodingConfig
from .errors import ConfigError
from .pools import pool_for
from .prefixes import Prefix

if TYPE_CHECKING:
    from transformers import PreTrainedModel

_WORTH_A_PASS = 4  # prompts that wait are read when they are as many as one in so many rows at work: passes have a price of their own
MOST_BEAMS = 256  # quality falls long before, and memory grows with each


@dataclass(frozen=True)
class Request:
    """One prompt to continue.

    Attributes:
        prompt: ids, BOS included.
        limit: most new tokens, EOS included.
        one_line: also stop at the first newline that follows some text.
        seed: of this row's own random numbers, so that samples do not depend on what else is in the batch.
        required: for beam search, what the output must hold: of each constraint its alternatives, as ids that stand side by side.
        source: with an encoder in front of the model, what that reads.
        prefix: what it then gave.
    """

    prompt: Sequence[int]
    limit: int
    one_line: bool = False
    seed: int = 0
    required: tuple[tuple[tuple[int, ...], ...], ...] = ()
    source: tuple[int, ...] = ()
    prefix: Prefix | None = field(default=None, compare=False)

    @property
    def length(self) -> int:
        """Positions the prompt takes, the encoder's states and their end vector included."""
        return len(self.prompt) + (len(self.source) + 1 if self.source else 0)


@dataclass
class Continuation:
    """What a row has generated so far.

    Attributes:
        ids: without EOS.
        log_probability: sum over all generated tokens, EOS included, under the model alone (no penalty, no temperature).
        generated: number of generated tokens, EOS included.
        finished: the row ended by itself, not at its limit.
    """

    request: Request
    ids: list[int] = field(default_factory=list)
    log_probability: float = 0.0
    generated: int = 0
    finished: bool = False
    has_text: bool = False

    @property
    def done(self) -> bool:
        """Whether nothing more is generated for this row."""
        return self.finished or self.generated >= self.request.limit


@dataclass(frozen=True)
class Ending:
    """When a row ends: EOS-like ids, and newlines where they are asked for."""

    stop_ids: frozenset[int]
    token_text: Callable[[int], str]

    def ends(self, token: int, row: Continuation) -> bool:
        """Whether `token`, generated after `row`, finishes it."""
        return token in self.stop_ids or (row.request.one_line and self._breaks_line(token, row.has_text))

    def append(self, row: Continuation, token: int, log_probability: float) -> None:
        """Add a generated token to a row."""
        row.finished = self.ends(token, row)
        row.generated += 1
        row.log_probability += log_probability
        if token not in self.stop_ids:
            row.ids.append(token)
            row.has_text = row.has_text or bool(self.token_text(token).strip())

    def _breaks_line(self, token: int, has_text: bool) -> bool:
        text = self.token_text(token)
        return "\n" in (text if has_text else text.lstrip())


def check_decoding(config: DecodingConfig) -> None:
    """Refuse decoding settings that mean nothing.

    Raises:
        ConfigError: which setting, and what it may be.
    """
    wrong = [
        ("beams", not 1 <= config.beams <= MOST_BEAMS, f"1 to {MOST_BEAMS}"),
        ("max_new_tokens", config.max_new_tokens is not None and config.max_new_tokens < 1, "1 or more, or null"),
        ("temperature", not 0 < config.temperature < float("inf"), "above 0 (greedy: sample false)"),
        ("top_p", not 0 < config.top_p <= 1, "above 0, at most 1"),
        ("repetition_penalty", not 0 < config.repetition_penalty < float("inf"), "above 0 (1 is none)"),
        ("batch_tokens", config.batch_tokens < 1, "1 or more"),
    ]
    for name, bad, allowed in wrong:
        if bad:
            raise ConfigError(f"`{name}` is {getattr(config, name)}", where="decoding", allowed=allowed)
    if config.sample and config.beams > 1:
        raise ConfigError("sampling and beam search at once", where="decoding", allowed="sample with beams 1, or beams without sample")


@contextmanager
def evaluation_mode(model: PreTrainedModel) -> Iterator[None]:
    """Evaluation mode inside the block; afterwards every module is in the mode it was in (some may have been frozen in evaluation)."""
    training = [module for module in model.modules() if module.training]
    model.eval()
    try:
        yield
    finally:
        for module in training:
            module.training = True


def decode(
    model: PreTrainedModel, requests: Sequence[Request], ending: Ending, config: DecodingConfig, padding: int
) -> Iterator[list[Continuation]]:
    """Continue every prompt, greedily or by sampling; yields all rows, in the order of `requests`, after each step.

    As many prompts as `config.batch_tokens` holds are worked on at a time, the first ones first; where the model bears it, one that ends
    makes room for the next. The list is the same one each time. Leaving the iteration stops the work.
    """
    rows = [Continuation(request) for request in requests]
    generators = [torch.Generator().manual_seed(request.seed) for request in requests]
    pool = pool_for(model, padding, requests)
    weights = [pool.weight(request) for request in requests]
    waiting = deque(range(len(rows)))
    alive: list[int] = []
    tokens: list[int] = []

    def pick(logits: torch.Tensor, members: Sequence[int]) -> list[int]:
        scores = penalise(logits, [rows[i].ids for i in members], config.repetition_penalty)
        chosen = _sample(scores, [generators[i] for i in members], config) if config.sample else scores.argmax(dim=-1)
        picked = (logits.gather(1, chosen[:, None]).squeeze(1) - logits.logsumexp(dim=-1)).tolist()
        for i, token, log_probability in zip(members, found := chosen.tolist(), picked, strict=True):
            ending.append(rows[i], token, log_probability)
        return found

    while alive or waiting:
        if alive:
            tokens = pick(pool.advance(tokens), alive)
        if new := _admissible(waiting, weights, alive, config.batch_tokens) if pool.refills or not alive else []:
            tokens += pick(pool.admit([requests[i] for i in new]), new)
            alive += new
        yield rows
        kept = [position for position, i in enumerate(alive) if not rows[i].done]
        if len(kept) < len(alive):
            order = pool.keep(kept)
            alive, tokens = [alive[p] for p in order], [tokens[p] for p in order]


def _admissible(waiting: deque[int], weights: Sequence[int], alive: Sequence[int], room: int) -> list[int]:
    """Take from `waiting` what there is room for beside `alive`, as soon as that is worth a pass of its own."""
    new: list[int] = []
    widest = max((weights[i] for i in alive), default=0)
    for i in waiting:
        widest = max(widest, weights[i])
        if (alive or new) and (len(alive) + len(new) + 1) * widest > room:
            break
        new.append(i)
    if len(new) < min(len(waiting), math.ceil(len(alive) / _WORTH_A_PASS)):
        return []
    for _ in new:
        waiting.popleft()
    return new


def penalise(scores: torch.Tensor, outputs: Sequence[Sequence[int]], penalty: float) -> torch.Tensor:
    """Make tokens a row has generated already less likely (CTRL, Keskar et al. 2019).

    The prompt is left out of it, unlike in `generate`: a translation must be free to repeat names and numbers of its source.

    Args:
        scores: (B, V), logits or log-probabilities.
        outputs: B lists of generated ids.
        penalty: 1 changes nothing.
    """
    if penalty == 1.0:
        return scores
    scores = scores.clone()
    for row, ids in zip(scores, outputs, strict=True):
        seen = torch.tensor(sorted(set(ids)), dtype=torch.long, device=scores.device)
        row[seen] = torch.where(row[seen] > 0, row[seen] / penalty, row[seen] * penalty)
    return scores


def _sample(scores: torch.Tensor, generators: Sequence[torch.Generator], config: DecodingConfig) -> torch.Tensor:
    """(B,) ids drawn from the nucleus (Holtzman et al. 2020) by inverting the cumulative distribution at one random number a row."""
    probabilities, order = (scores / config.temperature).softmax(dim=-1).sort(dim=-1, descending=True)
    before = probabilities.cumsum(dim=-1) - probabilities  # mass of the likelier tokens: the likeliest one always stays
    cumulative = probabilities.masked_fill(before >= config.top_p, 0.0).cumsum(dim=-1)
    drawn = torch.stack([torch.rand(1, generator=generator) for generator in generators]).to(scores.device)
    place = torch.searchsorted(cumulative, drawn * cumulative[:, -1:]).clamp(max=scores.shape[-1] - 1)
    return order.gather(1, place).squeeze(1)
