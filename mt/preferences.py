"""From preferences to training examples: a source's prompt with the chosen translation, then the same prompt with the rejected one.

Two neighbouring examples are one preference and one sequence of the plan; `Plan.together` keeps them in one forward pass.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from .corpora.records import Preference
from .corpora.tally import Tally
from .examples import Example
from .languages import Language
from .plan import Indices
from .prompts import PromptTemplate, render_prompt, render_target
from .tokenization import encode_example

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

SIDES = 2  # examples of a preference: chosen, then rejected


def preference_examples(
    preferences: Iterable[Preference],
    tokenizer: PreTrainedTokenizerBase,
    template: PromptTemplate,
    source: Language,
    target: Language,
    max_length: int,
    tally: Tally,
) -> Iterator[Example]:
    """Chosen and rejected example of each preference in turn; a preference with a side that cannot be trained is refused whole and counted.

    Refused: a side over `max_length` tokens, a side without a token besides EOS, and sides that the tokenizer spells alike.
    """
    for preference in preferences:
        prompt = render_prompt(template, preference.source, source, target)
        sides = [
            Example(*encode_example(tokenizer, prompt, render_target(template, text)), preference.origin)
            for text in (preference.chosen, preference.rejected)
        ]
        if reason := _unusable(sides, max_length):
            tally.skip(preference.origin, reason)
        else:
            tally.keep()
            yield from sides


def _unusable(sides: Sequence[Example], max_length: int) -> str | None:
    if any(len(side.ids) > max_length for side in sides):
        return f"longer than max_length {max_length} tokens"
    if any(len(side.ids) - side.target_start < 2 for side in sides):
        return "no target token besides EOS"
    chosen, rejected = sides
    return "chosen and rejected are the same tokens" if list(chosen.ids) == list(rejected.ids) else None


def preference_sequences(indices: Sequence[int]) -> list[Indices]:
    """Each preference's two examples as one sequence of the plan."""
    return list(np.asarray(indices, dtype=np.int64).reshape(-1, SIDES))
