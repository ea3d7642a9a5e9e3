"""What looks wrong with a translation, told from source and output alone: names a program can count, with explanations for people.

These are warnings, not verdicts: each is tuned to stay silent on correct short strings (names, numbers, placeholders).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from rapidfuzz import fuzz

from .languages import Language, script_matches
from .placeholders import check_placeholders
from .writing_systems import writing_system

LEFT_OUT = "left-out"
TERMS = "terms"
NO_DRAFT = "no-draft"
EXPLANATIONS: dict[str, str] = {
    "empty": "There is a source text, but the output is empty.",
    "unfinished": "The output was cut at its length limit before the model ended it.",
    "repetition": "The output repeats the same characters or words four times or more, and the source does not.",
    "copied": "The output is (nearly) the source text, untranslated.",
    "wrong-script": "Less than half of the output is in letters of the target language's script.",
    "too-long": "The output is far longer than such a source text needs in the target language.",
    "too-short": "The output is far shorter than such a source text needs in the target language.",
    "placeholders": "Placeholders, tags, escapes or addresses of the source are missing in the output, or it has others.",
    LEFT_OUT: "Examples, dictionary entries, terms, drafts or context were left out of the prompt, which had no room for them.",
    TERMS: "Glossary terms of the source are missing in the translation.",
    NO_DRAFT: "A specialised system gave no draft.",
}

_LOOP = re.compile(r"(\S.{0,79}?)\1{3,}", re.DOTALL)
_SHORTEST_LOOP = 16  # characters: "hahaha", "......" and "-----" are legitimate
_RATIO = 3.0
_SLACK = 20  # characters a short string may differ by whatever the ratio
_COPY_WORDS = 4
_COPY_LETTERS = 12  # scripts without spaces
_COPY_SIMILARITY = 95.0
_SCRIPT_LETTERS = 4


@dataclass(frozen=True)
class _Case:
    source_text: str | None
    output: str
    source: Language | None
    target: Language | None


def check(source_text: str | None, output: str, source: Language | None, target: Language | None, finished: bool = True) -> tuple[str, ...]:
    """Names (keys of `EXPLANATIONS`) of what looks wrong; none for an empty source.

    Args:
        source_text: what was translated; None where nobody knows, and then only what the output itself shows is told.
        output: its translation.
        source: language of the source, None where it was not said.
        target: language the output should be in, None where it was not said.
        finished: whether the model ended the output itself.
    """
    case = _Case(None if source_text is None else source_text.strip(), output.strip(), source, target)
    if case.source_text == "":
        return ()
    if not case.output:
        return ("empty",) if finished else ("empty", "unfinished")
    copied = _copied(case)
    found = {
        "unfinished": not finished,
        "repetition": _has_loop(case.output) and not _has_loop(case.source_text or ""),
        "copied": copied,
        "wrong-script": not copied and _wrong_script(case),
        **_length(case),
        "placeholders": case.source_text is not None and not check_placeholders(case.source_text, case.output).kept,
    }
    return tuple(name for name, wrong in found.items() if wrong)


def _has_loop(text: str) -> bool:
    return any(len(match[0]) >= _SHORTEST_LOOP and any(map(str.isalnum, match[1])) for match in _LOOP.finditer(text))


def _copied(case: _Case) -> bool:
    if case.source_text is None or (case.source and case.target and case.source.iso639_3 == case.target.iso639_3):
        return False
    letters = sum(map(str.isalpha, case.output))
    spaced = case.source.spaced if case.source else " " in case.source_text
    long_enough = len(case.output.split()) >= _COPY_WORDS if spaced else letters >= _COPY_LETTERS
    if not long_enough or letters < _COPY_LETTERS:
        return False
    return fuzz.ratio(case.source_text.casefold(), case.output.casefold()) >= _COPY_SIMILARITY


def _wrong_script(case: _Case) -> bool:
    if case.target is None:
        return False
    letters = sum(map(str.isalpha, case.output))
    # A short string in another script may be a name that stays ("Linux"); then the source holds it too, where there is one to look at.
    if letters < (_COPY_LETTERS if case.source_text is None else _SCRIPT_LETTERS) or case.output in (case.source_text or ""):
        return False
    share = script_matches(case.output, case.target)
    # One Chinese character says what three Latin letters do, so a short sentence about a long Latin name is not in the wrong script.
    return share / min(1.0, writing_system(case.target.script).length) < 1 - share


def _length(case: _Case) -> dict[str, bool]:
    """Lengths compared in characters of English: scripts say more or less with one character."""
    if case.source_text is None or case.source is None or case.target is None:
        return {}
    given = len(case.source_text) / writing_system(case.source.script).length
    got = len(case.output) / writing_system(case.target.script).length
    return {"too-long": got > _RATIO * given + _SLACK, "too-short": given > _RATIO * got + _SLACK}
