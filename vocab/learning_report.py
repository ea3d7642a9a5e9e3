"""What learnt pieces do to text, as figures and as a table for the terminal."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from .additions import Addition
from .extend import extend_tokenizer, extended_json
from .families import bytes_of_piece, first_new_id, tokenizer_json
from .usage import encoded, measure_usage, plain_tokenizer

if TYPE_CHECKING:
    from rich.table import Table
    from transformers import PreTrainedTokenizerBase

_EXAMPLES = 16


@dataclass(frozen=True)
class TextFigures:
    """One text before and after.

    Attributes:
        lines: of the text.
        before: tokens the base tokenizer spends on it.
        after: tokens the extended one spends.
        changed: lines that are split differently.
        stock: tokens with the new pieces but the base's pre-tokenizer; None where that is the one in use.
    """

    lines: int
    before: int
    after: int
    changed: int
    stock: int | None = None


@dataclass(frozen=True)
class LearningFigures:
    """What was learnt.

    Attributes:
        pieces: new ones.
        used: of them, those that occur on the learning text.
        learning: the text learnt from (`changed` is not counted there).
        held_out: lines of the same files that were not learnt from.
        protected: text whose segmentation should stay; None when none was given.
        examples: pieces as text, evenly from the first to the last.
    """

    pieces: int
    used: int
    learning: TextFigures
    held_out: TextFigures | None
    protected: TextFigures | None
    examples: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


def learning_figures(
    addition: Addition, tokenizer: PreTrainedTokenizerBase, texts: Sequence[str], held_out: Sequence[str], protected: Sequence[str]
) -> LearningFigures:
    """Split every text with both tokenizers and count.

    Raises:
        ModelError: the addition does not fit the tokenizer.
    """
    extend_tokenizer(tokenizer, addition)  # transformers must be able to load it
    base, first = tokenizer_json(tokenizer), first_new_id(tokenizer)
    new = extended_json(copy.deepcopy(base), addition, first)
    usage = measure_usage(texts, plain_tokenizer(new), first)
    learning = TextFigures(len(texts), addition.facts["tokens_before"], usage.tokens, 0)
    stock = None
    if addition.pre_tokenizer is not None:
        stock = extended_json(copy.deepcopy(base), replace(addition, pre_tokenizer=None), first)
    return LearningFigures(
        pieces=len(addition.pieces),
        used=len(usage.uses),
        learning=learning,
        held_out=_compare(held_out, base, new, stock),
        protected=_compare(protected, base, new, None),
        examples=_examples(addition),
    )


def learning_table(figures: LearningFigures, addition: Addition) -> Table:
    """The figures for the terminal."""
    from rich.table import Table
    from rich.text import Text

    facts = addition.facts
    table = Table("what", "value", title=f"{figures.pieces:,} pieces for {addition.language}, {addition.scheme}", title_justify="left")
    table.add_row("used on the learning text", f"{figures.used:,} of {figures.pieces:,}, each {facts['least_uses']:,} times or more")
    table.add_row("learning text, tokens a line", _tokens(figures.learning))
    if figures.held_out is not None:
        table.add_row("held-out lines, tokens a line", _tokens(figures.held_out))
    if addition.pre_tokenizer is None:
        table.add_row("pre-tokenizer", "as it was")
    else:
        saved = 1 - facts["words_after"] / facts["words_before"]
        table.add_row("pre-tokenizer", f"widened: marks stay in their words, which makes {saved:.0%} fewer words")
        if figures.held_out is not None and figures.held_out.stock is not None:
            table.add_row("the same pieces without that", f"{figures.held_out.stock / figures.held_out.lines:.1f} tokens a held-out line")
    if figures.protected is None:
        table.add_row("protected text", "none was given (--protect), so nothing is known about other languages")
    else:
        lines = figures.protected.lines
        table.add_row("protected lines split differently", f"{figures.protected.changed:,} of {lines:,}")
    table.add_row("examples", Text(" ".join(figures.examples)))
    return table


def _tokens(figures: TextFigures) -> str:
    before, after = figures.before / figures.lines, figures.after / figures.lines
    return f"{before:.1f} before, {after:.1f} after ({1 - after / before:.0%} fewer)"


def _compare(texts: Sequence[str], base: dict[str, Any], new: dict[str, Any], stock: dict[str, Any] | None) -> TextFigures | None:
    if not texts:
        return None
    before, after = (list(encoded(texts, plain_tokenizer(tree))) for tree in (base, new))
    with_stock = None if stock is None else sum(map(len, encoded(texts, plain_tokenizer(stock))))
    changed = sum(old != now for old, now in zip(before, after, strict=True))
    return TextFigures(len(texts), sum(map(len, before)), sum(map(len, after)), changed, with_stock)


def _examples(addition: Addition) -> tuple[str, ...]:
    """Pieces in the order of their ids, so from the most useful to the least, that are whole characters; spaces shown as `␣`."""
    texts = []
    for piece in addition.pieces:
        content = piece.encode("utf-8") if addition.scheme == "added-tokens" else bytes_of_piece(piece, addition.family)
        text = content.decode("utf-8", "replace")
        if "\ufffd" not in text:
            texts.append(text.replace(" ", "␣"))
    step = max(1, len(texts) // _EXAMPLES)
    return tuple(texts[::step][:_EXAMPLES])
