"""Digests of what a result depends on, and the directions a recipe trains."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import TYPE_CHECKING

from .config import CorpusConfig, RunConfig
from .languages import find_language
from .recipes import dump_recipe
from .stage_data import directions

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


def tokenizer_digest(tokenizer: PreTrainedTokenizerBase) -> str:
    """SHA-256 of the vocabulary and of how a few texts are split: changes whenever segmentation does."""
    vocabulary = json.dumps(sorted(tokenizer.get_vocab().items()))
    probes = json.dumps([tokenizer.encode(text) for text in ("Hello world", "Übung\n12,5", "ߒߞߏ مرحبا 你好")])
    return hashlib.sha256((vocabulary + probes).encode()).hexdigest()


def recipe_digest(config: RunConfig) -> str:
    """SHA-256 of a resolved recipe, wherever its run folder lies."""
    return hashlib.sha256(dump_recipe(replace(config, run="")).encode()).hexdigest()


def trained_directions(config: RunConfig) -> list[str]:
    """Directions that some stage has prompts for, as `eng_Latn-fra_Latn`, in the order they appear."""
    found: dict[str, None] = {}
    for stage in config.stages:
        for corpus in stage.corpora:
            if corpus.source and corpus.target and not corpus.interlinear:
                found.update((direction_code(oriented), None) for _, oriented in directions(corpus))
    return list(found)


def direction_code(corpus: CorpusConfig) -> str:
    """`source-target` of an oriented parallel corpus, in FLORES codes where there are any."""
    assert corpus.source, "a monolingual corpus has no direction"
    assert corpus.target, "a monolingual corpus has no direction"
    sides = [find_language(corpus.source), find_language(corpus.target)]
    if corpus.directions == "reverse":
        sides.reverse()
    return "-".join(side.code for side in sides)
