"""FreeDict dictionaries as dictd serves them: an `.index` of headwords, and the articles in one `.dict` or `.dict.dz` (gzip).

A line of the index is `headword<TAB>offset<TAB>length`, both numbers in dictd's base 64, counted in bytes of the unpacked articles. An
article is a line with the headword (`Haus /haʊs/ <neut, n, sg>`; several are parted by commas after their pronunciation), then the
translations, parted by commas, with labels in brackets of all kinds; lines set in by more are examples, notes and synonyms.
"""

from __future__ import annotations

import gzip
import re
import zlib
from binascii import Error as Base64Error
from binascii import a2b_base64
from collections.abc import Iterator
from pathlib import Path

from ..corpora.lines import byte_lines
from ..corpora.records import Origin
from ..corpora.tally import Tally
from ..errors import CorpusError
from .records import Row
from .requests import LexiconRequest

_ABOUT = (b"00-database", b"00database")  # articles about the dictionary itself
_GRAMMAR = re.compile(r"<[^<>]*>")
_LABELS = re.compile(r"\[[^\[\]]*\]|\{[^{}]*\}|\([^()]*(?:\([^()]*\)[^()]*)*\)|^ ?\d+\.(?: |$)")
_HEAD_LABELS = re.compile(r"<[^<>]*>|\[[^\[\]]*\]|\([^()]*\)")
_PRONUNCIATION = re.compile(r" /(?! )[^/]*/ *(?:, *|$)")
_PART = "…"  # `Haus…`: the first half of a compound


def read(request: LexiconRequest, tally: Tally) -> Iterator[Row]:
    """Every article once, at its line of the index; articles that cannot be found or read are counted.

    Raises:
        CorpusError: the index or the articles are missing or damaged.
    """
    index, articles = _files(request.path)
    name, text = str(index), _unpacked(articles)
    seen: set[bytes] = set()
    for number, line in enumerate(byte_lines(index), start=1):
        headword, _, place = line.partition(b"\t")
        if place in seen or headword.startswith(_ABOUT):
            continue
        seen.add(place)
        origin = Origin(name, number)
        article = _article(text, place)
        if article is None:
            tally.skip(origin, "not an index line: headword, offset and length inside the articles")
            continue
        try:
            yield from _rows(article.decode("utf-8"), origin, tally)
        except UnicodeDecodeError:
            tally.skip(origin, "an article that is not valid UTF-8")


def _files(path: Path) -> tuple[Path, Path]:
    """The index and the articles of a dictionary, whichever of them is given."""
    base = path.parent / re.sub(r"\.(index|dict|dict\.dz)$", "", path.name)
    index = base.with_name(f"{base.name}.index")
    articles = next((each for end in ("dict.dz", "dict") if (each := base.with_name(f"{base.name}.{end}")).is_file()), None)
    if articles is None or not index.is_file():
        missing = index if articles is not None else base.with_name(f"{base.name}.dict.dz")
        raise CorpusError("no such file", where=missing, allowed="a dictd dictionary: `.index` and `.dict.dz` (or `.dict`) side by side")
    return index, articles


def _unpacked(path: Path) -> bytes:
    try:
        return gzip.decompress(path.read_bytes()) if path.suffix == ".dz" else path.read_bytes()
    except (gzip.BadGzipFile, zlib.error, EOFError) as error:
        raise CorpusError(f"a damaged dictzip file: {error}", where=path, hint="install or fetch the dictionary again") from None
    except OSError as error:
        raise CorpusError(f"cannot be read: {error.strerror or error}", where=path) from None


def _article(text: bytes, place: bytes) -> bytes | None:
    """An article by its offset and length, up to the references at its end; None where it is not there."""
    try:
        start, size = map(_number, place.split(b"\t")[:2])
    except (Base64Error, ValueError):
        return None
    if not size or start + size > len(text):
        return None
    references = text.find(b"\n see: ", start, start + size)
    return text[start : references if references > 0 else start + size]


def _number(digits: bytes) -> int:
    """dictd's base 64: the usual alphabet, most significant digit first, no padding.

    Raises:
        Base64Error: other characters.
    """
    return int.from_bytes(a2b_base64(b"AAA"[: -len(digits) % 4] + digits, strict_mode=True))


def _rows(article: str, origin: Origin, tally: Tally) -> Iterator[Row]:
    head, _, body = article.partition("\n")
    targets = _translations(body)
    if "<" in head or "[" in head or "(" in head:
        head = _HEAD_LABELS.sub("", head)
    for headword in _PRONUNCIATION.split(head):
        source = headword.strip()
        if not source:
            continue
        if source.startswith(_PART) or source.endswith(_PART):
            tally.skip(origin, "a part of words, not a word")
        elif not targets:
            tally.skip(origin, "an article without a translation")
        else:
            yield Row(source, targets, origin)


def _translations(body: str) -> list[tuple[str, float | None]]:
    texts: dict[str, None] = {}
    for line in body.split("\n"):
        if not line or line.startswith("  "):
            continue
        if "<" in line:
            line = _GRAMMAR.sub(",", line)  # a grammatical label ends a translation, the others stand inside one
        for cell in _LABELS.sub("", line).split(","):
            text = cell.strip()
            if text and (text[0].isalnum() or (text[0] != "/" and any(map(str.isalnum, text)))):
                texts[text] = None
    return [(text, None) for text in texts]
