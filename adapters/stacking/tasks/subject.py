"""What the tasks need of a stack, in one place: the three ways from a text to a vector, and the translation model beside it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ....mt.languages import Language
from .reading import Cuts, Padding, Read, shortened, text_rows

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedTokenizerBase


@dataclass(frozen=True)
class Subject:
    """A stack under test.

    Attributes:
        llm: the language model, with the stack's adapter in it.
        adapter: the name of that adapter.
        identity: what says which language model it is, without adapters: source and revision.
        tokenizer: the language model's.
        read_text: (B, d) of the language model's ids and mask (B, S), with the adapter that is active.
        read_source: (B, d) of the encoder's ids and mask (B, S), through encoder, projection and language model.
        read_encoder: (B, d_enc) of the same: the mean of the encoder's last states.
        encode: the encoder's ids of texts in a language, language tokens and `</s>` with them.
        text_padding, source_padding: of either's ids.
        translate: texts of a language into English by the encoder's own decoder; None where it has none.
        longest: tokens read of a text, by either tokenizer.
        cuts: texts that were longer.
    """

    llm: PeftModel
    adapter: str
    identity: str
    tokenizer: PreTrainedTokenizerBase
    read_text: Read
    read_source: Read
    read_encoder: Read
    encode: Callable[[Sequence[str], Language], list[list[int]]]
    text_padding: Padding
    source_padding: Padding
    translate: Callable[[Sequence[str], Language], list[str]] | None
    longest: int
    cuts: Cuts

    def text_rows(self, texts: Sequence[str], closings: Sequence[str] | None = None) -> list[list[int]]:
        """Ids for `read_text`; long texts lose their end, or what is before their closing, and are counted."""
        rows = text_rows(texts, self.tokenizer)
        self.cuts.add("language model", rows, self.longest)

        def size(closing: str) -> int:
            return len(text_rows([f" {closing}"], self.tokenizer)[0]) if closing else 0

        return shortened(rows, self.longest, closings or [""] * len(rows), size)

    def source_rows(self, texts: Sequence[str], language: Language, closings: Sequence[str] | None = None) -> list[list[int]]:
        """Ids for `read_source` and `read_encoder`; as `text_rows`, but the last token, `</s>`, always stays."""
        rows = self.encode(texts, language)
        self.cuts.add("encoder", rows, self.longest)

        def size(closing: str) -> int:
            closed, empty = self.encode([f" {closing}", ""], language)
            return len(closed) - len(empty) + 1 if closing else 1

        return shortened(rows, self.longest, closings or [""] * len(rows), size)
