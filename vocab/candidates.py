"""The three schemes by which pieces are learnt: from words of the text to pieces and merges."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from .additions import Addition, Family, Scheme
from .alphabet import missing_characters
from .byte_bpe import is_aligned, unspelled
from .continued import Limits, continue_bpe
from .extend import extended_json
from .families import SPACE, bytes_of_piece
from .words import Joints, split_words, stretches

if TYPE_CHECKING:
    from tokenizers import Tokenizer

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Material:
    """What pieces are learnt from.

    Attributes:
        family: of the tokenizer.
        tree: the tokenizer in tokenizer.json's form, with the pre-tokenizer the new one will have.
        vocabulary: its pieces and ids, added tokens left out.
        first: the first new id.
        words: pre-tokens of the text and their frequencies.
        protected: pre-tokens of text whose segmentation shall stay.
        widened: the pre-tokenizer in `tree` where it is not the tokenizer's own.
        longest: characters of a piece at most; None for no limit.
    """

    family: Family
    tree: dict[str, Any]
    vocabulary: Mapping[str, int]
    first: int
    words: Mapping[str, int]
    protected: Mapping[str, int]
    widened: dict[str, Any] | None = None
    longest: int | None = None


@dataclass(frozen=True)
class Candidates:
    """Pieces in the order of their ids; the first of them are characters, which no merge builds."""

    pieces: tuple[str, ...]
    merges: tuple[tuple[str, str], ...]
    characters: tuple[str, ...]
    complete: bool


def learn_candidates(scheme: Scheme, material: Material, limits: Limits, progress: Progress | None = None) -> Candidates:
    """Pieces by one of the schemes; fewer than `limits.pieces` where the text offers no more."""
    return _SCHEMES[scheme](material, limits, progress)


def _continued(material: Material, limits: Limits, progress: Progress | None) -> Candidates:
    """BPE continued on words as the tokenizer, with the text's characters added, splits them."""
    limits = _without_dependence(limits) if material.family == "unigram" else limits
    characters = _new_characters(material.words, material.vocabulary, material, limits)
    tokenizer = _with_characters(material, characters)
    vocabulary = _numbered(material.vocabulary, characters, material.first)
    joints = Joints(material.family, {piece_id: piece for piece, piece_id in vocabulary.items()})
    words = split_words(material.words, tokenizer, joints)
    protected = split_words(material.protected, tokenizer, joints)
    whole_words = bool(material.tree["model"].get("ignore_merges"))
    if whole_words:
        held = {word for word in material.protected if word not in vocabulary}
        limits = replace(limits, refused={*limits.refused, *held})
    limits = replace(limits, forbidden={pair for word in protected for pair in pairwise(word)})
    return _learnt(words, vocabulary, characters, material, limits, progress, whole_words=whole_words)


def _auxiliary_first(material: Material, limits: Limits, progress: Progress | None) -> Candidates:
    """BPE from bytes or characters on the text alone (Yamaguchi et al. 2024); pieces the tokenizer has already cost nothing."""
    characters = _new_characters(material.words, material.vocabulary, material, limits)
    vocabulary = _numbered(material.vocabulary, characters, material.first)
    joints = Joints(material.family, {piece_id: piece for piece, piece_id in vocabulary.items()})
    words = _letters(material.words, vocabulary, joints)
    return _learnt(words, vocabulary, characters, material, replace(limits, reuse=True), progress)


def _added_tokens(material: Material, limits: Limits, progress: Progress | None) -> Candidates:
    """The same, over characters in every family: an added token is matched in the text itself, so it must be text.

    Text that is also the spelling of another piece cannot be added: in a byte-level vocabulary, `ò` is the byte F2.
    """
    limits = replace(_without_dependence(limits), hidden={*limits.refused, *material.vocabulary}, reuse=True)
    texts = {text: count for word, count in material.words.items() if (text := _text(word, material.family))}
    known = {text: piece_id for piece, piece_id in material.vocabulary.items() if (text := _text(piece, material.family))}
    as_text = replace(material, family="sentencepiece-bpe")
    characters = _new_characters(texts, known, as_text, limits)
    vocabulary = _numbered(known, characters, material.first)
    joints = Joints("sentencepiece-bpe", {piece_id: piece.replace(" ", SPACE) for piece, piece_id in vocabulary.items()})
    words = _letters(texts, vocabulary, joints)
    return replace(_learnt(words, vocabulary, characters, as_text, limits, progress), merges=())


_SCHEMES: dict[Scheme, Callable[[Material, Limits, Progress | None], Candidates]] = {
    "continued": _continued,
    "auxiliary-first": _auxiliary_first,
    "added-tokens": _added_tokens,
}


def _without_dependence(limits: Limits) -> Limits:
    """Where no piece needs another to be built, what is unused is left out and still leads on to longer pieces."""
    return replace(limits, hidden=limits.refused, refused=(), least_uses=0)


def _learnt(
    words: Mapping[tuple[int, ...], int],
    vocabulary: Mapping[str, int],
    characters: tuple[str, ...],
    material: Material,
    limits: Limits,
    progress: Progress | None,
    *,
    whole_words: bool = False,
) -> Candidates:
    shown = tuple(each for each in characters if each not in limits.hidden)
    limits = replace(limits, pieces=limits.pieces - len(shown), allowed=_allowed(material))
    learnt = continue_bpe(words, vocabulary, limits, first=material.first, whole_words=whole_words, progress=progress)
    return Candidates((*shown, *learnt.pieces), tuple(learnt.merges), characters, learnt.complete)


def _new_characters(words: Mapping[str, int], known: Mapping[str, int], material: Material, limits: Limits) -> tuple[str, ...]:
    """Characters to add first; a byte-level vocabulary builds its own from bytes."""
    if material.family == "byte-bpe":
        return ()
    return tuple(missing_characters(words, known, limits.refused, limits.pieces))


def _numbered(vocabulary: Mapping[str, int], characters: tuple[str, ...], first: int) -> dict[str, int]:
    return {**vocabulary, **{each: first + place for place, each in enumerate(characters)}}


def _with_characters(material: Material, characters: tuple[str, ...]) -> Tokenizer:
    from tokenizers import Tokenizer

    tree = json.loads(json.dumps(material.tree)) if characters else material.tree
    if characters:
        scores = tuple(_least_score(tree) for _ in characters) if material.family == "unigram" else ()
        addition = Addition(material.family, "continued", characters, (), "", "", scores)
        tree = extended_json(tree, addition, material.first)
    return Tokenizer.from_str(json.dumps(tree))


def _least_score(tree: dict[str, Any]) -> float:
    return min(float(score) for _, score in tree["model"]["vocab"])


def _letters(words: Mapping[str, int], vocabulary: Mapping[str, int], joints: Joints) -> Counter[tuple[int, ...]]:
    """Words as the ids of their single bytes or characters, cut where no piece may grow; what the vocabulary lacks is a cut as well."""
    found: Counter[tuple[int, ...]] = Counter()
    for word, frequency in words.items():
        run: list[int] = []
        for letter in [*word, None]:
            if letter is not None and letter in vocabulary:
                run.append(vocabulary[letter])
                continue
            for stretch in stretches(run, joints):
                found[tuple(stretch)] += frequency
            run = []
    return found


def _allowed(material: Material) -> Callable[[str], bool]:
    """Whole characters or a beginning of one, within the wanted length."""
    within = _short(material)
    if material.family != "byte-bpe":
        return within

    def allowed(piece: str) -> bool:
        content = unspelled(piece)
        return content is not None and is_aligned(content) and within(content.decode("utf-8", "replace"))

    return allowed


def _short(material: Material) -> Callable[[str], bool]:
    longest = material.longest
    return lambda text: longest is None or len(text) <= longest


def _text(piece: str, family: Family) -> str | None:
    """What a piece or word stands for; None where that is no whole text."""
    try:
        return bytes_of_piece(piece, family).decode("utf-8")
    except UnicodeDecodeError:
        return None
