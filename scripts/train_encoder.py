"""A small multilingual translation model from scratch, whose encoder `dragoman stack` can put in front of a language model.

    DRAGOMAN_DATA=... python scripts/train_encoder.py scripts/encoders/captions-nusax-seed.yaml run=runs/encoder budget.epochs=3
    DRAGOMAN_DATA=... python scripts/train_encoder.py scripts/encoders/captions-nusax-seed.yaml run=runs/encoder --resume

The settings are the fields of `adapters/seq2seq/config.py`; `KEY=VALUE` overrides one. In the run folder: `model/` (an NLLB-type folder:
safetensors, config, tokenizer), `checkpoints/`, and `result.json` with the test scores, their signatures, seconds, settings and versions.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import Any

from rich.console import Console

from dragoman.adapters.seq2seq.config import TranslationModelConfig
from dragoman.adapters.seq2seq.run import Report, train_translation_model, translate
from dragoman.eval import score
from dragoman.mt.corpora import Tally
from dragoman.mt.errors import DragomanError
from dragoman.mt.files import write_json
from dragoman.mt.recipes import load_settings
from dragoman.mt.runs import machine, package_versions
from dragoman.mt.stage_data import oriented_pairs


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

        def report(line: str) -> None:
            console.print(line, markup=False, soft_wrap=True)

        result = train_translation_model(config, report, resume=given.resume)
        result["tests"] = tested(config, Path(config.run) / "model", report)
    except DragomanError as error:
        console.print(f"error: {error}", markup=False, soft_wrap=True)
        sys.exit(2)
    facts = {
        "settings": asdict(config),
        "seconds_in_all": round(time.perf_counter() - begun),
        "machine": machine(),
        "versions": package_versions(),
    }
    write_json(Path(config.run) / "result.json", {**result, **facts})
    console.print(f"result: {Path(config.run) / 'result.json'}")


def tested(config: TranslationModelConfig, folder: Path, report: Report) -> list[dict[str, Any]]:
    """Scores of the saved model, loaded as any NLLB checkpoint is, and its first outputs."""
    found = []
    for position, corpus in enumerate(config.test):
        source, target, pairs = oriented_pairs(corpus, Tally())
        kept = list(islice(pairs, config.test_sentences))
        begun = time.perf_counter()
        outputs = translate(folder, [pair.source for pair in kept], source, target)
        scores = score(outputs, [[pair.target for pair in kept]], metrics=("BLEU", "chrF++"), target=target)
        name = corpus.name or f"test {position + 1}"
        report(f"{name}: " + "  ".join(f"{one.name} {one.value:.1f} [{one.low:.1f}, {one.high:.1f}]" for one in scores))
        found.append(
            {
                "name": name,
                "direction": f"{source.bcp47}-{target.bcp47}",
                "sentences": len(kept),
                "scores": [asdict(one) for one in scores],
                "seconds": round(time.perf_counter() - begun, 1),
                "outputs": [
                    {"source": pair.source, "reference": pair.target, "output": out} for pair, out in zip(kept[:3], outputs, strict=False)
                ],
            }
        )
    return found


if __name__ == "__main__":
    main()
