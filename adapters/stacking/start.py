"""The stack a recipe starts from: both parents loaded, an adapter that changes nothing yet, a projection at the right size."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ...mt.errors import ModelError
from ...mt.models import LoadedModel, load_model
from ...mt.sources import resolve_model
from ..lora import attach_lora, check_targets
from .config import StackConfig
from .encoder import load_encoder
from .model import StackedModel
from .parents import Parent, folder_digest
from .saving import StackFacts


def start_stack(config: StackConfig) -> tuple[LoadedModel, StackFacts]:
    """The language model with the stack beside it (`LoadedModel.stack`), and what is to be saved about the parents.

    Raises:
        SourceError, ModelError: a parent that is not to be had, is no encoder or language model, or cannot be stacked.
    """
    settings, four_bits = config.model, config.lora.method == "qlora"
    base = load_model(
        settings.source,
        revision=settings.revision,
        device=settings.device,
        dtype=settings.dtype,
        quantise=four_bits,
        merge_adapter=not four_bits,
    )
    if base.stack is not None:
        raise ModelError("the language model is a stack itself", where="model.source", allowed="a plain language model")
    encoder = load_encoder(config.encoder.source, revision=config.encoder.revision, device=base.choice.device, dtype=base.choice.dtype)
    check_targets(base.model, config.lora)
    adapted = attach_lora(base.model, config.lora)
    stack = StackedModel(encoder, adapted, kind=config.projection, attention=config.attention, seed=config.seed)
    llm = Parent(base.source, base.revision, folder_digest(Path(resolve_model(settings.source, revision=settings.revision).location)))
    facts = StackFacts(
        Parent(encoder.source, encoder.revision, folder_digest(Path(encoder.folder))), llm, config.projection, config.attention
    )
    return replace(base, model=adapted, stack=stack), facts
