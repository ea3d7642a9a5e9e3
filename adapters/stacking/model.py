"""The stack: a frozen translation encoder, a projection, and a causal language model with LoRA.

Two ways to read what the encoder gives. To understand (Schmidt et al. 2024), the projected states alone stand where the token embeddings
would, no BOS and no text, and the language model's last states are averaged. To translate (the layout of MindMerger, Huang et al. 2024),
they stand in front of a prompt, behind BOS and before a learnt end vector: `[BOS][states][end][prompt]...`, always causal.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any, Literal, cast

import torch
from torch import Tensor, nn

from ...mt.decoding import evaluation_mode
from ...mt.errors import ModelError
from ...mt.prefixes import Prefix, prompt_embeddings
from ...mt.shared_attention import SHARING
from .encoder import SourceEncoder
from .projection import Projection, ProjectionKind

Attention = Literal["causal", "bidirectional"]


class StackedModel(nn.Module):
    """Encoder, projection, end vector and language model.

    The encoder is no submodule: its weights are not among `parameters()`, not in the state and never in training mode.

    Args:
        encoder: frozen.
        llm: a peft model with LoRA (or a plain model, to translate with).
        kind: of the projection.
        attention: how the language model attends when states are read to be understood, by teacher and student alike.
        seed: of the projection's and the end vector's first values.

    Raises:
        ModelError: the language model does not take `inputs_embeds`, or an attention kernel that cannot be bidirectional.
    """

    def __init__(
        self, encoder: SourceEncoder, llm: Any, *, kind: ProjectionKind = "linear", attention: Attention = "causal", seed: int = 0
    ) -> None:
        super().__init__()
        _check_llm(llm, attention)
        self._outside = (encoder,)
        self.llm = llm
        self.attention = attention
        embeddings = llm.get_input_embeddings().weight
        size = float(embeddings.detach().float().square().mean().sqrt())
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            projection = Projection(kind, encoder.dim, embeddings.shape[1], size)
            end = torch.randn(embeddings.shape[1]) * size
        # Small and trained: float32 whatever the language model is in.
        self.projection = projection.to(embeddings.device)
        self.end = nn.Parameter(end.to(embeddings.device))

    @property
    def encoder(self) -> SourceEncoder:
        """The frozen encoder with its tokenizer."""
        return self._outside[0]

    @property
    def adapted(self) -> bool:
        """Whether the language model has an adapter (that can be switched off to be the teacher)."""
        return hasattr(self.llm, "peft_config")

    @property
    def dtype(self) -> torch.dtype:
        """Of the language model's embeddings."""
        return cast(torch.dtype, self.llm.get_input_embeddings().weight.dtype)

    # ---- to understand ----

    def project(self, ids: Tensor, mask: Tensor) -> Tensor:
        """The encoder's ids and mask (B, S) -> (B, S, d) float32, d the language model's width."""
        states = self.encoder.states(ids, mask)
        projected: Tensor = self.projection(states.to(self.end.device, torch.float32))
        return projected

    def states(self, ids: Tensor, mask: Tensor) -> Tensor:
        """(B, S, d) last states of the language model over the projected states of the encoder's ids and mask (B, S)."""
        embeddings = self.project(ids, mask).to(self.dtype)
        return self._last_states(mask.to(embeddings.device), inputs_embeds=embeddings)

    def pooled(self, ids: Tensor, mask: Tensor) -> Tensor:
        """(B, d) float32: the mean of `states` over each row's own tokens."""
        return masked_mean(self.states(ids, mask), mask)

    def text_states(self, ids: Tensor, mask: Tensor) -> Tensor:
        """(B, T, d) last states over the language model's own ids and mask (B, T), with whatever adapter is active."""
        return self._last_states(mask, input_ids=ids)

    def text_pooled(self, ids: Tensor, mask: Tensor) -> Tensor:
        """(B, d) float32: the mean of `text_states` over each row's own tokens."""
        return masked_mean(self.text_states(ids, mask), mask)

    def teacher_states(self, ids: Tensor, mask: Tensor) -> Tensor:
        """(B, T, d) of the language model without its adapter, in evaluation mode and without gradients: the same weights, no copy."""
        assert self.adapted, "a merged stack has no teacher"
        wanted = [parameter for parameter in self.llm.parameters() if parameter.requires_grad]
        try:
            with torch.no_grad(), evaluation_mode(self.llm), self.llm.disable_adapter():
                return self.text_states(ids, mask)
        finally:  # peft lets the adapter want gradients when it comes back, whether it did or not
            kept = {id(parameter) for parameter in wanted}
            for parameter in self.llm.parameters():
                if parameter.requires_grad != (id(parameter) in kept):
                    parameter.requires_grad_(id(parameter) in kept)

    def teacher_pooled(self, ids: Tensor, mask: Tensor) -> Tensor:
        """(B, d) float32: the mean of `teacher_states` over each row's own tokens."""
        return masked_mean(self.teacher_states(ids, mask), mask)

    def _last_states(self, mask: Tensor, **inputs: Tensor) -> Tensor:
        attended = mask if self.attention == "causal" else _everything(mask, self.dtype)
        output = self._body()(attention_mask=attended, use_cache=False, **inputs)
        states: Tensor = output.last_hidden_state
        return states

    def _body(self) -> Any:
        """The language model without its head; the adapter's layers are inside."""
        return self.language_model.get_decoder()

    @property
    def language_model(self) -> Any:
        """The language model with its head; adapters, if any, are inside its layers."""
        return self.llm.get_base_model() if self.adapted else self.llm

    # ---- to translate ----

    def prefixes(self, rows: Sequence[Sequence[int]]) -> list[Tensor]:
        """For each row of the encoder's ids (S,) what stands before its prompt: (S + 1, d) float32, the end vector last."""
        ids, mask = self.encoder.batch(rows)
        projected = self.project(ids, mask)
        return [torch.cat([row[: len(given)], self.end[None]]) for row, given in zip(projected, rows, strict=True)]

    def target_states(
        self, rows: Sequence[Sequence[int]], texts: Sequence[Sequence[int]], opening: int, *, logits: bool = False
    ) -> tuple[Tensor, Tensor]:
        """Last states over `[opening ids][encoder states][end][the rest of the text]`, padded on the right.

        Args:
            rows: the encoder's ids.
            texts: the language model's ids, prompt and target.
            opening: how many of those stand before the encoder's states (BOS, or none).
            logits: the head's logits (B, T, V) instead of the states, as the model itself makes them.

        Returns:
            (B, T, d) states, and (B,) where in each row its text goes on after the end vector.
        """
        prefixes = [Prefix(states, opening) for states in self.prefixes(rows)]
        embeddings, mask = prompt_embeddings(self.llm, texts, prefixes, side="right")
        reader = self.language_model if logits else self._body()
        output = reader(inputs_embeds=embeddings, attention_mask=mask, use_cache=False)
        starts = torch.tensor([opening + len(prefix) for prefix in prefixes], device=embeddings.device)
        return output.logits if logits else output.last_hidden_state, starts

    @torch.no_grad()
    def generate(self, rows: Sequence[Sequence[int]], prompts: Sequence[Sequence[int]], opening: int, **settings: Any) -> Tensor:
        """transformers' `generate` behind the encoder's states; returns the new ids only, (B, T).

        Args:
            rows: the encoder's ids.
            prompts: the language model's ids.
            opening: how many of those stand before the encoder's states.
            settings: as `generate` takes them.
        """
        prefixes = [Prefix(states, opening) for states in self.prefixes(rows)]
        with evaluation_mode(self.llm):
            embeddings, mask = prompt_embeddings(self.llm, prompts, prefixes, side="left")
            ids: Tensor = self.llm.generate(inputs_embeds=embeddings, attention_mask=mask, **settings)
        return ids

    def merge(self) -> None:
        """Add the adapter to the language model's weights: faster, and no teacher any more."""
        if self.adapted:
            self.llm = self.llm.merge_and_unload()


def masked_mean(states: Tensor, mask: Tensor) -> Tensor:
    """(B, d) float32 means of states (B, S, d) over the places where the mask (B, S) is 1."""
    weights = mask.to(states.device).float().unsqueeze(2)
    mean: Tensor = (states.float() * weights).sum(dim=1) / weights.sum(dim=1).clamp_min(1)
    return mean


def _everything(mask: Tensor, dtype: torch.dtype) -> Tensor:
    """(B, S) -> (B, 1, S, S) to be added to attention scores: every place sees every real token."""
    hidden = (mask == 0)[:, None, None, :].expand(-1, 1, mask.shape[1], -1)
    return torch.zeros(hidden.shape, dtype=dtype, device=mask.device).masked_fill(hidden, torch.finfo(dtype).min)


def _check_llm(llm: Any, attention: Attention) -> None:
    model = llm.get_base_model() if hasattr(llm, "peft_config") else llm
    name = type(model).__name__
    body = model.get_decoder() if hasattr(model, "get_decoder") else None
    if body is None or any("inputs_embeds" not in inspect.signature(one.forward).parameters for one in (model, body)):
        raise ModelError(f"{name} does not take `inputs_embeds`: nothing can be put in front of it", allowed="another language model")
    used = getattr(model.config, "_attn_implementation", None)
    if attention == "bidirectional" and used not in ("sdpa", "eager", SHARING):
        raise ModelError(f"{used} attention cannot be bidirectional", where="attention", allowed="causal, or a model on sdpa or eager")
