"""What every export begins and ends with: a whole model in float32, a place that is free, the facts that `translate` reads."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, cast

from ...vocab.expansion import read_expansion
from ..errors import ConfigError, ModelError
from ..files import write_json
from ..model_facts import FACTS_FILE, facts_fields
from ..models import LoadedModel, load_model
from ..sources import resolve_model

if TYPE_CHECKING:
    from transformers import PreTrainedModel


def check_free(out: Path, overwrite: bool) -> None:
    """Refuse to write over what is there, before a model is read.

    Raises:
        ConfigError: it exists, and `overwrite` was not asked for; or it is not ours to replace.
    """
    if not out.exists():
        return
    if not overwrite:
        raise ConfigError("is there already", where=out, hint="--overwrite replaces it")
    if out.is_dir() and any(out.iterdir()) and not (out / FACTS_FILE).is_file():
        raise ConfigError(f"a folder without {FACTS_FILE} is none of Dragoman's and is not replaced", where=out, hint="choose another")


def load_whole(source: str, revision: str | None = None) -> LoadedModel:
    """The model on the CPU in float32, its adapter merged.

    Raises:
        DragomanError: the source cannot be found or loaded.
        ModelError: a stack, whose encoder no other program knows.
    """
    loaded = load_model(source, revision=revision, device="cpu", dtype="float32", merge_adapter=True)
    if loaded.stack is not None:
        raise ModelError("a stack (an encoder in front of a language model) has no place in another format", where=source)
    return loaded


def check_architecture(loaded: LoadedModel, known: tuple[str, ...], format_: str) -> None:
    """Refuse architectures that a format does not hold.

    Raises:
        ModelError: with those it does.
    """
    found = cast("PreTrainedModel", loaded.model).config.model_type
    if found not in known:
        raise ModelError(f"{format_} is not written for the architecture {found!r}", where=loaded.source, allowed=", ".join(sorted(known)))


def write_facts(loaded: LoadedModel, folder: Path, kind: str, **more: object) -> None:
    """`dragoman.json` beside an export: prompt and directions carried along."""
    write_json(
        folder / FACTS_FILE,
        facts_fields(
            kind=kind, base=loaded.source, base_revision=loaded.revision, prompt=loaded.prompt, directions=loaded.directions, **more
        ),
    )


def write_tokenizer(loaded: LoadedModel, folder: Path) -> None:
    """The tokenizer, with what its vocabulary expansion says, where it has one."""
    folder.mkdir(exist_ok=True)
    loaded.tokenizer.save_pretrained(folder)
    expansion = read_expansion(Path(resolve_model(loaded.source, revision=loaded.revision if _is_hub(loaded) else None).location))
    if expansion is not None:
        expansion.save(folder)


def _is_hub(loaded: LoadedModel) -> bool:
    return loaded.revision is not None and not loaded.source.startswith("pypi:")
