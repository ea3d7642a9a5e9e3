"""A tiny model with new pieces, made by hand: what `dragoman vocab report` looks at, without the rest of `dragoman vocab`."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path


def byte_spelling(text: str) -> list[str]:
    """The bytes of a text as a byte-level vocabulary spells them, one printable character each."""
    plain = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    others = [byte for byte in range(256) if byte not in plain]
    spelled = {byte: chr(byte) for byte in plain} | {byte: chr(256 + number) for number, byte in enumerate(others)}
    return [spelled[byte] for byte in text.encode("utf-8")]


def expand_by_hand(base: Path, folder: Path, words: Sequence[str]) -> int:
    """Give a byte-level model the pieces that spell `words`, each from left to right, as merges after all others.

    Returns:
        How many pieces are new; their rows are the mean of the old ones.
    """
    import torch
    from transformers import AutoModelForCausalLM

    shutil.copytree(base, folder)
    path = folder / "tokenizer.json"
    tokenizer = json.loads(path.read_text(encoding="utf-8"))
    vocabulary, merges = tokenizer["model"]["vocab"], tokenizer["model"]["merges"]
    rows = len(vocabulary)
    for word in words:
        left, *rest = byte_spelling(word)
        for right in rest:
            if [left, right] not in merges:
                merges.append([left, right])
                vocabulary.setdefault(left + right, len(vocabulary))
            left += right
    path.write_text(json.dumps(tokenizer, ensure_ascii=False), encoding="utf-8")
    model = AutoModelForCausalLM.from_pretrained(folder)
    model.resize_token_embeddings(len(vocabulary), mean_resizing=False)
    with torch.no_grad():
        weights = model.get_input_embeddings().weight
        weights[rows:] = weights[:rows].mean(dim=0)
    model.save_pretrained(folder)
    return len(vocabulary) - rows
