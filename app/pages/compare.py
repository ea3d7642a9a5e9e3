"""The tab to compare: one text through several models or ways of decoding, differences marked, a vote, scores with a reference."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr

from ...mt.languages import Language
from ...mt.markup import element, number, table
from ..adequacy import Estimate
from ..asked import BadRequestError
from ..serving import Job, Result
from .controls import ANY_MODEL, PRESETS, Page, chosen, client_of, go_and_stop, language_row, model_choice, swap_languages, write_in
from .differences import differences, marked
from .estimates import estimate_choice, estimated, mean, summary
from .languages import remarks
from .scores import reference_scores
from .session import Session, Vote
from .telling import errors_shown, html, notes, progress, warning_list
from .work import watch_jobs

_COLUMNS = "ABC"
_NONE = "nothing"


@dataclass(frozen=True)
class Compared:
    """What the last comparison of a visitor showed, for the vote.

    Attributes:
        names: column -> what made it.
        texts: column -> its translation.
    """

    source_language: Language
    target_language: Language
    source: str
    names: dict[str, str]
    texts: dict[str, str]

    def votes(self, best: str) -> tuple[Vote, ...]:
        """A vote for a column, against every other one."""
        return tuple(
            Vote(
                self.source_language,
                self.target_language,
                self.source,
                self.texts[best],
                self.texts[other],
                self.names[best],
                self.names[other],
            )
            for other in self.texts
            if other != best
        )


def build(page: Page) -> None:
    """Make the tab."""
    languages = language_row(page, "compare")
    text = gr.Textbox(label="Text", lines=4, elem_id="compare-text")
    reference = gr.Textbox(label="Reference translation, for scores (optional)", lines=2, elem_id="compare-reference")
    columns = [_column(page, letter) for letter in _COLUMNS]
    go, stop = go_and_stop("compare", "Compare")
    estimate = estimate_choice("compare")
    shown = gr.HTML(elem_id="compare-shown", elem_classes="live")
    last = gr.State(None)
    with gr.Row(visible=False) as voting:
        ballots = [gr.Button(f"{letter} is best", elem_id=f"compare-vote-{letter.lower()}", min_width=90) for letter in _COLUMNS]
    counted = gr.HTML(elem_id="compare-counted", elem_classes="live")

    def compare(
        text: str, reference: str, source: str, target: str, estimating: bool, session: Session, request: gr.Request, *asked: str
    ) -> Iterator[dict[Any, Any]]:
        with errors_shown():
            wanted = _wanted(asked)
            page.admission.admit(request, *[text] * len(wanted))
            served = {letter: chosen(page.serving, text, source, target, model) for letter, (model, _) in wanted.items()}
            jobs = _jobs(page, text, wanted, served, client_of(request))
            for done, total in watch_jobs(jobs.values()):
                yield {shown: progress(done, total, "segments"), voting: gr.Row(visible=False)}
            results = {letter: job.results(job.ticket.future.result())[0] for letter, job in jobs.items()}
            direction = next(iter(served.values()))[0]
            names = {letter: f"{served[letter][1]}, {preset}" for letter, (_, preset) in wanted.items()}
            texts = {letter: result.text for letter, result in results.items()}
            estimates = dict(zip(results, estimated(page.serving, list(results.values()), direction, estimating), strict=True))
            for letter, result in results.items():
                session = session.with_entry(*direction, names[letter], text, result.text, result.warnings, mean(estimates[letter]))
            lines = remarks(page.serving, text, source, target)
            yield {
                shown: notes(lines)
                + _side_by_side(names, results, estimates, direction[1])
                + _scored(names, texts, reference, direction[1]),
                last: Compared(*direction, text, names, texts),
                page.session: session,
                voting: gr.Row(visible=len(set(texts.values())) > 1),
                counted: "",
                **{ballot: gr.Button(visible=letter in texts) for letter, ballot in zip(_COLUMNS, ballots, strict=True)},
            }

    def vote(letter: str, compared: Compared | None, session: Session) -> tuple[Session, str, Any]:
        if compared is None or letter not in compared.texts:
            return session, "", gr.Row(visible=False)
        voted = session.with_votes(compared.votes(letter))
        return voted, notes([f"Counted: {letter} is best. The history tab gives the votes as a file."]), gr.Row(visible=False)

    asked = [control for column in columns for control in column]
    outputs = [shown, last, page.session, voting, counted, *ballots]
    started = go.click(compare, [text, reference, languages.source, languages.target, estimate, page.session, *asked], outputs)
    stop.click(None, cancels=[started])
    for letter, ballot in zip(_COLUMNS, ballots, strict=True):
        ballot.click(_for(letter, vote), [last, page.session], [page.session, counted, voting])
    swap_languages(languages)
    write_in(page, languages.source, "compare-text")
    write_in(page, languages.target, "compare-reference")


def _for(letter: str, vote: Any) -> Any:
    return lambda compared, session: vote(letter, compared, session)


def _column(page: Page, letter: str) -> tuple[gr.Dropdown, gr.Dropdown]:
    """A model and a way of decoding; the first two are set to something, the third to nothing."""
    presets = list(PRESETS)
    at = _COLUMNS.index(letter)
    with gr.Row():
        model = model_choice(page, f"compare-model-{letter.lower()}", f"{letter}: model")
        choices = presets if at < 2 else [_NONE, *presets]
        several = len(page.serving.models) > 1
        value = _NONE if at == 2 else presets[0] if several or at == 0 else presets[1]
        preset = gr.Dropdown(choices, value=value, label=f"{letter}: decoding", elem_id=f"compare-decoding-{letter.lower()}")
    if several and at < 2:
        model.value = page.serving.models[at].name
    return model, preset


def _wanted(asked: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Column -> model and preset, of the columns that are to be made."""
    pairs = zip(asked[::2], asked[1::2], strict=True)
    wanted = {letter: (model or ANY_MODEL, preset) for letter, (model, preset) in zip(_COLUMNS, pairs, strict=True) if preset in PRESETS}
    if len(set(wanted.values())) < len(wanted):
        raise BadRequestError("two columns are the same model and decoding", allowed="another model or another way of decoding")
    return wanted


def _jobs(page: Page, text: str, wanted: dict[str, tuple[str, str]], served: dict[str, Any], client: str) -> dict[str, Job]:
    """A request a column; all of them or none."""
    jobs: dict[str, Job] = {}
    try:
        for letter, (_, preset) in wanted.items():
            direction, model = served[letter]
            jobs[letter] = page.serving.submit([text], direction, PRESETS[preset], model, client)
    except BaseException:
        for job in jobs.values():
            job.cancel()
        raise
    return jobs


def _side_by_side(names: dict[str, str], results: dict[str, Result], estimates: dict[str, tuple[Estimate, ...]], target: Language) -> str:
    """The first text against the second, and every further one against the first."""
    letters = list(results)
    first = results[letters[0]].text
    pieces = {letters[0]: differences(first, results[letters[1]].text, target.spaced)[0]}
    pieces |= {letter: differences(first, results[letter].text, target.spaced)[1] for letter in letters[1:]}
    parts = []
    for letter in letters:
        content = [element("h3", f"{letter}: {names[letter]}"), marked(pieces[letter], target)]
        if results[letter].warnings:
            content.append(warning_list(results[letter].warnings))
        if estimates[letter]:
            content.append(element("p", summary(estimates[letter]), class_="dim"))
        parts.append(element("section", *content))
    same = len({result.text for result in results.values()}) == 1
    said = (
        "All are the same." if same else f"Marked is what {letters[0]} and {letters[1]} (or {letters[0]} and a further one) do not share."
    )
    return html(element("div", *parts, class_="columns"), element("p", said, class_="dim"))


def _scored(names: dict[str, str], texts: dict[str, str], reference: str, target: Language) -> str:
    if not reference.strip():
        return ""
    scores, lines = reference_scores(list(texts.values()), reference, target)
    rows = [
        [element("th", f"{letter}: {names[letter]}", scope="row"), *(number(f"{values[at]:.1f}") for values in scores.values())]
        for at, letter in enumerate(texts)
    ]
    note = "Scores of one text: they say little about a model."
    return html(table(["", *scores], rows)) + notes([*lines, note])
