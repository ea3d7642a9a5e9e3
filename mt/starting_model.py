"""The model a recipe starts from: loaded for training, with the new vocabulary it may have been given."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..vocab.expansion import Expansion, read_expansion
from .config import ModelConfig, RunConfig
from .errors import ConfigError
from .files import nearest_there
from .models import LoadedModel, load_model
from .runs import RunFolder
from .sources import resolve_model

if TYPE_CHECKING:
    from rich.console import Console


@dataclass
class StartingPoint:
    """The model the stages start from.

    Attributes:
        settings: the recipe's model, or the folder it was expanded into.
        made: that folder while it still lies in a temporary place, because the run folder is not claimed yet.
    """

    settings: ModelConfig
    made: Path | None = None

    def keep(self, run: RunFolder) -> None:
        """Move a model that was expanded for this run into its folder."""
        if self.made is not None:
            shutil.move(self.made, run.expanded)
            self.settings, self.made = _in_folder(self.settings, run.expanded), None


@contextmanager
def starting_point(config: RunConfig, run: RunFolder, console: Console, *, resume: bool) -> Iterator[StartingPoint]:
    """The recipe's model; where it asks for new vocabulary, expanded now, or taken from the run that is resumed.

    Raises:
        DragomanError: the vocabulary cannot be learnt or added; see `vocab.recipe.expand_for_recipe`.
    """
    if config.vocabulary is None:
        yield StartingPoint(config.model)
    elif resume and run.expanded.is_dir():
        yield StartingPoint(_in_folder(config.model, run.expanded))
    else:
        from ..vocab.recipe import expand_for_recipe

        with tempfile.TemporaryDirectory(prefix=".dragoman-", dir=nearest_there(run.path.absolute().parent)) as scratch:
            made = Path(scratch) / run.expanded.name
            expand_for_recipe(config.vocabulary, config.model, config.seed, made, console)
            yield StartingPoint(_in_folder(config.model, made), made)


def _in_folder(settings: ModelConfig, folder: Path) -> ModelConfig:
    return replace(settings, source=str(folder), revision=None)


def load_starting_model(settings: ModelConfig, *, source: str | None = None, quantise: bool = False) -> LoadedModel:
    """The model a recipe starts from, on the device it will train on; an adapter it may have is merged in."""
    revision = settings.revision if source in (None, settings.source) else None
    return load_model(
        source or settings.source,
        revision=revision,
        device=settings.device,
        dtype=settings.dtype,
        quantise=quantise,
        merge_adapter=not quantise,
    )


def look_at_start(settings: ModelConfig) -> tuple[bool, Expansion | None]:
    """Whether the starting model is an adapter (of an earlier run, say), and its new vocabulary, if it was given one.

    What is trained on top of an adapter is not an adapter over any stored weights.
    """
    folder = Path(resolve_model(settings.source, revision=settings.revision).location)
    return (folder / "adapter_config.json").is_file(), read_expansion(folder)


def check_embeddings(config: RunConfig, expansion: Expansion | None) -> None:
    """Whether every stage's `embeddings` can be had from the starting model, and saved as asked for.

    Raises:
        ConfigError: new rows of a model that has none, or an adapter that would leave the new rows behind.
    """
    for stage in config.stages:
        if stage.train.embeddings == "new" and expansion is None:
            raise ConfigError(
                "the starting model has no new vocabulary",
                where=f"stages.{stage.name}.train.embeddings",
                allowed="frozen, all; or a model that `dragoman vocab expand` made, or a `vocabulary` block",
            )
    if config.save == "adapter" and expansion and any(stage.train.embeddings != "new" for stage in config.stages):
        raise ConfigError(
            "the adapter would not carry the new rows of the starting model", where="save", allowed="auto, merged, or train.embeddings: new"
        )
