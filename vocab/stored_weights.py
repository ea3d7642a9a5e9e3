"""What a model folder's safetensors hold, by their headers alone: number formats, and whether an output head is there."""

from __future__ import annotations

from pathlib import Path

FLOATS = {"F32": "float32", "BF16": "bfloat16", "F16": "float16"}


def stored_tensors(folder: Path) -> dict[str, str]:
    """Name and number format (`F32`, `BF16`, ...) of every tensor in a folder's safetensors files."""
    from safetensors import safe_open

    found = {}
    for path in sorted(folder.glob("*.safetensors")):
        with safe_open(path, framework="numpy") as file:
            for name in file.keys():  # noqa: SIM118 - a file, not a mapping
                found[name] = file.get_slice(name).get_dtype()
    return found


def stored_dtype(folder: Path) -> str | None:
    """The one float format that all weights are stored in, a torch name; None where they are mixed, of another kind, or not there."""
    kinds = set(stored_tensors(folder).values())
    return FLOATS.get(kinds.pop()) if len(kinds) == 1 else None


def holds_tensor(folder: Path, name: str) -> bool:
    """Whether a tensor of that name is stored there, with or without the prefixes of the model around it."""
    return any(f".{stored}".endswith(f".{name}") or f".{name}".endswith(f".{stored}") for stored in stored_tensors(folder))
