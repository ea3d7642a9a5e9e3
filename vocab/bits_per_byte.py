"""Bits per byte: how many bits a model needs for a byte of text, a figure that models with different vocabularies share.

Bits are -log2 p of every token of a text, bytes those of its UTF-8. Perplexity a token falls when tokens get shorter; this need not.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch.nn.functional import cross_entropy

from ..mt.batches import IGNORED, MICRO_TOKENS
from ..mt.decoding import evaluation_mode
from ..mt.errors import CorpusError, ModelError
from ..mt.models import context_length
from ..mt.tokenization import leading_ids, padding_id
from .segmentation import segment

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from ..mt.models import LoadedModel

Progress = Callable[[int, int], None]
_MOST_LOGITS = {"cpu": 1 << 26, "cuda": 1 << 28}  # numbers held at once: 256 MB and 1 GB of float32


@dataclass(frozen=True)
class BitsPerByte:
    """What a model pays for texts.

    Attributes:
        value: bits a byte; 8 is what storing the bytes costs.
        bytes: of the texts in UTF-8.
        tokens: predicted, every one once; BOS or what stands in its place is context, and no EOS is asked for.
        segments: texts.
        cut: texts longer than the model's context, read through windows that overlap by half.
        unknown: tokens that stand for what the vocabulary cannot spell: they cost too little, and so the value is too low.
    """

    value: float
    bytes: int
    tokens: int
    segments: int
    cut: int = 0
    unknown: int = 0


@dataclass(frozen=True)
class _Window:
    """A part of a text that fits the context: `ids`, of which those from `first` on are to be predicted."""

    ids: Sequence[int]
    first: int


def bits_per_byte(
    loaded: LoadedModel,
    texts: Sequence[str],
    *,
    batch_tokens: int | None = None,
    most_logits: int | None = None,
    context: int | None = None,
    progress: Progress | None = None,
) -> BitsPerByte:
    """Bits per byte of texts, each on its own.

    A text's first token is predicted from what the tokenizer puts first. Where it puts nothing there, from BOS, else EOS, as lm-eval's
    rolling log-likelihood does; nanochat's `evaluate_bpb` always has its BOS. Batches are exact: rows are padded on the right, where no
    token can see the padding.

    Args:
        loaded: the model; left as it was found.
        texts: segments; empty ones add neither bits nor bytes.
        batch_tokens: most padded tokens of a forward pass (one longer window still gets its own).
        most_logits: most numbers of one block of logits (positions x vocabulary); a longer row is read in pieces, with the key/value cache.
        context: positions a window may have, 2 or more; the model's own by default.
        progress: called with the predicted tokens so far, and all.

    Raises:
        CorpusError: the texts hold not one byte.
        ModelError: neither BOS nor EOS to predict a first token from.
    """
    size = sum(len(text.encode("utf-8")) for text in texts)
    if size == 0:
        raise CorpusError("no text to measure bits per byte on", allowed="at least one line that is not empty")
    model, tokenizer = loaded.model, loaded.tokenizer
    kind = "cuda" if model.get_input_embeddings().weight.is_cuda else "cpu"
    limit = context or context_length(model)
    prefix = first_context(tokenizer)
    pieces = segment(tokenizer, texts)
    total = sum(map(len, pieces))
    windows = [window for ids in pieces for window in _windows([*prefix, *ids], len(prefix), limit)]
    room = (most_logits or _MOST_LOGITS[kind]) // model.config.get_text_config(decoder=True).vocab_size
    bits, done = 0.0, 0
    with evaluation_mode(model), torch.inference_mode():
        for batch in _batches(windows, min(batch_tokens or MICRO_TOKENS[kind], room)):
            bits += _nats(model, batch, padding_id(tokenizer), max(1, room // len(batch))) / math.log(2)
            done += sum(len(window.ids) - window.first for window in batch)
            if progress:
                progress(done, total)
    assert done == total, "a token was predicted twice or never"
    cut = sum(limit is not None and len(prefix) + len(ids) > limit for ids in pieces)
    unknown = sum(ids.count(tokenizer.unk_token_id) for ids in pieces) if isinstance(tokenizer.unk_token_id, int) else 0
    return BitsPerByte(bits / size, size, total, len(texts), cut, unknown)


def first_context(tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """What the first token of a text is predicted from: the ids this tokenizer puts first, else BOS, else EOS.

    Raises:
        ModelError: it has none of them.
    """
    leading = leading_ids(tokenizer)
    if leading:
        return leading
    for found in (tokenizer.bos_token_id, tokenizer.eos_token_id):
        if isinstance(found, int):
            return [found]
    raise ModelError(
        "the tokenizer has neither BOS nor EOS, so nothing stands before the first token of a text",
        hint="set `bos_token` in tokenizer_config.json",
    )


def _windows(ids: Sequence[int], first: int, limit: int | None) -> Iterator[_Window]:
    """A text as one window, or as several in which every token is predicted once, from half a context or more."""
    if first == len(ids):
        return
    if limit is None or len(ids) <= limit:
        yield _Window(ids, first)
        return
    yield _Window(ids[:limit], first)
    done = limit
    while done < len(ids):
        end = min(len(ids), done + max(1, limit // 2))
        yield _Window(ids[end - limit : end], done - (end - limit))
        done = end


def _batches(windows: Sequence[_Window], tokens: int) -> Iterator[list[_Window]]:
    """Windows of like length together, the longest first, `tokens` padded tokens or fewer in each batch of more than one."""
    group: list[_Window] = []
    for window in sorted(windows, key=lambda each: -len(each.ids)):
        if group and (len(group) + 1) * len(group[0].ids) > tokens:
            yield group
            group = []
        group.append(window)
    if group:
        yield group


def _nats(model: PreTrainedModel, batch: Sequence[_Window], padding: int, columns: int) -> float:
    """-ln p of all tokens to be predicted, with the logits of at most `columns` columns at a time."""
    width = max(len(window.ids) for window in batch)
    device = model.get_input_embeddings().weight.device
    ids = torch.full((len(batch), width), padding, dtype=torch.long)  # (B, T)
    labels = torch.full((len(batch), width), IGNORED, dtype=torch.long)  # (B, T), shifted
    for row, window in enumerate(batch):
        known = torch.tensor(window.ids, dtype=torch.long)
        ids[row, : len(known)] = known
        labels[row, window.first - 1 : len(known) - 1] = known[window.first :]
    ids, labels = ids[:, :-1].to(device), labels[:, :-1].to(device)  # the last column predicts nothing
    total, cache, one_piece = 0.0, None, ids.shape[1] <= columns
    for start in range(0, ids.shape[1], columns):
        part = slice(start, start + columns)
        output = model(input_ids=ids[:, part], past_key_values=cache, use_cache=not one_piece)
        cache = None if one_piece else output.past_key_values
        losses = cross_entropy(output.logits.flatten(0, 1).float(), labels[:, part].flatten(), reduction="none", ignore_index=IGNORED)
        total += float(losses.double().sum())
    return total
