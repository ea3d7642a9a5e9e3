"""COMET's end of the pipe: a script that runs in COMET's own environment and scores what it is sent, one JSON object a line.

It knows nothing of Dragoman (which is not installed there) and imports only the standard library until COMET is loaded.
The first line out is `{"ready": true, "comet", "torch", "python", "gpus"}`. Then, line for line:

    in   {"id", "model", "gpus", "batch_size", "samples": [{"src", "mt", "ref"}, ...]}
    out  {"id", "system", "segments", "spans", "truncated"}   or   {"id", "error"}

`gpus` is 0, 1 or null for "one if there is one"; `ref` is left out for models that need none; `truncated` numbers (from 0) the segments
COMET's encoder saw only the beginning of. Models stay loaded. The end of standard input ends the process.
"""

from __future__ import annotations

import json
import logging
import math
import os
import platform
import re
import signal
import sys
import warnings
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any, BinaryIO

Message = dict[str, Any]

_HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")
_FIELDS = ("src", "mt", "ref")


class RequestError(Exception):
    """A request that cannot be answered; the text goes back over the pipe."""


def claim_channels() -> tuple[BinaryIO, BinaryIO]:
    """The real standard input and output, for messages alone.

    From here on whatever a library prints, in Python or below it, goes to standard error, and whoever reads standard input finds it empty.
    """
    sys.stdout.flush()
    requests, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    with Path(os.devnull).open("rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    return requests, answers


def send(answers: BinaryIO, message: Message) -> None:
    """One message, one line. ASCII, so that even broken surrogates in a text cannot break the pipe."""
    answers.write(json.dumps(message, allow_nan=False).encode("ascii") + b"\n")
    answers.flush()


def find_checkpoint(model: str) -> Path:
    """A checkpoint file: given as such, in a folder of COMET's own layout, or fetched from the Hub (`HF_HOME`, `HF_HUB_OFFLINE` hold).

    Raises:
        RequestError: not there, or a folder without `hparams.yaml` or `checkpoints/*.ckpt`.
    """
    path = Path(model).expanduser()
    if path.is_file():
        checkpoint = path
    elif path.is_dir():
        checkpoint = _checkpoint_in(path)
    elif _HUB_NAME.fullmatch(model):
        from huggingface_hub import snapshot_download

        # What COMET's download_model does for names of this form, without its hiding of the reason when that fails.
        checkpoint = _checkpoint_in(Path(snapshot_download(repo_id=model)))
    else:
        raise RequestError(f"{model} is neither a folder, a checkpoint nor a name on the Hub such as Unbabel/wmt22-comet-da")
    if not (checkpoint.parents[1] / "hparams.yaml").is_file():
        raise RequestError(f"{checkpoint.parents[1]} has no hparams.yaml, so it is not a COMET model")
    return checkpoint


def _checkpoint_in(folder: Path) -> Path:
    usual = folder / "checkpoints" / "model.ckpt"
    found = [usual] if usual.is_file() else sorted(folder.glob("checkpoints/*.ckpt"))
    if len(found) != 1:
        raise RequestError(f"{folder} has {len(found) or 'no'} checkpoints/*.ckpt; checkpoints/model.ckpt is looked for")
    return found[0]


def load_model(model: str) -> Any:
    """A COMET model, on the CPU. torch reads the checkpoint as plain tensors, so a pickle cannot run code."""
    from comet import load_from_checkpoint  # type: ignore[import-not-found]

    return load_from_checkpoint(str(find_checkpoint(model)))


class Scorer:
    """Answers requests; every model asked for once stays loaded."""

    def __init__(self, load: Callable[[str], Any] = load_model) -> None:
        self._load = load
        self._models: dict[str, Any] = {}

    def answer(self, line: bytes) -> Message:
        """The answer to one line: scores, or an error that says why not. Only the death of the process leaves a line unanswered."""
        number = None
        try:
            request = _read_request(line)
            number = request.get("id")
            return {"id": number, **self._score(request)}
        except RequestError as error:
            return {"id": number, "error": str(error)}
        except Exception as error:
            logging.getLogger(__name__).exception("the request failed")
            return {"id": number, "error": _told(error)}

    def _score(self, request: Message) -> Message:
        samples = _samples(request)
        name, batch_size = request.get("model"), request.get("batch_size", 16)
        if not isinstance(name, str) or not name:
            raise RequestError("`model` must be a name or a path")
        if not isinstance(batch_size, int) or isinstance(batch_size, bool) or batch_size < 1:
            raise RequestError(f"`batch_size` must be 1 or more, not {batch_size!r}")
        gpus = _gpus(request.get("gpus"))
        if name not in self._models:
            self._models[name] = self._load(name)
        model = self._models[name]
        if model.requires_references() and "ref" not in samples[0]:
            raise RequestError(f"{name} compares with references, and none were given")
        prediction = model.predict(samples, batch_size=batch_size, gpus=gpus, progress_bar=False)
        segments = [float(score) for score in prediction["scores"]]
        broken = [number for number, score in enumerate(segments, 1) if not math.isfinite(score)]
        if broken:
            raise RequestError(f"{name} gave no number for {len(broken)} of {len(segments)} segments, first for segment {broken[0]}")
        return {
            "system": float(prediction["system_score"]),
            "segments": segments,
            "spans": _spans(prediction, len(segments)),
            "truncated": _truncated(model, samples),
            "references": int("ref" in samples[0] and _reads_references(model)),
        }


def _read_request(line: bytes) -> Message:
    try:
        request = json.loads(line)
    except ValueError as error:
        raise RequestError(f"not a line of JSON: {error}") from None
    if not isinstance(request, dict):
        raise RequestError("not a JSON object")
    return request


def _samples(request: Message) -> list[dict[str, str]]:
    """The samples, all with the same fields: `mt`, and `src`, `ref` or both."""
    samples = request.get("samples")
    if not isinstance(samples, list) or not samples:
        raise RequestError("`samples` must be a list with at least one sample")
    for number, sample in enumerate(samples, 1):
        if not isinstance(sample, dict) or not all(isinstance(value, str) for value in sample.values()):
            raise RequestError(f"sample {number} is not an object of strings")
        if sample.keys() != samples[0].keys() or "mt" not in sample or len(sample) < 2 or not sample.keys() <= set(_FIELDS):
            raise RequestError(f"sample {number} has {', '.join(sample) or 'nothing'}; allowed: mt with src, ref or both, the same in all")
    return samples


def _gpus(wanted: object) -> int:
    """0 or 1. More would make Lightning start this very script again, once a GPU."""
    if wanted is None:
        from torch import cuda

        return 1 if cuda.is_available() else 0
    if wanted not in (0, 1) or isinstance(wanted, bool):
        raise RequestError(f"`gpus` must be 0, 1 or null, not {wanted!r}")
    return 1 if wanted == 1 else 0


def _spans(prediction: Mapping[str, Any], segments: int) -> list[list[Message]]:
    """xCOMET's error spans, a list a segment; [] for models that mark none."""
    metadata = prediction.get("metadata", {})
    if "error_spans" not in metadata:
        return []
    spans = [[dict(span) for span in of_segment] for of_segment in metadata["error_spans"]]
    if len(spans) != segments:
        raise RequestError(f"the model gave spans for {len(spans)} of {segments} segments")
    return spans


def _reads_references(model: Any) -> bool:
    """Whether a reference changes the score: it does not for CometKiwi, and does for xCOMET, which can do without."""
    return bool(model.requires_references() or "ref" in (getattr(model.hparams, "input_segments", None) or ()))


def _truncated(model: Any, samples: list[dict[str, str]]) -> list[int]:
    """Segments that do not fit the encoder: each text by itself, or all together for models that read them as one sequence."""
    joined = getattr(model.hparams, "input_segments", None)
    fields = [field for field in samples[0] if joined is None or field in joined]
    tokens = [model.encoder.tokenizer([sample[field] for sample in samples])["input_ids"] for field in fields]
    longest = model.encoder.max_positions
    # COMET cuts single texts two short of the limit, special tokens included, and joined ones at it.
    combine, limit = (max, longest - 2) if joined is None else (sum, longest)
    return [number for number, texts in enumerate(zip(*tokens, strict=True)) if combine(map(len, texts)) > limit]


def _told(error: Exception) -> str:
    """An exception in one or two lines, with what to do about the usual ones."""
    kind = type(error).__name__
    text = f"{kind}: {' '.join(str(error).split())}"[:1000]
    if kind == "GatedRepoError":
        return f"{text} (accept the model's licence on the Hub, then set HF_TOKEN)"
    if kind in ("LocalEntryNotFoundError", "OfflineModeIsEnabled"):
        return f"{text} (fetch the model once online, or give the path of a folder)"
    if kind == "OutOfMemoryError":
        return f"{text} (a smaller batch size needs less)"
    return text


def _hello() -> Message:
    """Import COMET now, so that a broken environment is known before anything is sent."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")  # the data loader forks
    warnings.filterwarnings("ignore")
    import comet  # noqa: F401
    import torch

    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    return {
        "ready": True,
        "comet": version("unbabel-comet"),
        "torch": torch.__version__,
        "python": platform.python_version(),
        "gpus": torch.cuda.device_count() if torch.cuda.is_available() else 0,
    }


def main() -> int:
    """Answer until standard input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process at the other end, which then closes the pipe
    requests, answers = claim_channels()
    try:
        send(answers, _hello())
    except Exception as error:
        send(answers, {"ready": False, "error": _told(error)})
        return 1
    scorer = Scorer()
    for line in requests:
        send(answers, scorer.answer(line))
    return 0


if __name__ == "__main__":
    status = main()
    sys.stderr.flush()
    os._exit(status)  # taking torch down in good order takes seconds, and nothing here needs it
