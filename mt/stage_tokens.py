"""The tokens of a stage: what is known of the corpora they come from, and the cache folder named after all that they depend on."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..vocab.fertility import Fertility
from .cache import cache_folder
from .config import CorpusConfig, StageConfig
from .corpora.paths import Fingerprint
from .corpora.tally import Tally
from .prompts import PromptTemplate, template_fields
from .token_files import NARROW, WIDE

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_DRAWN_BY = ("weight", "replay")  # settings of a corpus that decide how often it is drawn, not what its tokens are
_CODE = (".py", ".tsv", ".yaml")
Span = tuple[str, int, int]  # label of a corpus in one direction, its first example, the one after its last


@dataclass(frozen=True)
class CorporaAccount:
    """What became of a stage's corpora.

    Attributes:
        spans: which examples each gave, in order.
        tallies: for each what was kept and skipped in reading and in tokenising.
        fertility: for each language what the tokenizer spends on a sample of its text.
    """

    spans: list[Span]
    tallies: dict[str, list[Tally]]
    fertility: dict[str, Fertility]

    def to_json(self) -> dict[str, Any]:
        """As plain values, to be kept beside the tokens."""
        return {
            "spans": self.spans,
            "tallies": {label: [tally.to_json() for tally in tallies] for label, tallies in self.tallies.items()},
            "fertility": {language: asdict(fertility) for language, fertility in self.fertility.items()},
        }

    @classmethod
    def from_json(cls, account: Mapping[str, Any]) -> CorporaAccount:
        """The account that `to_json` wrote."""
        return cls(
            [(label, first, stop) for label, first, stop in account["spans"]],
            {label: [Tally.from_json(tally) for tally in tallies] for label, tallies in account["tallies"].items()},
            {language: Fertility(**fertility) for language, fertility in account["fertility"].items()},
        )


def stage_folder(
    stage: StageConfig, files: Sequence[list[Fingerprint]], tokenizer: PreTrainedTokenizerBase, template: PromptTemplate, seed: int
) -> Path:
    """The folder for a stage's tokens, there or not: another one whenever anything that they depend on is another.

    That is every corpus with its settings and the bytes of its files, the tokenizer, the prompt template, the lengths, the seed where a
    lexicon is drawn with it, the versions of the tokenizer's libraries, and Dragoman's own code. Not what comes later: mixture, weights,
    budget, schedule.
    """
    facts = {
        "corpora": [_corpus_facts(corpus, each) for corpus, each in zip(stage.corpora, files, strict=True)],
        "preference": stage.preference is not None,
        "lengths": [stage.batch.max_length, stage.batch.long_rows],
        "seed": seed if any(corpus.lexicon for corpus in stage.corpora) else None,
        "template": template_fields(template),
        "tokenizer": _tokenizer_facts(tokenizer),
        "versions": {name: version(name) for name in ("transformers", "tokenizers")},
        "code": _code_digest(),
        "byteorder": sys.byteorder,
    }
    return tokens_folder() / hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:32]


def tokens_folder() -> Path:
    """Where tokens lie: `DRAGOMAN_TOKENS`, else `tokens` in the cache. Not created here.

    The cache rather than a run's folder, so that a dry run, the run, its resumption and runs with other settings tokenise once together.
    """
    chosen = os.environ.get("DRAGOMAN_TOKENS")
    return Path(chosen).expanduser().absolute() if chosen else cache_folder() / "tokens"


def column_codes(tokenizer: PreTrainedTokenizerBase) -> Mapping[str, str]:
    """Two bytes a token where every id of the vocabulary fits into them, else four."""
    return NARROW if max(tokenizer.get_vocab().values()) < 1 << 16 else WIDE


def _corpus_facts(corpus: CorpusConfig, files: list[Fingerprint]) -> dict[str, Any]:
    settings = {name: value for name, value in asdict(corpus).items() if name not in _DRAWN_BY}
    return {**settings, "files": files}


def _tokenizer_facts(tokenizer: PreTrainedTokenizerBase) -> list[str]:
    """The whole of it; a digest of the vocabulary and a few probes would miss a merge."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is not None:
        whole = backend.to_str()
    else:  # a SentencePiece model or another file of the tokenizer's own
        files = [Path(name) for name in (getattr(tokenizer, "vocab_file", None), getattr(tokenizer, "merges_file", None)) if name]
        whole = json.dumps([sorted(tokenizer.get_vocab().items()), [file.read_bytes().hex() for file in files if file.is_file()]])
    special = json.dumps([type(tokenizer).__name__, str(tokenizer.special_tokens_map), str(tokenizer.init_kwargs.get("add_prefix_space"))])
    return [hashlib.sha256(text.encode()).hexdigest() for text in (whole, special)]


def _code_digest() -> str:
    """Of the modules and tables that turn text into tokens, so that no version of them reads what another wrote."""
    digest = hashlib.sha256()
    room = Path(__file__).parent
    for path in sorted(each for folder in (room, room.parent / "vocab") for each in folder.rglob("*") if each.suffix in _CODE):
        digest.update(path.read_bytes())
    return digest.hexdigest()
