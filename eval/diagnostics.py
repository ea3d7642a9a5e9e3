"""Counts of what no metric says aloud: outputs in another language, empty, copied, looping, far too long or too short."""

from __future__ import annotations

from collections.abc import Sequence

from ..mt.checks import EXPLANATIONS as CHECKS
from ..mt.checks import check
from ..mt.errors import CorpusError
from ..mt.languages import Language
from .language_detection import Detector, language_detector
from .records import Diagnostic

EXPLANATIONS: dict[str, str] = {
    "wrong-language": "The output is not in the target language, by its script or, within one script, by the detector.",
    **{name: CHECKS[name] for name in ("empty", "copied", "repetition", "too-long", "too-short")},
    "language-unsure": "In the right script, but too short, too mixed or of a language the detector never learnt; not counted as wrong.",
}


def diagnose(
    hypotheses: Sequence[str],
    sources: Sequence[str] | None,
    source: Language | None,
    target: Language | None,
    *,
    detector: Detector | None = None,
) -> tuple[Diagnostic, ...]:
    """Count what looks wrong with a system's outputs.

    Args:
        hypotheses: (N,) outputs.
        sources: (N,) source segments; without them nothing is said about copies, and lengths are not compared.
        source, target: the languages; without `target` nothing is said about the language of the output.
        detector: tells languages of one script apart; `language_detector()` unless another is given, and the script alone without any.

    Returns:
        One for each name of `EXPLANATIONS` that could be told, in that order, zero counts included, with the numbers of all segments
        counted. `copied` and `wrong-language` may both hold of a segment.

    Raises:
        CorpusError: sources and hypotheses of different lengths.
    """
    if sources is not None and len(sources) != len(hypotheses):
        raise CorpusError(f"{len(hypotheses)} hypothesis lines but {len(sources)} source lines", allowed="files aligned line by line")
    texts: Sequence[str | None] = [None] * len(hypotheses) if sources is None else sources
    judge = detector or (language_detector() if target else None)
    found: dict[str, list[int]] = {name: [] for name in _tellable(sources is not None, source, target)}
    for number, (text, hypothesis) in enumerate(zip(texts, hypotheses, strict=True), 1):
        for name in _names(text, hypothesis, source, target, judge):
            found[name].append(number)
    return tuple(
        Diagnostic(name, len(each), len(each) / len(hypotheses) if hypotheses else 0.0, tuple(each)) for name, each in found.items()
    )


def _tellable(with_sources: bool, source: Language | None, target: Language | None) -> list[str]:
    lengths = with_sources and source is not None and target is not None
    left_out = {
        "wrong-language": target is None,
        "language-unsure": target is None,
        "copied": not with_sources,
        "too-long": not lengths,
        "too-short": not lengths,
    }
    return [name for name in EXPLANATIONS if not left_out.get(name)]


def _names(text: str | None, hypothesis: str, source: Language | None, target: Language | None, judge: Detector | None) -> list[str]:
    output = hypothesis.strip()
    found = set(check(text, output, source, target))
    if target is not None and output and text != "":
        if "wrong-script" in found:  # the script first: it needs few letters and knows every language
            in_target: bool | None = False
        elif text is not None and output in text and "copied" not in found:
            in_target = None  # a name or a number that stays as it is
        else:
            in_target = judge.verdict(output, source, target) if judge else None
        found |= {"language-unsure"} if in_target is None else set() if in_target else {"wrong-language"}
    return [name for name in EXPLANATIONS if name in found]
