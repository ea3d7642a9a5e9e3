"""The text pieces are learnt from: read from files of any format, looked over, and a part of it held out."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..mt.config import CorpusConfig
from ..mt.corpora import Fingerprint, Tally, fingerprint, read_pairs, read_segments
from ..mt.corpora.formats import PAIR_FORMATS, SEGMENT_FORMATS
from ..mt.errors import ConfigError, CorpusError
from ..mt.languages import Language, script_matches
from ..mt.writing_systems import script_of
from .fertility import measure_fertility

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

HELD_OUT = 50  # one line in so many
_SAMPLE = 2000  # lines that tell the script and the fertility of a text
_OF_SCRIPT = 0.5  # share of the letters; loan words, code and names are often in Latin letters
_WELL_COVERED = {True: 1.5, False: 0.7}  # tokens a word where words stand apart, else a character; SmolLM2 on English: 1.3 a word


@dataclass(frozen=True)
class LearningText:
    """Text to learn from.

    Attributes:
        texts: learnt from.
        held_out: every fiftieth line, from a place the seed gives; lines that are also in `texts` are left out of it.
        tallies: what was read and skipped, a tally a file.
        files: fingerprints of what was read.
    """

    texts: tuple[str, ...]
    held_out: tuple[str, ...]
    tallies: tuple[Tally, ...]
    files: tuple[Fingerprint, ...]


def read_learning_text(
    paths: Sequence[str], language: Language, *, source: Language, lines: int | None = None, seed: int = 0
) -> LearningText:
    """Read files in turn: plain text and JSONL as they are, the `language` side of TSV, CSV, PO and catalogues, `.gz` or not.

    Args:
        paths: files, `pypi:NAME` for the catalogues of a wheel; `{lang}` stands for the language's code.
        language: of the text.
        source: the language of the other side of pairs.
        lines: only so many lines in all.
        seed: says which lines are held out.

    Raises:
        CorpusError: a file that is missing, unreadable or without one usable row.
        ConfigError: no files.
    """
    if not paths:
        raise ConfigError("no text is given", allowed="--text FILE, as often as there are files")
    if lines is not None and lines < 1:
        raise ConfigError(f"--lines {lines}", allowed="1 or more")
    found: list[str] = []
    tallies, files = [], []
    for path in paths:
        left = None if lines is None else lines - len(found)
        if left == 0:
            break
        corpus, tally = _corpus(path, language, source, left), Tally(f"reading {path}")
        found += _texts(corpus, tally)
        tallies.append(tally)
        files += fingerprint(corpus)
    texts, held_out = hold_out(found, seed)
    return LearningText(tuple(texts), tuple(held_out), tuple(tallies), tuple(files))


def hold_out(texts: Sequence[str], seed: int) -> tuple[list[str], list[str]]:
    """Texts to learn from, and every fiftieth, from a place the seed gives, to measure on; none of the latter are among the former."""
    place = random.Random(seed).randrange(HELD_OUT)
    learnt = [text for number, text in enumerate(texts) if number % HELD_OUT != place]
    known = set(learnt)
    return learnt, [text for text in texts[place::HELD_OUT] if text not in known]


def check_script(texts: Sequence[str], language: Language) -> None:
    """Refuse text that is mostly in another script than its language.

    Raises:
        CorpusError: less than half of its letters are in the language's script.
    """
    text = "\n".join(_sample(texts))
    share = script_matches(text, language)
    if share < _OF_SCRIPT:
        found, most = next(iter(script_of(text).items()))
        raise CorpusError(
            f"{share:.0%} of the letters of this text are in the script of {language.name} ({language.script}), and {most:.0%} in {found}",
            hint=f"if it is {language.name} in other letters, say so: --language {language.iso639_3}_{found}",
        )


def check_coverage(texts: Sequence[str], tokenizer: PreTrainedTokenizerBase, language: Language, *, otherwise: str) -> None:
    """Refuse text that the tokenizer covers well as it is; `otherwise` says what to do instead.

    Raises:
        CorpusError: fewer than 1.5 tokens a word (0.7 a character in scripts without spaces).
    """
    fertility = measure_fertility(_sample(texts), tokenizer, language)
    spent = fertility.per_character if fertility.per_word is None else fertility.per_word
    if spent < _WELL_COVERED[fertility.per_word is not None]:
        raise CorpusError(
            f"this tokenizer covers {language.name} well already ({fertility}): new pieces would buy next to nothing",
            allowed=f"{_WELL_COVERED[True]} tokens a word or more ({_WELL_COVERED[False]} a character where words are not spaced)",
            hint=otherwise,
        )


def _sample(texts: Sequence[str]) -> Sequence[str]:
    return texts[:: max(1, len(texts) // _SAMPLE)]


def _corpus(path: str, language: Language, source: Language, rows: int | None) -> CorpusConfig:
    target = language.code
    if path.startswith("pypi:") and "/" not in path:
        return CorpusConfig(path=path, format="catalogues", source=source.bcp47, target=target, max_rows=rows)
    suffix = Path(path.removesuffix(".gz")).suffix.lower()
    if any(suffix in each.suffixes for each in PAIR_FORMATS) and not any(suffix in each.suffixes for each in SEGMENT_FORMATS):
        return CorpusConfig(path=path, source=source.bcp47, target=target, max_rows=rows)
    return CorpusConfig(path=path, language=target, max_rows=rows)


def _texts(corpus: CorpusConfig, tally: Tally) -> Iterator[str]:
    if corpus.language is None:
        yield from (pair.target for pair in read_pairs(corpus, tally))
    else:
        yield from (segment.text for segment in read_segments(corpus, tally))
