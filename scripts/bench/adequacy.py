"""What adequacy estimates mean: cosines of sentence vectors for human translations, for halves of them, and for unrelated sentences.

    DRAGOMAN_DATA=... python scripts/bench/adequacy.py [--split dev] [--languages deu,fra,...] [--sentences 997] [--json FILE]

Each language to and from English on FLORES-200. "half" keeps the first half of the reference's words (characters, where words are not
written apart), "unrelated" is the reference of another sentence, the fifth further on, often of the same article. The thresholds of
`app/adequacy.py` are pooled percentiles of dev; how much of each kind lies below them is printed too.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dragoman.app.adequacy import AS_HUMAN, UNRELATED
from dragoman.eval.testsets import load_test_set
from dragoman.mt.languages import Language, find_language
from dragoman.mt.sentence_vectors import SentenceVectors, load_sentence_vectors

LANGUAGES = "arb,deu,fra,jpn,kor,rus,spa,tha,tur,zho"
KINDS = ("human", "half", "unrelated")
PERCENTILES = (1, 5, 25, 50, 75, 95, 99)
SHIFT = 5  # sentences
Cosines = dict[str, NDArray[np.float32]]


def main() -> None:
    """Measure every direction, print a table of percentiles and how well the kinds can be told apart."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--split", default="dev", choices=("dev", "devtest"))
    parser.add_argument("--languages", default=LANGUAGES)
    parser.add_argument("--sentences", type=int, default=None, help="of the split, from its beginning; all by default")
    parser.add_argument("--vectors", help="a model that makes the vectors; by default the Universal Sentence Encoder")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    vectors, english = load_sentence_vectors(options.vectors), find_language("eng")
    rows: dict[str, Cosines] = {}
    for spelled in options.languages.split(","):
        rows |= both_ways(vectors, english, find_language(spelled), options.split, options.sentences)
    rows["all"] = {kind: np.concatenate([row[kind] for row in rows.values()]) for kind in KINDS}
    print(f"{vectors.name}, FLORES-200 {options.split}; percentiles {', '.join(map(str, PERCENTILES))}")
    for name, row in rows.items():
        told = "; ".join(f"{kind} {' '.join(f'{value:.2f}' for value in np.percentile(row[kind], PERCENTILES))}" for kind in KINDS)
        apart = ", ".join(f"{kind} {told_apart(row['human'], row[kind]):.3f}" for kind in KINDS[1:])
        below = ", ".join(f"{kind} {' '.join(f'{(row[kind] < bound).mean():.1%}' for bound in (AS_HUMAN, UNRELATED))}" for kind in KINDS)
        print(f"{name:10} {told}; human above {apart}; below {AS_HUMAN} and {UNRELATED}: {below}")
    if options.json:
        table = {name: {kind: np.percentile(row[kind], PERCENTILES).round(4).tolist() for kind in KINDS} for name, row in rows.items()}
        options.json.write_text(json.dumps({"vectors": vectors.name, "percentiles": PERCENTILES, "directions": table}, indent=2) + "\n")


def both_ways(vectors: SentenceVectors, one: Language, other: Language, split: str, most: int | None) -> dict[str, Cosines]:
    """Cosines of both directions between two languages."""
    found = load_test_set(f"flores200:{split}", one, other)
    texts = {one: list(found.sources)[:most], other: list(found.references[0])[:most]}
    encoded = {language: vectors.encode(given) for language, given in texts.items()}
    rows = {}
    for source, target in ((one, other), (other, one)):
        halves = vectors.encode([half(text, target) for text in texts[target]])
        from_, into = encoded[source], encoded[target]
        rows[f"{source.iso639_3}-{target.iso639_3}"] = {
            "human": (from_ * into).sum(axis=1),
            "half": (from_ * halves).sum(axis=1),
            "unrelated": (from_ * np.roll(into, SHIFT, axis=0)).sum(axis=1),
        }
    return rows


def half(text: str, language: Language) -> str:
    """The first half of a text."""
    if not language.spaced:
        return text[: len(text) // 2]
    words = text.split()
    return " ".join(words[: (len(words) + 1) // 2])


def told_apart(better: NDArray[np.float32], worse: NDArray[np.float32]) -> float:
    """How often a human translation of a sentence has the higher cosine of two drawn at random (the area under the ROC curve)."""
    return float(np.searchsorted(np.sort(worse), better).mean() / len(worse))


if __name__ == "__main__":
    main()
