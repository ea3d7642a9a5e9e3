"""How near an encoder puts translations of each other: cosines of mean states, and how often the nearest text is the translation.

    DRAGOMAN_DATA=... python scripts/bench/encoder_space.py RUN/model [--languages eng,deu,fra,ces] [--texts 200] [--json FILE]

The texts are captions (Multi30k, test_2016_flickr), the same in every language. `apart` is the mean cosine of all pairs, `together` that of
translations; `found` the share of texts whose nearest neighbour in the other language is their translation, of states as they are and with
each language's mean taken away.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
from itertools import combinations
from pathlib import Path
from typing import Any

import torch
from torch.nn.functional import normalize

from dragoman.adapters.stacking.encoder import SourceEncoder, load_encoder
from dragoman.adapters.stacking.model import masked_mean
from dragoman.mt.languages import find_language

_FILES = {"eng": "en", "deu": "de", "fra": "fr", "ces": "cs"}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("encoder")
    parser.add_argument("--languages", default=",".join(_FILES))
    parser.add_argument("--texts", type=int, default=200)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    encoder = load_encoder(options.encoder)
    vectors = {code: means(encoder, captions(code)[: options.texts], code) for code in options.languages.split(",")}
    rows = [compared(one, other, vectors[one], vectors[other]) for one, other in combinations(vectors, 2)]
    for row in rows:
        print(
            f"{row['pair']}: together {row['together']:.2f}, apart {row['apart']:.2f}, "
            f"found {row['found']:.0%}, without the means {row['found_centred']:.0%}"
        )
    if options.json:
        options.json.write_text(json.dumps({"encoder": options.encoder, "rows": rows}, indent=2) + "\n", encoding="utf-8")


def captions(code: str) -> list[str]:
    """The test set in a language."""
    path = Path(os.environ["DRAGOMAN_DATA"]) / f"multi30k/data/task1/raw/test_2016_flickr.{_FILES[code]}.gz"
    with gzip.open(path, "rt", encoding="utf-8") as file:
        return [line.rstrip("\n") for line in file]


@torch.no_grad()
def means(encoder: SourceEncoder, texts: list[str], code: str) -> torch.Tensor:
    """(N, d) mean states."""
    ids, mask = encoder.encode_batch(texts, find_language(code))
    return masked_mean(encoder.states(ids, mask), mask)


def compared(one: str, other: str, left: torch.Tensor, right: torch.Tensor) -> dict[str, Any]:
    """The figures of a pair of languages."""
    cosines = normalize(left, dim=1) @ normalize(right, dim=1).T
    centred = normalize(left - left.mean(dim=0), dim=1) @ normalize(right - right.mean(dim=0), dim=1).T
    return {
        "pair": f"{one}-{other}",
        "together": cosines.diag().mean().item(),
        "apart": cosines.mean().item(),
        "found": found(cosines),
        "found_centred": found(centred),
    }


def found(cosines: torch.Tensor) -> float:
    """Share of rows whose largest value is on the diagonal."""
    return (cosines.argmax(dim=1) == torch.arange(len(cosines))).float().mean().item()


if __name__ == "__main__":
    main()
