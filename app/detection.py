"""Which language a text is in, with an honest "not sure": by its script, and inside one script by the detector that evaluation uses."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from functools import cache

from ..eval.language_detection import Detector, language_detector
from ..mt.errors import LanguageError
from ..mt.languages import Language, find_language, known_languages, script_matches, script_of

_SURE = 0.9
_LETTERS = 20  # fewer say too little; half as many in scripts without spaces
_READ = 2000  # characters looked at
_TOLD = 5  # candidates
_LEAST = 0.01


@dataclass(frozen=True)
class Candidate:
    """A language a text may be in.

    Attributes:
        confidence: the detector's probability, 0 to 1, over all languages it knows.
    """

    language: Language
    confidence: float


@dataclass(frozen=True)
class Detection:
    """What can be said about a text's language.

    Attributes:
        candidates: the likeliest first; empty when nothing can be said.
        sure: whether the first one can be relied on.
        reason: why not, in words; empty when sure.
    """

    candidates: tuple[Candidate, ...]
    sure: bool
    reason: str = ""

    @property
    def best(self) -> Language | None:
        """The likeliest language, however unsure."""
        return self.candidates[0].language if self.candidates else None


def detect(text: str, among: Collection[Language] | None = None, detector: Callable[[], Detector | None] = language_detector) -> Detection:
    """The likeliest languages of a text.

    Args:
        text: its first 2,000 characters are looked at.
        among: only these count as candidates, but their confidence is still the one among all languages; so a French text put before a
            model that reads German only is German with hardly any confidence.
        detector: gives the detector, or None where there is none (then the script alone decides).
    """
    text = text[:_READ]
    scripts = script_of(text)
    if not scripts:
        return Detection((), False, "no letters in it")
    found = list(_ranked(text, detector())) or _by_script(text)
    kept = [each for each in found if among is None or each.language in among]
    if not kept:
        return Detection((), False, "in none of the languages the model reads" if found else "in a script of no language known here")
    reason = _doubt(text, scripts, kept[0])
    likely = [each for each in kept if each.confidence >= _LEAST] or kept[:1]
    return Detection(tuple(likely[:_TOLD]), not reason, reason)


def _doubt(text: str, scripts: dict[str, float], best: Candidate) -> str:
    letters = sum(map(str.isalpha, text))
    needed = _LETTERS if best.language.spaced else _LETTERS // 2
    if script_matches(text, best.language) < _SURE:
        return "several scripts: " + ", ".join(f"{script} {share:.0%}" for script, share in list(scripts.items())[:3])
    if best.confidence < _SURE:
        return f"the likeliest is {best.language.name}, at {best.confidence:.0%} only"
    # A language that is alone in its script needs no long text.
    if letters < needed and sum(1 for one in _in_script(best.language.script)) > 1:
        return f"only {letters} letters"
    return ""


def _ranked(text: str, detector: Detector | None) -> Iterator[Candidate]:
    """What the detector says, without languages that are not written in the text's letters."""
    if detector is None:
        return
    for label, probability in detector.rank(text) if detector.rank else [detector.classify(text)]:
        language = next((each for each in _written(label) if script_matches(text, each) >= 0.5), None)
        if language is not None:
            yield Candidate(language, probability)


@cache
def _written(label: str) -> tuple[Language, ...]:
    """The language of a detector's label in each script it is known to be written in, the usual one first."""
    try:
        usual = find_language(label)
    except LanguageError:
        return ()
    return (usual, *(each for each in known_languages() if each.iso639_3 == usual.iso639_3 and each != usual))


def _by_script(text: str) -> list[Candidate]:
    """The languages that are written in the text's letters, none likelier than the other."""
    fitting = [each for each in known_languages() if script_matches(text, each) >= 0.5]
    return [Candidate(each, 1 / len(fitting)) for each in fitting]


@cache
def _in_script(script: str) -> tuple[Language, ...]:
    return tuple(each for each in known_languages() if each.script == script)
