"""What a model folder must hold before anything tries to load it, said in words when it does not."""

from __future__ import annotations

from pathlib import Path

from .cache import read_json
from .errors import ModelError

STACK_FILE = "stack.json"
_STACK_FILES = (STACK_FILE, "stack.safetensors", "adapter_config.json", "adapter_model.safetensors")
_PICKLED = (".bin", ".pt", ".pth", ".ckpt", ".pkl")
_NEEDED = "config.json and *.safetensors, or adapter_config.json and adapter_model.safetensors"


def find_model_folder(folder: Path) -> Path:
    """The folder with the weights: `folder` itself, or its `model/` when it is a run folder.

    Raises:
        ModelError: neither holds a model or an adapter in safetensors; says what is missing and what is there.
    """
    if is_ctranslate2(folder):
        return folder
    if not _looks_like_model(folder):
        if _looks_like_model(folder / "model"):
            folder = folder / "model"
        elif (folder / "config.yaml").is_file():
            raise ModelError("this run has no finished model", where=folder, hint=f"dragoman train {folder / 'config.yaml'} --resume")
    check_model_folder(folder)
    return folder


def is_stack(folder: Path) -> bool:
    """Whether a folder holds a stack: an encoder in front of a language model (`dragoman stack`)."""
    return (folder / STACK_FILE).is_file()


def check_model_folder(folder: Path) -> None:
    """Refuse a folder that cannot be loaded: weights missing, pickled, cut, or not the files they claim to be.

    Raises:
        ModelError: as above.
    """
    if is_stack(folder):
        missing = [name for name in _STACK_FILES if not (folder / name).is_file()]
        if missing:
            raise ModelError(f"a stack without {missing[0]}", where=folder, allowed=", ".join(_STACK_FILES))
    adapter = (folder / "adapter_config.json").is_file()
    weights = sorted(folder.glob("adapter_model*.safetensors" if adapter else "*.safetensors"))
    if not adapter and weights and not (folder / "config.json").is_file():
        raise ModelError(
            f"no config.json beside {weights[0].name}", where=folder, allowed=_NEEDED, hint="copy the model's config.json there"
        )
    if not weights:
        raise _no_weights(folder, "adapter_model.safetensors" if adapter else "*.safetensors")
    _check_shards(folder)
    for path in weights:
        _check_safetensors(path)


def is_ctranslate2(folder: Path) -> bool:
    """Whether it holds a model in CTranslate2's format, which is for translating only."""
    vocabulary = any((folder / name).is_file() for name in ("vocabulary.json", "vocabulary.txt"))
    return vocabulary and (folder / "model.bin").is_file() and not any(folder.glob("*.safetensors"))


def _looks_like_model(folder: Path) -> bool:
    return any((folder / name).is_file() for name in ("config.json", "adapter_config.json")) or any(folder.glob("*.safetensors"))


def _no_weights(folder: Path, wanted: str) -> ModelError:
    names = sorted(path.name + ("/" if path.is_dir() else "") for path in folder.iterdir() if not path.name.startswith("."))
    pickled = [name for name in names if name.endswith(_PICKLED)]
    if pickled:
        return ModelError(
            f"holds its weights only as {', '.join(pickled[:3])}; pickled files can run code and are never loaded",
            where=folder,
            allowed="safetensors only",
            hint="load it once where you trust it, with plain transformers, and save_pretrained() it: that writes safetensors",
        )
    gguf = [name for name in names if name.endswith(".gguf")]
    there = ", ".join(names[:12]) + (", ..." if len(names) > 12 else "") if names else "nothing"
    return ModelError(
        f"no {wanted} here; the folder holds {there}",
        where=folder,
        allowed=_NEEDED,
        hint=f"name the file itself: {folder / gguf[0]}" if gguf else None,
    )


def _check_shards(folder: Path) -> None:
    """Every shard that the index names must be there."""
    index = folder / "model.safetensors.index.json"
    if not index.is_file():
        return
    try:
        weight_map = read_json(index)["weight_map"]
        shards = set(weight_map.values()) if isinstance(weight_map, dict) else set()
    except (OSError, ValueError, KeyError) as error:
        raise ModelError(f"damaged index: {error}", where=index) from error
    missing = sorted(str(shard) for shard in shards if not (folder / str(shard)).is_file())
    if missing:
        raise ModelError(
            f"{len(missing)} of {len(shards)} weight files are missing: {', '.join(missing[:3])}", where=folder, hint="finish the download"
        )


def _check_safetensors(path: Path) -> None:
    """Read the header only; it must account for every byte of the file."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy"):
            pass
    except (SafetensorError, OSError) as error:
        with path.open("rb") as file:
            start = file.read(40)
        if start.startswith(b"version https://git-lfs"):
            raise ModelError("a Git LFS pointer, not the weights", where=path, hint="git lfs pull") from error
        raise ModelError(f"damaged or cut safetensors file: {error}", where=path, hint="fetch it again") from error
