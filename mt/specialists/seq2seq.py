"""NLLB, M2M-100 and Marian checkpoints through transformers: drafts by beam search, confidences by reading the draft once more.

The probabilities are those of the model given its own draft so far, softmax over the whole vocabulary: the same numbers for greedy output
and beams, whatever a search did to its scores.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import ModelError
from .batches import batches
from .families import FAMILIES, Marking, mark
from .records import NO_DRAFT, Draft, Opening
from .word_confidences import draft_of

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

_TOKENS = 512  # padded, in a batch: vocabularies of 256,000 make a gigabyte of logits out of twice as many
_LONGEST = 512  # where the model does not say


@dataclass(frozen=True)
class Seq2Seq:
    """Drafts by an encoder-decoder model.

    Attributes:
        name: as the user spelled it.
        model: in evaluation mode, on its device.
        tokenizer: set to the source language.
        marking: what else tells the direction.
        beams: 1 is greedy.
    """

    name: str
    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    marking: Marking
    beams: int = 4

    def drafts(self, texts: Sequence[str]) -> list[Draft]:
        """A draft of each text; none of a blank one, or of one longer than the model's context."""
        import torch

        encoded = [self.tokenizer(self.marking.opening + text.strip())["input_ids"] if text.strip() else [] for text in texts]
        wanted = [number for number, ids in enumerate(encoded) if 0 < len(ids) <= self._longest()]
        found = [NO_DRAFT] * len(texts)
        with torch.inference_mode():
            for batch in batches([len(encoded[number]) for number in wanted], _TOKENS):
                numbers = [wanted[place] for place in batch]
                for number, draft in zip(numbers, self._translated([encoded[number] for number in numbers]), strict=True):
                    found[number] = draft
        return found

    def _longest(self) -> int:
        return int(getattr(self.model.config, "max_position_embeddings", None) or _LONGEST)

    def _translated(self, rows: Sequence[list[int]]) -> list[Draft]:
        inputs = self.tokenizer.pad({"input_ids": list(rows)}, return_tensors="pt").to(self.model.device)
        first = {"forced_bos_token_id": self.marking.first[1]} if self.marking.first else {}
        limit = _room(len(rows[0]), self._longest())
        output = self.model.generate(
            **inputs, num_beams=self.beams, do_sample=False, max_new_tokens=limit, max_length=None, early_stopping=self.beams > 1, **first
        )
        probabilities = self._probabilities(inputs, output)
        return [self._draft(ids[1:], row) for ids, row in zip(output.tolist(), probabilities.tolist(), strict=True)]

    def _probabilities(self, inputs: dict[str, Tensor], output: Tensor) -> Tensor:
        """(B, T - 1) the probability of every token of the outputs (B, T) but the first, which only starts the decoder."""
        logits = self.model(**inputs, decoder_input_ids=output[:, :-1]).logits.float()
        chosen: Tensor = logits.gather(2, output[:, 1:, None])[:, :, 0]
        probabilities: Tensor = (chosen - logits.logsumexp(dim=2)).exp()
        return probabilities

    def _draft(self, ids: list[int], probabilities: list[float]) -> Draft:
        special = {*self.tokenizer.all_special_ids, *([self.marking.first[1]] if self.marking.first else [])}
        kept = [(token, probability) for token, probability in zip(ids, probabilities, strict=True) if token not in special]
        return draft_of([token for token, _ in kept], [probability for _, probability in kept], self._text)

    def _text(self, ids: Sequence[int]) -> str:
        return str(self.tokenizer.decode(list(ids), skip_special_tokens=True, clean_up_tokenization_spaces=False)).strip()


def open_specialist(opening: Opening, family: str) -> Seq2Seq:
    """A local folder or a model of the Hub, safetensors only.

    Raises:
        SourceError: it cannot be found or fetched.
        ModelError: it cannot be loaded, is no model of this family, or does not know a language.
    """
    from transformers import AutoModelForSeq2SeqLM

    from ..devices import choose_device
    from ..sources import resolve_model

    folder = resolve_model(opening.where).location
    choice = choose_device(opening.device)
    tokenizer = load_tokenizer(folder)
    if type(tokenizer).__name__ not in FAMILIES[family].tokenizers:
        known = " or ".join(FAMILIES[family].tokenizers)
        raise ModelError(f"its tokenizer is a {type(tokenizer).__name__}", where=opening.spelled, allowed=known)
    marking = mark(tokenizer, FAMILIES[family], opening.source, opening.target, opening.spelled)
    try:
        model = AutoModelForSeq2SeqLM.from_pretrained(folder, dtype=choice.dtype, use_safetensors=True, trust_remote_code=False)
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise ModelError(f"no encoder-decoder model could be loaded: {_first_line(error)}", where=folder) from error
    return Seq2Seq(opening.spelled, model.to(choice.device).eval(), tokenizer, marking, opening.beams)


def _room(length: int, longest: int) -> int:
    """Tokens that the translation of so many may have."""
    return min(2 * length + 20, longest - 1)


def load_tokenizer(folder: str) -> PreTrainedTokenizerBase:
    """A translation model's tokenizer, the input's and the output's.

    Raises:
        ModelError: none that loads.
    """
    from transformers import AutoTokenizer

    try:
        return AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(
            f"no tokenizer could be loaded: {_first_line(error)}", where=folder, hint="copy the tokenizer's files there"
        ) from error


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).split("\n")[0]


def files(where: str) -> Iterable[Path]:
    """The weights, settings and tokenizer."""
    from ..sources import resolve_model

    return sorted(path for path in Path(resolve_model(where).location).iterdir() if path.is_file())
