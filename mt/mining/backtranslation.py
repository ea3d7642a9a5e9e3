"""Texts that people wrote, translated by a model into the language to translate from; what looks wrong is left out and counted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from ..corpora.records import Segment
from ..corpora.tally import Tally
from ..errors import ModelError
from ..lexicons.folding import folded_text
from ..prompting.plan import PromptPlan
from ..prompts import PromptTemplate
from ..translator import Progress, Translation, Translator
from .records import Example

if TYPE_CHECKING:
    from ..config import DecodingConfig
    from ..languages import Language
    from ..models import LoadedModel

Translate = Callable[[Sequence[str], "Language", "Language", PromptPlan], Sequence[Translation]]
REPEATED = "an output given before"
_HARMLESS = {"left-out"}


def translating(
    loaded: LoadedModel, template: PromptTemplate, decoding: DecodingConfig, progress: Callable[[str], Progress | None] | None = None
) -> Translate:
    """One model for every direction and plan.

    Args:
        loaded: model and tokenizer.
        template: of the prompts.
        decoding: how outputs are searched for.
        progress: called with the direction before a translation; gives what is called after every batch.
    """

    def translate(texts: Sequence[str], source: Language, target: Language, plan: PromptPlan) -> Sequence[Translation]:
        translator = Translator(loaded, template, source, target, decoding, plan=plan)
        return translator.translate(texts, progress=progress(f"{source.name} to {target.name}") if progress else None)

    return translate


def back_translate(
    segments: Sequence[Segment], language: Language, into: Language, plan: PromptPlan, translate: Translate, tally: Tally
) -> list[Example]:
    """Examples whose target is a segment and whose source is its translation.

    Skipped and counted: outputs with a warning (empty, unfinished, a loop, a copy, the wrong script, a strange length, lost placeholders),
    under its name; outputs of several lines; outputs given before.

    Raises:
        ModelError: `translate` gave another number of outputs.
    """
    done = translate([segment.text for segment in segments], language, into, plan)
    if len(done) != len(segments):
        raise ModelError(f"{len(done)} translations of {len(segments)} texts", allowed="one output a text, in order")
    seen: set[str] = set()
    kept = []
    for segment, output in zip(segments, done, strict=True):
        text = output.text.strip()
        key = folded_text(text)
        wrong = [warning for warning in output.warnings if warning not in _HARMLESS]
        if not text:
            wrong.insert(0, "empty")
        if "\n" in text:
            wrong.append("several lines")
        if not wrong and key in seen:
            wrong.append(REPEATED)
        if wrong:
            tally.skip(segment.origin, wrong[0])
            continue
        seen.add(key)
        tally.keep()
        kept.append(Example(text, segment.text, segment.origin))
    return kept
