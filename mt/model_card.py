"""The README.md beside a model: what it is, where it comes from, how good it is, how to load it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from .config import RunConfig
from .runs import RunFolder

_CARD = """---
library_name: {library}
base_model: {base}
tags: [translation, dragoman]
---
# {name}

{kind_text} `{base}` (revision `{revision}`), trained with Dragoman {version} for {directions}.

## Use

```bash
dragoman translate --model {run} < input.txt
```

Prompt, which the model continues with the translation and EOS:

```
{prompt}
```

## Scores

{scores}

## Training data

{data}
"""


def model_card(config: RunConfig, run: RunFolder, facts: Mapping[str, Any]) -> str:
    """The card as Markdown, from the run folder's own files."""
    inputs = json.loads(run.data_file.read_text(encoding="utf-8"))
    environment = json.loads((run.path / "environment.json").read_text(encoding="utf-8"))
    return _CARD.format(
        library="peft" if facts["kind"] == "adapter" else "transformers",
        kind_text="A LoRA adapter over" if facts["kind"] == "adapter" else "A fine-tuned version of",
        base=facts["base"],
        revision=facts["base_revision"],
        name=run.path.name,
        version=environment["versions"].get("dragoman", "?"),
        directions=", ".join(facts["directions"]) or "no translation direction",
        run=run.path,
        prompt=facts["prompt"]["prompt"] + facts["prompt"]["target"],
        scores=_scores(run, config),
        data=_data(inputs),
    )


def _scores(run: RunFolder, config: RunConfig) -> str:
    tests = [event for event in run.events() if event["event"] == "test"]
    rows = [_score_row(event, score) for event in tests for score in event["scores"]]
    if not rows:
        return f"No test set was given; dev {config.evaluation.metric} is in metrics.jsonl."
    return "\n".join(["| moment | direction | metric | score | 95% interval | signature |", "|---|---|---|---|---|---|", *rows])


def _score_row(event: Mapping[str, Any], score: Mapping[str, Any]) -> str:
    interval = f"{score['low']:.2f} to {score['high']:.2f}"
    return f"| {event['moment']} | {event['direction']} | {score['name']} | {score['value']:.2f} | {interval} | `{score['signature']}` |"


def _data(inputs: Mapping[str, Any]) -> str:
    rows = [
        f"| {stage} | `{entry['path']}` | `{entry['sha256'][:16]}` |" for stage, each in inputs["stages"].items() for entry in each["files"]
    ]
    return "\n".join(["| stage | file | SHA-256 (first 16) |", "|---|---|---|", *rows])
