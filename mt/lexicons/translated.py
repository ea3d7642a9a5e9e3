"""A dictionary made by a translation model, word by word, with what cannot be an entry counted."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from ..corpora.records import Origin
from ..corpora.tally import Tally
from ..errors import ModelError
from ..languages import find_language
from .building import build_lexicon
from .records import Lexicon, Row

_LONGER = 4  # times the words of the source, and one: more is an explanation, or a loop
COPIED = "a copy of the source"
TOO_LONG = "an output much longer than the source"
LINES = "an output of several lines"


def translate_lexicon(
    words: Iterable[str],
    translate: Callable[[list[str]], Sequence[str]],
    source: str,
    target: str,
    *,
    name: str = "translated words",
    copies: bool = False,
) -> Lexicon:
    """A lexicon of a model's translations of words and phrases.

    Args:
        words: the sources; their origins are their numbers, from 1.
        translate: gives one output for each of a list of texts, in order; called once, so that it may batch as it likes.
        source: language of the words.
        target: language of the outputs.
        name: of the lexicon and of the place its entries' origins name.
        copies: whether an output that repeats its source is an entry (names) or a failure, as it mostly is.

    Skipped and counted: empty outputs, copies, outputs of several lines or of more than four times the words of the source, and whatever
    `build_lexicon` skips.

    Raises:
        ModelError: `translate` gave another number of outputs.
        CorpusError: not one usable entry.
    """
    texts = list(words)
    outputs = list(translate(texts)) if texts else []
    if len(outputs) != len(texts):
        raise ModelError(f"{len(outputs)} translations of {len(texts)} words", where=name, allowed="one output a text, in order")
    tally = Tally("translating entries")
    rows = _rows(texts, outputs, name, tally, copies)
    return build_lexicon(rows, name, find_language(source), find_language(target), tally)


def _rows(texts: Sequence[str], outputs: Sequence[str], name: str, tally: Tally, copies: bool) -> Iterable[Row]:
    for number, (text, output) in enumerate(zip(texts, outputs, strict=True), start=1):
        origin, answer = Origin(name, number), output.strip()
        if "\n" in answer:
            tally.skip(origin, LINES)
        elif len(answer.split()) > _LONGER * len(text.split()) + 1:
            tally.skip(origin, TOO_LONG)
        elif answer.casefold() == text.strip().casefold() and answer and not copies:
            tally.skip(origin, COPIED)
        else:
            yield Row(text, [(answer, None)], origin)
