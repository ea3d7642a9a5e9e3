"""A vocabulary for several languages: BPE over SentencePiece's words (`▁` for a space), with a token for each language as NLLB has them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from ...mt.languages import Language

if TYPE_CHECKING:
    from transformers import NllbTokenizer

_SPECIAL = ("<s>", "<pad>", "</s>", "<unk>")  # the ids 0 to 3, as in every model of this kind


def language_token(language: Language) -> str:
    """`deu_Latn`; the ISO code where FLORES has no code of the language."""
    return language.code


def learn_vocabulary(texts: Iterable[str], languages: Sequence[Language], size: int) -> NllbTokenizer:
    """Learn pieces from text of all languages together, one vocabulary for both sides.

    Args:
        texts: lines; what is frequent in them gets pieces, so their mixture is the vocabulary's.
        languages: what gets tokens, after the pieces.
        size: pieces and the four special tokens.

    A character that never occurs becomes `<unk>`.
    """
    import json

    from tokenizers import Tokenizer, models, pre_tokenizers, trainers
    from transformers import NllbTokenizer

    learner = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True))
    learner.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always", split=True)
    trainer = trainers.BpeTrainer(vocab_size=size, special_tokens=list(_SPECIAL), show_progress=False)
    learner.train_from_iterator(texts, trainer)
    learnt = json.loads(learner.to_str())["model"]
    tokens = [language_token(language) for language in languages]
    return NllbTokenizer(
        vocab=learnt["vocab"],
        merges=[tuple(pair) for pair in learnt["merges"]],
        extra_special_tokens=tokens,
        src_lang=tokens[0],
        tgt_lang=tokens[0],
    )


def source_ids(tokenizer: NllbTokenizer, text: str, language: Language) -> list[int]:
    """`[language] pieces </s>`; a language token spelled in the text is ordinary text."""
    return [_token_id(tokenizer, language), *_pieces(tokenizer, text), int(tokenizer.eos_token_id)]


def target_ids(tokenizer: NllbTokenizer, text: str, language: Language) -> list[int]:
    """What the decoder is to give after its start: `[language] pieces </s>`."""
    return source_ids(tokenizer, text, language)


def _pieces(tokenizer: NllbTokenizer, text: str) -> list[int]:
    return list(tokenizer.encode(text, add_special_tokens=False, split_special_tokens=True))


def _token_id(tokenizer: NllbTokenizer, language: Language) -> int:
    return int(tokenizer.convert_tokens_to_ids(language_token(language)))
