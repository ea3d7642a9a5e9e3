"""Which pieces are new in an expanded tokenizer, and whether they are used: how often each occurs when it splits text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..mt.tokenization import REPLACEMENT, decode_output

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_VISIBLE = str.maketrans({" ": "␣", "\n": "⏎", "\t": "⇥"})


@dataclass(frozen=True)
class NewPiece:
    """A piece that only the expanded tokenizer has.

    Attributes:
        id: its row in the embeddings.
        piece: in the vocabulary's own spelling.
        text: what it stands for; None where that is part of a character.
        dev: occurrences in the dev texts.
        learning: occurrences in the text it was learnt from; None when that was not given.
    """

    id: int
    piece: str
    text: str | None
    dev: int
    learning: int | None = None

    @property
    def label(self) -> str:
        """For people: its text with spaces made visible, else its spelling."""
        return self.piece if self.text is None else self.text.translate(_VISIBLE)


@dataclass(frozen=True)
class PieceUsage:
    """All new pieces, in the order of their ids."""

    pieces: tuple[NewPiece, ...]

    @property
    def has_learning_text(self) -> bool:
        """Whether the text they were learnt from was looked at too."""
        return any(piece.learning is not None for piece in self.pieces)

    @property
    def unused_on_dev(self) -> list[NewPiece]:
        """Pieces that do not occur in the dev texts."""
        return [piece for piece in self.pieces if not piece.dev]

    @property
    def unused_in_learning(self) -> list[NewPiece]:
        """Pieces that do not occur in the text they were learnt from: rows that no text of its kind ever reads."""
        return [piece for piece in self.pieces if piece.learning == 0]

    def most_used(self, count: int) -> list[NewPiece]:
        """The most frequent of the dev texts, the first id first among equals."""
        return sorted((piece for piece in self.pieces if piece.dev), key=lambda piece: -piece.dev)[:count]

    def longest(self, count: int) -> list[NewPiece]:
        """Those with the most characters."""
        return sorted(self.pieces, key=lambda piece: (-len(piece.text or ""), piece.id))[:count]


def new_ids(before: PreTrainedTokenizerBase, after: PreTrainedTokenizerBase) -> dict[int, str] | None:
    """Ids that only `after` has, with their pieces; None when it is no expansion of `before`, all of whose pieces must keep their ids."""
    old, new = before.get_vocab(), after.get_vocab()
    if kept(old, new) != len(old):
        return None
    return {each: piece for piece, each in sorted(new.items(), key=lambda item: item[1]) if piece not in old}


def kept(old: Mapping[str, int], new: Mapping[str, int]) -> int:
    """How many pieces of one vocabulary another has under the same id."""
    return sum(new.get(piece) == each for piece, each in old.items())


def piece_usage(
    after: PreTrainedTokenizerBase, new: Mapping[int, str], dev: Iterable[Sequence[int]], learning: Iterable[Sequence[int]] | None
) -> PieceUsage:
    """Count new pieces.

    Args:
        after: the expanded tokenizer.
        new: its new ids and pieces.
        dev: ids of the dev texts under `after`.
        learning: ids of the text the pieces were learnt from; None when it is not to be had.
    """
    on_dev, in_learning = _counts(dev), _counts(learning) if learning is not None else None
    return PieceUsage(
        tuple(
            NewPiece(each, piece, _text(after, each), on_dev[each], None if in_learning is None else in_learning[each])
            for each, piece in new.items()
        )
    )


def _counts(texts: Iterable[Sequence[int]]) -> Counter[int]:
    return Counter(each for ids in texts for each in ids)


def _text(tokenizer: PreTrainedTokenizerBase, each: int) -> str | None:
    text = decode_output(tokenizer, [each])
    return None if not text or REPLACEMENT in text else text
