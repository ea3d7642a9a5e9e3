"""How long a vocabulary expansion takes and what memory it needs, method by method, on a model of a real model's size.

    python scripts/bench/vocab_expand.py TEXT [--toy] [--json FILE]

The model has 128,000 rows of 4,096 numbers in bfloat16, input embeddings and head apart, and next to nothing else; 10,000 pieces are learnt
from TEXT, which the methods that read text read too. --toy is small. Seconds are wall-clock, with those of the processor beside them (all
cores together), which other work on the machine does not lengthen. Memory is the resident set's highest mark (Linux) above what the process
held with the loaded model: over the whole expansion, and over writing one matrix's rows alone. `similarity` asks a helper of 49,152 rows of
576 numbers. `distillation` trains, for as long as its budget says, and is not here.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerBase, PreTrainedTokenizerFast
from transformers.initialization import no_init_weights

from dragoman.mt.devices import choose_device
from dragoman.mt.files import write_json
from dragoman.mt.models import LoadedModel
from dragoman.vocab.additions import Addition
from dragoman.vocab.expand import ExpandedModel, ExpandSettings, expand_model
from dragoman.vocab.learn import LearnSettings, learn_pieces
from dragoman.vocab.rows import fill_rows

METHODS = ("random", "mean", "merge", "align", "focus", "similarity")
REAL = {"rows": 128_000, "dimensions": 4096, "pieces": 10_000, "lines": 20_000, "helper": (49_152, 576)}
TOY = {"rows": 4000, "dimensions": 128, "pieces": 300, "lines": 2000, "helper": (2000, 32)}
MEGABYTE = 1 << 20


def main() -> None:
    """Measure and print a row a method."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("text", type=Path, help="target-language text, a segment a line")
    parser.add_argument("--language", default="nqo")
    parser.add_argument("--methods", default=",".join(METHODS))
    parser.add_argument("--toy", action="store_true")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    size = TOY if options.toy else REAL
    texts = options.text.read_text(encoding="utf-8").split("\n")[: size["lines"]]
    tokenizer = base_tokenizer(texts, size["rows"])
    addition = learn_pieces(texts, tokenizer, LearnSettings(options.language, pieces=size["pieces"], min_uses=1))
    new, matrix = (rows_bytes(size, rows) / MEGABYTE for rows in (len(addition.pieces), size["rows"]))
    print(f"{size['rows']:,} x {size['dimensions']:,} bfloat16, {len(addition.pieces):,} new pieces, {len(texts):,} lines")
    print(f"one copy of the new rows: {new:,.0f} MB in bfloat16; of a matrix: {matrix:,.0f} MB", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        helper = save_helper(Path(folder), texts, size["helper"])
        found = [measure(method, tokenizer, addition, texts, size, helper) for method in options.methods.split(",")]
    if options.json:
        write_json(options.json, {"size": {**size, "pieces": len(addition.pieces)}, "threads": torch.get_num_threads(), "methods": found})


def rows_bytes(size: dict[str, Any], rows: int) -> int:
    """Bytes of so many rows in bfloat16."""
    return rows * size["dimensions"] * 2


def base_tokenizer(texts: list[str], rows: int) -> PreTrainedTokenizerBase:
    """Byte-level BPE that knows little of the language (200 merges), filled up to `rows` entries that no text ever gives."""
    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=458, special_tokens=["<s>", "</s>"], initial_alphabet=alphabet, show_progress=False)
    backend.train_from_iterator(texts[:1000], trainer)
    tree = json.loads(backend.to_str())
    vocabulary = tree["model"]["vocab"]
    for number in range(len(vocabulary), rows):
        vocabulary[f"filler{number}"] = number
    return PreTrainedTokenizerFast(tokenizer_object=Tokenizer.from_str(json.dumps(tree)), bos_token="<s>", eos_token="</s>")


def model_of(rows: int, dimensions: int, *, tied: bool, dtype: torch.dtype = torch.bfloat16) -> LlamaForCausalLM:
    """A Llama with one narrow layer and random embeddings."""
    config = LlamaConfig(
        vocab_size=rows,
        hidden_size=dimensions,
        intermediate_size=8,
        num_hidden_layers=1,
        num_attention_heads=dimensions // 32,
        num_key_value_heads=1,
        tie_word_embeddings=tied,
    )
    with no_init_weights():
        model = LlamaForCausalLM(config).to(dtype)
    generator = torch.Generator().manual_seed(0)
    # Trained embeddings have a direction in common; without one, cosines would cancel out.
    block = torch.randn(min(rows, 1000), dimensions, generator=generator).add_(1).to(dtype)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.fill_(0.01)
        for matrix in {model.lm_head.weight, model.model.embed_tokens.weight}:
            for start in range(0, rows, len(block)):
                matrix[start : start + len(block)] = block[: rows - start]
    return model


def save_helper(folder: Path, texts: list[str], size: tuple[int, int]) -> str:
    """A model of another family of sizes with the same bytes in its vocabulary, as a folder."""
    model_of(*size, tied=True, dtype=torch.float32).save_pretrained(folder)
    base_tokenizer(texts, size[0]).save_pretrained(folder)
    return str(folder)


def measure(
    method: str, tokenizer: PreTrainedTokenizerBase, addition: Addition, texts: list[str], size: dict[str, Any], helper: str
) -> dict[str, Any]:
    """Seconds by step and memory of one method on a fresh model."""
    model = model_of(size["rows"], size["dimensions"], tied=False)
    loaded = LoadedModel(model, tokenizer, "bench", None, choose_device("cpu", "bfloat16"))
    start = resident()
    reset_peak()
    began, processor = time.monotonic(), time.process_time()
    expanded = expand_model(loaded, addition, ExpandSettings(method, texts, helper=helper))
    seconds, processor = time.monotonic() - began, time.process_time() - processor
    peak = peak_resident() - start
    writing = writing_peak(expanded)
    steps = "  ".join(f"{name} {spent:.1f}" for name, spent in expanded.seconds.items())
    memory = f"peak {peak / MEGABYTE:6,.0f} MB, writing {writing / MEGABYTE:4,.0f} MB"
    print(f"{method:12} {seconds:6.1f} s ({processor:5.1f} of the processor)  {memory}  {steps}", flush=True)
    return {
        "method": method,
        "seconds": seconds,
        "processor_seconds": processor,
        "steps": expanded.seconds,
        "peak_bytes": peak,
        "writing_bytes": writing,
        "origins": expanded.expansion.origins,
    }


def writing_peak(expanded: ExpandedModel) -> int:
    """Memory above the resized matrix while the rows are written once more."""
    matrix = expanded.loaded.model.get_input_embeddings().weight.detach()
    new = expanded.expansion.new_ids
    start = resident()
    reset_peak()
    fill_rows(expanded.plan, matrix[: new.start], matrix[new.start : new.stop], expanded.expansion.seed)
    return peak_resident() - start


def resident() -> int:
    """Bytes the process holds now."""
    return status("VmRSS")


def peak_resident() -> int:
    """The most it held since `reset_peak`."""
    return status("VmHWM")


def reset_peak() -> None:
    """Start a new highest mark."""
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def status(name: str) -> int:
    """A line of /proc/self/status, in bytes."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").split("\n")
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(name))


if __name__ == "__main__":
    main()
