"""How each family of encoder-decoder translation models is told its languages, as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

from ..errors import ModelError
from ..languages import Language

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


@dataclass(frozen=True)
class Family:
    """A family of models that are told languages in one way.

    Attributes:
        name: in `FAMILIES`.
        tokenizers: class names of its tokenizers.
        token: a language's token, by its code.
        place: `both`: the source's token stands in the input and the target's begins the output; `input`: the target's begins the input,
            in models of several targets.
    """

    name: str
    tokenizers: tuple[str, ...]
    token: str
    place: Literal["both", "input"]


FAMILIES: Mapping[str, Family] = MappingProxyType(
    {
        family.name: family
        for family in (
            Family("nllb", ("NllbTokenizer", "NllbTokenizerFast"), "{code}", "both"),
            Family("m2m", ("M2M100Tokenizer",), "__{code}__", "both"),
            Family("marian", ("MarianTokenizer",), ">>{code}<<", "input"),
        )
    }
)


@dataclass(frozen=True)
class Marking:
    """What tells a model its languages.

    Attributes:
        opening: put before every text.
        first: the token an output begins with, and its id; None where it begins as it likes.
    """

    opening: str = ""
    first: tuple[str, int] | None = None


def family_of(tokenizer: PreTrainedTokenizerBase, where: str) -> Family:
    """The family that a tokenizer belongs to.

    Raises:
        ModelError: none that is known.
    """
    name = type(tokenizer).__name__
    for family in FAMILIES.values():
        if name in family.tokenizers:
            return family
    raise ModelError(f"a tokenizer of the class {name}", where=where, allowed=", ".join(FAMILIES))


def mark(tokenizer: PreTrainedTokenizerBase, family: Family, source: Language, target: Language, where: str) -> Marking:
    """Set the tokenizer to the source language; the rest of what tells the direction is returned.

    Raises:
        ModelError: a language that the model has no token for.
    """
    if family.place == "both":
        tokenizer.src_lang = _code(tokenizer, family, source, where)[0]
        code, number = _code(tokenizer, family, target, where)
        return Marking(first=(family.token.format(code=code), number))
    several = any(token.startswith(">>") and token.endswith("<<") for token in tokenizer.get_vocab())
    return Marking(f"{family.token.format(code=_code(tokenizer, family, target, where)[0])} " if several else "")


def _code(tokenizer: PreTrainedTokenizerBase, family: Family, language: Language, where: str) -> tuple[str, int]:
    special = {*tokenizer.all_special_tokens, *getattr(tokenizer, "lang_token_to_id", ())}
    for code in language.spellings:
        token = family.token.format(code=code)
        number = tokenizer.convert_tokens_to_ids(token)
        # A piece of the vocabulary that happens to be spelled like a code (`fur`) is no language.
        if number is not None and number != tokenizer.unk_token_id and (token in special or family.place == "input"):
            return code, int(number)
    spelled = family.token.format(code=language.code)
    raise ModelError(f"this model does not know {language.name}: it has no token {spelled}", where=where)
