"""A tokenizer with an addition in it: tokenizer.json edited and loaded again. The tokenizer given stays as it was."""

from __future__ import annotations

import json
import tempfile
from math import isclose
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..mt.errors import ModelError
from ..mt.provenance import tokenizer_digest
from .additions import Addition
from .families import first_new_id, tokenizer_family, tokenizer_json

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_KEPT = ("normalizer", "pre_tokenizer", "post_processor", "decoder", "model", "added_tokens")


def extend_tokenizer(tokenizer: PreTrainedTokenizerBase, addition: Addition) -> PreTrainedTokenizerBase:
    """A new tokenizer with the pieces of `addition`; ids follow the highest in use, in the order of `addition.pieces`.

    All old ids stay, special and added tokens included. The class stays where it can build the extended tokenizer; where it would rebuild
    its own pre-tokenizer instead (GPT2Tokenizer, Qwen2Tokenizer), transformers' general class takes its place.

    Raises:
        ModelError: a family that cannot be extended, an addition for another tokenizer, pieces that are there already, or merges whose
            parts are not.
    """
    family = tokenizer_family(tokenizer)
    if addition.family != family:
        raise ModelError(f"the learnt pieces are for a {addition.family} tokenizer, and this one is {family}", hint=_HINT)
    _check_absent(addition, tokenizer)
    if addition.base != tokenizer_digest(tokenizer):
        raise ModelError("the pieces were learnt for another tokenizer than this one", hint=_HINT)
    first = first_new_id(tokenizer)
    extended = _rebuilt(tokenizer, extended_json(tokenizer_json(tokenizer), addition, first))
    ids = extended.convert_tokens_to_ids(list(addition.pieces))
    assert ids == list(range(first, first + len(ids))), "the tokenizers library numbered the pieces otherwise"
    return extended


_HINT = "dragoman vocab learn --model with the model that is to be expanded"


def extended_json(tree: dict[str, Any], addition: Addition, first: int) -> dict[str, Any]:
    """tokenizer.json's tree with the addition in it, the pieces from id `first` on; the tree given may be changed."""
    if addition.pre_tokenizer is not None:
        tree["pre_tokenizer"] = addition.pre_tokenizer
    if addition.scheme == "added-tokens":
        tree["added_tokens"] += [_added_token(piece, first + place) for place, piece in enumerate(addition.pieces)]
    elif addition.family == "unigram":
        _extend_unigram(tree, addition, first)
    else:
        _extend_bpe(tree, addition, first)
    return tree


def _check_absent(addition: Addition, tokenizer: PreTrainedTokenizerBase) -> None:
    vocabulary = tokenizer.get_vocab()
    there = [piece for piece in addition.pieces if piece in vocabulary]
    if there:
        how_many = "all" if len(there) == len(addition.pieces) else f"{len(there):,} of the {len(addition.pieces):,}"
        raise ModelError(f"the tokenizer is expanded already: {how_many} pieces are in it ({there[0]!r}, ...)", hint="use the base model")


def _extend_bpe(tree: dict[str, Any], addition: Addition, first: int) -> None:
    model = tree["model"]
    vocabulary: dict[str, int] = model["vocab"]
    # Added tokens above the model's own ids would be renumbered when it grows past them: the model must hold them as well.
    for token in tree["added_tokens"]:
        vocabulary.setdefault(token["content"], token["id"])
    for place, piece in enumerate(addition.pieces):
        vocabulary[piece] = first + place
    missing = next((part for merge in addition.merges for part in (*merge, "".join(merge)) if part not in vocabulary), None)
    if missing is not None:
        raise ModelError(f"a merge of the learnt pieces needs {missing!r}, which is not in the vocabulary", hint=_HINT)
    new = [list(merge) for merge in addition.merges]
    if addition.scheme == "auxiliary-first":
        taken = set(addition.merges)
        model["merges"] = new + [merge for merge in model["merges"] if tuple(merge) not in taken]
    else:
        model["merges"] = model["merges"] + new


def _extend_unigram(tree: dict[str, Any], addition: Addition, first: int) -> None:
    """In a Unigram vocabulary a piece's place is its id: added tokens fill the places between the model's ids and the new ones."""
    rows: list[list[Any]] = tree["model"]["vocab"]
    held = {token["id"]: token["content"] for token in tree["added_tokens"]}
    least = min(float(score) for _, score in rows)
    for place in range(len(rows), first):
        content = held.get(place, f"<unused{place}>")
        rows.append([content, 2 * least * (len(content) + 1)])  # never worth more than its letters one by one
    rows += [[piece, score] for piece, score in zip(addition.pieces, addition.scores, strict=True)]


def _added_token(content: str, token_id: int) -> dict[str, Any]:
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": False}
    return {"id": token_id, "content": content, **flags}


def _rebuilt(tokenizer: PreTrainedTokenizerBase, tree: dict[str, Any]) -> PreTrainedTokenizerBase:
    from transformers import TokenizersBackend

    with tempfile.TemporaryDirectory(prefix="dragoman-tokenizer-") as name:
        folder = Path(name)
        tokenizer.save_pretrained(folder)
        for stale in folder.glob("*.model"):  # the SentencePiece model of the base knows nothing of the new pieces
            stale.unlink()
        (folder / "tokenizer.json").write_text(json.dumps(tree, ensure_ascii=False), encoding="utf-8")
        for kind in dict.fromkeys((type(tokenizer), TokenizersBackend)):
            built = kind.from_pretrained(folder, local_files_only=True)
            if _same(tokenizer_json(built), tree):
                built.name_or_path = tokenizer.name_or_path
                built.init_kwargs["name_or_path"] = tokenizer.name_or_path
                return built
    raise ModelError(f"transformers cannot load the extended {type(tokenizer).__name__} as it was written")


def _same(built: dict[str, Any], wanted: dict[str, Any]) -> bool:
    """Whether two trees are one tokenizer. Scores may differ in the last digit, which the tokenizers library does not always read right."""
    if any(built.get(part) != wanted.get(part) for part in _KEPT if part != "model"):
        return False
    one, other = dict(built["model"]), dict(wanted["model"])
    if one["type"] == "Unigram":
        rows, others = one.pop("vocab"), other.pop("vocab")
        close = all(mine[0] == theirs[0] and isclose(mine[1], theirs[1], rel_tol=1e-12) for mine, theirs in zip(rows, others, strict=False))
        if len(rows) != len(others) or not close:
            return False
    return one == other
