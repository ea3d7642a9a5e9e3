r"""What a translation must carry over unchanged: placeholders, tags, escapes and addresses, found in any text whatever format it came from.

Known are `{name}` `{0:.2f}` `{n, number}` `{n, plural, ...` (Python, ICU), `{{x}}` `{% x %}` (templates), `%s` `%1$s` `%(name)s`
`%{name}` (printf and its kin), `${var}` `$var$`, `<b>` `</a>` (HTML, XML, SRT), `{\an8}` (subtitles), `&nbsp;`, `\n` written with a
backslash, URLs and e-mail addresses. Numbers are no placeholders: languages write them differently.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass

_CONVERSION = r"%(?:\(\w{1,60}\)|\d{1,2}\$)?[-+#0]{0,3}(?:\d{1,4}|\*)?(?:\.(?:\d{1,3}|\*))?(?:hh|h|ll|l|L|q|j|z|t)?[diouxXeEfFgGaAcspn@]"
# The first that fits at a place wins. Every repetition is bounded: texts come from strangers.
_KINDS: tuple[tuple[str, str], ...] = (
    ("url", r"(?:https?|ftp)://[!#-;=?-Z\[\]_a-z~%{}$]{1,2000}|\bwww\.[!#-;=?-Z\[\]_a-z~%]{1,2000}"),
    ("email", r"(?<![A-Za-z0-9._+-])[A-Za-z0-9._+-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){1,8}"),
    ("tag", r"</?[A-Za-z][A-Za-z0-9:._-]{0,60}(?:\s[^<>]{0,300})?/?>"),
    ("template", r"\{\{[^{}\n]{1,80}\}\}|\{%[^{}%\n]{1,80}%\}"),
    ("subtitle", r"\{\\[^{}\n]{1,60}\}"),
    ("variable", r"\$\{[^{}\n]{1,80}\}|\$[A-Za-z_]\w{0,60}\$"),
    ("icu", r"\{\s{0,3}\w{1,60}\s{0,3},\s{0,3}(?:number|date|time|spellout|ordinal|duration)\s{0,3}(?:,[^{}\n]{0,40})?\}"),
    ("icu-choice", r"\{\s{0,3}\w{1,60}\s{0,3},\s{0,3}(?:plural|select|selectordinal|choice)\s{0,3},"),
    ("brace", r"\{(?:[\w.-]{1,60}(?:\[[\w.-]{1,40}\]){0,4}(?:![rsa])?)?(?::[^{}\s]{0,20})?\}"),
    ("percent", r"%%"),  # the sign itself; told apart so that what follows it is not read as a conversion
    ("printf", rf"(?<!\d){_CONVERSION}|{_CONVERSION}(?![A-Za-z])"),  # "50%de plus" is no conversion, "%dpx" is one
    ("named", r"%\{[^{}\n]{1,60}\}"),
    ("entity", r"&(?:#\d{1,7}|#[xX][0-9A-Fa-f]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});"),
    ("escape", r"\\(?:[nrt]|u[0-9A-Fa-f]{4}|x[0-9A-Fa-f]{2})"),
)
_PATTERN = re.compile("|".join(f"(?P<{kind.replace('-', '_')}>{pattern})" for kind, pattern in _KINDS))
_MAY_START = re.compile(r"[{%$<&\\@]|://|www\.")  # without any of these there is nothing to find
_SPACES = re.compile(r"\s+")
_OPENING = {")": "(", "]": "[", "}": "{"}
_AFTER_ADDRESS = ".,;:!?'\""


@dataclass(frozen=True, slots=True)
class Placeholder:
    """One placeholder: what stands there, which kind it is, and where (`text[start:end]`)."""

    text: str
    kind: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class PlaceholderCheck:
    """What a translation lost and what it made up, each as often as it happened."""

    missing: tuple[str, ...] = ()
    added: tuple[str, ...] = ()

    @property
    def kept(self) -> bool:
        """Whether the translation has exactly the source's placeholders, in any order."""
        return not (self.missing or self.added)

    def __str__(self) -> str:
        lost = f"missing {' '.join(self.missing)}" if self.missing else ""
        new = f"added {' '.join(self.added)}" if self.added else ""
        return "; ".join(filter(None, (lost, new)))


def find_placeholders(text: str) -> list[Placeholder]:
    """The placeholders of a text from left to right, none overlapping another."""
    if not _MAY_START.search(text):
        return []
    found = []
    for match in _PATTERN.finditer(text):
        kind = str(match.lastgroup).replace("_", "-")
        if kind == "percent":
            continue
        shown = _address(match[0]) if kind in ("url", "email") else match[0]
        found.append(Placeholder(shown, kind, match.start(), match.start() + len(shown)))
    return found


def check_placeholders(source: str, translation: str) -> PlaceholderCheck:
    """Compare the placeholders of a source text and its translation; order does not matter, number does, white space in tags does not."""
    wanted, got = _counts(source), _counts(translation)
    return PlaceholderCheck(tuple((wanted - got).elements()), tuple((got - wanted).elements()))


def has_words(text: str) -> bool:
    """Whether there is anything to translate: a letter outside placeholders."""
    position = 0
    for each in find_placeholders(text):
        if any(map(str.isalpha, text[position : each.start])):
            return True
        position = each.end
    return any(map(str.isalpha, text[position:]))


def _counts(text: str) -> Counter[str]:
    return Counter(_SPACES.sub(" ", each.text) for each in find_placeholders(text))


def _address(text: str) -> str:
    """An address without the punctuation of the sentence around it; a bracket stays only if it was opened inside."""
    while text:
        last = text[-1]
        unopened = last in _OPENING and text.count(_OPENING[last]) < text.count(last)
        if last not in _AFTER_ADDRESS and not unopened:
            return text
        text = text[:-1]
    return text
