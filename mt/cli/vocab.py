"""`dragoman vocab`: new pieces for a tokenizer, their embeddings, and what they bought."""

from __future__ import annotations

import typer

from .vocab_expand import expand
from .vocab_learn import learn
from .vocab_report import report

vocab = typer.Typer(
    name="vocab",
    help="Give a model new vocabulary for a language: learn pieces, expand the model by them, report what they bought.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
)
for verb in (learn, expand, report):
    vocab.command()(verb)
