"""The whole run: text read, vocabulary learnt, model trained and saved; and translating with what was saved."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from ...mt.errors import RunError
from ...mt.files import staged_folder
from ...mt.languages import Language
from .config import TranslationModelConfig
from .data import BatchDataset, ParallelText, encode, plan_steps, read_parallel
from .vocabulary import learn_vocabulary

Report = Callable[[str], None]


def train_translation_model(config: TranslationModelConfig, report: Report, *, resume: bool = False) -> dict[str, Any]:
    """Train a model as `config` says into `config.run`; returns what was measured.

    Raises:
        DragomanError: text that cannot be read or used; a run folder that has a model, or no checkpoint to resume from; an earlier model
            that cannot be loaded or lacks a language.
    """
    import torch

    from .earlier import earlier_model
    from .training import TranslationTrainer, new_model

    run = Path(config.run)
    _check_run(run, resume)
    texts = read_parallel(config.corpora)
    languages = list(dict.fromkeys(language for text in texts for language in (text.source, text.target)))
    earlier = earlier_model(config.start, languages) if config.start else None
    tokenizer = earlier[1] if earlier else learn_vocabulary(_all_lines(texts), languages, config.shape.vocabulary)
    encoded, tallies = encode(texts, tokenizer, config.longest)
    for text, encoding in zip(texts, tallies, strict=True):
        for line in (*text.tally.lines(), *(encoding.lines() if encoding.skipped else ())):
            report(f"{text.name}, {line.strip()}")
    plan = plan_steps(texts, encoded, config)
    model = earlier[0] if earlier else new_model(config.shape, tokenizer, config.seed)
    report(
        f"{sum(one.numel() for one in model.parameters()) / 1e6:.1f} M parameters, {len(plan.steps):,} steps, {plan.tokens.sum():,} tokens"
    )
    begun = time.perf_counter()
    torch.manual_seed(config.seed)
    TranslationTrainer(model, BatchDataset(encoded, plan), config, report).train(resume_from_checkpoint=resume or None)
    seconds = time.perf_counter() - begun
    with staged_folder(run / "model") as folder:
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
    return {"seconds": round(seconds), "tokens": int(plan.tokens.sum()), "draws": plan.draws, "plan": plan.digest}


def _check_run(run: Path, resume: bool) -> None:
    if resume and not any((run / "checkpoints").glob("checkpoint-*")):
        raise RunError("no checkpoint to go on from", where=run, hint="leave --resume out")
    if not resume and (run / "checkpoints").exists():
        raise RunError("this folder holds a run", where=run, allowed="run=ANOTHER/FOLDER, or --resume")


def _all_lines(texts: Sequence[ParallelText]) -> Iterable[str]:
    """Every distinct line of both sides, in the order of the corpora."""
    return dict.fromkeys(side for text in texts for pair in text.pairs for side in (pair.source, pair.target))


def translate(folder: Path, texts: Sequence[str], source: Language, target: Language) -> list[str]:
    """Beam search by the model of a folder."""
    from ...mt.specialists import Opening, open_specialist

    specialist = open_specialist(Opening(f"nllb:{folder}", "", source, target))
    return [" ".join(draft.text.split()) for draft in specialist.drafts(texts)]
