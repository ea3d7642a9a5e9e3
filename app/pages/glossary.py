"""The tab for terms: a glossary pasted or uploaded, found in the source, asked for in the prompt, looked for in the translation."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr

from ...eval.term_lists import Term, TermList
from ...eval.terms import EXPLANATIONS, term_figures
from ...mt.corpora.tally import Tally
from ...mt.languages import Language
from ...mt.lexicons import Lexicon, Match, Matcher, read_lexicon
from ...mt.markup import Content, element, number, table
from ...mt.prompting import STYLES, Dictionary, Glossary, PromptPlan
from ..asked import BadRequestError
from ..engine import Material
from ..models import Direction
from .controls import Page, chosen, client_of, go_and_stop, language_row, model_choice, swap_languages, write_in
from .languages import remarks
from .session import Session
from .telling import errors_shown, html, notes, passage, progress
from .work import watch_jobs

_ENDINGS = (".tsv", ".tab", ".csv", ".txt", ".jsonl", ".tbx")
_PLAIN = "The terms of the source are put into the prompt; whether the model heeds them is counted below, and depends on the model."
_ASK, _INSIST = "ask for the terms in the prompt", "ask, and try again where terms are missing"
_HINT, _CHECK = "offer them beside the words, as a dictionary", "only check the translation for them"
_ALTERNATIVES = 3  # translations of a word that a dictionary offers
_PLACEHOLDER = "source term<TAB>translation, a line each: paste from a table"


def build(page: Page) -> None:
    """Make the tab."""
    gr.HTML(html(element("p", _PLAIN)))
    languages = language_row(page, "glossary")
    with gr.Row():
        pasted = gr.Textbox(label="Glossary", lines=5, elem_id="glossary-terms", placeholder=_PLACEHOLDER, min_width=240)
        upload = gr.File(
            label="or a file: " + " ".join(_ENDINGS), file_types=list(_ENDINGS), type="filepath", elem_id="glossary-file", height=140
        )
    text = gr.Textbox(label="Text", lines=4, elem_id="glossary-text")
    mode = gr.Radio([_ASK, _INSIST, _HINT, _CHECK], value=_ASK, label="What is done with the terms", elem_id="glossary-mode")
    go, stop = go_and_stop("glossary", "Translate and check terms")
    shown = gr.HTML(elem_id="glossary-shown", elem_classes="live")
    model = model_choice(page, "glossary-model")
    with gr.Accordion("Prompt", open=False):
        prompt = gr.Textbox(
            label="What the model read for the first line", lines=4, interactive=False, buttons=["copy"], elem_id="glossary-prompt"
        )

    def translate(
        pasted: str, upload: str | None, text: str, mode: str, source: str, target: str, model: str, session: Session, request: gr.Request
    ) -> Iterator[dict[Any, Any]]:
        with errors_shown():
            page.admission.admit(request, text)
            direction, name = chosen(page.serving, text, source, target, model)
            lexicon = _lexicon(pasted, upload, direction)
            material = _material(lexicon, mode)
            job = page.serving.submit([text], direction, None, name, client_of(request), material)
            for done, total in watch_jobs([job]):
                yield {shown: progress(done, total, "segments")}
            result = job.results(job.ticket.future.result())[0]
            lines = remarks(page.serving, text, source, target)
            first = next((line for line in text.split("\n") if line.strip()), "")
            yield {
                shown: notes([*lines, *lexicon.warnings], result.warnings) + _found(text, result.text, lexicon),
                prompt: page.serving.prompt(first, direction, None, name, material),
                page.session: session.with_entry(*direction, name, text, result.text, result.warnings),
            }

    asked = [pasted, upload, text, mode, languages.source, languages.target, model, page.session]
    started = go.click(translate, asked, [shown, prompt, page.session])
    stop.click(None, cancels=[started])
    swap_languages(languages)
    write_in(page, languages.source, "glossary-text")


def _lexicon(pasted: str, upload: str | None, direction: Direction) -> Lexicon:
    """The pasted terms, or the uploaded ones where nothing was pasted.

    Raises:
        BadRequestError: neither, or a file of another kind.
        CorpusError: no entry in it.
    """
    source, target = (language.bcp47 for language in direction)
    if pasted.strip():
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "glossary.tsv"
            path.write_text(pasted, encoding="utf-8", errors="replace")
            return read_lexicon(path, source, target)
    if upload is None:
        raise BadRequestError("there is no glossary", allowed="paste one, or upload a file")
    if not upload.lower().endswith(_ENDINGS):
        raise BadRequestError("a glossary of an unknown kind", where=Path(upload).name, allowed=", ".join(_ENDINGS))
    return read_lexicon(upload, source, target)


def _material(lexicon: Lexicon, mode: str) -> Material | None:
    """What prompts are told of the terms."""
    if mode == _CHECK:
        return None
    matcher = Matcher.of(lexicon)
    if mode == _HINT:
        return Material(PromptPlan(dictionary=Dictionary(matcher, STYLES["inline"], _ALTERNATIVES)))
    return Material(PromptPlan(glossary=Glossary(matcher, insists=mode == _INSIST)))


def _found(source: str, translation: str, lexicon: Lexicon) -> str:
    """Source and translation with the terms marked, and how many were kept to."""
    there, back = Matcher.of(lexicon), _reversed(lexicon)
    matches = there.find(source)
    wanted = {target.casefold() for match in matches for target in match.entry.targets}
    kept = [match for match in back.find(translation) if match.entry.source.casefold() in wanted] if back else []
    terms = TermList(tuple(Term(entry.source, entry.targets, entry.origin) for entry in lexicon.entries), None, None, Tally())
    figures = term_figures([translation], [source], terms, lexicon.target, source=lexicon.source)
    rows = [
        [
            element("td", EXPLANATIONS[name]),
            number(f"{value:,.0f}" if name == "terms_required" else f"{value:.0%}"),
        ]
        for name, value in figures.items()
        if name.startswith("term")  # the figures for shared tasks are for whole test sets
    ]
    summary = f"Terms found in the text: {len(matches):,}."
    return html(
        element("h3", "Text"),
        highlighted(source, matches, lexicon.source),
        element("h3", "Translation"),
        highlighted(translation, kept, lexicon.target, output=True),
        element("p", summary),
        table(["Term success", ""], rows),
    )


def _reversed(lexicon: Lexicon) -> Matcher | None:
    """The translations of a lexicon as what is looked for; None without any."""
    from ...mt.lexicons.building import build_lexicon
    from ...mt.lexicons.records import Row

    rows = [Row(target, [(entry.source, None)], entry.origin) for entry in lexicon.entries for target in entry.targets]
    made = build_lexicon(rows, lexicon.name, lexicon.target, lexicon.source, Tally(), swapped=False) if rows else None
    return Matcher.of(made) if made else None


def highlighted(text: str, matches: list[Match], language: Language, *, output: bool = False) -> Any:
    """The text with each match marked; what the glossary says of it stands in its title, and for the source behind it."""
    parts: list[Content] = []
    at = 0
    for match in matches:
        said = ", ".join(match.entry.targets)
        parts += [text[at : match.start], element("mark", text[match.start : match.end], title=said)]
        if not output:
            parts.append(element("small", f" [{said}] ", dir="auto"))
        at = match.end
    return passage([*parts, text[at:]], language)
