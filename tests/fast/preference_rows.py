"""Preferences as examples and batches, for the tests of their loss and of their stage."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dragoman.mt.batches import MicroBatch, micro_batches
from dragoman.mt.corpora import Tally
from dragoman.mt.corpora.records import Origin, Preference
from dragoman.mt.examples import Example, ExampleSet
from dragoman.mt.languages import find_language
from dragoman.mt.preferences import preference_examples
from dragoman.mt.prompts import load_template

ENGLISH, FRENCH = find_language("eng"), find_language("fra")


def examples_of(rows: Sequence[tuple[str, str, str]], tokenizer: Any, max_length: int = 200, tally: Tally | None = None) -> list[Example]:
    """Chosen and rejected example of each row (source, chosen, rejected) in turn."""
    preferences = [Preference(*texts, Origin("p.jsonl", line)) for line, texts in enumerate(rows, 1)]
    tally = tally or Tally("tokenising")
    return list(preference_examples(preferences, tokenizer, load_template("plain"), ENGLISH, FRENCH, max_length, tally))


def batches_of(examples: ExampleSet, layout: Any = "buckets", micro_tokens: int = 100_000) -> list[MicroBatch]:
    """All of them as one step."""
    return list(micro_batches(examples, range(len(examples)), layout=layout, micro_tokens=micro_tokens, padding=0, together=2))
