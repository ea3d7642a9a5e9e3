"""Terms of a glossary as constraints of beam search: each with its translations, their inflected forms, and the ways tokens spell them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from .config import DecodingConfig
from .errors import ConfigError
from .lexicons.folding import unspaced
from .lexicons.inflection import forms_of
from .prompting.records import Hint
from .tokenization import encode_continuation

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from .languages import Language

BEAMS = 4  # of a search that terms are forced upon, where none are asked for
MOST_FORMS = 24  # of one word; the richest paradigms have more, and each is looked for at every step


def searching(decoding: DecodingConfig) -> DecodingConfig:
    """The decoding with beams, which forced terms need.

    Raises:
        ConfigError: it samples.
    """
    if decoding.sample:
        raise ConfigError("terms cannot be forced while sampling", where="decoding", allowed="beam search, or a glossary that only asks")
    return replace(decoding, beams=BEAMS) if decoding.beams == 1 else decoding


class RequiredTerms:
    """Turns hints into constraints.

    Args:
        tokenizer: of the model.
        target: language of the terms.
        words: all the translations that can come, whose forms are looked up together, which takes a second; others have none.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, target: Language, words: Iterable[str]) -> None:
        self._tokenizer = tokenizer
        self._ids: dict[str, tuple[tuple[int, ...], ...]] = {}
        self._forms = forms_of(words, target, MOST_FORMS)

    def of(self, hints: Sequence[Hint]) -> tuple[tuple[tuple[int, ...], ...], ...]:
        """A constraint for each hint, its alternatives as ids, the glossary's own spellings first.

        Inflected forms are those that simplemma knows of a single word, none of a term that stays as it is. A term that begins the source
        text with a capital may have one in the translation.
        """
        return tuple(tuple(dict.fromkeys(ids for text in self._spellings(hint) for ids in self._encoded(text))) for hint in hints)

    def _spellings(self, hint: Hint) -> Iterator[str]:
        kept = [target for target in hint.targets if target == hint.source]
        inflected = [form for target in hint.targets if target not in kept for form in self._forms.get(target, ())]
        spellings = dict.fromkeys([*hint.targets, *inflected])
        yield from spellings
        if hint.start == 0 and hint.source[:1].isupper():
            yield from (text[0].upper() + text[1:] for text in spellings if text not in kept)

    def _encoded(self, text: str) -> tuple[tuple[int, ...], ...]:
        """Ids of a text inside a line: after a word, and after a sign or at the beginning."""
        if text not in self._ids:
            apart = encode_continuation(self._tokenizer, "a", f" {text}")
            close = encode_continuation(self._tokenizer, "\n", text)
            both = [close, apart] if unspaced(text[0]) else [apart, close]
            self._ids[text] = tuple(dict.fromkeys(tuple(ids) for ids in both if ids))
        return self._ids[text]
