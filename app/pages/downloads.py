"""Results as files of the page's own folder, which goes with the server."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from pathlib import Path

from ..stored_files import safe_name


def saved(component_folder: str, files: Mapping[str, bytes]) -> list[str]:
    """Write files under names that cannot be guessed.

    Args:
        component_folder: where Gradio serves files of a component from (`GRADIO_CACHE`).
        files: name -> content; the names may come from strangers.

    Returns:
        Their paths, for a `gr.File`.
    """
    folder = Path(component_folder) / secrets.token_hex(16)
    folder.mkdir(parents=True)
    paths = []
    for name, data in files.items():
        path = folder / safe_name(name)
        path.write_bytes(data)
        paths.append(str(path))
    return paths
