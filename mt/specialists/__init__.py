"""Specialised translation systems whose drafts a language model reads (SCALE, Cheng et al. 2023, arXiv 2309.17061): plug-ins, a row a kind.

specialist = open_specialist(Opening("apertium:eng-spa", "", find_language("eng"), find_language("spa")))
specialist.drafts(["The dog left the house."])
"""

from __future__ import annotations

from .kinds import KINDS, Kind, open_specialist, split_specification
from .records import NO_DRAFT, Draft, Opening, Specialist

__all__ = ["KINDS", "NO_DRAFT", "Draft", "Kind", "Opening", "Specialist", "open_specialist", "split_specification"]
