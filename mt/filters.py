"""Filters over sentence pairs: what cannot be a translation is left out, and counted by reason."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from hashlib import blake2b

from .corpora.records import Pair
from .corpora.tally import Tally
from .languages import Language
from .writing_systems import share_in, writing_system

# C0 and C1 controls but tab, line feed and carriage return, and the mark a broken decoder leaves behind.
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufffd]")

_Check = Callable[[Pair], str | None]


@dataclass(frozen=True)
class FilterRules:
    """What a pair must satisfy. None or False switches a rule off.

    Attributes:
        max_length_ratio: of the longer to the shorter side, in characters scaled by script (a Chinese character says about what three Latin
            letters say); `length_slack` characters are added to both, so that short strings (`OK`, `In Ordnung`) are not judged by it.
        length_slack: in characters of English.
        min_source_script: smallest share of the source's letters in the source language's script; sides without letters pass. Low, as a
            Latin name in a Chinese headline has many letters and the headline few.
        min_target_script: the same for the target.
        identical: drop pairs whose two sides are equal: text that was left untranslated.
        duplicates: drop every exact repetition of an earlier pair.
        control_characters: drop pairs with control characters or U+FFFD.
    """

    max_length_ratio: float | None = 3.0
    length_slack: int = 15
    min_source_script: float | None = 0.3
    min_target_script: float | None = 0.3
    identical: bool = True
    duplicates: bool = True
    control_characters: bool = True


def filter_pairs(pairs: Iterable[Pair], tally: Tally, source: Language, target: Language, rules: FilterRules) -> Iterator[Pair]:
    """The pairs that satisfy every rule, in order; the others are counted under the first rule they break.

    Args:
        tally: a new one, `Tally("filtering")`: what it reads is what comes in here.
    """
    checks = _checks(source, target, rules)
    for pair in pairs:
        reason = next((reason for check in checks if (reason := check(pair)) is not None), None)
        if reason is None:
            tally.keep()
            yield pair
        else:
            tally.skip(pair.origin, reason)


def _checks(source: Language, target: Language, rules: FilterRules) -> list[_Check]:
    checks: list[_Check] = []
    if rules.control_characters:
        checks.append(_control_characters)
    if rules.identical:
        checks.append(_identical)
    if rules.max_length_ratio is not None:
        checks.append(_length_ratio(source, target, rules.max_length_ratio, rules.length_slack))
    if rules.min_source_script is not None:
        checks.append(_script(source, rules.min_source_script, lambda pair: pair.source, "source"))
    if rules.min_target_script is not None:
        checks.append(_script(target, rules.min_target_script, lambda pair: pair.target, "target"))
    if rules.duplicates:
        checks.append(_duplicates())
    return checks


def _control_characters(pair: Pair) -> str | None:
    return "control character" if _CONTROL.search(pair.source) or _CONTROL.search(pair.target) else None


def _identical(pair: Pair) -> str | None:
    return "source and target are the same" if pair.source == pair.target else None


def _length_ratio(source: Language, target: Language, largest: float, slack: int) -> _Check:
    scales = writing_system(source.script).length, writing_system(target.script).length

    def check(pair: Pair) -> str | None:
        lengths = len(pair.source) / scales[0] + slack, len(pair.target) / scales[1] + slack
        return f"length ratio over {largest:g}" if max(lengths) > largest * min(lengths) else None

    return check


def _script(language: Language, smallest: float, side: Callable[[Pair], str], name: str) -> _Check:
    system = writing_system(language.script)

    def check(pair: Pair) -> str | None:
        share = share_in(side(pair), system)
        return f"{name} is not in {language.name}'s script" if share < smallest else None

    return check


def _duplicates() -> _Check:
    seen: set[bytes] = set()  # 16 bytes a pair, whatever its length

    def check(pair: Pair) -> str | None:
        digest = blake2b(f"{pair.source}\0{pair.target}".encode("utf-8", "surrogatepass"), digest_size=16).digest()
        if digest in seen:
            return "exact duplicate"
        seen.add(digest)
        return None

    return check
