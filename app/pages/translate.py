"""The tab to translate with: text in, text out while it is generated."""

from __future__ import annotations

from collections.abc import Iterator
from time import monotonic
from typing import Any

import gradio as gr

from ...mt.checks import check
from ...mt.config import DecodingConfig
from ...mt.languages import find_language
from ...mt.prompting import PromptPlan
from ..asked import BadRequestError
from ..batching import BusyError
from ..engine import Material
from ..models import Direction
from ..serving import Serving
from .controls import Page, chosen, client_of, decoding, decoding_controls, go_and_stop, language_row, model_choice, write_in
from .languages import DETECT, remarks, source_language
from .session import Session
from .telling import errors_shown, notes
from .work import watch_jobs

_INSTRUCTION = 500  # characters
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
    model = model_choice(page, "translate-model")
    instruction = gr.Textbox(
        label="Instruction before the prompt, on formality or domain say (optional)",
        max_length=_INSTRUCTION,
        elem_id="translate-instruction",
        info="Models that were not trained with instructions may ignore it, or translate it.",
    )
    settings = decoding_controls(page)
    examples = _examples(page.serving)
    if examples:
        labels = [f"{find_language(source).name}: {text.split(chr(10))[0]}" for text, source, _ in examples]
        boxes = [text, languages.source, languages.target]
        gr.Examples(examples, boxes, label="Examples", elem_id="translate-examples", example_labels=labels)

    def translate(
        text: str, source: str, target: str, model: str, instruction: str, session: Session, request: gr.Request, *settings: Any
    ) -> Iterator[dict[Any, Any]]:
        with errors_shown():
            direction, name = chosen(page.serving, text, source, target, model)
            asked = decoding(*settings)
            line = " ".join(instruction.split())[:_INSTRUCTION]
            material = Material(PromptPlan(instruction=line)) if line else None
            yield {output: "", warnings: "", hints: notes(remarks(page.serving, text, source, target))}
            shown = ""
            found: tuple[str, ...] = ()
            for shown, found in _translated(page.serving, text, direction, asked, name, client_of(request), material):  # noqa: B007 - the last one is used
                yield {output: shown}
            yield {warnings: notes((), found), page.session: session.with_entry(*direction, name, text, shown)}

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
        [text, languages.source, languages.target, model, instruction, page.session, *settings],
        [output, warnings, hints, page.session],
    )
    stop.click(None, cancels=[started])
    languages.swap.click(swap, boxes, boxes, show_progress="hidden")
    write_in(page, languages.source, "translate-text")
    write_in(page, languages.target, "translate-output")


def _translated(
    serving: Serving, text: str, direction: Direction, asked: DecodingConfig, model: str, client: str, material: Material | None
) -> Iterator[tuple[str, tuple[str, ...]]]:
    """The translation so far and its warnings, which come with the last; in one piece when all streams are taken."""
    try:
        stream = serving.stream(text, direction, asked, model, client, material)
    except BusyError:
        job = serving.submit([text], direction, asked, model, client, material)
        for _ in watch_jobs([job]):
            yield "", ()
        result = job.results(job.ticket.future.result())[0]
        yield result.text, result.warnings
        return
    shown, told = "", 0.0
    try:
        for piece in stream:
            shown += piece
            if monotonic() - told >= _REFRESH:
                yield shown, ()
                told = monotonic()
    finally:
        stream.cancel()
    yield shown, line_warnings(text, shown, direction)


def line_warnings(text: str, translation: str, direction: Direction) -> tuple[str, ...]:
    """Warnings of each line, where the lines correspond, else of the whole; a stream does not say whether it ended by itself."""
    sources, outputs = text.split("\n"), translation.split("\n")
    pairs = zip(sources, outputs, strict=True) if len(sources) == len(outputs) else [(text, translation)]
    return tuple(dict.fromkeys(warning for source, output in pairs for warning in check(source, output, *direction)))


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
