"""Expand a model: its tokenizer gets new pieces, its embeddings (and its head, when untied) rows for them.

The old rows stay bit for bit as they are. Free rows of a padded vocabulary are used first, rows are never taken away, and their number ends
on a multiple of 8.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor

from ..adapters.lora import merge_lora
from ..mt.devices import choose_device
from ..mt.errors import ConfigError
from ..mt.files import staged_folder, write_json
from ..mt.model_facts import FACTS_FILE, facts_fields
from ..mt.models import LoadedModel, load_model
from ..mt.provenance import tokenizer_digest
from ..mt.runs import package_versions
from ..mt.sources import resolve_model
from .additions import Addition
from .expandable import base_model, check_expandable
from .expansion import Expansion, addition_digest, check_output
from .extend import extend_tokenizer
from .families import first_new_id
from .initialise import InitContext, Method, find_method
from .initialise.snippets import DistillationSettings
from .rows import RowPlan, column_statistics, fill_rows
from .stored_weights import stored_dtype

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel

_MULTIPLE = 8
_log = logging.getLogger("dragoman.vocab")


@dataclass(frozen=True)
class ExpandSettings:
    """How new rows get their first values.

    Attributes:
        method: a key of `vocab.initialise.METHODS`.
        texts: in the new pieces' language, for the methods that read any.
        seed: of everything random.
        helper: source of the model that `similarity` asks.
        distillation: of the method of that name.
        text_facts: what `texts` were read from, saved with the model.
    """

    method: str = "align"
    texts: Sequence[str] = ()
    seed: int = 0
    helper: str | None = None
    distillation: DistillationSettings = field(default_factory=DistillationSettings)
    text_facts: Sequence[Mapping[str, Any]] = ()


@dataclass(frozen=True)
class ExpandedModel:
    """What came out.

    Attributes:
        loaded: the model with its new rows, and the new tokenizer.
        expansion: what `vocabulary.json` will say.
        dtype: what its weights will be saved in: the format they were stored in before.
        new_parameters: numbers that were not there before.
        seconds: by step.
        figures: of the method: lines read, losses.
        plan: which old rows, and how much of each, every new row was made of.
    """

    loaded: LoadedModel
    expansion: Expansion
    dtype: torch.dtype
    new_parameters: int
    seconds: dict[str, float]
    figures: dict[str, Any]
    plan: RowPlan


def load_for_expansion(source: str, *, revision: str | None = None, device: str = "auto", method: str = "align") -> LoadedModel:
    """Load a model in the format it is stored in where that loses nothing, so that no second copy in float32 is held.

    Distillation computes, and bfloat16 is slow on most CPUs: there float32 is loaded, and `save_expanded` casts back, which is exact.

    Raises:
        SourceError, ModelError: as `load_model`.
    """
    folder = Path(resolve_model(source, revision=revision).location)
    stored_half = stored_dtype(folder) == "bfloat16" and not (folder / "adapter_config.json").is_file()
    on_cpu, native = (choice := choose_device(device)).device == "cpu", choice.dtype == torch.bfloat16
    suits = native or (on_cpu and find_method(method).refine is None)
    return load_model(source, revision=revision, device=device, dtype="bfloat16" if stored_half and suits else "float32")


def expand_model(loaded: LoadedModel, addition: Addition, settings: ExpandSettings | None = None) -> ExpandedModel:
    """Give a model the pieces of an addition, in place; an adapter on it is merged first.

    Nothing is changed before everything has been checked and every weight is known.

    Raises:
        ModelError: see `check_expandable`.
        ConfigError: no such method, or it lacks its text or helper.
    """
    settings = settings or ExpandSettings()
    method = check_settings(settings)
    check_expandable(loaded, addition)
    clock = _Clock()
    model = merge_lora(cast("PeftModel", loaded.model)) if base_model(loaded) is not loaded.model else cast("PreTrainedModel", loaded.model)
    dtype = _stored_dtype(model)
    extended = extend_tokenizer(loaded.tokenizer, addition)
    first = first_new_id(loaded.tokenizer)
    assert first_new_id(extended) == first + len(addition.pieces), "the tokenizer gave the pieces other ids"
    clock.lap("tokenizer")
    helper = load_model(settings.helper, device="cpu") if method.needs_helper and settings.helper else None
    context = InitContext(loaded.tokenizer, extended, addition, first, texts=settings.texts, seed=settings.seed, helper=helper)
    plan = method.plan(context)
    clock.lap("method")
    before = _parameters(model), len(model.get_input_embeddings().weight)
    _resize(model, first + len(addition.pieces))
    clock.lap("resize")
    _fill(model, plan, first, before[1], settings.seed)
    clock.lap("rows")
    figures, origins = dict(plan.facts), plan.counts
    if method.refine is not None:
        refined = method.refine(context, model, settings.distillation)
        figures |= refined.facts
        origins = dict(Counter(method.name if row in refined.rows else origin for row, origin in enumerate(plan.origins)).most_common())
        clock.lap("training")
    expansion = Expansion(
        base=loaded.source,
        base_revision=loaded.revision,
        base_tokenizer=tokenizer_digest(loaded.tokenizer),
        addition=addition_digest(addition),
        first_id=first,
        count=len(addition.pieces),
        rows_before=before[1],
        rows_after=len(model.get_input_embeddings().weight),
        tied=_is_tied(model),
        method=method.name,
        origins=origins,
        seed=settings.seed,
        language=addition.language,
        versions=package_versions(),
        facts={"addition": addition.facts, "texts": list(settings.text_facts), "helper": settings.helper, "method": figures},
    )
    model.eval()
    result = replace(loaded, model=model, tokenizer=extended)
    return ExpandedModel(result, expansion, dtype, _parameters(model) - before[0], clock.seconds, figures, plan)


def save_expanded(expanded: ExpandedModel, folder: Path, *, overwrite: bool = False) -> None:
    """Write an ordinary model folder, whole or not at all: safetensors, tokenizer, `vocabulary.json`.

    Raises:
        ConfigError: see `check_output`.
    """
    check_output(folder, expanded.expansion.base, overwrite=overwrite)
    model = cast("PreTrainedModel", expanded.loaded.model).to(expanded.dtype)
    with staged_folder(folder) as staging:
        model.save_pretrained(staging)
        expanded.loaded.tokenizer.save_pretrained(staging)
        expanded.expansion.save(staging)
        write_json(staging / FACTS_FILE, _facts(expanded))


def _facts(expanded: ExpandedModel) -> dict[str, object]:
    """The prompt and directions a trained model already had go on with it."""
    loaded, expansion = expanded.loaded, expanded.expansion
    return facts_fields(
        kind="expanded",
        base=expansion.base,
        base_revision=expansion.base_revision,
        prompt=loaded.prompt,
        directions=loaded.directions,
    )


class _Clock:
    """Seconds of one step after the other."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._last = time.monotonic()

    def lap(self, name: str) -> None:
        now = time.monotonic()
        self.seconds[name], self._last = now - self._last, now


def check_settings(settings: ExpandSettings) -> Method:
    """The method, when it has all that it needs.

    Raises:
        ConfigError: no such method, or its text or helper is missing.
    """
    method = find_method(settings.method)
    if method.needs_text and not settings.texts:
        raise ConfigError(f"`{method.name}` reads text in the new pieces' language, and there is none", hint="--text FILE")
    if method.needs_helper and not settings.helper:
        raise ConfigError(f"`{method.name}` asks another model, and none is named", hint="--helper MODEL")
    return method


def _resize(model: PreTrainedModel, wanted: int) -> None:
    """At least `wanted` rows, a multiple of 8, never fewer than there are; the values of added rows are left undefined.

    transformers fills the whole new matrix with random numbers before it copies the old one in; at 128,000 x 4,096 that takes longer than
    everything else, so initialisation is switched off meanwhile. The old matrix lives until its copy is done: one at a time.
    """
    from transformers.initialization import no_init_weights

    rows = len(model.get_input_embeddings().weight)
    if wanted <= rows:
        return
    with no_init_weights():
        model.resize_token_embeddings(-(-wanted // _MULTIPLE) * _MULTIPLE, mean_resizing=False)


def _fill(model: PreTrainedModel, plan: RowPlan, first: int, rows_before: int, seed: int) -> None:
    """Values for the new rows of embeddings, head and bias, and for the padding behind them."""
    head = model.get_output_embeddings()
    matrices = [model.get_input_embeddings().weight]
    if not _is_tied(model):
        matrices.append(head.weight)
    if getattr(head, "bias", None) is not None:
        matrices.append(head.bias.unsqueeze(1))
    with torch.no_grad():
        for number, parameter in enumerate(matrices):
            matrix = parameter.detach()
            _fill_one(matrix, plan, first, rows_before, seed + number)


def _fill_one(matrix: Tensor, plan: RowPlan, first: int, rows_before: int, seed: int) -> None:
    end = first + len(plan.origins)
    fill_rows(plan, matrix[:first], matrix[first:end], seed)
    padding = matrix[max(end, rows_before) :]
    if len(padding):
        # The logit of a mean row is the mean of all logits: never the largest, so no padding id is ever generated greedily.
        padding.copy_(column_statistics(matrix[:first])[0].to(matrix.dtype).expand_as(padding))


def _stored_dtype(model: PreTrainedModel) -> torch.dtype:
    """What the model's folder stores; its present format where that is mixed or not known."""
    folder = Path(model.name_or_path or ".missing")
    name = stored_dtype(folder) if folder.is_dir() else None
    return cast(torch.dtype, getattr(torch, name)) if name else model.dtype


def _is_tied(model: PreTrainedModel) -> bool:
    return model.get_output_embeddings().weight is model.get_input_embeddings().weight


def _parameters(model: PreTrainedModel) -> int:
    return sum(parameter.numel() for parameter in model.parameters())
