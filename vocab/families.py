"""Families of tokenizers: how each splits words, and what its pieces stand for. Everything is read from the form of tokenizer.json."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ..mt.errors import ModelError
from .additions import Family
from .byte_bpe import unspelled

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

SPACE = "▁"  # SentencePiece's
_BYTE_PIECE = re.compile(r"<0x([0-9A-Fa-f]{2})>\Z")
_EXTENDABLE = "byte-level BPE (Llama-3, SmolLM2, GPT-2, Qwen), SentencePiece BPE (Llama-2, Gemma, NLLB) and Unigram (XLM-R, T5)"


def tokenizer_json(tokenizer: PreTrainedTokenizerBase) -> dict[str, Any]:
    """A fast tokenizer in tokenizer.json's form, as a tree of its own.

    Raises:
        ModelError: a tokenizer in Python has no such form (ByT5's bytes, CANINE's characters).
    """
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        raise _refusal(tokenizer, _python_family(type(tokenizer).__name__))
    tree: dict[str, Any] = json.loads(backend.to_str())
    return tree


def tokenizer_family(tokenizer: PreTrainedTokenizerBase) -> Family:
    """The family of a tokenizer that can be extended.

    Raises:
        ModelError: one that cannot; the message names its family.
    """
    tree = tokenizer_json(tokenizer)
    model = tree["model"]
    kind = model.get("type")
    if kind == "Unigram":
        return "unigram"
    if kind != "BPE":
        raise _refusal(tokenizer, str(kind))
    if model.get("end_of_word_suffix") or model.get("continuing_subword_prefix"):
        raise _refusal(tokenizer, "BPE with marks at the ends or insides of words (CLIP, the first GPT)")
    if not model["merges"]:
        raise _refusal(tokenizer, "single characters (BPE without merges)")
    if "ByteLevel" in _types(tree.get("pre_tokenizer")) or "ByteLevel" in _types(tree.get("normalizer")):
        return "byte-bpe"
    if SPACE in json.dumps([tree.get("pre_tokenizer"), tree.get("normalizer")], ensure_ascii=False):
        return "sentencepiece-bpe"
    raise _refusal(tokenizer, "BPE that marks neither bytes nor spaces")


def first_new_id(tokenizer: PreTrainedTokenizerBase) -> int:
    """The id of the first piece of an addition: the one after every id in use, added and special tokens included."""
    return int(max(tokenizer.get_vocab().values(), default=-1)) + 1


def piece_bytes(tokenizer: PreTrainedTokenizerBase, piece_id: int) -> bytes:
    """The UTF-8 bytes a piece stands for in a text.

    A piece of a byte-level vocabulary may be a part of a character. `▁` is a space, `<0x41>` the byte, an added token its own spelling.
    """
    piece = tokenizer.convert_ids_to_tokens(piece_id)
    assert isinstance(piece, str), f"no piece has the id {piece_id}"
    if piece_id in tokenizer.added_tokens_decoder:
        return piece.encode("utf-8")
    return bytes_of_piece(piece, tokenizer_family_quick(tokenizer))


def bytes_of_piece(piece: str, family: Family) -> bytes:
    """The same for a piece in the spelling of a family's vocabulary."""
    if family == "byte-bpe":
        found = unspelled(piece)
        return piece.encode("utf-8") if found is None else found
    byte = _BYTE_PIECE.match(piece)
    return bytes([int(byte[1], 16)]) if byte else piece.replace(SPACE, " ").encode("utf-8")


def is_byte_piece(piece: str) -> bool:
    """Whether a piece of a SentencePiece vocabulary stands for one byte of an unknown character."""
    return _BYTE_PIECE.match(piece) is not None


def tokenizer_family_quick(tokenizer: PreTrainedTokenizerBase) -> Family:
    """The family by its decoder alone, for one piece at a time: the whole vocabulary is not looked at."""
    backend = tokenizer.backend_tokenizer
    if type(backend.model).__name__ == "Unigram":
        return "unigram"
    return "byte-bpe" if "ByteLevel" in repr(backend.decoder) else "sentencepiece-bpe"


def components(part: dict[str, Any] | None) -> Iterator[dict[str, Any]]:
    """The components of a pre-tokenizer, normalizer or decoder in tokenizer.json's form, sequences unfolded, in order."""
    if part is None:
        return
    if part["type"] == "Sequence":
        for name in ("pretokenizers", "normalizers", "decoders"):
            for each in part.get(name, ()):
                yield from components(each)
    else:
        yield part


def _types(part: dict[str, Any] | None) -> set[str]:
    return {each["type"] for each in components(part)}


def _python_family(class_name: str) -> str:
    known = {"ByT5": "bytes", "MyT5": "bytes", "Perceiver": "bytes", "Canine": "single characters"}
    return next((family for name, family in known.items() if class_name.startswith(name)), "a tokenizer without a tokenizer.json")


def _refusal(tokenizer: PreTrainedTokenizerBase, family: str) -> ModelError:
    return ModelError(f"this tokenizer ({type(tokenizer).__name__}) splits into {family}: no pieces can be added", allowed=_EXTENDABLE)
