"""Examples for prompts where nobody has parallel text: mined with the model itself, or taken from other languages.

`mine`: word pairs, word-by-word drafts and back-translation out of monolingual text of both languages (SM-UMT, arXiv 2410.11006).
`diverse_examples`, `back_translate`: examples of several high-resource languages, and of one's own text (LDP, arXiv 2306.11372).
"""

from __future__ import annotations

from .backtranslation import Translate, back_translate, translating
from .diverse import diverse_examples
from .mine import Mined, MiningSettings, mine
from .records import Example, shots_of, write_examples
from .scoring import Similarity, cosine_similarity, draft_similarity
from .words import frequent_words, mutual_words

__all__ = [
    "Example",
    "Mined",
    "MiningSettings",
    "Similarity",
    "Translate",
    "back_translate",
    "cosine_similarity",
    "diverse_examples",
    "draft_similarity",
    "frequent_words",
    "mine",
    "mutual_words",
    "shots_of",
    "translating",
    "write_examples",
]
