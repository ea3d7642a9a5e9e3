"""What a method of initialisation may look at."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from ...mt.tokenization import leading_ids
from ..additions import Addition
from ..families import bytes_of_piece, tokenizer_family_quick

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedTokenizerBase

    from ...mt.models import LoadedModel


@dataclass(frozen=True)
class InitContext:
    """One expansion, as the methods see it.

    Attributes:
        base: the tokenizer before.
        extended: the tokenizer after; its ids below `first_id` mean what they meant before.
        addition: the new pieces, in the order of their ids.
        first_id: id of the first of them.
        matrix: (first_id, d) the old rows, of the input embeddings or of the head; for `initialise_rows` alone.
        texts: in the new pieces' language; empty for methods that need none.
        seed: of everything random.
        helper: the other model of `similarity`.
    """

    base: PreTrainedTokenizerBase
    extended: PreTrainedTokenizerBase
    addition: Addition
    first_id: int
    matrix: Tensor | None = None
    texts: Sequence[str] = ()
    seed: int = 0
    helper: LoadedModel | None = None
    bytes_of: PieceTable = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "bytes_of", PieceTable(self.extended))

    @property
    def count(self) -> int:
        """New pieces."""
        return len(self.addition.pieces)

    @cached_property
    def special_ids(self) -> frozenset[int]:
        """Ids that stand for no text of their own; no row is ever made of theirs."""
        return frozenset(self.base.all_special_ids)

    @cached_property
    def leading(self) -> tuple[int, ...]:
        """Ids that the base tokenizer puts before every text: (BOS,) or ()."""
        return tuple(leading_ids(self.base))


class PieceTable:
    """The bytes that ids of one tokenizer stand for, as `families.piece_bytes` gives them, each looked up once.

    What is the same for all ids (family, added tokens) is asked for once: the tokenizer would build it anew at every id.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        self._tokenizer = tokenizer
        self._family = tokenizer_family_quick(tokenizer)
        self._added = frozenset(tokenizer.added_tokens_decoder)
        self._found: dict[int, bytes] = {}

    def __getitem__(self, piece_id: int) -> bytes:
        found = self._found.get(piece_id)
        if found is None:
            piece = self._tokenizer.convert_ids_to_tokens(piece_id)
            found = piece.encode("utf-8") if piece_id in self._added else bytes_of_piece(piece, self._family)
            self._found[piece_id] = found
        return found

    def join(self, piece_ids: Iterable[int]) -> bytes:
        """The bytes of a sequence of ids."""
        return b"".join(self[one] for one in piece_ids)
