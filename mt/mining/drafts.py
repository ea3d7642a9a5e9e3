"""Word-by-word drafts: a text with every word that a dictionary knows put in the other language, the rest left as it is."""

from __future__ import annotations

from dataclasses import dataclass

from ..languages import Language
from ..lexicons import Matcher
from ..lexicons.folding import fold, in_word


@dataclass(frozen=True, slots=True)
class WordDraft:
    """A draft, and the share of the text's words that the dictionary knew (letters, in scripts without spaces)."""

    text: str
    coverage: float


def word_by_word(matcher: Matcher, text: str, target: Language) -> WordDraft:
    """The draft of a text; a translation that would touch the word before it gets a space, where the target language has them."""
    pieces: list[str] = []
    matches = matcher.find(text)
    done = 0
    for match in matches:
        for piece in (text[done : match.start], match.entry.best):
            before = pieces[-1] if pieces else ""
            if target.spaced and before and piece and in_word(before[-1]) and in_word(piece[0]):
                pieces.append(" ")
            if piece:
                pieces.append(piece)
        done = match.end
    rest = text[done:]
    if rest and pieces and target.spaced and in_word(pieces[-1][-1]) and in_word(rest[0]):
        pieces.append(" ")
    folded = fold(text)
    places = [folded.place(start, end) for start, end in folded.words]
    known = sum(1 for start, end in places if any(match.start <= start and end <= match.end for match in matches))
    return WordDraft("".join([*pieces, rest]), known / len(places) if places else 0.0)
