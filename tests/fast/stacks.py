"""Tiny stacks, built in code."""

from __future__ import annotations

import json
from pathlib import Path

from dragoman.adapters.lora import attach_lora
from dragoman.adapters.seq2seq.config import ShapeConfig
from dragoman.adapters.seq2seq.training import new_model
from dragoman.adapters.seq2seq.vocabulary import learn_vocabulary
from dragoman.adapters.stacking.encoder import load_encoder
from dragoman.adapters.stacking.model import Attention, StackedModel
from dragoman.adapters.stacking.parents import Parent, folder_digest
from dragoman.adapters.stacking.projection import ProjectionKind
from dragoman.adapters.stacking.saving import StackFacts, save_stack
from dragoman.mt.config import TrainableConfig
from dragoman.mt.languages import find_language
from dragoman.mt.model_facts import FACTS_FILE, facts_fields
from dragoman.mt.models import load_model, load_tokenizer
from dragoman.mt.prompts import load_template

ENGLISH, GERMAN, FRENCH = (find_language(code) for code in ("eng", "deu", "fra"))
GERMAN_TEXTS = ["Guten Morgen!", "Der Vogel ist gestern nach Süden geflogen; die Straße war naß.", "Hallo", "Wie geht es dir heute?"]
ENGLISH_TEXTS = ["Good morning!", "The bird flew south yesterday; the road was wet.", "Hello", "How are you today?"]


def save_tiny_encoder(folder: Path, *, positions: int = 64) -> Path:
    """An NLLB-type encoder-decoder of German and English with random weights."""
    tokenizer = learn_vocabulary([*GERMAN_TEXTS, *ENGLISH_TEXTS], [ENGLISH, GERMAN], 120)
    shape = ShapeConfig(
        vocabulary=120, width=16, encoder_layers=1, decoder_layers=1, heads=2, feed_forward=16, dropout=0.1, positions=positions
    )
    new_model(shape, tokenizer, 1).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def tiny_stack(
    encoder: Path, llm: Path, kind: ProjectionKind = "linear", attention: Attention = "causal", *, moved: bool = True
) -> StackedModel:
    """A stack with LoRA; `moved`: as if trained, every trainable weight off its start."""
    import torch

    base = load_model(str(llm), device="cpu")
    torch.manual_seed(3)
    adapted = attach_lora(base.model, TrainableConfig(rank=4, dropout=0.1))  # type: ignore[arg-type]
    stack = StackedModel(load_encoder(str(encoder)), adapted, kind=kind, attention=attention, seed=1)
    if moved:
        with torch.no_grad():
            for parameter in stack.parameters():
                if parameter.requires_grad:
                    parameter.add_(torch.randn_like(parameter) * 0.05)
    return stack.eval()


def parent(folder: Path) -> Parent:
    """A folder as it is now."""
    return Parent(str(folder), None, folder_digest(folder))


def save(folder: Path, stack: StackedModel, encoder: Path, llm: Path) -> Path:
    """The stack as a run saves it."""
    folder.mkdir(parents=True)
    save_stack(folder, stack, load_tokenizer(llm), StackFacts(parent(encoder), parent(llm), stack.projection.kind, stack.attention))
    facts = facts_fields(kind="stack", base=str(llm), base_revision=None, prompt=load_template("alma"), directions=["deu_Latn-eng_Latn"])
    (folder / FACTS_FILE).write_text(json.dumps(facts), encoding="utf-8")
    return folder
