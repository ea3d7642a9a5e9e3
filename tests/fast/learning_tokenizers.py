"""Small real tokenizers of each family, trained on the English that comes with Python, and made-up text in two other languages."""

from __future__ import annotations

import random
import re
from functools import cache
from typing import Any

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import LlamaTokenizer, PreTrainedTokenizerFast

LLAMA3 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"


@cache
def english() -> tuple[str, ...]:
    """Lines of prose out of Python's own help."""
    from pydoc_data.topics import topics

    lines = [line.strip() for name in sorted(topics) for line in topics[name].split("\n")]
    return tuple(line for line in lines if len(line) > 50 and line.isascii())[:2000]


def words_of(letters: str, marks: str, seed: int, count: int = 300) -> list[str]:
    """Made-up words of syllables; where there are marks, every second vowel carries one."""
    chance = random.Random(seed)
    half = len(letters) // 2

    def syllable() -> str:
        mark = chance.choice(marks) if marks and chance.random() < 0.5 else ""
        return chance.choice(letters[:half]) + chance.choice(letters[half:]) + mark

    return ["".join(syllable() for _ in range(chance.choice((1, 2, 2, 3)))) for _ in range(count)]


def lines_of(words: list[str], seed: int, count: int) -> list[str]:
    """Lines of such words, the first words much more often than the last."""
    chance = random.Random(seed)
    weights = [1 / (rank + 1) for rank in range(len(words))]
    return [" ".join(chance.choices(words, weights, k=chance.randrange(4, 12))) + chance.choice((".", "!", "")) for _ in range(count)]


def marked_text(count: int = 600) -> list[str]:
    """A language in N'Ko letters, with tone marks inside its words."""
    return lines_of(words_of("ߓߔߕߖߗߘߙߛߜߝߞߟߡߣߥߦߊߋߌߍߎߏߐ", "߲߫߬߭߮߯", 1), 2, count)


def latin_text(count: int = 600) -> list[str]:
    """A language in Latin letters."""
    return lines_of(words_of("bdfgkmnpstvzxçñaeiouòèìùâ", "", 3), 4, count)


@cache
def llama3_like(ignore_merges: bool = True) -> PreTrainedTokenizerFast:
    """Byte-level BPE with Llama-3's regex; BOS and EOS above the model's own ids."""
    backend = Tokenizer(models.BPE(ignore_merges=ignore_merges))
    split = pre_tokenizers.Split(Regex(LLAMA3), "isolated")
    backend.pre_tokenizer = pre_tokenizers.Sequence([split, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    backend.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    backend.train_from_iterator(english(), trainers.BpeTrainer(vocab_size=1500, initial_alphabet=alphabet, show_progress=False))
    backend.add_special_tokens(["<|begin|>", "<|end|>"])
    backend.add_tokens(["<tool>"])
    first = backend.token_to_id("<|begin|>")
    backend.post_processor = processors.TemplateProcessing(single="<|begin|> $A", special_tokens=[("<|begin|>", first)])
    return PreTrainedTokenizerFast(tokenizer_object=backend, bos_token="<|begin|>", eos_token="<|end|>")


@cache
def sentencepiece_bpe() -> LlamaTokenizer:
    """Llama-2's kind: no words but the text, byte fallback, `▁` for spaces."""
    backend = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    backend.normalizer = normalizers.Replace(" ", "▁")
    specials = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
    words = re.compile(r" ?\w+| ?[^\w\s]|\s")  # as SentencePiece does, no piece crosses from a word into punctuation
    texts = (word for line in english() for word in words.findall(f" {line}"))
    backend.train_from_iterator(texts, trainers.BpeTrainer(vocab_size=1500, special_tokens=specials, show_progress=False))
    model = _tree(backend)["model"]
    return LlamaTokenizer(vocab=model["vocab"], merges=[tuple(pair) for pair in model["merges"]], add_bos_token=True)


@cache
def unigram() -> PreTrainedTokenizerFast:
    """XLM-R's kind: words between spaces, log-probabilities, `<unk>` for unknown characters; two added tokens above its ids."""
    backend = Tokenizer(models.Unigram())
    backend.pre_tokenizer = pre_tokenizers.Metaspace()
    backend.decoder = decoders.Metaspace()
    trainer = trainers.UnigramTrainer(vocab_size=1500, special_tokens=["<s>", "</s>", "<unk>"], unk_token="<unk>", show_progress=False)
    backend.train_from_iterator(english(), trainer)
    backend.add_special_tokens(["<mask>", "eng_Latn"])
    return PreTrainedTokenizerFast(tokenizer_object=backend, bos_token="<s>", eos_token="</s>", unk_token="<unk>", mask_token="<mask>")


def _tree(backend: Tokenizer) -> dict[str, Any]:
    import json

    tree: dict[str, Any] = json.loads(backend.to_str())
    return tree
