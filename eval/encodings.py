"""Which encoding a file is probably in when it is not UTF-8: told to the user, never used to read it."""

from __future__ import annotations

import re

from ..mt.writing_systems import script_of

_UTF16 = (b"\xff\xfe", b"\xfe\xff")
# Of encodings that read a text equally well, the first is named.
_CANDIDATES = ("cp1252", "cp1250", "cp1251", "cp1253", "cp1254", "cp1255", "cp1256", "shift_jis", "euc_jp", "gb18030", "euc_kr", "big5")
_ENOUGH = 20_000
_WORD = re.compile(r"\S+")
_VOWELS = {"Cyrl": "аеёиоуыэюяіїєў", "Grek": "αεηιουωάέήίόύώ"}  # bytes of one read as the other give words without vowels
# Scripts that share words or sentences in one writing system.
_TOGETHER = ({"Hani", "Hira", "Kana"}, {"Hang", "Hani"})


def likely_encoding(data: bytes) -> str | None:
    """The encoding in which most words with letters outside ASCII are words of one script; None when nothing fits."""
    if data.startswith(_UTF16) or data.count(0) > len(data) // 4:
        return "UTF-16"
    scores = {encoding: _plausibility(data, encoding) for encoding in _CANDIDATES}
    best = max(scores, key=lambda encoding: scores[encoding])
    return best if scores[best] > 0.5 else None


def _plausibility(data: bytes, encoding: str) -> float:
    """Share of the words outside ASCII that look like words, 0 to 1; 0 for bytes the encoding does not have."""
    try:
        # A cut at a line's end cannot cut a character.
        text = b"\n".join(data.split(b"\n")[:-1] or [data])[:_ENOUGH].decode(encoding, errors="strict" if len(data) < _ENOUGH else "ignore")
    except UnicodeDecodeError:
        return 0.0
    words = [word for word in _WORD.findall(text) if not word.isascii()][:1000]
    return sum(map(_looks_like_a_word, words)) / len(words) if words else 0.0


def _looks_like_a_word(word: str) -> bool:
    letters = [character for character in word if character.isalpha()]
    foreign = [character for character in word if not character.isascii()]
    if not letters or any(not character.isalpha() and not _is_punctuation(character) for character in foreign):
        return False
    scripts = set(script_of(word))
    if len(scripts) > 1 and not any(scripts <= group for group in _TOGETHER):
        return False
    vowels = _VOWELS.get(min(scripts, default=""), "")
    if vowels and len(letters) > 3 and sum(letter.casefold() in vowels for letter in letters) < len(letters) / 5:
        return False
    # Western words are ASCII with a few accents; a "Latin" word of accents alone is another script misread.
    inside = sum(character.islower() or not character.isupper() for character in word[1:])
    accents = sum(not character.isascii() for character in letters)
    return scripts != {"Latn"} or (2 * accents <= len(letters) + 1 and inside * 2 >= len(word) - 1)


def _is_punctuation(character: str) -> bool:
    return character in "«»“”„‘’‚–—…¿¡·°§€£©®™、。，．！？：；「」『』（）《》"
