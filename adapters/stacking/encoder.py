"""The encoder of a translation model, frozen: texts in the languages it knows to ids, and ids to states."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ...mt.errors import LanguageError, ModelError, nearest
from ...mt.languages import Language

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

_LONGEST = 512  # tokens, where the model does not say


@dataclass(frozen=True)
class SourceEncoder:
    """An encoder and its tokenizer; its weights never want gradients, and it stays in evaluation mode.

    Attributes:
        model: the encoder half alone.
        tokenizer: the translation model's.
        languages: the language tokens it knows (`deu_Latn`, `de`) and their ids; empty for a model whose input is not marked (Marian, T5).
        source: as the user spelled it.
        revision: Hub commit or wheel version; None for a path.
        folder: where it was loaded from.
    """

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    languages: Mapping[str, int] = field(default_factory=dict)
    source: str = ""
    revision: str | None = None
    folder: str = ""

    @property
    def dim(self) -> int:
        """Width of its states."""
        return int(getattr(self.model.config, "d_model", None) or self.model.config.hidden_size)

    @property
    def max_length(self) -> int:
        """Most ids it reads at once, language token and `</s>` included."""
        config = self.model.config
        return int(getattr(config, "max_position_embeddings", None) or getattr(config, "n_positions", None) or _LONGEST)

    @property
    def padding(self) -> int:
        """The id that fills rows; masks go by position."""
        return int(self.tokenizer.pad_token_id or 0)

    def rows(self, texts: Sequence[str], language: Language) -> list[list[int]]:
        """Ids of each text: the language's token (where the model has any), pieces, `</s>`. What is spelled like a token is text.

        Raises:
            LanguageError: the encoder does not know the language.
        """
        opening = self._opening(language)
        end = int(self.tokenizer.eos_token_id)
        return [[*opening, *self.tokenizer.encode(text, add_special_tokens=False, split_special_tokens=True), end] for text in texts]

    def batch(self, rows: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
        """Ids (B, S) padded on the right, and their mask (B, S), on the encoder's device.

        Raises:
            ModelError: a row is longer than `max_length`.
        """
        import torch

        width = max(map(len, rows))
        if width > self.max_length:
            raise ModelError(
                f"a text of {width} tokens for the encoder", allowed=f"{self.max_length} at most", hint="split it; the translator does"
            )
        ids = torch.tensor([[*row, *[self.padding] * (width - len(row))] for row in rows], device=self.model.device)
        mask = torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row in rows], device=self.model.device)
        return ids, mask

    def encode_batch(self, texts: Sequence[str], language: Language) -> tuple[Tensor, Tensor]:
        """`rows` and `batch` together.

        Raises:
            LanguageError, ModelError: as they do.
        """
        return self.batch(self.rows(texts, language))

    def states(self, ids: Tensor, mask: Tensor) -> Tensor:
        """(B, S, dim) last hidden states of ids and mask (B, S), without gradients."""
        import torch

        with torch.no_grad():
            states: Tensor = self.model(input_ids=ids, attention_mask=mask).last_hidden_state
        return states

    def check(self, language: Language) -> None:
        """Whether texts in a language can be read.

        Raises:
            LanguageError: they cannot.
        """
        self._opening(language)

    def _opening(self, language: Language) -> list[int]:
        if not self.languages:
            return []
        for code in language.spellings:
            if code in self.languages:
                return [self.languages[code]]
        wanted = language.code
        raise LanguageError(
            f"the encoder does not know {language.name} ({wanted})", where=self.source, allowed=nearest(wanted, self.languages)
        )


def load_encoder(source: str, *, revision: str | None = None, device: str = "cpu", dtype: Any = None) -> SourceEncoder:
    """The encoder of an encoder-decoder model (NLLB, M2M-100, Marian, T5): a folder, a Hub id or a wheel, safetensors only.

    Args:
        source: as the user spells it.
        revision: commit, branch or tag of a Hub id.
        device: where it shall run, a torch device.
        dtype: a torch dtype; None for float32.

    Raises:
        SourceError: it cannot be found or fetched.
        ModelError: no encoder-decoder model, or a tokenizer that does not fit it.
    """
    import torch
    from transformers import AutoModelForSeq2SeqLM

    from ...mt.sources import resolve_model
    from ...mt.specialists.seq2seq import load_tokenizer

    found = resolve_model(source, revision=revision)
    tokenizer = load_tokenizer(found.location)
    try:
        whole = AutoModelForSeq2SeqLM.from_pretrained(
            found.location, dtype=dtype or torch.float32, use_safetensors=True, trust_remote_code=False
        )
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        reason = (str(error).strip() or type(error).__name__).split("\n")[0]
        raise ModelError(
            f"no encoder-decoder model could be loaded: {reason}", where=source, allowed="an NLLB, M2M-100, Marian or T5 type model"
        ) from error
    body = whole.get_encoder().to(device).eval().requires_grad_(False)
    return wrap_encoder(body, tokenizer, source, found.revision, found.location)


def wrap_encoder(
    body: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, source: str = "", revision: str | None = None, folder: str = ""
) -> SourceEncoder:
    """An encoder that is in memory already.

    Raises:
        ModelError: the tokenizer has ids that the encoder has no rows for, or no end token.
    """
    rows = body.get_input_embeddings().weight.shape[0]
    highest = max(tokenizer.get_vocab().values(), default=-1)
    if highest >= rows:
        raise ModelError(
            f"the encoder's tokenizer has ids up to {highest}, the encoder only {rows} rows of embeddings",
            where=source,
            hint="use the encoder's own tokenizer",
        )
    if not isinstance(tokenizer.eos_token_id, int):
        raise ModelError("the encoder's tokenizer has no end token", where=source, hint="set `eos_token` in tokenizer_config.json")
    return SourceEncoder(body, tokenizer, language_ids(tokenizer), source, revision, folder)


def language_ids(tokenizer: PreTrainedTokenizerBase) -> dict[str, int]:
    """Language codes and the ids of their tokens: `deu_Latn` as NLLB spells them, `__de__` as M2M-100 does, special tokens both.

    A piece of the vocabulary that happens to be spelled like a code is none.
    """
    if type(tokenizer).__name__ not in ("NllbTokenizer", "NllbTokenizerFast", "M2M100Tokenizer"):
        return {}
    if known := getattr(tokenizer, "lang_token_to_id", None):  # M2M-100 counts them among its special tokens only when its files do
        return {token.strip("_"): int(number) for token, number in known.items()}
    ordinary = set(tokenizer.special_tokens_map.values())
    tokens = [token for token in tokenizer.all_special_tokens if token not in ordinary]
    return {token.strip("_"): int(tokenizer.convert_tokens_to_ids(token)) for token in tokens}
