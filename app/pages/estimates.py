"""Adequacy estimates on the page: always called that, with what a figure means, segment by segment."""

from __future__ import annotations

from collections.abc import Sequence

import gradio as gr

from ...mt.documents import DocumentResult
from ...mt.languages import Language
from ...mt.markup import element, number, table
from ..adequacy import Estimate, installed
from ..models import Direction
from ..serving import Result, Serving
from .telling import html, passage

_INFO = "By sentence vectors: a hint where to look, no verdict."


def estimate_choice(prefix: str) -> gr.Checkbox:
    """Whether to estimate; on where the vectors are there."""
    return gr.Checkbox(installed(), label="Estimate adequacy", info=_INFO, elem_id=f"{prefix}-estimate")


def estimated(serving: Serving, results: Sequence[Result], direction: Direction, wanted: bool) -> list[tuple[Estimate, ...]]:
    """An estimate a segment, or none at all where they are not wanted; one tuple a result."""
    return serving.estimates(results, direction) if wanted else [()] * len(results)


def file_estimates(serving: Serving, made: DocumentResult, direction: Direction) -> dict[int, Estimate]:
    """An estimate of each translated text of a document, by its number."""
    translated = [each for each in made.segments if each.outcome == "translated" and each.target]
    found = serving.adequacy.estimates([(each.source, each.target or "") for each in translated], direction)
    return dict(zip((each.number for each in translated), found, strict=True))


def mean(estimates: Sequence[Estimate]) -> float | None:
    """The mean of the figures; None without any."""
    values = [each.value for each in estimates if each.value is not None]
    return sum(values) / len(values) if values else None


def figure(value: float | None) -> str:
    """A figure as it is shown everywhere."""
    return "" if value is None else f"{value:.2f}"


def summary(estimates: Sequence[Estimate]) -> str:
    """All estimates in a sentence; nothing without any."""
    if not estimates:
        return ""
    average = mean(estimates)
    if average is None:
        return f"Adequacy estimate: {estimates[0].meaning}."
    if len(estimates) == 1:
        return f"Adequacy estimate: {figure(average)}, {estimates[0].meaning}."
    doubtful = sum(each.doubtful for each in estimates)
    below = f"{doubtful:,} lower than 95% of human translations" if doubtful else "all as human translations have"
    return f"Adequacy estimate: {figure(average)} on average over {len(estimates):,} segments, {below}."


def shown(result: Result, estimates: Sequence[Estimate], target: Language) -> str:
    """The summary, and behind it what was estimated of each segment."""
    if not estimates:
        return ""
    parts = [element("p", summary(estimates))]
    if len(estimates) > 1 and mean(estimates) is not None:
        rows = [
            [number(figure(each.value)), element("td", each.meaning), element("td", passage([segment.text], target))]
            for segment, each in zip(result.segments, estimates, strict=True)
        ]
        parts.append(element("details", element("summary", "Segment by segment"), table(["estimate", "", "translation"], rows)))
    return html(*parts)
