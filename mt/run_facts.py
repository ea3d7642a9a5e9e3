"""What a run's checkpoints were made from: compared before a run is resumed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from .config import RunConfig
from .corpora import fingerprint
from .errors import RunError
from .prompts import PromptTemplate, template_fields
from .provenance import recipe_digest, tokenizer_digest
from .runs import RunFolder
from .stage_data import StageData

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


def run_facts(config: RunConfig, data: Sequence[StageData], tokenizer: PreTrainedTokenizerBase, template: PromptTemplate) -> dict[str, Any]:
    """Tokenizer, prompt and recipe; for each stage the bytes it is made from and the order they come in."""
    stages = zip(config.stages, data, strict=True)
    facts: dict[str, Any] = {
        "tokenizer": tokenizer_digest(tokenizer),
        "prompt": template_fields(template),
        "data": [
            {"stage": stage.name, "plan": each.plan.digest, "files": [file["sha256"] for file in each.files]} for stage, each in stages
        ],
        "recipe": recipe_digest(config),
    }
    if config.vocabulary is not None:
        facts["vocabulary"] = [file["sha256"] for corpus in config.vocabulary.corpora for file in fingerprint(corpus)]
    return facts


def check_unchanged(run: RunFolder, facts: dict[str, Any]) -> None:
    """Refuse to go on from checkpoints that were made from other data, another tokenizer or another recipe.

    Raises:
        RunError: something differs; says what.
    """
    saved = json.loads(run.data_file.read_text(encoding="utf-8")) if run.data_file.exists() else {}
    for fact, now in facts.items():
        before = saved.get("facts", {}).get(fact)
        if before is not None and before != now:
            raise RunError(
                f"the {fact} changed since this run was started",
                where=run.path,
                hint="undo the change, --accept-changes to go on all the same, or --overwrite to start again",
            )
