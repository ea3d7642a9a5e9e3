"""Controls that several tabs have: languages with a swap, model, decoding; and what every tab is built from."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass

import gradio as gr

from ...mt.config import DecodingConfig
from ...mt.languages import find_language
from ..answers import served_direction
from ..models import Direction
from ..serving import Serving
from ..wishes import FORMALITIES
from .admission import Admission
from .languages import first_direction, source_choices, source_language, target_choices

ANY_MODEL = ""
_SHOWN = 1000  # languages of a list: all of them
# What the comparison offers beside a model: a few ways of decoding that differ enough to be worth comparing.
PRESETS = {
    "greedy": DecodingConfig(),
    "beam search, 4 beams": DecodingConfig(beams=4),
    "beam search, 8 beams": DecodingConfig(beams=8),
    "a sample, temperature 0.7": DecodingConfig(sample=True, temperature=0.7),
    "a sample, temperature 1": DecodingConfig(sample=True),
}


@dataclass(frozen=True)
class Page:
    """What a tab is built from.

    Attributes:
        blocks: the page.
        serving: the models.
        admission: counts what visitors ask of them.
        session: the state that holds a `Session`, one a visitor.
    """

    blocks: gr.Blocks
    serving: Serving
    admission: Admission
    session: gr.State


@dataclass(frozen=True)
class LanguageRow:
    """The two languages of a tab."""

    source: gr.Dropdown
    target: gr.Dropdown
    swap: gr.Button


def language_row(page: Page, prefix: str) -> LanguageRow:
    """Source and target language, found by typing a name or a code, and a button that swaps them."""
    source, target = first_direction(page.serving)
    with gr.Row(elem_classes="languages"):
        first = gr.Dropdown(
            source_choices(page.serving),
            value=source.bcp47,
            label="From",
            elem_id=f"{prefix}-from",
            num_choices_shown=_SHOWN,
            min_width=130,
        )
        swap = gr.Button("⇄ Swap", elem_id=f"{prefix}-swap", elem_classes="swap", min_width=110, scale=0)
        second = gr.Dropdown(
            target_choices(page.serving), value=target.bcp47, label="To", elem_id=f"{prefix}-to", num_choices_shown=_SHOWN, min_width=130
        )
    return LanguageRow(first, second, swap)


def swap_languages(languages: LanguageRow) -> None:
    """Let the button swap the two languages, where both can be on either side."""
    both = [languages.source, languages.target]
    known = {code for _, code in languages.source.choices} & {code for _, code in languages.target.choices}

    def swap(source: str, target: str) -> tuple[str, str]:
        return (target, source) if {source, target} <= known else (source, target)

    languages.swap.click(swap, both, both, show_progress="hidden")


def write_in(page: Page, dropdown: gr.Dropdown, *elements: str) -> None:
    """Give text boxes the `lang` and `dir` of the language a dropdown names, now and whenever it changes."""
    script = f"(code) => {{ window.dragoman.write({json.dumps(elements)}, code); }}"
    gr.on([dropdown.change, page.blocks.load], None, [dropdown], None, js=script, show_progress="hidden")


def model_choice(page: Page, elem_id: str, label: str = "Model") -> gr.Dropdown:
    """Which model; hidden where there is but one."""
    names = [info.name for info in page.serving.models]
    choices = [("the first that was trained for the direction", ANY_MODEL), *((name, name) for name in names)]
    return gr.Dropdown(choices, value=ANY_MODEL, label=label, elem_id=elem_id, visible=len(names) > 1)


def wish_controls(page: Page, prefix: str) -> list[gr.components.Component]:
    """What may be wanted beside the languages, folded away; their values in this order make `Wishes`."""
    limits = page.serving.limits
    with gr.Accordion("Context, formality, instruction", open=False):
        context = gr.Textbox(
            label="Text before, as context (optional)",
            info="The model reads it and is asked not to translate it.",
            lines=2,
            max_lines=8,
            max_length=limits.context,
            elem_id=f"{prefix}-context",
        )
        formality = gr.Radio(
            [("as the model likes", ""), *((name, name) for name in FORMALITIES)],
            value="",
            label="Formality",
            elem_id=f"{prefix}-formality",
        )
        instruction = gr.Textbox(
            label="Instruction before the prompt, on domain or region say (optional)",
            info="Models that were not trained with instructions may ignore it and the formality, or translate them.",
            max_length=limits.instruction,
            elem_id=f"{prefix}-instruction",
        )
    return [context, formality, instruction]


def decoding_controls(page: Page) -> list[gr.components.Component]:
    """Ways of decoding, folded away; their values in this order make a `decoding`."""
    plain = DecodingConfig()
    with gr.Accordion("Decoding settings", open=False):
        with gr.Row():
            beams = gr.Slider(1, page.serving.limits.beams, plain.beams, step=1, label="Beams (1 is greedy)")
            longest = gr.Number(
                None, label="Most new tokens (empty: twice the source and 20)", precision=0, minimum=1, maximum=4096, elem_id="longest"
            )
        with gr.Row():
            sample = gr.Checkbox(plain.sample, label="Sample instead of the likeliest")
            temperature = gr.Slider(0.1, 2.0, plain.temperature, step=0.05, label="Temperature, when sampling")
            top_p = gr.Slider(0.05, 1.0, plain.top_p, step=0.05, label="Top-p, when sampling")
        with gr.Row():
            length = gr.Slider(0.0, 2.0, plain.length_penalty, step=0.1, label="Length penalty, with beams")
            repetition = gr.Slider(1.0, 2.0, plain.repetition_penalty, step=0.05, label="Repetition penalty")
            seed = gr.Number(plain.seed, label="Seed", precision=0, minimum=0, maximum=2**31 - 1)
    return [beams, longest, sample, temperature, top_p, length, repetition, seed]


def decoding(
    beams: float,
    longest: float | None,
    sample: bool,
    temperature: float,
    top_p: float,
    length: float,
    repetition: float,
    seed: float | None,
) -> DecodingConfig:
    """What `decoding_controls` say."""
    return DecodingConfig(
        beams=int(beams),
        max_new_tokens=int(longest) if longest else None,
        sample=bool(sample),
        temperature=float(temperature),
        top_p=float(top_p),
        length_penalty=float(length),
        repetition_penalty=float(repetition),
        seed=int(seed or 0),
    )


def chosen(serving: Serving, text: str, source: str, target: str, model: str) -> tuple[Direction, str]:
    """The direction asked for, and the name of the model that serves it.

    Raises:
        BadRequestError: the language cannot be told, or no model was trained for the direction.
    """
    direction = source_language(serving, text, source), find_language(target)
    served = served_direction(serving, *direction, model or None)
    return served, serving.model_for(*served, model or None).name


def go_and_stop(prefix: str, label: str) -> tuple[gr.Button, gr.Button]:
    """The button that starts, which Ctrl+Enter in the same tab presses too, and the one that stops."""
    with gr.Row():
        go = gr.Button(label, variant="primary", elem_id=f"{prefix}-go", elem_classes="go", min_width=140)
        stop = gr.Button("Stop", elem_id=f"{prefix}-stop", min_width=90, scale=0)
    return go, stop


def client_of(request: gr.Request) -> str:
    """Whose turn it is in the queue: each open page has its own."""
    return f"page {request.session_hash}"


Handler = Callable[..., object]
