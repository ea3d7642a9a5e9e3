"""A tokenizer as GGUF metadata: byte-level BPE ("gpt2") and SentencePiece-like BPE with byte fallback ("llama")."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from ..errors import ModelError
from ..tokenization import encode_plain, leading_ids

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_NORMAL, _UNKNOWN, _CONTROL, _USER_DEFINED, _UNUSED, _BYTE = 1, 2, 3, 4, 5, 6
_BYTE_PIECE = re.compile(r"<0x[0-9A-F]{2}>")
_LLAMA3 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
_QWEN2 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
# How text is cut before merging: the steps of a tokenizer.json, and llama.cpp's name for them.
_PRE_TOKENIZERS = {
    ("bytes with GPT-2's words",): "gpt-2",
    ("single digits", "bytes with GPT-2's words"): "smollm",
    (_LLAMA3, "bytes"): "llama-bpe",
    (_QWEN2, "bytes"): "qwen2",
}


def add_tokenizer(writer: Any, tokenizer: PreTrainedTokenizerBase, rows: int, where: str) -> None:
    """Write pieces, kinds, merges or scores, special ids and the chat template.

    Args:
        writer: a `gguf.GGUFWriter`.
        rows: of the embedding matrix; ids beyond the tokenizer's are filled with unused pieces.
        where: the model, for errors.

    Raises:
        ModelError: a tokenizer of another kind, or one that cuts text in a way llama.cpp has no name for.
    """
    backend = getattr(tokenizer, "backend_tokenizer", None)
    tree = json.loads(backend.to_str()) if backend is not None else {"model": {"type": "unknown"}}
    if tree["model"]["type"] != "BPE":
        raise ModelError(f"GGUF is not written for tokenizers of the type {tree['model']['type']}", where=where, allowed="BPE")
    pieces, kinds = _pieces(tokenizer, tree, rows)
    if tree["model"].get("byte_fallback"):
        writer.add_tokenizer_model("llama")
        writer.add_tokenizer_pre("default")
        writer.add_token_scores(_scores(tree, pieces))
        writer.add_add_space_prefix(pieces[encode_plain(tokenizer, "a")[0]].startswith("▁"))
    else:
        writer.add_tokenizer_model("gpt2")
        writer.add_tokenizer_pre(_pre_tokenizer(tree, where))
        writer.add_token_merges([merge if isinstance(merge, str) else " ".join(merge) for merge in tree["model"]["merges"]])
    writer.add_token_list(pieces)
    writer.add_token_types(kinds)
    writer.add_add_bos_token(bool(leading_ids(tokenizer)))
    for add, number in (
        (writer.add_bos_token_id, tokenizer.bos_token_id),
        (writer.add_eos_token_id, tokenizer.eos_token_id),
        (writer.add_unk_token_id, tokenizer.unk_token_id),
        (writer.add_pad_token_id, tokenizer.pad_token_id),
    ):
        if isinstance(number, int):
            add(number)
    if isinstance(tokenizer.chat_template, str):
        writer.add_chat_template(tokenizer.chat_template)


def _pieces(tokenizer: PreTrainedTokenizerBase, tree: dict[str, Any], rows: int) -> tuple[list[str], list[int]]:
    """(rows,) spellings and kinds, by id."""
    pieces = [f"[PAD{number}]" for number in range(rows)]
    kinds = [_UNUSED] * rows
    for piece, number in tokenizer.get_vocab().items():
        pieces[number] = piece
        kinds[number] = _BYTE if tree["model"].get("byte_fallback") and _BYTE_PIECE.fullmatch(piece) else _NORMAL
    for added in tree["added_tokens"]:
        kinds[added["id"]] = _CONTROL if added["special"] else _USER_DEFINED
    if tree["model"].get("byte_fallback") and isinstance(tokenizer.unk_token_id, int):
        kinds[tokenizer.unk_token_id] = _UNKNOWN
    return pieces, kinds


def _scores(tree: dict[str, Any], pieces: list[str]) -> list[float]:
    """(rows,) the earlier a merge was learnt, the higher its piece; pieces of no merge are never its product and stand last."""
    merges = tree["model"]["merges"]
    learnt: dict[str, float] = {}
    for number, merge in enumerate(merges):
        learnt.setdefault("".join(merge.split(" ")) if isinstance(merge, str) else "".join(merge), -float(number))
    return [learnt.get(piece, -float(len(merges))) for piece in pieces]


def _pre_tokenizer(tree: dict[str, Any], where: str) -> str:
    outer = tree.get("pre_tokenizer") or {}
    steps = tuple(_step(one) for one in (outer.get("pretokenizers", []) if outer.get("type") == "Sequence" else [outer]))
    if tree.get("normalizer") not in (None, {"type": "NFC"}) or steps not in _PRE_TOKENIZERS:
        raise ModelError(
            "its tokenizer cuts text in a way that llama.cpp has no name for", where=where, hint="dragoman export ct2, or export merged"
        )
    return _PRE_TOKENIZERS[steps]


def _step(step: dict[str, Any]) -> str:
    kind = step.get("type")
    if kind == "ByteLevel" and not step.get("add_prefix_space"):
        return "bytes with GPT-2's words" if step.get("use_regex", True) else "bytes"
    if kind == "Digits" and step.get("individual_digits"):
        return "single digits"
    if kind == "Split" and step.get("behavior") == "Isolated" and not step.get("invert"):
        return str(step["pattern"].get("Regex"))
    return json.dumps(step)
