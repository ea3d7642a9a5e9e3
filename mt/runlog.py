"""What a run's metrics.jsonl says, as typed events; lines that cannot be read are kept as problems with their place."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ..eval.metrics import Score
from .errors import RunError
from .runs import RunFolder

Record = Mapping[str, object]


@dataclass(frozen=True)
class TrainPoint:
    """One logged step: `loss` in nats per target token, `tokens` real ones since the stage began, `padding` a share of the computed."""

    stage: str
    step: int
    loss: float
    tokens: int
    padding: float


@dataclass(frozen=True)
class Translated:
    """One segment of a test set and what the model made of it."""

    source: str
    reference: str
    hypothesis: str


@dataclass(frozen=True)
class Evaluation:
    """Scores of one set: of a dev set at a step of `stage`, or of a test set (`step` None) at the moment that `stage` names."""

    stage: str
    step: int | None
    set_name: str
    direction: str
    scores: tuple[Score, ...]
    translations: tuple[Translated, ...] = ()
    seconds: float = 0.0


@dataclass(frozen=True)
class StageEnd:
    """A finished stage: totals, and the step whose weights it ended with (None when no dev set decided)."""

    stage: str
    steps: int
    tokens: int
    seconds: float
    best_step: int | None


Event = TrainPoint | Evaluation | StageEnd


@dataclass(frozen=True)
class RunLog:
    """All of metrics.jsonl. `problems` are located sentences about lines that could not be read."""

    train: tuple[TrainPoint, ...] = ()
    evaluations: tuple[Evaluation, ...] = ()
    ends: tuple[StageEnd, ...] = ()
    problems: tuple[str, ...] = ()

    @property
    def stages(self) -> list[str]:
        """The stages' names in the order they began."""
        names = [point.stage for point in self.train] + [end.stage for end in self.ends]
        return list(dict.fromkeys(names))

    def tokens_of(self, stage: str) -> int:
        """Real tokens the stage has seen so far."""
        return max(
            [end.tokens for end in self.ends if end.stage == stage] + [point.tokens for point in self.train if point.stage == stage] + [0]
        )


def read_log(run: Path) -> RunLog:
    """Read a run's metrics.jsonl (a run without one has an empty log).

    Raises:
        RunError: there is no such folder.
    """
    if not run.is_dir():
        raise RunError("there is no run folder here", where=run, allowed="a folder that `dragoman train` wrote")
    file = RunFolder(run).metrics_file
    events: list[Event] = []
    problems: list[str] = []
    # Not splitlines(): scores and names may hold U+2028 and its like, which JSON leaves as they are.
    text = file.read_text(encoding="utf-8", errors="replace") if file.exists() else ""
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            events.append(_parse(line))
        except (ValueError, KeyError, TypeError) as error:
            problems.append(f"{file.name}:{number}: {_reason(error)}")
    return RunLog(
        train=tuple(event for event in events if isinstance(event, TrainPoint)),
        evaluations=tuple(event for event in events if isinstance(event, Evaluation)),
        ends=tuple(event for event in events if isinstance(event, StageEnd)),
        problems=tuple(problems),
    )


def _parse(line: str) -> Event:
    record = json.loads(line)
    if not isinstance(record, dict):
        raise TypeError("not an object")
    name = str(record.get("event"))
    if name not in _EVENTS:
        raise ValueError(f"unknown event {name!r}")
    return _EVENTS[name](record)


def _reason(error: Exception) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"not JSON ({error.msg}); the run may have been stopped while writing"
    if isinstance(error, KeyError):
        return f"the field {error} is missing"
    return str(error)


def _whole(record: Record, key: str) -> int:
    return int(float(str(record[key])))


def _optional_whole(record: Record, key: str) -> int | None:
    return None if record.get(key) is None else _whole(record, key)


def _train(record: Record) -> TrainPoint:
    return TrainPoint(
        stage=str(record["stage"]),
        step=_whole(record, "step"),
        loss=float(str(record["loss"])),
        tokens=_whole(record, "tokens"),
        padding=float(str(record.get("padding", "nan"))),
    )


def _evaluation(record: Record) -> Evaluation:
    direction = str(record.get("direction", ""))
    return Evaluation(
        stage=str(record.get("stage", record.get("moment", ""))),
        step=_optional_whole(record, "step"),
        set_name=str(record.get("set", direction)),
        direction=direction,
        scores=tuple(Score.from_json(one) for one in _records(record["scores"])),
        translations=tuple(_translated(one) for one in _records(record.get("translations", []))),
        seconds=float(str(record.get("seconds", 0.0))),
    )


def _records(value: object) -> list[Record]:
    if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
        raise TypeError("a list of objects was expected")
    return value


def _translated(record: Record) -> Translated:
    return Translated(str(record["source"]), str(record["reference"]), str(record["hypothesis"]))


def _stage_end(record: Record) -> StageEnd:
    return StageEnd(
        stage=str(record["stage"]),
        steps=_whole(record, "steps"),
        tokens=_whole(record, "tokens"),
        seconds=float(str(record["seconds"])),
        best_step=_optional_whole(record, "best_step"),
    )


_EVENTS: Mapping[str, Callable[[Record], Event]] = {
    "train": _train,
    "evaluate": _evaluation,
    "test": _evaluation,
    "stage_end": _stage_end,
}
