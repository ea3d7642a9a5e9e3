"""Generate the continuations of a batch of prompts: greedy or sampled, a step at a time (beam search: `beams.py`).

A loop of our own rather than `generate`, because a translator called from training needs four things at once: rows that finish leave the
batch, every row has its own length limit (so a batch gives what single rows give), a caller may stop after any step, and neither the
model's generation settings nor torch's random state are touched.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch

from .config import DecodingConfig
from .errors import ConfigError
from .prefixes import Prefix, prompt_embeddings

if TYPE_CHECKING:
    from transformers import PreTrainedModel

SHARED_FROM = 32  # leading tokens that all prompts of a batch share: from here on reading them once pays
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


class DecoderState:
    """A batch being decoded: attention mask and key/value cache, row by row in step with the caller's rows."""

    def __init__(
        self, model: PreTrainedModel, prompts: Sequence[Sequence[int]], padding: int, prefixes: Sequence[Prefix | None] = ()
    ) -> None:
        self._model = model
        device = model.get_input_embeddings().weight.device
        self._cache: object | None = None
        self._accepted = _forward_arguments(model)
        if any(prefix is not None for prefix in prefixes):
            with torch.no_grad():
                embeddings, self._mask = prompt_embeddings(model, prompts, prefixes, side="left")  # (B, T, d), (B, T)
            self._prompts = embeddings
            return
        width = max(len(prompt) for prompt in prompts)
        rows = [[padding] * (width - len(prompt)) + list(prompt) for prompt in prompts]
        self._mask = torch.tensor([[0] * (width - len(prompt)) + [1] * len(prompt) for prompt in prompts], device=device)  # (B, T)
        self._prompts = torch.tensor(rows, device=device)  # (B, T)
        shared = shared_prefix(prompts) if len(prompts) > 1 and can_share(model) else 0
        if shared >= SHARED_FROM:
            self._read_once(prompts, shared, padding)

    @classmethod
    def of(cls, model: PreTrainedModel, requests: Sequence[Request], padding: int) -> DecoderState:
        """The prompts of requests, with what stands in them besides ids."""
        return cls(model, [request.prompt for request in requests], padding, [request.prefix for request in requests])

    def _read_once(self, prompts: Sequence[Sequence[int]], shared: int, padding: int) -> None:
        """Read the tokens that all prompts begin with in one row, and give every row its keys and values."""
        device = self._mask.device
        self._mask = torch.ones((1, shared), dtype=torch.long, device=device)
        self._forward(torch.tensor([list(prompts[0][:shared])], device=device))
        self._cache.batch_repeat_interleave(len(prompts))  # type: ignore[union-attr]
        rests = [prompt[shared:] for prompt in prompts]
        width = max(map(len, rests))
        ones = [1] * shared
        self._mask = torch.tensor([ones + [0] * (width - len(rest)) + [1] * len(rest) for rest in rests], device=device)  # (B, T)
        self._prompts = torch.tensor([[padding] * (width - len(rest)) + list(rest) for rest in rests], device=device)

    def start(self) -> torch.Tensor:
        """Read the prompts: (B, V) float32 logits of each row's first new token."""
        return self._forward(self._prompts)

    def advance(self, tokens: Sequence[int]) -> torch.Tensor:
        """Append one token to each row: (B, V) float32 logits of the next."""
        column = torch.tensor(tokens, device=self._mask.device).unsqueeze(1)
        self._mask = torch.cat([self._mask, torch.ones_like(column)], dim=1)
        return self._forward(column)

    def select(self, rows: Sequence[int]) -> None:
        """Keep these rows, in this order; a row may come several times (beams) or not at all (finished)."""
        index = torch.tensor(rows, device=self._mask.device)
        self._mask = self._mask[index]
        self._cache.reorder_cache(index)  # type: ignore[union-attr]

    def _forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Ids (B, T), or what stands for them (B, T, d)."""
        read = {"input_ids" if inputs.ndim == 2 else "inputs_embeds": inputs}
        positions = (self._mask.cumsum(dim=1) - 1).clamp(min=0)[:, -inputs.shape[1] :]
        optional = {"position_ids": positions, "logits_to_keep": 1}
        with torch.no_grad():
            output = self._model(
                **read,
                attention_mask=self._mask,
                past_key_values=self._cache,
                use_cache=True,
                **{name: value for name, value in optional.items() if name in self._accepted},
            )
        self._cache = output.past_key_values
        logits: torch.Tensor = output.logits[:, -1].float()
        return logits


def can_share(model: PreTrainedModel) -> bool:
    """Whether a beginning that prompts share can be read once.

    Padding then stands between it and the rest, which only attention by explicit positions and over everything bears.
    """
    config = model.config.get_text_config(decoder=True)
    layers = set(getattr(config, "layer_types", None) or ["full_attention"])
    windowed = getattr(config, "sliding_window", None) is not None and getattr(config, "use_sliding_window", True)
    return "position_ids" in _forward_arguments(model) and layers == {"full_attention"} and not windowed


def shared_prefix(prompts: Sequence[Sequence[int]]) -> int:
    """How many leading tokens all prompts have in common, the last token of none among them."""
    first, last = min(map(tuple, prompts)), max(map(tuple, prompts))  # in this order every other prompt lies between them
    most = min(len(prompt) for prompt in prompts) - 1
    return next((number for number in range(most) if first[number] != last[number]), max(0, most))


def decode(
    model: PreTrainedModel, requests: Sequence[Request], ending: Ending, config: DecodingConfig, padding: int
) -> Iterator[list[Continuation]]:
    """Continue every prompt, greedily or by sampling; yields all rows, in the order of `requests`, after each step.

    The list is the same one each time. Leaving the iteration stops the work.
    """
    rows = [Continuation(request) for request in requests]
    generators = [torch.Generator().manual_seed(request.seed) for request in requests]
    state = DecoderState.of(model, requests, padding)
    alive = list(range(len(rows)))
    logits = state.start()
    while True:
        scores = penalise(logits, [rows[i].ids for i in alive], config.repetition_penalty)
        chosen = _sample(scores, [generators[i] for i in alive], config) if config.sample else scores.argmax(dim=-1)
        picked = (logits.gather(1, chosen[:, None]).squeeze(1) - logits.logsumexp(dim=-1)).tolist()
        tokens: list[int] = chosen.tolist()
        for i, token, log_probability in zip(alive, tokens, picked, strict=True):
            ending.append(rows[i], token, log_probability)
        yield rows
        kept = [position for position, i in enumerate(alive) if not rows[i].done]
        if not kept:
            return
        if len(kept) < len(alive):
            state.select(kept)
            alive, tokens = [alive[p] for p in kept], [tokens[p] for p in kept]
        logits = state.advance(tokens)


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


def _forward_arguments(model: PreTrainedModel) -> frozenset[str]:
    base = model.get_base_model() if hasattr(model, "get_base_model") else model
    return frozenset(inspect.signature(base.forward).parameters)
