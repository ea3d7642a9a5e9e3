"""The page: a tab a task, over the models of a `Serving`."""

from __future__ import annotations

import json
from importlib.resources import files as resources
from typing import Any

import gradio as gr

from ..mt.languages import known_languages
from ..mt.markup import element
from .pages import compare, evaluate, files, glossary, history, translate
from .pages.admission import Admission
from .pages.controls import Page
from .pages.session import Session
from .pages.telling import html
from .serving import Serving

_AT_ONCE = 16  # calls of one kind; the models have queues of their own
_WAITING = 256
_KEPT = 1800  # seconds for which uploads and results are kept
_TABS = {
    "Translate": translate.build,
    "Compare": compare.build,
    "Glossary": glossary.build,
    "Files": files.build,
    "Evaluate": evaluate.build,
    "History": history.build,
}


def page_options() -> dict[str, Any]:
    """What `mount_gradio_app` needs to know of the page's looks; fonts are the system's, since nothing is loaded from elsewhere."""
    theme = gr.themes.Default(font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"])
    return {"theme": theme, "css": _asset("page.css"), "head": _head()}


def build_page(serving: Serving, admission: Admission) -> gr.Blocks:
    """The page over a `Serving`; what is asked of it goes past `admission`."""
    blocks = gr.Blocks(title="Dragoman", analytics_enabled=False, delete_cache=(_KEPT // 2, _KEPT))
    with blocks:
        page = Page(blocks, serving, admission, gr.State(Session()))
        gr.HTML(_heading(serving))
        with gr.Tabs(elem_id="tabs"):
            for name, build in _TABS.items():
                with gr.Tab(name):
                    build(page)
    blocks.queue(default_concurrency_limit=_AT_ONCE, max_size=_WAITING, api_open=False)
    return blocks


def _heading(serving: Serving) -> str:
    """What is in use, and how far it can be trusted."""
    models = []
    for info in serving.models:
        trained = ", ".join(f"{source.name} to {target.name}" for source, target in info.directions)
        facts = "; ".join(filter(None, [info.description, f"trained for {trained}" if trained else ""]))
        models.append(element("li", element("strong", info.name), f" ({facts})" if facts else ""))
    lines = []
    for note in dict.fromkeys(info.note for info in serving.models if info.note):
        about = [info.name for info in serving.models if info.note == note] if len(models) > 1 else []
        lines.append(element("p", f"{', '.join(about)}: {note}" if about else note))
    title = element("span", f"{len(models)} models: " if len(models) > 1 else "Model: ")
    return html(element("h1", "Dragoman"), element("div", title, element("ul", *models), *lines, class_="models"))


def _head() -> str:
    """The page's script, and what it must know of languages."""
    backwards = json.dumps([language.bcp47 for language in known_languages() if language.direction == "rtl"])
    return f"<script>window.dragomanRightToLeft = {backwards};</script>\n<script>{_asset('page.js')}</script>"


def _asset(name: str) -> str:
    return resources(__package__).joinpath("pages", name).read_text(encoding="utf-8")
