"""A stack as the tasks see it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from ....mt.errors import ConfigError, LanguageError, ModelError
from ....mt.languages import Language, find_language
from ..encoder import SourceEncoder
from .readers import ENGLISH
from .reading import Cuts, Padding, Read
from .subject import Subject

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedTokenizerBase

    from ..model import StackedModel

LONGEST = 256


def subject_of(
    stack: StackedModel, tokenizer: PreTrainedTokenizerBase, identity: str, *, longest: int | None = None, mixed: bool = False
) -> Subject:
    """The stack's three ways from text to vectors. Projection and end vector no longer want gradients: in tasks only LoRA moves.

    Args:
        stack: in evaluation mode, with its adapter not merged.
        tokenizer: the language model's.
        identity: source and revision of the language model.
        longest: tokens read of a text, by either tokenizer; None for 256, or what the encoder reads if that is less.
        mixed: read in bfloat16 products, see `DeviceChoice.mixed`.

    Raises:
        ConfigError: the encoder cannot read so many.
        ModelError: the adapter is merged, so that there is nothing to train.
    """
    from ....mt.precision import mixed_precision
    from ..model import masked_mean

    encoder = stack.encoder
    longest = longest or min(LONGEST, encoder.max_length)
    if not 1 < longest <= encoder.max_length:
        raise ConfigError(f"texts of {longest} tokens", where="--longest", allowed=f"2 to {encoder.max_length}, which the encoder reads")
    if not stack.adapted:
        raise ModelError("the stack's adapter is merged into the language model", hint="load the stack without merging")
    stack.requires_grad_(False)

    def with_precision(read: Read) -> Read:
        def wrapped(ids: Tensor, mask: Tensor) -> Tensor:
            with mixed_precision(stack, enabled=mixed, longest=ids.shape[1]):
                return read(ids, mask)

        return wrapped

    def read_encoder(ids: Tensor, mask: Tensor) -> Tensor:
        return masked_mean(encoder.states(ids, mask), mask)

    device = str(stack.end.device)
    return Subject(
        llm=stack.llm,
        adapter=str(stack.llm.active_adapter),
        identity=identity,
        tokenizer=tokenizer,
        read_text=with_precision(stack.text_pooled),
        read_source=with_precision(stack.pooled),
        read_encoder=read_encoder,
        encode=encoder.rows,
        text_padding=Padding(int(tokenizer.pad_token_id or 0), device),
        source_padding=Padding(encoder.padding, device),
        translate=translator_of(encoder, device),
        longest=longest,
        cuts=Cuts(),
    )


def known_languages(encoder: SourceEncoder, languages: Sequence[Language]) -> list[Language]:
    """Those of the languages that the encoder can read, in their order."""
    known = []
    for language in languages:
        try:
            encoder.check(language)
        except LanguageError:
            continue
        known.append(language)
    return known


def translator_of(encoder: SourceEncoder, device: str) -> Callable[[Sequence[str], Language], list[str]] | None:
    """Translation into English by the model that the encoder is half of; None where it is not at hand, or its kind is not known (T5).

    The model is loaded at the first text, once for all languages, and searches with four beams. A text that it cannot take stays empty.
    """
    from ....mt.specialists import Opening
    from ....mt.specialists.families import FAMILIES, family_of, mark
    from ....mt.specialists.seq2seq import Seq2Seq, open_specialist

    english = find_language(ENGLISH)
    try:
        family = family_of(encoder.tokenizer, encoder.source)
    except ModelError:
        return None
    opened: list[Seq2Seq] = []

    def translate(texts: Sequence[str], language: Language) -> list[str]:
        if not opened:
            spelled = f"{family.name}:{encoder.folder}"
            opened.append(open_specialist(Opening(spelled, encoder.folder, language, english, device=device), family.name))
        marking = mark(opened[0].tokenizer, FAMILIES[family.name], language, english, opened[0].name)
        return [" ".join(draft.text.split()) for draft in replace(opened[0], marking=marking).drafts(texts)]

    return translate if encoder.folder else None
