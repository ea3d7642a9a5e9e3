"""Scripts: which letters belong to them, which way they run, whether they put spaces between words.

`scripts.tsv` is the Unicode 14 property Script (ISO 15924 codes) over letters and combining marks, as ranges of code points; `Zyyy`
(common) and `Zinh` (inherited) letters and marks take the script of the letter before them.
"""

from __future__ import annotations

import unicodedata
from bisect import bisect_right
from collections import Counter
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Literal, NamedTuple

Direction = Literal["ltr", "rtl"]


@dataclass(frozen=True, slots=True)
class WritingSystem:
    """A script as languages use it.

    Attributes:
        code: ISO 15924.
        members: the Unicode scripts whose letters it is written with (Japanese: Han, Hiragana and Katakana).
        direction: of a line of text.
        spaced: whether words stand apart; where they do not, `characters / 2` stands in for a count of words.
        bleu_tokenizer: sacrebleu's tokenizer for it.
        length: characters it takes to say what English says in one; measured on FLORES-200 dev, 1 for scripts that are not in it.
    """

    code: str
    members: tuple[str, ...]
    direction: Direction = "ltr"
    spaced: bool = True
    bleu_tokenizer: str = "13a"
    length: float = 1.0


_TABLE: tuple[WritingSystem, ...] = (
    WritingSystem("Hans", ("Hani", "Bopo"), spaced=False, bleu_tokenizer="zh", length=0.33),
    WritingSystem("Hant", ("Hani", "Bopo"), spaced=False, bleu_tokenizer="zh", length=0.33),
    WritingSystem("Hani", ("Hani", "Bopo"), spaced=False, bleu_tokenizer="zh", length=0.33),
    WritingSystem("Jpan", ("Hani", "Hira", "Kana"), spaced=False, bleu_tokenizer="ja-mecab", length=0.44),
    WritingSystem("Kore", ("Hang", "Hani"), bleu_tokenizer="ko-mecab", length=0.5),
    WritingSystem("Hang", ("Hang", "Hani"), bleu_tokenizer="ko-mecab", length=0.5),
    WritingSystem("Thai", ("Thai",), spaced=False, bleu_tokenizer="char"),
    WritingSystem("Laoo", ("Laoo",), spaced=False, bleu_tokenizer="char"),
    WritingSystem("Khmr", ("Khmr",), spaced=False, bleu_tokenizer="char", length=1.2),
    WritingSystem("Mymr", ("Mymr",), spaced=False, bleu_tokenizer="char", length=1.3),
    WritingSystem("Tibt", ("Tibt",), spaced=False, bleu_tokenizer="char", length=1.26),
    WritingSystem("Java", ("Java",), spaced=False, bleu_tokenizer="char"),
    WritingSystem("Bali", ("Bali",), spaced=False, bleu_tokenizer="char"),
    WritingSystem("Lana", ("Lana",), spaced=False, bleu_tokenizer="char"),
    WritingSystem("Talu", ("Talu",), spaced=False, bleu_tokenizer="char"),
    WritingSystem("Yiii", ("Yiii",), spaced=False, bleu_tokenizer="char", length=0.5),
    WritingSystem("Arab", ("Arab",), direction="rtl", length=0.95),
    WritingSystem("Aran", ("Arab",), direction="rtl", length=0.95),
    WritingSystem("Hebr", ("Hebr",), direction="rtl", length=0.78),
    WritingSystem("Nkoo", ("Nkoo",), direction="rtl", length=1.27),
    WritingSystem("Thaa", ("Thaa",), direction="rtl"),
    WritingSystem("Syrc", ("Syrc",), direction="rtl"),
    WritingSystem("Adlm", ("Adlm",), direction="rtl"),
    WritingSystem("Rohg", ("Rohg",), direction="rtl"),
    WritingSystem("Mand", ("Mand",), direction="rtl"),
    WritingSystem("Samr", ("Samr",), direction="rtl"),
    WritingSystem("Yezi", ("Yezi",), direction="rtl"),
    WritingSystem("Ethi", ("Ethi",), length=0.68),
    WritingSystem("Latf", ("Latn",)),
    WritingSystem("Cyrs", ("Cyrl",)),
)


@cache
def _known() -> dict[str, WritingSystem]:
    return {each.code: each for each in _TABLE}


def writing_system(code: str) -> WritingSystem:
    """The writing system of an ISO 15924 code; one that is not in the table runs left to right, with spaces, in its own letters."""
    return _known().get(code) or WritingSystem(code, (code,))


class _Ranges(NamedTuple):
    first: list[int]
    last: list[int]
    script: list[str]


@cache
def _ranges() -> _Ranges:
    text = files(__package__).joinpath("scripts.tsv").read_text(encoding="utf-8")
    rows = [line.split("\t") for line in text.split("\n")[1:] if line]
    return _Ranges([int(row[0], 16) for row in rows], [int(row[1], 16) for row in rows], [row[2] for row in rows])


@cache
def letter_script(character: str) -> str | None:
    """ISO 15924 code of a letter or mark, `Zyyy`/`Zinh` included; None for anything else. Unicode has few enough of them to remember."""
    if unicodedata.category(character)[0] not in "LM":
        return None
    table = _ranges()
    at = bisect_right(table.first, ord(character)) - 1
    return table.script[at] if at >= 0 and ord(character) <= table.last[at] else "Zyyy"


def _letters(text: str) -> Counter[str]:
    counts: Counter[str] = Counter()
    before: str | None = None
    for character in text:
        script = letter_script(character)
        if script is None:
            continue
        if script in ("Zyyy", "Zinh"):
            script = before  # a combining mark, an apostrophe letter or a long vowel mark goes with what it follows
        if script is not None:
            counts[script] += 1
            before = script
    return counts


def script_of(text: str) -> dict[str, float]:
    """Share of the letters (combining marks included) of `text` in each Unicode script, the largest first; empty without letters.

    Codes are ISO 15924 ones of single scripts: Japanese text comes out as `Hani`, `Hira` and `Kana`.
    """
    counts = _letters(text)
    total = counts.total()
    return {script: count / total for script, count in counts.most_common()}


def share_in(text: str, system: WritingSystem) -> float:
    """Share of the letters of `text` that belong to `system`, 0 to 1; 1 where there are no letters, since nothing speaks against it."""
    counts = _letters(text)
    total = counts.total()
    return sum(counts[member] for member in system.members) / total if total else 1.0
