"""Curves of a run: loss and the deciding dev metric over real training tokens."""

from __future__ import annotations

import io
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import yaml

from .files import write_atomically
from .runlog import Evaluation, RunLog, read_log
from .runs import RunFolder

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

logger = logging.getLogger(__name__)

# Okabe and Ito's palette: told apart by colour-blind readers too.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")


def curves_file(run: Path) -> Path:
    """Where a run's curves go."""
    return run / "plots" / "curves.png"


def plot_curves(run: Path) -> Path | None:
    """Draw `plots/curves.png`; stages follow each other along the axis and are marked where they begin.

    Returns:
        The image, or None, with a warning in the log that says why: matplotlib is not installed, or there is nothing to draw.

    Raises:
        RunError: there is no such folder.
    """
    log = read_log(run)
    if not log.train:
        logger.warning("%s: no curves, since no training step is logged", run)
        return None
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        logger.warning("no curves, since matplotlib is not installed: pip install 'dragoman[plots]'")
        return None
    metric = _deciding_metric(run, log)
    figure = Figure(figsize=(11, 4.2), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    _draw(figure, log, metric)
    image = io.BytesIO()
    figure.savefig(image, format="png")
    write_atomically(curves_file(run), image.getvalue())
    return curves_file(run)


def _deciding_metric(run: Path, log: RunLog) -> str | None:
    """The recipe's `evaluation.metric`, if the log has it; else the first metric there is."""
    logged = list(dict.fromkeys(score.name for evaluation in _dev(log) for score in evaluation.scores))
    return next((name for name in [_recipe_metric(RunFolder(run).config_file), *logged] if name in logged), None)


def _dev(log: RunLog) -> list[Evaluation]:
    return [evaluation for evaluation in log.evaluations if evaluation.step is not None]


def _recipe_metric(file: Path) -> str | None:
    try:
        recipe = yaml.safe_load(file.read_text(encoding="utf-8"))
        return str(recipe["evaluation"]["metric"])
    except (OSError, yaml.YAMLError, UnicodeDecodeError, KeyError, TypeError):
        return None


def stage_starts(log: RunLog) -> dict[str, int]:
    """Real tokens seen before each stage."""
    starts, seen = {}, 0
    for stage in log.stages:
        starts[stage] = seen
        seen += log.tokens_of(stage)
    return starts


def tokens_at(log: RunLog, evaluation: Evaluation) -> float:
    """Real tokens seen, over all stages, when an evaluation was made; between logged steps by interpolation."""
    points = [point for point in log.train if point.stage == evaluation.stage]
    start = stage_starts(log).get(evaluation.stage, 0)
    if evaluation.step is None or not points:
        return float(start)
    steps, tokens = [0, *(point.step for point in points)], [0, *(point.tokens for point in points)]
    return start + float(np.interp(evaluation.step, steps, tokens))


def _draw(figure: Figure, log: RunLog, metric: str | None) -> None:
    panels = figure.subplots(1, 2 if metric else 1, squeeze=False)[0]
    _draw_loss(panels[0], log)
    if metric:
        _draw_metric(panels[1], log, metric)
    for panel in panels:
        _mark_stages(panel, log)


def _draw_loss(panel: Axes, log: RunLog) -> None:
    for number, (stage, start) in enumerate(stage_starts(log).items()):
        points = [point for point in log.train if point.stage == stage]
        panel.plot([start + point.tokens for point in points], [point.loss for point in points], color=_COLOURS[number % len(_COLOURS)])
    panel.set_ylabel("loss (nats per target token)")


def _draw_metric(panel: Axes, log: RunLog, metric: str) -> None:
    dev = [evaluation for evaluation in _dev(log) if any(score.name == metric for score in evaluation.scores)]
    sets = list(dict.fromkeys(evaluation.set_name for evaluation in dev))
    for number, name in enumerate(sets):
        _draw_set(panel, log, [one for one in dev if one.set_name == name], metric, _COLOURS[number % len(_COLOURS)])
    panel.set_ylabel(f"dev {_plain(metric)}")
    panel.legend(panel.lines, [_plain(name) or "dev" for name in sets], loc="lower right", fontsize="small")


def _draw_set(panel: Axes, log: RunLog, evaluations: Sequence[Evaluation], metric: str, colour: str) -> None:
    """One line with its bootstrap interval as a band."""
    found = [
        (tokens_at(log, evaluation), score.value, score.low, score.high)
        for evaluation in evaluations
        for score in evaluation.scores
        if score.name == metric
    ]
    tokens, values, lows, highs = np.asarray(found, dtype=np.float64).reshape(-1, 4).T
    panel.plot(tokens, values, marker="o", markersize=4, color=colour)
    panel.fill_between(tokens, lows, highs, color=colour, alpha=0.15, linewidth=0)


def _mark_stages(panel: Axes, log: RunLog) -> None:
    from matplotlib.ticker import EngFormatter

    for stage, start in stage_starts(log).items():
        panel.axvline(start, color="0.6", linewidth=0.8, linestyle=":")
        panel.text(start, 1.01, f" {_plain(stage)}", transform=panel.get_xaxis_transform(), fontsize="small", color="0.35")
    panel.set_xlabel("real training tokens")
    panel.xaxis.set_major_formatter(EngFormatter())
    panel.grid(alpha=0.25)


def _plain(name: str) -> str:
    """A name as it is: matplotlib reads `$` as the start of a formula."""
    return name.replace("$", r"\$")
