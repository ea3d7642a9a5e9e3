"""How fast a large dictionary is read and found in text, and what it takes of memory; one core.

    python scripts/bench/lexicon.py /usr/share/dictd/freedict-deu-eng.index deu eng $DRAGOMAN_DATA/mono-news/newstest2009-2013.deu
    python scripts/bench/lexicon.py --toy

A dictionary with fewer than `--entries` entries is filled up with phrases of two of its own words that follow one another in it; how many
were read is printed. `--toy` makes a dictionary and sentences of its own, small enough for a test. Seconds are both on the clock and of
the processor, since other work on the machine stretches the first. The text is tagged three times, at first with an empty memory of words.
"""

from __future__ import annotations

import argparse
import gc
import json
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

from dragoman.mt.lexicons import Entry, Lexicon, Matcher, read_lexicon

PASSES = 3
T = TypeVar("T")


@dataclass(frozen=True)
class Cost:
    """What one step took."""

    clock: float  # seconds
    processor: float  # seconds
    memory: float  # MiB of resident memory it added


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("lexicon", nargs="?", type=Path)
    parser.add_argument("source", nargs="?", default="deu")
    parser.add_argument("target", nargs="?", default="eng")
    parser.add_argument("text", nargs="?", type=Path)
    parser.add_argument("--entries", type=int, default=400_000)
    parser.add_argument("--no-lemmas", action="store_true", help="exact and case-folded matches only")
    parser.add_argument("--toy", action="store_true")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if options.toy:
        with TemporaryDirectory() as folder:
            options.lexicon, options.text = toy(Path(folder))
            options.entries = 2_000
            figures = measure(options)
    elif options.lexicon is None or options.text is None:
        parser.error("a lexicon and a text are needed, or --toy")
    else:
        figures = measure(options)
    print(json.dumps(figures, indent=2) if options.json else "\n".join(f"{name:34} {value}" for name, value in figures.items()))


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Every figure, by name."""
    sentences = [line for line in options.text.read_text(encoding="utf-8").split("\n") if line.strip()]
    lexicon, read = timed(lambda: read_lexicon(options.lexicon, options.source, options.target))
    real = len(lexicon)
    lexicon = filled_up(lexicon, options.entries)
    matcher, built = timed(lambda: Matcher.of(lexicon, lemmas=not options.no_lemmas, affixes=not options.no_lemmas))
    passes = [timed(lambda: sum(len(matcher.find(sentence)) for sentence in sentences)) for _ in range(PASSES)]
    scale = len(lexicon) / real  # reading the entries that were added would have taken as long as the others did
    return {
        "entries": len(lexicon),
        "of them read from the file": real,
        "sentences": len(sentences),
        "characters a sentence": round(sum(map(len, sentences)) / len(sentences), 1),
        "matches a sentence": round(passes[0][0] / len(sentences), 2),
        "lemmas": not options.no_lemmas,
        "seconds to read (clock)": round(read.clock * scale, 2),
        "seconds to read (processor)": round(read.processor * scale, 2),
        "seconds to index (clock)": round(built.clock, 2),
        "seconds to index (processor)": round(built.processor, 2),
        "seconds to load (processor)": round(read.processor * scale + built.processor, 2),
        "sentences/s (clock)": [round(len(sentences) / cost.clock) for _, cost in passes],
        "sentences/s (processor)": [round(len(sentences) / cost.processor) for _, cost in passes],
        "MiB of the entries": round(read.memory),
        "MiB of the index": round(built.memory),
        "MiB of the memory of words": round(sum(cost.memory for _, cost in passes)),
    }


def timed(step: Callable[[], T]) -> tuple[T, Cost]:
    """What a step gives, and what it costs."""
    gc.collect()
    memory, clock, processor = resident(), time.perf_counter(), time.process_time()
    result = step()
    cost = time.perf_counter() - clock, time.process_time() - processor
    gc.collect()
    return result, Cost(*cost, resident() - memory)


def resident() -> float:
    """MiB this process holds in memory now."""
    import psutil

    return float(psutil.Process().memory_info().rss) / 2**20


def filled_up(lexicon: Lexicon, wanted: int) -> Lexicon:
    """A lexicon with at least so many entries: single words that follow one another are made phrases."""
    known = {entry.source for entry in lexicon.entries}
    words = [entry for entry in lexicon.entries if " " not in entry.source]
    added: list[Entry] = []
    for first, second in pairwise(words):
        if len(known) >= wanted:
            break
        phrase = f"{first.source} {second.source}"
        if phrase not in known:
            known.add(phrase)
            added.append(replace(first, source=phrase, targets=(f"{first.best} {second.best}",), weights=(1.0,)))
    return replace(lexicon, entries=(*lexicon.entries, *added))


def toy(folder: Path) -> tuple[Path, Path]:
    """A dictionary of 1,000 made-up words and phrases, and 500 sentences of them."""
    generator = random.Random(1)
    words = sorted({"".join(generator.choices("abdegiklmnorstu", k=generator.randint(2, 9))) for _ in range(1_000)})
    phrases = [" ".join(generator.sample(words, 2)) for _ in range(200)]
    lexicon, text = folder / "toy.tsv", folder / "toy.txt"
    lexicon.write_text("".join(f"{word}\t{word[::-1]}\n" for word in [*words, *phrases]), encoding="utf-8")
    text.write_text("\n".join(" ".join(generator.choices(words, k=15)) + "." for _ in range(500)), encoding="utf-8")
    return lexicon, text


if __name__ == "__main__":
    main()
