"""An evaluation as one HTML page: leaderboard, breakdowns, and a browser of the segments where two systems differ.

The page needs nothing from outside and, by its content security policy, may fetch nothing. Texts reach it as escaped markup or as JSON
that a script turns into text nodes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from xml.etree.ElementTree import Element, tostring

from ..mt.files import write_atomically
from ..mt.markup import element, page
from .records import Evaluation
from .report_data import browsable
from .report_tables import (
    breakdown_tables,
    diagnostics_table,
    facts_section,
    leaderboard,
    overview,
    pairwise_tables,
    ranking,
    terms_table,
    warnings_list,
)

MOST_BYTES = 24_000_000
_POLICY = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"


def write_report(
    evaluations: Sequence[Evaluation],
    path: Path,
    *,
    frequencies: Mapping[str, int] | None = None,
    most_bytes: int = MOST_BYTES,
) -> Path:
    """Write the page.

    Args:
        evaluations: one for each test set and direction.
        path: the file to write.
        frequencies: counts of the target's words, of the training data say, for recall by word frequency; counted in the references
            themselves by default. Words as `breakdown.target_words` gives them.
        most_bytes: room for the segments' texts and scores, all evaluations together. 1,012 segments of 16 systems take about 4 MB. What
            does not fit is left out, the least telling segments first, and the page says how many.

    Returns:
        `path`.
    """
    sections: list[Element] = overview(evaluations)
    data: list[str] = []
    for number, evaluation in enumerate(evaluations):
        sections.append(_section(evaluation, frequencies, is_open=len(evaluations) == 1))
        share = browsable(evaluation, ranking(evaluation), most_bytes // (len(evaluations) - number))
        most_bytes -= len(share.json.encode("utf-8", "replace"))
        data.append(share.json)
    title = "Evaluation" if len(evaluations) != 1 else f"Evaluation: {evaluations[0].test_set.name} {evaluations[0].test_set.direction}"
    content = [
        *(sections or [element("p", "There is no evaluation to show.")]),
        *(_browser(data) if evaluations else []),
        element("script", _asset("report.js")) if evaluations else "",
    ]
    write_atomically(path, _with_head(page(title, *content)))
    return path


def _section(evaluation: Evaluation, frequencies: Mapping[str, int] | None, *, is_open: bool) -> Element:
    test_set = evaluation.test_set
    parts = [
        *warnings_list(evaluation),
        *leaderboard(evaluation),
        *pairwise_tables(evaluation),
        *diagnostics_table(evaluation),
        *terms_table(evaluation),
        *breakdown_tables(evaluation, frequencies),
        *facts_section(evaluation),
    ]
    if is_open:
        return element("section", *parts)
    summary = element("summary", element("strong", f"{test_set.name} {test_set.direction}", dir="auto"), f", {len(test_set):,} segments")
    return element("details", summary, *parts)


def _browser(data: Sequence[str]) -> list[Element]:
    hint = "What only one of the two has is marked: A's words with a wavy line and the letter A, B's with a double line and the letter B."
    return [
        element(
            "section",
            element("h2", "Segments"),
            element("p", hint, class_="note"),
            element("noscript", element("p", "The segments are shown by a script of this page, which is switched off.")),
            element("div", id="browser"),
        ),
        element("script", f"[{','.join(data)}]", type="application/json", id="data"),
    ]


def _asset(name: str) -> str:
    return files(__package__).joinpath(name).read_text(encoding="utf-8")


def _with_head(document: str) -> str:
    """The page with the policy and the report's own style in its head, after the title, which as text holds no markup."""
    policy = Element("meta", {"http-equiv": "Content-Security-Policy", "content": _POLICY})
    extra = "".join(tostring(node, encoding="unicode", method="html") for node in (policy, element("style", _asset("report.css"))))
    head, end, rest = document.partition("</style>")
    return f"{head}{end}{extra}{rest}"
