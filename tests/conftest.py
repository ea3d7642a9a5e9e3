"""Tiny real models and tokenizers, built in code: no weights, no network."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

_SENTENCES = [
    "The quick brown fox jumps over the lazy dog.",
    "Translate this from English to French:\nEnglish: Good morning, everyone.\nFrench: Bonjour à tous.",
    "German: Der schnelle braune Fuchs springt über den faulen Hund.",
    "Der Vogel ist gestern nach Süden geflogen; die Straße war naß.",
    "Bonjour, comment allez-vous aujourd’hui ?",
    "Добрый день, как у вас дела?",
    "你好，世界。今天天气很好。",
    "こんにちは、世界。",
    "مرحبا بالعالم، كيف حالك؟",
    "שלום עולם",
    "नमस्ते दुनिया, आप कैसे हैं?",
    "สวัสดีชาวโลก",
    "Habari za asubuhi, dunia.",
    "Save %(count)s files to “%(folder)s”?",
    "🙂 👩‍👩‍👧 naïve café",
]


def save_tiny_llama(folder: Path, vocabulary: int, *, context: int = 512, seed: int = 0) -> None:
    """A LlamaForCausalLM of 2 layers and 64 dimensions with random weights, saved as safetensors."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=vocabulary,
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=context,
        bos_token_id=1,
        eos_token_id=2,
        pad_token_id=None,
        tie_word_embeddings=True,
        initializer_range=0.2,  # large enough that outputs depend on the prompt
    )
    state = torch.random.get_rng_state()
    torch.manual_seed(seed)
    model = LlamaForCausalLM(config)
    torch.random.set_rng_state(state)
    model.save_pretrained(folder)


@pytest.fixture(scope="session", autouse=True)
def _tokens_elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Tokens of tests do not stay in the user's cache; commands that a test starts inherit this."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DRAGOMAN_TOKENS", str(tmp_path_factory.mktemp("tokens")))
        yield


@pytest.fixture(scope="session")
def tiny_llama_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny Llama with a byte-level BPE tokenizer (Llama-3 style: BOS put first, no pad token). Do not write into it."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    folder = tmp_path_factory.mktemp("tiny-llama")
    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=500,
        special_tokens=["<unk>", "<s>", "</s>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    backend.train_from_iterator(_SENTENCES, trainer)
    backend.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, unk_token="<unk>", bos_token="<s>", eos_token="</s>")
    tokenizer.save_pretrained(folder)
    save_tiny_llama(folder, backend.get_vocab_size())
    return folder


@pytest.fixture(scope="session")
def tiny_sentencepiece_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny Llama with a Llama-2-like tokenizer (BPE with byte fallback, `▁` before the first word, BOS). Do not write into it."""
    from tokenizers import Tokenizer, models, normalizers, trainers
    from transformers import LlamaTokenizer

    folder = tmp_path_factory.mktemp("tiny-sentencepiece")
    backend = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    backend.normalizer = normalizers.Replace(" ", "▁")
    specials = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
    trainer = trainers.BpeTrainer(vocab_size=600, special_tokens=specials, show_progress=False)
    words = re.compile(r" ?\w+| ?[^\w\s]|\s")  # as SentencePiece does, no piece crosses from a word into punctuation
    backend.train_from_iterator((word for text in _SENTENCES for word in words.findall(f" {text}")), trainer)
    trained = json.loads(backend.to_str())["model"]
    merges = [tuple(pair) for pair in trained["merges"]]
    tokenizer = LlamaTokenizer(vocab=trained["vocab"], merges=merges, add_bos_token=True)
    tokenizer.save_pretrained(folder)
    save_tiny_llama(folder, len(tokenizer))
    return folder
