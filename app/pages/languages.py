"""Languages in the page: choices that are found by name or code, what a text seems to be in, and doubts about what was said."""

from __future__ import annotations

from collections.abc import Iterable

from ...mt.languages import Language, find_language, known_languages, script_matches
from ..asked import BadRequestError
from ..detection import Detection
from ..serving import Serving

DETECT = "auto"
_SCRIPT_SHARE = 0.5

Choice = tuple[str, str]


def source_choices(serving: Serving) -> list[Choice]:
    """Detection, then every language that a model reads, by name."""
    return [("Detect language", DETECT), *_choices(readable(serving))]


def target_choices(serving: Serving) -> list[Choice]:
    """Every language that a model writes, by name."""
    return _choices(
        language
        for info in serving.models
        for language in ([target for _, target in info.directions] if info.directions else known_languages())
    )


def readable(serving: Serving) -> list[Language]:
    """Every language that a model reads."""
    return list(dict.fromkeys(language for info in serving.models for language in info.sources))


def first_direction(serving: Serving) -> tuple[Language, Language]:
    """What the page begins with: the first direction of the first model that names one, else English to French."""
    named = [direction for info in serving.models for direction in info.directions]
    return named[0] if named else (find_language("eng"), find_language("fra"))


def _choices(languages: Iterable[Language]) -> list[Choice]:
    return [(label(language), language.bcp47) for language in sorted(dict.fromkeys(languages), key=lambda each: each.name)]


def label(language: Language) -> str:
    """Name and codes, since a list is searched by what it shows: `French (fr, fra_Latn)`."""
    codes = dict.fromkeys([language.bcp47, language.flores or f"{language.iso639_3}_{language.script}"])
    return f"{language.name} ({', '.join(codes)})"


def source_language(serving: Serving, text: str, source: str) -> Language:
    """The language that was chosen, or that the text seems to be in.

    Raises:
        BadRequestError: it cannot be told.
    """
    if source != DETECT:
        return find_language(source)
    found = serving.detect(text, readable(serving))
    if found.best is None:
        raise BadRequestError(f"the language of the text cannot be told: {found.reason}", where="From", allowed="choose one")
    return found.best


def detected(detection: Detection) -> str:
    """What detection found, in words."""
    if detection.best is None:
        return f"Not sure which language this is: {detection.reason}."
    if detection.sure:
        return f"Detected: {detection.best.name}."
    likely = ", ".join(f"{each.language.name} ({each.confidence:.0%})" for each in detection.candidates[:3])
    return f"Not sure which language this is: {detection.reason}. Taken for {detection.best.name}; candidates: {likely}."


def remarks(serving: Serving, text: str, source: str, target: str | None) -> list[str]:
    """What a visitor should know about the languages before trusting the translation: detection, script, one language twice."""
    if not text.strip():
        return []
    if source == DETECT:
        detection = serving.detect(text, readable(serving))
        chosen, found = detection.best, [detected(detection)]
    else:
        chosen, found = find_language(source), []
        found += _doubts(serving, text, chosen)
    if chosen is not None and target and chosen == find_language(target):
        found.append(f"Source and target are both {chosen.name}.")
    return found


def _doubts(serving: Serving, text: str, chosen: Language) -> list[str]:
    if script_matches(text, chosen) < _SCRIPT_SHARE:
        return [f"Most of the text is not in the script of {chosen.name}."]
    detection = serving.detect(text)
    if detection.sure and detection.best is not None and not detection.best.same_as(chosen):
        return [f"The text looks like {detection.best.name}, not {chosen.name}."]
    return []
