"""A small multilingual translation model from scratch, whose encoder `dragoman stack` can put in front of a language model.

    DRAGOMAN_DATA=... python scripts/train_encoder.py scripts/encoders/captions-nusax.yaml run=runs/encoder budget.epochs=3
    DRAGOMAN_DATA=... python scripts/train_encoder.py scripts/encoders/captions-nusax.yaml run=runs/encoder --resume

The settings are the fields of `adapters/seq2seq/config.py`; `KEY=VALUE` overrides one. In the run folder: `model/` (an NLLB-type folder:
safetensors, config, tokenizer), `checkpoints/`, and `result.json` with the test scores, their signatures, seconds, settings and versions.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import asdict
from pathlib import Path

from rich.console import Console

from dragoman.adapters.seq2seq.config import TranslationModelConfig
from dragoman.adapters.seq2seq.run import train_translation_model
from dragoman.mt.errors import DragomanError
from dragoman.mt.files import write_json
from dragoman.mt.recipes import load_settings
from dragoman.mt.runs import machine, package_versions


def main() -> None:
    """Train, translate the test sets, write the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("settings", type=Path)
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE")
    parser.add_argument("--resume", action="store_true", help="go on from the newest checkpoint")
    given = parser.parse_args()
    console = Console(stderr=True, highlight=False)
    begun = time.perf_counter()
    try:
        config = load_settings(given.settings, TranslationModelConfig, given.overrides)
        result = train_translation_model(config, lambda line: console.print(line, markup=False, soft_wrap=True), resume=given.resume)
    except DragomanError as error:
        sys.exit(f"error: {error}")
    facts = {
        "settings": asdict(config),
        "seconds_in_all": round(time.perf_counter() - begun),
        "machine": machine(),
        "versions": package_versions(),
    }
    write_json(Path(config.run) / "result.json", {**result, **facts})
    console.print(f"result: {Path(config.run) / 'result.json'}")


if __name__ == "__main__":
    main()
