"""The back ends as data, and which of them opens what."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from ..errors import ConfigError, nearest
from .base import OpenedModel, Opening

AUTO = "auto"
EXPORT_NAME = "ct2-int8"  # beside a run's model: what `--backend auto` of the app serves on a CPU


@dataclass(frozen=True)
class BackendKind:
    """A way to run models.

    Attributes:
        name: as `--backend` spells it.
        about: what it is, for the documentation.
        open: load a model; raises DragomanError.
    """

    name: str
    about: str
    open: Callable[[Opening], OpenedModel]


def _open_hf(opening: Opening) -> OpenedModel:
    from .hf import open_hf

    return open_hf(opening)


def _open_ct2(opening: Opening) -> OpenedModel:
    from .ct2 import open_ct2

    return open_ct2(opening)


def _open_vllm(opening: Opening) -> OpenedModel:
    from .vllm import open_vllm

    return open_vllm(opening)


BACKENDS: Mapping[str, BackendKind] = {
    each.name: each
    for each in (
        BackendKind("hf", "transformers in this process; every model that loads", _open_hf),
        BackendKind("ct2", "CTranslate2, for models written by `dragoman export ct2`; int8 is the fastest on a CPU", _open_ct2),
        BackendKind("vllm", "vLLM in this process, for GPUs; models without an adapter", _open_vllm),
    )
}


def open_model(opening: Opening, backend: str = AUTO) -> OpenedModel:
    """Load a model with a back end.

    Raises:
        ConfigError: no such back end, or its package is not installed.
        DragomanError: whatever is wrong with the model or the device.
    """
    chosen, opening = choose_backend(opening, backend)
    return chosen.open(opening)


def choose_backend(opening: Opening, backend: str = AUTO) -> tuple[BackendKind, Opening]:
    """The back end for a model, and what it opens: "auto" takes ct2 for a model in its format, else hf.

    Raises:
        ConfigError: no such back end.
        SourceError, ModelError: the model cannot be found.
    """
    check_backend(backend)
    if backend != AUTO:
        return BACKENDS[backend], opening
    from ..model_folders import is_ctranslate2
    from ..sources import resolve_model

    folder = Path(resolve_model(opening.model, revision=opening.revision).location)
    if is_ctranslate2(folder):
        return BACKENDS["ct2"], opening
    export = _export_of(folder) if opening.prefer_export and _ct2_runs_here(opening) else None
    if export is not None:
        return BACKENDS["ct2"], replace(opening, model=str(export), revision=None)
    return BACKENDS["hf"], opening


def check_backend(backend: str) -> None:
    """Refuse a name that is none.

    Raises:
        ConfigError: with the names there are.
    """
    if backend != AUTO and backend not in BACKENDS:
        raise ConfigError(f"no back end {backend!r}", where="--backend", allowed=nearest(backend, [AUTO, *BACKENDS]))


def _export_of(folder: Path) -> Path | None:
    """The int8 export beside a run's model, unless the model was written after it."""
    from ..model_folders import is_ctranslate2

    export = folder.parent / EXPORT_NAME
    if folder.name != "model" or not is_ctranslate2(export):
        return None
    weights = max((path.stat().st_mtime for path in folder.glob("*.safetensors")), default=0.0)
    return export if (export / "model.bin").stat().st_mtime >= weights else None


def _ct2_runs_here(opening: Opening) -> bool:
    from importlib.util import find_spec

    from ..devices import choose_device

    on_cpu = choose_device(opening.device).device == "cpu"
    return on_cpu and opening.dtype == "auto" and find_spec("ctranslate2") is not None
