"""gettext catalogues (PO): the message id is one side, its translation the other.

Fuzzy, obsolete, plural and untranslated entries are counted and left out; contexts (`msgctxt`) are ignored.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import polib

from ..config import CorpusConfig
from ..errors import CorpusError, LanguageError
from ..languages import Language, find_language
from .lines import read_bytes
from .records import Origin, Pair
from .tally import Tally

_LINE = re.compile(r"\(line (\d+)\)")


def read(files: Sequence[Path], corpus: CorpusConfig, tally: Tally) -> Iterator[Pair]:
    """Pairs of every catalogue in turn, placed at the entry's line.

    The message id is the source where the catalogue's language (its `Language` header, else its file or folder name) is the corpus's
    target; where it is the corpus's source the roles are swapped.

    Raises:
        CorpusError: not a catalogue, not in its declared encoding, or of a language that is neither side of the corpus.
    """
    for path in files:
        catalogue = load_catalogue(path)
        yield from entries(catalogue, str(path), swapped=_swapped(catalogue, path, corpus), tally=tally)


def load_catalogue(path: Path) -> polib.POFile:
    """A parsed catalogue, in the encoding its header declares. `.gz` is unpacked first.

    Raises:
        CorpusError: see `read`.
    """
    # polib splits text it is handed at more than newlines, but a file it opens only at newlines: so it is always given a file.
    handle, name = tempfile.mkstemp(suffix=".po")
    try:
        with os.fdopen(handle, "wb") as copy:
            copy.write(read_bytes(path))
        catalogue = polib.pofile(name)
    except UnicodeDecodeError as error:
        raise CorpusError(f"not valid {error.encoding}, which its header declares (UTF-8 if none)", where=path) from None
    except OSError as error:
        line = _LINE.search(str(error))
        raise CorpusError("not a gettext catalogue from here on", where=f"{path}:{line.group(1)}" if line else path) from None
    finally:
        Path(name).unlink(missing_ok=True)
    for entry in catalogue:
        entry.linenum = max(1, entry.linenum)  # polib counts a first entry without a header before it as line 0
    return catalogue


def entries(catalogue: polib.POFile, file: str, *, swapped: bool, tally: Tally) -> Iterator[Pair]:
    """The translated, single-form messages of a catalogue; the others are counted under `file` and the entry's line."""
    for entry in catalogue:
        origin = Origin(file, entry.linenum)
        reason = _reason(entry)
        if reason is not None:
            tally.skip(origin, reason)
        elif swapped:
            yield Pair(entry.msgstr, entry.msgid, origin)
        else:
            yield Pair(entry.msgid, entry.msgstr, origin)


def _reason(entry: polib.POEntry) -> str | None:
    """Why an entry is no pair, or None."""
    if entry.obsolete:
        return "obsolete message"
    if entry.msgid_plural or entry.msgstr_plural:
        return "plural message"
    if entry.fuzzy:
        return "fuzzy message"
    return None if entry.msgstr.strip() else "untranslated message"


def catalogue_language(catalogue: polib.POFile, path: Path) -> Language | None:
    """The language of a catalogue: its `Language` header, else a language code in its file name or folders (`de/LC_MESSAGES/app.po`)."""
    folders = [part.name for part in list(path.parents)[:2]]
    candidates = [str(catalogue.metadata.get("Language", "")), path.name.split(".")[0], *folders]
    for candidate in candidates:
        if re.fullmatch(r"[A-Za-z]{2,3}([-_@][A-Za-z0-9]+)*", candidate):
            try:
                return find_language(candidate)
            except LanguageError:
                continue
    return None


def _swapped(catalogue: polib.POFile, path: Path, corpus: CorpusConfig) -> bool:
    language = catalogue_language(catalogue, path)
    if language is None or corpus.source is None or corpus.target is None:
        return False
    source, target = find_language(corpus.source), find_language(corpus.target)
    if language.same_as(target):
        return False
    if language.same_as(source):
        return True
    raise CorpusError(
        f"a catalogue in {language.name}, which is neither side of this corpus",
        where=path,
        allowed=f"catalogues in {target.name} or {source.name}",
    )
