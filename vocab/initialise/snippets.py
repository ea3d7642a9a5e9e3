"""Snippets for distillation: the same text split by both tokenizers, and the positions where both have read equally far."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ..segmentation import segment
from .context import InitContext

_BATCH = 256  # texts


@dataclass(frozen=True)
class DistillationSettings:
    """How new rows are distilled (Token Distillation: Dobler et al. 2025).

    Attributes:
        learning_rate: of AdamW, constant, one pass.
        snippets: a text is taken while one of its new pieces has been seen in fewer.
        tokens: at most so many base tokens in all.
        length: of a snippet, in base tokens.
        batch_tokens: base tokens, padding included, that go through together.
    """

    learning_rate: float = 1e-4
    snippets: int = 25
    tokens: int = 50_000
    length: int = 256
    batch_tokens: int = 1024


@dataclass(frozen=True)
class Snippet:
    """One text in both segmentations.

    Attributes:
        teacher: ids of the base tokenizer, BOS included where it puts one.
        student: ids of the extended tokenizer.
        pairs: (teacher position, student position) where both have read the same text, from the first new piece on; before it the two
            models see the same ids.
    """

    teacher: tuple[int, ...]
    student: tuple[int, ...]
    pairs: tuple[tuple[int, int], ...]


def choose_snippets(context: InitContext, settings: DistillationSettings) -> list[Snippet]:
    """Texts in an order drawn from the seed, each taken while it has a new piece that is still rare, up to the budget."""
    order = list(range(len(context.texts)))
    random.Random(context.seed).shuffle(order)
    seen: Counter[int] = Counter()
    chosen: list[Snippet] = []
    spent = 0
    for base, extended in _segmented(context, order):
        cut = _cut(context, base, extended, settings.length)
        if cut is None:
            continue
        new = {one for one in cut.student if one >= context.first_id}
        if all(seen[one] >= settings.snippets for one in new):
            continue
        if spent + len(cut.teacher) > settings.tokens:
            break
        seen.update(new)
        spent += len(cut.teacher)
        chosen.append(cut)
    return chosen


def _segmented(context: InitContext, order: Sequence[int]) -> Iterator[tuple[list[int], list[int]]]:
    for start in range(0, len(order), _BATCH):
        texts = [context.texts[index] for index in order[start : start + _BATCH]]
        yield from zip(segment(context.base, texts), segment(context.extended, texts), strict=True)


def _cut(context: InitContext, base: Sequence[int], extended: Sequence[int], length: int) -> Snippet | None:
    """A text up to the last place within `length` base tokens where both have read equally far; None without new pieces."""
    start = context.leading
    pairs = []
    old_end = new_end = old = 0
    first = None
    for new, piece in enumerate(extended):
        new_end += len(context.bytes_of[piece])
        while old < len(base) and old_end < new_end:
            old_end += len(context.bytes_of[base[old]])
            old += 1
        if first is None and piece >= context.first_id:
            first = new
        if old_end == new_end and old <= length:
            pairs.append((old - 1, new))
    if first is None or not pairs or pairs[-1][1] < first:
        return None
    last_old, last_new = pairs[-1]
    kept = tuple((old + len(start), new + len(start)) for old, new in pairs if new >= first)
    return Snippet((*start, *base[: last_old + 1]), (*start, *extended[: last_new + 1]), kept)
