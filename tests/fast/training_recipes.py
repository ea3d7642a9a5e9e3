"""A corpus and a recipe small enough to train on in a second or two."""

from __future__ import annotations

from pathlib import Path
from typing import Any

WORDS = "dog cat house tree water stone bird fish moon star river road bread salt wine fire wind snow rain leaf".split()
TRANSLATED = "chien chat maison arbre eau pierre oiseau poisson lune étoile fleuve route pain sel vin feu vent neige pluie feuille".split()


def write_corpus(folder: Path) -> None:
    """Word-for-word translations: enough for a tiny model to begin to learn something."""
    folder.mkdir()
    pairs = [
        (f"the {a} and the {b}", f"{x} et {y}")
        for a, x in zip(WORDS, TRANSLATED, strict=True)
        for b, y in zip(WORDS, TRANSLATED, strict=True)
    ]
    rows = [f"{source}\t{target}\n" for source, target in pairs]
    (folder / "train.tsv").write_text("".join(rows[:300]), encoding="utf-8")
    (folder / "dev.tsv").write_text("".join(rows[300:306]), encoding="utf-8")
    (folder / "test.tsv").write_text("".join(rows[306:312]), encoding="utf-8")
    (folder / "mono.txt").write_text("".join(f"{target}\n" for _, target in pairs[:200]), encoding="utf-8")


def recipe(
    data: Path, model: Path, run: Path, *, steps: int = 8, method: str = "lora", evaluate: bool = True, **stage: Any
) -> dict[str, Any]:
    pair = {"source": "eng", "target": "fra"}
    train = {"method": method, "rank": 4, "alpha": 8, "dropout": 0.1 if method == "lora" else 0.0}
    common = {"train": train, "schedule": {"kind": "cosine", "peak": 1e-2 if method != "full" else 1e-3}, "evaluate_every": 4}
    held_out = {"corpora": [{"name": "dev", "path": str(data / "dev.tsv"), **pair}], "test": [{"path": str(data / "test.tsv"), **pair}]}
    decoding = {"stop": "line", "max_new_tokens": 8}
    return {
        "run": str(run),
        "seed": 3,
        "model": {"source": str(model), "device": "cpu"},
        "evaluation": {"sentences": 4, "decoding": decoding, **(held_out if evaluate else {})},
        "checkpoints": {"every": 2, "keep": 100},
        "stages": [
            {
                "name": "mono",
                "corpora": [{"path": str(data / "mono.txt"), "language": "fra"}],
                "batch": {"sequences": 2, "max_length": 64},
                "budget": {"steps": steps},
                **common,
            },
            {
                "name": "pairs",
                "corpora": [{"path": str(data / "train.tsv"), **pair}],
                "batch": {"sequences": 4, "max_length": 200},
                "budget": {"steps": steps},
                **common,
                **stage,
            },
        ],
    }
