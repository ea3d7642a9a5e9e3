"""New pieces for a tokenizer, learnt from text of a language."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from importlib.metadata import version
from math import ceil
from typing import TYPE_CHECKING, Any

from ..mt.errors import ConfigError, CorpusError, ModelError
from ..mt.provenance import tokenizer_digest
from .additions import Addition, Scheme
from .candidates import Candidates, Material, learn_candidates
from .continued import Limits
from .extend import extended_json
from .families import first_new_id, tokenizer_family, tokenizer_json
from .pre_tokenizer import Splitting, measure_splitting, widened
from .unigram import unigram_scores
from .usage import Usage, measure_usage, plain_tokenizer
from .words import count_words

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

Progress = Callable[[str, int, int], None]
ROUNDS = 10
DEFAULT_PIECES = 5000
_SAMPLE = 10_000  # lines that tell whether a pre-tokenizer splits at marks


@dataclass(frozen=True)
class LearnSettings:
    """What is to be learnt.

    Attributes:
        language: FLORES or BCP 47 code, for the record.
        pieces: how many; None leaves it to `min_gain` alone.
        min_gain: stop at the piece that saves fewer tokens than this for every million tokens the base tokenizer spends on the text.
        scheme: see `Addition`.
        keep_pre_tokenizer: never widen it, even where it splits words at combining marks.
        min_uses: occurrences every piece must keep on the text in the final segmentation.
        longest: characters of a piece at most.
        protect: texts (of the source language, say) in which no new piece may ever occur; for the scheme `continued`.
    """

    language: str
    pieces: int | None = DEFAULT_PIECES
    min_gain: float | None = None
    scheme: Scheme = "continued"
    keep_pre_tokenizer: bool = False
    min_uses: int = 5
    longest: int | None = None
    protect: tuple[str, ...] = ()


def learn_pieces(
    texts: Iterable[str], tokenizer: PreTrainedTokenizerBase, settings: LearnSettings, *, progress: Progress | None = None
) -> Addition:
    """Learn pieces for a tokenizer; every one of them occurs in `texts` as the extended tokenizer splits them.

    After learning, the texts are split anew; pieces that occur too rarely are dropped and replaced by others, up to ten times. BPE has
    nothing to drop. Others compete: after ten times they may be fewer than `settings.pieces`, and rarer than `settings.min_uses`.

    Args:
        texts: of the language, a line or paragraph each.
        tokenizer: of the model that is to be expanded, not expanded yet for this text.
        settings: see there.
        progress: called with what is being done, how much of it is done and how much there is.

    Raises:
        ModelError: a tokenizer of a family that cannot be extended, or a scheme its family does not have.
        CorpusError: no text, or text that offers fewer pieces than were asked for.
        ConfigError: settings that contradict each other.
    """
    _check(settings)
    texts = [text for text in texts if text.strip()]
    if not texts:
        raise CorpusError("there is no text to learn pieces from")
    tree, splitting = _with_words_whole(tokenizer_json(tokenizer), texts, settings)
    material = _material(texts, tokenizer, tree, settings)
    if material.family == "unigram" and settings.scheme == "auxiliary-first":
        raise ModelError("auxiliary-first puts merges first, and a Unigram tokenizer has none", allowed="continued, added-tokens")
    before = measure_usage(texts, plain_tokenizer(tokenizer_json(tokenizer)), material.first)
    addition, after, rounds = _refilled(texts, material, settings, before.tokens, progress)
    facts = {
        "lines": len(texts),
        "characters": sum(map(len, texts)),
        "tokens_before": before.tokens,
        "tokens_after": after.tokens,
        "words_before": splitting.before,
        "words_after": splitting.after,
        "rounds": rounds,
        "least_uses": min(after.uses.values(), default=0),
        "settings": _recorded(settings),
        "versions": {name: version(name) for name in ("dragoman", "tokenizers", "transformers")},
    }
    return replace(addition, base=tokenizer_digest(tokenizer), language=settings.language, facts=facts)


def _check(settings: LearnSettings) -> None:
    if settings.pieces is None and settings.min_gain is None:
        raise ConfigError("neither a number of pieces nor a least gain is given", allowed="one of them, or both")
    for name, value in (("pieces", settings.pieces), ("min_gain", settings.min_gain), ("longest", settings.longest)):
        if value is not None and value <= 0:
            raise ConfigError(f"{name} {value} is not above 0", where=name)
    if settings.min_uses < 1:
        raise ConfigError(f"min_uses {settings.min_uses} is not above 0", where="min_uses")


def _with_words_whole(tree: dict[str, Any], texts: list[str], settings: LearnSettings) -> tuple[dict[str, Any], Splitting]:
    """The tokenizer's tree with its pre-tokenizer widened where this text has marks inside words, and what that changes."""
    wide = widened(tree.get("pre_tokenizer"))
    base = plain_tokenizer(tree)
    sample = texts[:: max(1, len(texts) // _SAMPLE)]
    if wide is None or settings.keep_pre_tokenizer:
        return tree, measure_splitting(sample, base, base)
    splitting = measure_splitting(sample, base, plain_tokenizer({**tree, "pre_tokenizer": wide}))
    return ({**tree, "pre_tokenizer": wide} if splitting.worth_it else tree), splitting


def _material(texts: list[str], tokenizer: PreTrainedTokenizerBase, tree: dict[str, Any], settings: LearnSettings) -> Material:
    plain = plain_tokenizer(tree)
    added = {token["content"] for token in tree["added_tokens"]}
    vocabulary = {piece: piece_id for piece, piece_id in tokenizer.get_vocab().items() if piece not in added}
    return Material(
        family=tokenizer_family(tokenizer),
        tree=tree,
        vocabulary=vocabulary,
        first=first_new_id(tokenizer),
        words=count_words(texts, plain),
        protected=count_words(settings.protect, plain),
        widened=None if tree["pre_tokenizer"] == tokenizer_json(tokenizer)["pre_tokenizer"] else tree["pre_tokenizer"],
        longest=settings.longest,
    )


def _refilled(
    texts: list[str], material: Material, settings: LearnSettings, tokens: int, progress: Progress | None
) -> tuple[Addition, Usage, int]:
    """Learn; drop what the text does not use, and learn others in its place."""
    least_gain = max(settings.min_uses, ceil((settings.min_gain or 0) * tokens / 1_000_000))
    wanted = settings.pieces if settings.pieces is not None else tokens
    limits = Limits(pieces=wanted, least_gain=least_gain, least_uses=settings.min_uses)
    refused: set[str] = set()
    for number in range(1, ROUNDS + 1):
        name = "learning" if number == 1 else f"refilling {number - 1}"
        candidates = learn_candidates(settings.scheme, material, replace(limits, refused=refused), _named(progress, name))
        _check_offer(candidates, settings)
        addition = _addition(candidates, material, settings)
        usage, unused = _used(texts, addition, material, settings.min_uses)
        if not unused:
            return addition, usage, number
        refused |= unused
    # Pieces that nothing is built from compete, so it cannot always be had that each is used often. At least none is in vain.
    while (unused := _used(texts, addition, material, 1)[1]) and not addition.merges:
        candidates = replace(candidates, pieces=tuple(each for each in candidates.pieces if each not in unused))
        addition = _addition(candidates, material, settings)
    if unused:
        raise CorpusError(f"{len(unused):,} pieces are still unused after {ROUNDS} rounds", hint="fewer --pieces, or more text")
    return addition, _used(texts, addition, material, 1)[0], ROUNDS


def _used(texts: list[str], addition: Addition, material: Material, least: int) -> tuple[Usage, set[str]]:
    """The text as the extended tokenizer splits it, and the pieces that occur less than `least` times in it."""
    tree = extended_json(copy.deepcopy(material.tree), addition, material.first)
    usage = measure_usage(texts, plain_tokenizer(tree), material.first)
    numbered = enumerate(addition.pieces, start=material.first)
    return usage, {piece for piece_id, piece in numbered if usage.uses[piece_id] < least}


def _named(progress: Progress | None, name: str) -> Callable[[int, int], None] | None:
    return None if progress is None else lambda done, total: progress(name, done, total)


def _addition(candidates: Candidates, material: Material, settings: LearnSettings) -> Addition:
    unigram = material.family == "unigram" and settings.scheme != "added-tokens"
    scores: tuple[float, ...] = ()
    if unigram:
        base = {str(piece): float(score) for piece, score in material.tree["model"]["vocab"]}
        scores = tuple(unigram_scores(candidates.pieces, candidates.merges, candidates.characters, base))
    return Addition(
        family=material.family,
        scheme=settings.scheme,
        pieces=candidates.pieces,
        merges=() if unigram else candidates.merges,
        base="",
        language=settings.language,
        scores=scores,
        pre_tokenizer=material.widened,
    )


def _check_offer(candidates: Candidates, settings: LearnSettings) -> None:
    offered = len(candidates.pieces)
    if offered == 0 or (settings.pieces is not None and settings.min_gain is None and not candidates.complete):
        raise CorpusError(
            f"the text offers {offered:,} pieces that occur {settings.min_uses} times or more, and {settings.pieces or 1:,} were asked for",
            hint=f"--pieces {offered}, more text, or a lower --min-uses" if offered else "more text, or a lower --min-uses",
        )


def _recorded(settings: LearnSettings) -> dict[str, Any]:
    return {**{name: value for name, value in vars(settings).items() if name != "protect"}, "protected_lines": len(settings.protect)}
