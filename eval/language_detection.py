"""Which language a segment is in, told apart inside one script by a detector that is installed as an extra."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.metadata import version

from ..mt.languages import Language

_SURE = 0.9  # 3 false alarms in 9,200 FLORES lines; below it, close relatives (Indonesian and Malay) are taken for each other
_LETTERS = 20
_LETTERS_UNSPACED = 10
# The detector's label where it is not the first part of the BCP 47 tag.
_LABELS = {"nb": "no", "fil": "tl", "gn": "gug"}
# Labels that are as good as the target's: written Chinese hardly tells its varieties apart.
_VARIETIES = {"zh": ("yue", "wuu")}


@dataclass(frozen=True)
class Detector:
    """A language detector.

    Attributes:
        name: package and version, for a report's facts.
        languages: the labels it can give.
        classify: text -> (label, probability 0 to 1).
        rank: text -> all labels with their probabilities, the likeliest first; None where a detector only says its best.
    """

    name: str
    languages: frozenset[str]
    classify: Callable[[str], tuple[str, float]]
    rank: Callable[[str], Sequence[tuple[str, float]]] | None = None

    def verdict(self, text: str, source: Language | None, target: Language) -> bool | None:
        """Whether `text` is in the target language; None where that cannot be told.

        The detector's first guess is enough to confirm; to speak against a text it takes a long enough one and a sure detector. A target
        it never learnt is only denied where it finds the source language there: an untranslated Friulian output is English all the same.
        """
        label, probability = self.classify(text)
        known = _label(target) in self.languages
        if known and (label == _label(target) or label in _VARIETIES.get(_label(target), ())):
            return True
        letters = sum(map(str.isalpha, text))
        if probability < _SURE or letters < (_LETTERS if target.spaced else _LETTERS_UNSPACED):
            return None
        untranslated = source is not None and source.iso639_3 != target.iso639_3 and label == _label(source)
        return False if known or untranslated else None


def _label(language: Language) -> str:
    base = language.bcp47.split("-")[0]
    return _LABELS.get(base, base)


@cache
def language_detector() -> Detector | None:
    """The detector there is: py3langid, when that extra is installed."""
    try:
        langid = import_module("py3langid.langid")
    except ImportError:
        return None
    identifier = langid.LanguageIdentifier.from_model_file(langid.MODEL_FILE, norm_probs=True)
    labels = frozenset(str(label) for label in identifier.labels)

    def classify(text: str) -> tuple[str, float]:
        label, probability = identifier.classify(text)
        return str(label), float(probability)

    return Detector(f"py3langid {version('py3langid')}", labels, classify, identifier.rank)
