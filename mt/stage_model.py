"""The model as it goes from stage to stage: attach, continue or merge an adapter, reload the base in 4 bits, save what came out."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

from ..adapters.ahead import attach_ahead, detach_ahead
from ..adapters.lora import attach_lora, merge_lora
from ..adapters.whole_weights import move_weights
from ..vocab.expansion import Expansion
from .config import ModelConfig, TrainableConfig
from .files import staged_folder
from .models import LoadedModel
from .sources import resolve_recorded
from .starting_model import load_starting_model

if TYPE_CHECKING:
    import torch
    from peft import PeftModel
    from transformers import PreTrainedModel


@dataclass
class StageModel:
    """A model between stages.

    Attributes:
        loaded: model, tokenizer and device; `loaded.model` is replaced as stages change it.
        settings: where the recipe starts from.
        trainable: the `train` block the model is prepared for now; None before the first stage.
        base_changed: the weights under the adapter are no longer those of the starting model.
        four_bit_source: where the base that now lies in 4 bits was loaded from.
        expansion: the new vocabulary of the starting model, if it has one.
    """

    loaded: LoadedModel
    settings: ModelConfig
    trainable: TrainableConfig | None = None
    base_changed: bool = False
    four_bit_source: str | None = None
    expansion: Expansion | None = None

    @property
    def new_rows(self) -> range:
        """Ids of the new vocabulary."""
        return self.expansion.new_ids if self.expansion else range(0)

    def prepare(self, wanted: TrainableConfig, scratch: Path) -> None:
        """Get ready for a stage that trains `wanted`; `scratch` is where merged weights go if they must be reloaded in 4 bits.

        The same LoRA shape goes on training the same adapter. Any other change merges the adapter into the base first.
        """
        if self.trainable == wanted:
            return
        before = self.trainable
        if before is not None and before.is_adapter:
            assert before.method == "lora", "recipes refuse to go on from 4-bit weights with another adapter"
            self.loaded.model = merge_lora(cast("PeftModel", self.loaded.model))
            self.base_changed = True
        detach_ahead(self.loaded.model)
        if wanted.method == "qlora":
            self._reload_in_4_bits(scratch)
        if wanted.is_adapter:
            self.loaded.model = attach_lora(self.loaded.model, wanted, self.new_rows)
        else:
            self._move_weights(wanted)
        self.trainable = wanted

    def _reload_in_4_bits(self, scratch: Path) -> None:
        source = self.settings.source
        if self.base_changed:
            with staged_folder(scratch) as folder:
                self.loaded.model.save_pretrained(folder)
                self.loaded.tokenizer.save_pretrained(folder)
            source = str(scratch)
        self.four_bit_source = source
        self.loaded.model = load_starting_model(self.settings, source=source, quantise=True).model

    def _move_weights(self, wanted: TrainableConfig) -> None:
        move_weights(self.loaded.model, wanted.method)
        if wanted.predict_ahead:
            attach_ahead(self.loaded.model)
        self.base_changed = True

    def load_weights(self, folder: Path) -> None:
        """Put a checkpoint's weights (adapter or full, safetensors) into the model."""
        from safetensors.torch import load_file

        if self.trainable is not None and self.trainable.is_adapter:
            from peft import set_peft_model_state_dict

            set_peft_model_state_dict(self.loaded.model, load_file(folder / "adapter_model.safetensors"))
            return
        state: dict[str, torch.Tensor] = {}
        for file in sorted(folder.glob("model*.safetensors")):
            state.update(load_file(file))
        # Tied weights are stored once; every other key must be there.
        model = cast("PreTrainedModel", self.loaded.model)
        missing, unexpected = model.load_state_dict(state, strict=False)
        tied = set(getattr(model, "all_tied_weights_keys", None) or {})
        assert not unexpected, unexpected
        assert set(missing) <= tied, missing
        model.tie_weights()

    def is_adapter(self) -> bool:
        """An adapter over published weights says everything; otherwise the whole weights must be saved.

        Over an expanded model that takes the new rows in the adapter: its base is then the model that was expanded.
        """
        if self.trainable is None or not self.trainable.is_adapter or self.base_changed:
            return False
        return self.expansion is None or self.trainable.embeddings == "new"

    def base(self) -> tuple[str, str | None]:
        """Source, as it was spelled, and revision of the weights that all began with: those under a vocabulary expansion, if any."""
        if self.expansion:
            return self.expansion.base, self.expansion.base_revision
        return self.settings.source, self.loaded.revision

    def save(self, folder: Path, form: str) -> str:
        """Write the finished model; `form` is the recipe's `save`. Returns "adapter" or "merged"."""
        assert form != "adapter" or self.is_adapter(), "recipes refuse what an adapter cannot say"
        if self.is_adapter() and form != "merged":
            self._name_base()
            # New rows are in the adapter already; peft would add whole matrices, since they are longer than the base's.
            self.loaded.model.save_pretrained(folder, save_embedding_layers=False)
            kind = "adapter"
        else:
            self._merged().save_pretrained(folder)
            kind = "merged"
        if self.expansion:
            self.expansion.save(folder)
        return kind

    def _name_base(self) -> None:
        """Let plain peft find the base: by its Hub id where there is one, else by the folder it was loaded from."""
        source, revision = self.base() if self.expansion else (self.settings.source, self.settings.revision)
        found = resolve_recorded(source, revision)
        settings = self.loaded.model.peft_config["default"]
        settings.base_model_name_or_path = found.spelled if found.kind == "hub" else found.location
        settings.revision = found.revision if found.kind == "hub" else None

    def _merged(self) -> PreTrainedModel:
        assert self.trainable is not None, "nothing was trained"
        if not self.trainable.is_adapter:
            detach_ahead(self.loaded.model)
            return cast("PreTrainedModel", self.loaded.model)
        if self.trainable.method == "lora":
            return merge_lora(cast("PeftModel", self.loaded.model))
        return self._merged_outside_4_bits(self.trainable)

    def _merged_outside_4_bits(self, trained: TrainableConfig) -> PreTrainedModel:
        """A QLoRA adapter added to the full-precision base: added to rounded 4-bit weights it would be rounded away."""
        from peft import get_peft_model_state_dict, set_peft_model_state_dict

        adapter = get_peft_model_state_dict(self.loaded.model)
        base = load_starting_model(self.settings, source=self.four_bit_source).model
        fresh = attach_lora(cast("PreTrainedModel", base), replace(trained, method="lora"), self.new_rows)
        set_peft_model_state_dict(fresh, adapter)
        return merge_lora(fresh)
