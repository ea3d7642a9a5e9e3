"""From text to token ids and back, the same way in training and in translation.

Two promises that the reference code of ALMA (Xu et al. 2023) breaks: the prompt's ids in a training row are exactly the ids a translator
feeds (BOS included, so no prompt token leaks into the loss), and EOS is appended once and trained like any other target token, because
padding is told apart by position, never by id.

Spellings of special tokens inside a text ("</s>", "<|im_end|>") are ordinary text here: a corpus line cannot end a prompt.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from .errors import ModelError

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

REPLACEMENT = "\ufffd"

# Texts put before a target to see how it is split when it continues something; a target on its own would get SentencePiece's extra space.
_ANCHORS = (":", "\n", "a", ".")


def padding_id(tokenizer: PreTrainedTokenizerBase) -> int:
    """An id to fill rows with: the pad token's, else EOS, else 0. The vocabulary never changes; masks go by position."""
    for found in (tokenizer.pad_token_id, tokenizer.eos_token_id):
        if isinstance(found, int):
            return found
    return 0


def stop_ids(model: PreTrainedModel | None, tokenizer: PreTrainedTokenizerBase) -> tuple[int, ...]:
    """Ids that end an output: the tokenizer's EOS first, then those of the model's generation settings and configuration."""
    found: dict[int, None] = {}
    settings = [getattr(model, "generation_config", None), getattr(model, "config", None)] if model is not None else []
    for given in [tokenizer.eos_token_id, *(getattr(setting, "eos_token_id", None) for setting in settings)]:
        for one in given if isinstance(given, list | tuple) else [given]:
            if isinstance(one, int):
                found.setdefault(one)
    return tuple(found)


def encode_plain(tokenizer: PreTrainedTokenizerBase, text: str) -> list[int]:
    """Ids of `text` alone: no BOS, no EOS, special tokens' spellings as ordinary text."""
    return list(tokenizer.encode(text, add_special_tokens=False, split_special_tokens=True))


def encode_prompt(tokenizer: PreTrainedTokenizerBase, text: str) -> list[int]:
    """Ids of a prompt: with the BOS this tokenizer puts first (if it does), without an EOS it may append."""
    return leading_ids(tokenizer) + encode_plain(tokenizer, text)


def encode_example(tokenizer: PreTrainedTokenizerBase, prompt: str, target: str) -> tuple[list[int], int]:
    """Ids of prompt + target + EOS, and the index of the first target token.

    `ids[:start] == encode_prompt(tokenizer, prompt)` always holds, and `ids[-1]` is the one EOS.

    Raises:
        ModelError: the tokenizer has no EOS token, so nothing would teach the model to stop.
    """
    end = _end_id(tokenizer)
    start = encode_prompt(tokenizer, prompt)
    return [*start, *encode_continuation(tokenizer, prompt, target), end], len(start)


def encode_document(tokenizer: PreTrainedTokenizerBase, text: str) -> list[int]:
    """Ids of a monolingual document: BOS where the tokenizer puts one, the text, one EOS.

    Raises:
        ModelError: the tokenizer has no EOS token.
    """
    return [*encode_prompt(tokenizer, text), _end_id(tokenizer)]


def encode_continuation(tokenizer: PreTrainedTokenizerBase, prompt: str, target: str) -> list[int]:
    """Ids of `target` as it is split after `prompt`, whose own ids stay as they are alone.

    Where the last piece of the prompt and the first of the target would merge, the target is split as after a short neutral text.
    """
    if not target:
        return []
    alone = encode_plain(tokenizer, prompt)
    together = encode_plain(tokenizer, prompt + target)
    if together[: len(alone)] == alone:
        return together[len(alone) :]
    for anchor in _ANCHORS:
        before = encode_plain(tokenizer, anchor)
        after = encode_plain(tokenizer, anchor + target)
        if after[: len(before)] == before:
            return after[len(before) :]
    return encode_plain(tokenizer, target)


def leading_ids(tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """The ids this tokenizer puts before every text: [BOS] or []."""
    plain = encode_plain(tokenizer, "a")
    full = list(tokenizer.encode("a", add_special_tokens=True, split_special_tokens=True))
    for start in range(len(full) - len(plain) + 1):
        if full[start : start + len(plain)] == plain:
            return full[:start]
    return []


def decode_output(tokenizer: PreTrainedTokenizerBase, ids: Sequence[int]) -> str:
    """Text of generated ids as they continue a prompt, special tokens left out.

    Decoded behind a short neutral text, because SentencePiece decoders drop the first space of whatever they are given.
    """
    anchor = encode_plain(tokenizer, "a")
    before = _decode(tokenizer, anchor)
    whole = _decode(tokenizer, [*anchor, *ids])
    return whole[len(before) :] if whole.startswith(before) else _decode(tokenizer, ids)


def decode_whole(tokenizer: PreTrainedTokenizerBase, ids: Sequence[int]) -> str:
    """As `decode_output`, but without a last character whose remaining bytes were never generated.

    SentencePiece decoders would show such a rest, and the whole characters before it in the same run of bytes, as U+FFFD.
    """
    text = decode_output(tokenizer, ids)
    if text.endswith(REPLACEMENT):
        for cut in range(1, min(4, len(ids) + 1)):
            shorter = decode_output(tokenizer, ids[:-cut])
            if not shorter.endswith(REPLACEMENT):
                return shorter
    return text


def _end_id(tokenizer: PreTrainedTokenizerBase) -> int:
    if not isinstance(tokenizer.eos_token_id, int):
        raise ModelError(
            "no EOS token in the tokenizer: the model could not learn to stop", hint="set `eos_token` in tokenizer_config.json"
        )
    return tokenizer.eos_token_id


def _decode(tokenizer: PreTrainedTokenizerBase, ids: Iterable[int]) -> str:
    return str(tokenizer.decode(list(ids), skip_special_tokens=True, clean_up_tokenization_spaces=False))
