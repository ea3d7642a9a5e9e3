"""What XLIFF and TMX keep of a file: where each target goes, and the file's own text around them."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from ..errors import LanguageError
from ..languages import Language, find_language
from .encodings import DecodedText
from .inline import Inline
from .spans import Splice, newline_of, splice
from .xml_texts import writable

_CODE = re.compile(r"[A-Za-z]{2,3}(?:[-_@][A-Za-z0-9]{1,8}){0,4}")
# Targets as markup, numbers of failed ones, numbers of doubtful ones: to the edits that write them.
Edits = Callable[[Mapping[int, str], Collection[int], Collection[int]], Iterable[Splice]]


@dataclass(frozen=True)
class XmlBody:
    """A `Body` of texts with inline markup; `edits` says where markup goes."""

    decoded: DecodedText
    contents: tuple[Inline, ...]
    current: Sequence[str | None]
    edits: Edits

    def fitted(self, number: int, target: str) -> str:
        """A target with its tags spelled as the source's are."""
        return self.contents[number].fitted(target)

    def refusal(self, number: int, target: str) -> str | None:
        """Why a target cannot be written: tags that are not the source's, characters that XML lacks."""
        return self.contents[number].problem(target)

    def remarks(self, number: int, target: str) -> Sequence[str]:
        """None: a target is written as it is, or refused."""
        del number, target
        return ()

    def write(self, targets: Mapping[int, str], failed: Collection[int], doubtful: Collection[int]) -> bytes:
        """The file with these targets; what its encoding lacks is written as character references."""
        text, encoding = self.decoded.text, self.decoded.encoding
        newline = newline_of(text)
        changed = {
            number: writable(self.contents[number].markup(target, newline), encoding)
            for number, target in targets.items()
            if target != self.current[number]
        }
        return self.decoded.encode(splice(text, self.edits(changed, failed, doubtful)))


@lru_cache(maxsize=1024)  # a code that nobody knows takes long to be found out, and files repeat theirs
def language_of(code: str) -> Language | None:
    """The language of a code in a file, or None where nobody knows it."""
    try:
        return find_language(code) if _CODE.fullmatch(code) else None
    except LanguageError:
        return None


def same_language(code: str | None, wanted: str | None) -> bool:
    """Whether two codes mean one language, whatever the region; codes that nobody knows must be equal."""
    if not code or not wanted:
        return False
    one, other = language_of(code), language_of(wanted)
    if one is None or other is None:
        return code.casefold().replace("_", "-") == wanted.casefold().replace("_", "-")
    return one.same_as(other)
