"""What a translator needs of a stack: a source text in one language as ids of the encoder, and requests with its states in front."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ...mt.languages import Language
from ...mt.prefixes import Prefix
from ...mt.tokenization import leading_ids

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from ...mt.decoding import Request
    from .model import StackedModel


@dataclass(frozen=True)
class SourceReading:
    """A stack that reads one language.

    Attributes:
        stack: encoder, projection, end vector.
        language: of the texts.
        opening: ids that stand in a prompt before the encoder's states (1 behind BOS, 0 where there is none).
        added: tokens that the encoder has besides those of the text.
    """

    stack: StackedModel
    language: Language
    opening: int
    added: int

    @property
    def longest(self) -> int:
        """Most tokens of a text (as `size` counts them) that the encoder reads."""
        return self.stack.encoder.max_length - self.added

    @property
    def extra(self) -> int:
        """Positions before a prompt that are not of the text: the encoder's own tokens and the end vector."""
        return self.added + 1

    def size(self, text: str) -> int:
        """The encoder's tokens of a text, without those it adds."""
        return len(self.ids(text)) - self.added

    def ids(self, text: str) -> tuple[int, ...]:
        """What the encoder reads of a text."""
        return tuple(self.stack.encoder.rows([text], self.language)[0])

    def prefixed(self, requests: Sequence[Request]) -> list[Request]:
        """The requests with the encoder's states; those of a batch are read together."""
        import torch

        with torch.no_grad():
            states = self.stack.prefixes([request.source for request in requests])
        return [replace(request, prefix=Prefix(one, self.opening)) for request, one in zip(requests, states, strict=True)]


def reading_of(stack: StackedModel, tokenizer: PreTrainedTokenizerBase, language: Language) -> SourceReading:
    """A stack, with its language model's tokenizer, set to read one language.

    Raises:
        LanguageError: the encoder does not know it.
    """
    return SourceReading(stack, language, len(leading_ids(tokenizer)), len(stack.encoder.rows([""], language)[0]))
