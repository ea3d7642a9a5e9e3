"""A folder of CTranslate2, as its converters write it, with the tokenizer's files beside the model (extra `ct2`).

Drafts by its beam search, confidences by its own scoring of the drafts.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import ConfigError, ModelError
from .families import Marking, family_of, mark
from .records import NO_DRAFT, Draft, Opening
from .word_confidences import draft_of

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_LONGEST = 512  # tokens: what the models of these families have positions for, and CTranslate2 does not tell
_BATCH = 512  # tokens


@dataclass(frozen=True)
class CTranslate2:
    """Drafts by a CTranslate2 translator.

    Attributes:
        name: as the user spelled it.
        translator: a `ctranslate2.Translator`.
        tokenizer: set to the source language.
        marking: what else tells the direction.
        beams: 1 is greedy.
    """

    name: str
    translator: Any
    tokenizer: PreTrainedTokenizerBase
    marking: Marking
    beams: int = 4

    def drafts(self, texts: Sequence[str]) -> list[Draft]:
        """A draft of each text; none of a blank one, or of one with more than 512 tokens."""
        encoded = [self.tokenizer(self.marking.opening + text.strip())["input_ids"] if text.strip() else [] for text in texts]
        wanted = [number for number, ids in enumerate(encoded) if 0 < len(ids) <= _LONGEST]
        sources = [self.tokenizer.convert_ids_to_tokens(encoded[number]) for number in wanted]
        found = [NO_DRAFT] * len(texts)
        if not sources:
            return found
        batching = {"max_batch_size": _BATCH, "batch_type": "tokens"}
        results = self.translator.translate_batch(
            sources,
            target_prefix=[[self.marking.first[0]]] * len(sources) if self.marking.first else None,
            beam_size=self.beams,
            max_decoding_length=min(2 * max(map(len, sources)) + 20, _LONGEST - 2),
            **batching,
        )
        outputs = [result.hypotheses[0] for result in results]
        scored = self.translator.score_batch(sources, outputs, max_input_length=0, **batching)
        for number, row in zip(wanted, scored, strict=True):
            found[number] = self._draft(row.tokens, row.log_probs)
        return found

    def _draft(self, tokens: Sequence[str], log_probabilities: Sequence[float]) -> Draft:
        special = {*self.tokenizer.all_special_tokens, *([self.marking.first[0]] if self.marking.first else [])}
        pairs = zip(tokens, log_probabilities, strict=False)
        kept = [(token, math.exp(value)) for token, value in pairs if token not in special]
        ids = self.tokenizer.convert_tokens_to_ids([token for token, _ in kept])
        return draft_of(ids, [probability for _, probability in kept], self._text)

    def _text(self, ids: Sequence[int]) -> str:
        return str(self.tokenizer.decode(list(ids), skip_special_tokens=True, clean_up_tokenization_spaces=False)).strip()


def open_specialist(opening: Opening) -> CTranslate2:
    """A converted model with its tokenizer.

    Raises:
        ConfigError: ctranslate2 is not installed.
        ModelError: no model that it loads, no tokenizer of a known family, or a language that it does not know.
    """
    try:
        import ctranslate2
    except ImportError:
        raise ConfigError("ctranslate2 is not installed", where=opening.spelled, hint="pip install 'dragoman[ct2]'") from None
    from ..devices import choose_device
    from .seq2seq import load_tokenizer

    folder = Path(opening.where).expanduser()
    if not (folder / "model.bin").is_file():
        raise ModelError("no model.bin here", where=folder, allowed="a folder that a converter of CTranslate2 wrote")
    choice = choose_device(opening.device)
    tokenizer = load_tokenizer(str(folder))
    marking = mark(tokenizer, family_of(tokenizer, opening.spelled), opening.source, opening.target, opening.spelled)
    device, _, index = choice.device.partition(":")
    try:
        translator = ctranslate2.Translator(str(folder), device=device, device_index=int(index or 0), compute_type="default")
    except (RuntimeError, ValueError) as error:
        raise ModelError(f"CTranslate2 cannot load it: {error}", where=folder) from error
    return CTranslate2(opening.spelled, translator, tokenizer, marking, opening.beams)


def files(where: str) -> Iterable[Path]:
    """The weights, settings and tokenizer."""
    folder = Path(where).expanduser()
    return sorted(path for path in folder.iterdir() if path.is_file()) if folder.is_dir() else []
