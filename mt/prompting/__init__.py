"""Prompts with more in them than a template: examples, dictionaries and glossaries, put together in one place.

loaded = load_plan(PromptingConfig(dictionary=DictionaryConfig("en_fr.tsv")), find_language("eng"), find_language("fra"))
translator = Translator.from_source("runs/first", ..., plan=loaded.plan)
"""

from __future__ import annotations

from .config import (
    DictionaryConfig,
    DraftsConfig,
    ExamplesConfig,
    FurtherConfig,
    GlossaryConfig,
    PromptingConfig,
    prompting_from_fields,
    read_prompting,
)
from .dictionary import Dictionary
from .drafts import DraftSource, DraftStyle
from .glossary import Glossary
from .loading import LoadedPlan, load_plan, plan_fingerprint
from .plan import Built, Framing, PromptPlan
from .records import Account, Hint, Shot
from .selection import ExampleSource
from .styles import STYLES, Style, style_named
from .term_success import TermCheck

__all__ = [
    "STYLES",
    "Account",
    "Built",
    "Dictionary",
    "DictionaryConfig",
    "DraftSource",
    "DraftStyle",
    "DraftsConfig",
    "ExampleSource",
    "ExamplesConfig",
    "Framing",
    "FurtherConfig",
    "Glossary",
    "GlossaryConfig",
    "Hint",
    "LoadedPlan",
    "PromptPlan",
    "PromptingConfig",
    "Shot",
    "Style",
    "TermCheck",
    "load_plan",
    "plan_fingerprint",
    "prompting_from_fields",
    "read_prompting",
    "style_named",
]
