"""A stack on disk: projection, end vector and adapter as safetensors, and `stack.json`, which names both parents."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...mt.errors import ModelError
from ...mt.files import write_json
from ...mt.model_folders import STACK_FILE
from .parents import Parent, parent_from

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from ...mt.models import LoadedModel
    from .model import StackedModel

STACK_WEIGHTS = "stack.safetensors"
ADAPTER_WEIGHTS = "adapter_model.safetensors"
_FORMAT = 1


@dataclass(frozen=True)
class StackFacts:
    """What `stack.json` says.

    Attributes:
        encoder: where its encoder comes from.
        llm: where its language model comes from.
        projection: `linear` or `mlp`.
        attention: `causal` or `bidirectional`, when read to understand.
    """

    encoder: Parent
    llm: Parent
    projection: str
    attention: str


@dataclass(frozen=True)
class LoadedStack:
    """A stack ready to run, in evaluation mode.

    Attributes:
        model: encoder, projection, end vector and language model.
        loaded: the language model's part as everything else knows models; `loaded.stack` is `model`.
        facts: its parents and settings.
    """

    model: StackedModel
    loaded: LoadedModel
    facts: StackFacts

    @property
    def tokenizer(self) -> PreTrainedTokenizerBase:
        """The language model's."""
        return self.loaded.tokenizer

    @property
    def identity(self) -> str:
        """What tells its language model, without the adapter, from any other."""
        return f"{self.facts.llm.source} {self.facts.llm.digest}"


def save_stack(folder: Path, stack: StackedModel, tokenizer: PreTrainedTokenizerBase, facts: StackFacts) -> None:
    """Write a stack into a folder that is there; its parents' weights are not copied."""
    settings = stack.llm.peft_config["default"]
    settings.base_model_name_or_path, settings.revision = facts.llm.source, facts.llm.revision
    save_trained(folder, stack)
    tokenizer.save_pretrained(folder)
    write_json(folder / STACK_FILE, {"format": _FORMAT, **asdict(facts)})


def save_trained(folder: Path, stack: StackedModel) -> None:
    """The weights that training moves, as safetensors."""
    from safetensors.torch import save_file

    own = {f"projection.{name}": value for name, value in stack.projection.state_dict().items()} | {"end": stack.end.detach()}
    save_file({name: value.detach().cpu().contiguous() for name, value in own.items()}, folder / STACK_WEIGHTS)
    assert stack.adapted, "a merged stack is not trained"
    stack.llm.save_pretrained(folder, selected_adapters=["default"], save_embedding_layers=False)


def load_trained(folder: Path, stack: StackedModel) -> None:
    """Put weights that `save_trained` wrote into a stack of the same shape.

    Raises:
        ModelError: they do not fit.
    """
    from peft import set_peft_model_state_dict
    from safetensors.torch import load_file

    _load_own(folder, stack)
    set_peft_model_state_dict(stack.llm, load_file(folder / ADAPTER_WEIGHTS))


def _load_own(folder: Path, stack: StackedModel) -> None:
    import torch
    from safetensors.torch import load_file

    own = load_file(folder / STACK_WEIGHTS)
    try:
        end = own.pop("end")
        stack.projection.load_state_dict({name.removeprefix("projection."): value for name, value in own.items()})
        with torch.no_grad():
            stack.end.copy_(end)
    except (RuntimeError, KeyError) as error:
        reason = str(error).split("\n")[0]
        raise ModelError(f"projection or end vector do not fit the parents: {reason}", where=folder / STACK_WEIGHTS) from error


def read_facts(folder: Path) -> StackFacts:
    """What a stack says of itself.

    Raises:
        ModelError: damaged, or of a later format.
    """
    path = folder / STACK_FILE
    try:
        fields: Any = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"not readable as JSON: {error}", where=path) from error
    found = fields.get("format") if isinstance(fields, dict) else None
    if found != _FORMAT:
        raise ModelError(
            f"format {found!r} is not known here", where=path, allowed=f"format {_FORMAT}", hint="a newer Dragoman may read it"
        )
    kinds = {"projection": ("linear", "mlp"), "attention": ("causal", "bidirectional")}
    for key, allowed in kinds.items():
        if fields.get(key) not in allowed:
            raise ModelError(f"`{key}` is {fields.get(key)!r}", where=path, allowed=", ".join(allowed))
    encoder, llm = (parent_from(fields.get(name), path) for name in ("encoder", "llm"))
    return StackFacts(encoder, llm, fields["projection"], fields["attention"])


def load_stack(
    folder: str | Path, *, device: str = "auto", dtype: str = "auto", quantise: bool = False, merge: bool = False
) -> LoadedStack:
    """A saved stack with its parents, in evaluation mode.

    Args:
        folder: a stack, or the run that trained it.
        device: see `choose_device`.
        dtype: of the language model; see `choose_device`.
        quantise: the language model in 4 bits (NF4).
        merge: add the adapter to the language model's weights: faster, but then it is no teacher any more.

    Raises:
        SourceError, ModelError: no stack; a parent that is not to be had, has changed or does not fit.
    """
    from peft import PeftModel

    from ...mt.model_facts import read_model_facts
    from ...mt.model_folders import find_model_folder, is_stack
    from ...mt.models import LoadedModel, load_model, load_tokenizer
    from .encoder import load_encoder
    from .model import StackedModel

    path = find_model_folder(Path(folder).expanduser())
    if not is_stack(path):
        raise ModelError("this model is no stack", where=path, allowed="a folder that `dragoman stack train` wrote")
    facts, about = read_facts(path), read_model_facts(path)
    places = facts.encoder.find("encoder", path), facts.llm.find("language model", path)
    base = load_model(str(places[1]), device=device, dtype=dtype, quantise=quantise, merge_adapter=not quantise)
    encoder = load_encoder(str(places[0]), device=base.choice.device, dtype=base.choice.dtype)
    try:
        llm = PeftModel.from_pretrained(base.model, str(path), torch_device=base.choice.device)
    except (RuntimeError, ValueError, KeyError) as error:
        raise ModelError(f"the adapter does not fit its language model: {str(error).split(chr(10))[0]}", where=path) from error
    stack = StackedModel(encoder, llm, kind=facts.projection, attention=facts.attention)  # type: ignore[arg-type]
    _load_own(path, stack)
    if merge and not quantise:
        stack.merge()
    stack.eval()
    loaded = LoadedModel(stack.llm, load_tokenizer(path), str(folder), None, base.choice, about.prompt, about.directions, stack)
    return LoadedStack(stack, loaded, facts)
