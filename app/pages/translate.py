"""The tab to translate with: text in, text out while it is generated."""

from __future__ import annotations

from collections.abc import Iterator
from time import monotonic
from typing import Any

import gradio as gr

from ...mt.config import DecodingConfig
from ...mt.languages import find_language
from ..asked import BadRequestError
from ..batching import BusyError
from ..engine import Material
from ..models import Direction
from ..serving import Result, Serving
from ..wishes import Wishes
from .controls import Page, chosen, client_of, decoding, decoding_controls, go_and_stop, language_row, model_choice, wish_controls, write_in
from .estimates import estimate_choice, estimated, mean
from .estimates import shown as estimates_shown
from .languages import DETECT, remarks, source_language
from .session import Session
from .telling import errors_shown, notes
from .work import watch_jobs

_REFRESH = 0.1  # seconds between two looks at a translation that grows
_EXAMPLES = (
    ("en", "The library opens at nine.\n\nBring your card, please."),
    ("de", "Der Zug nach Süden fährt heute nicht."),
    ("fr", "Le marché se tient chaque samedi matin."),
    ("es", "Mañana lloverá en la costa."),
    ("ar", "الطقس جميل اليوم."),
    ("hi", "कल स्कूल बंद रहेगा।"),
    ("zh-Hans", "火车八点出发。"),
    ("sw", "Watoto wanacheza nje."),
)


def build(page: Page) -> None:
    """Make the tab."""
    languages = language_row(page, "translate")
    with gr.Row():
        text = gr.Textbox(label="Text", lines=8, max_lines=20, elem_id="translate-text", placeholder="Ctrl+Enter translates", min_width=240)
        output = gr.Textbox(
            label="Translation", lines=8, max_lines=20, interactive=False, buttons=["copy"], elem_id="translate-output", min_width=240
        )
    hints = gr.HTML(elem_id="translate-hints", elem_classes="live")

    def look(text: str, source: str, target: str) -> str:
        return notes(remarks(page.serving, text, source, target))

    gr.on(
        [text.change, languages.source.change],
        look,
        [text, languages.source, languages.target],
        hints,
        show_progress="hidden",
        trigger_mode="always_last",
    )
    go, stop = go_and_stop("translate", "Translate")
    warnings = gr.HTML(elem_id="translate-warnings", elem_classes="live")
    estimate = gr.HTML(elem_id="translate-estimates", elem_classes="live")
    wanted = estimate_choice("translate")
    model = model_choice(page, "translate-model")
    wishes = wish_controls(page, "translate")
    settings = decoding_controls(page)
    with gr.Accordion("What the model read", open=False):
        prompt = gr.Textbox(label="Prompt of the first line", lines=4, interactive=False, buttons=["copy"], elem_id="translate-prompt")
    examples = _examples(page.serving)
    if examples:
        labels = [f"{find_language(source).name}: {text.split(chr(10))[0]}" for text, source, _ in examples]
        boxes = [text, languages.source, languages.target]
        gr.Examples(examples, boxes, label="Examples", elem_id="translate-examples", example_labels=labels)

    def translate(
        text: str, source: str, target: str, model: str, estimating: bool, session: Session, request: gr.Request, *asked: Any
    ) -> Iterator[dict[Any, Any]]:
        with errors_shown():
            wished = Wishes(*(each or "" for each in asked[: len(wishes)])).check(page.serving.limits)
            page.admission.admit(request, text, wished.context)
            direction, name = chosen(page.serving, text, source, target, model)
            material = wished.material(direction[1])
            settings_ = decoding(*asked[len(wishes) :])
            yield {output: "", warnings: "", estimate: "", hints: notes(remarks(page.serving, text, source, target))}
            result = None
            for shown, result in _translated(page.serving, text, direction, settings_, name, client_of(request), material):  # noqa: B007 - the last one is used
                yield {output: shown}
            if result is None:
                return
            yield {
                warnings: notes((), result.warnings),
                prompt: page.serving.prompt(_first_line(text), direction, settings_, name, material),
            }
            (estimates,) = estimated(page.serving, [result], direction, estimating)
            yield {
                estimate: estimates_shown(result, estimates, direction[1]),
                page.session: session.with_entry(*direction, name, text, result.text, result.warnings, mean(estimates)),
            }

    def swap(source: str, target: str, text: str, translation: str) -> tuple[str, str, str, str]:
        with errors_shown():
            first = source_language(page.serving, text, DETECT) if source == DETECT else find_language(source)
            known = {code for _, code in languages.source.choices}, {code for _, code in languages.target.choices}
            if target not in known[0] or first.bcp47 not in known[1]:
                raise BadRequestError("no model here translates in the other direction")
            return target, first.bcp47, translation or text, text if translation else ""

    boxes = [languages.source, languages.target, text, output]
    started = go.click(
        translate,
        [text, languages.source, languages.target, model, wanted, page.session, *wishes, *settings],
        [output, warnings, hints, estimate, prompt, page.session],
    )
    stop.click(None, cancels=[started])
    languages.swap.click(swap, boxes, boxes, show_progress="hidden")
    write_in(page, languages.source, "translate-text")
    write_in(page, languages.target, "translate-output")


def _translated(
    serving: Serving, text: str, direction: Direction, asked: DecodingConfig, model: str, client: str, material: Material | None
) -> Iterator[tuple[str, Result | None]]:
    """The translation so far, and with the last all that is known of it; in one piece when all streams are taken."""
    try:
        stream = serving.stream(text, direction, asked, model, client, material)
    except BusyError:
        job = serving.submit([text], direction, asked, model, client, material)
        for _ in watch_jobs([job]):
            yield "", None
        result = job.results(job.ticket.future.result())[0]
        yield result.text, result
        return
    shown, told = "", 0.0
    try:
        for piece in stream:
            shown += piece
            if monotonic() - told >= _REFRESH:
                yield shown, None
                told = monotonic()
    finally:
        stream.cancel()
    yield shown, stream.result


def _first_line(text: str) -> str:
    return next((line.strip() for line in text.split("\n") if line.strip()), "")


def _examples(serving: Serving) -> list[list[str]]:
    """Texts in languages that a model reads, each with a language to go to."""
    found = []
    for code, text in _EXAMPLES:
        source = find_language(code)
        for info in serving.models:
            if source not in info.sources:
                continue
            targets = [target for target in info.targets(source) if target.bcp47 != code]
            usual = find_language("fr" if code == "en" else "en")
            target = usual if usual in targets else targets[0]
            found.append([text, code, target.bcp47])
            break
    return found
