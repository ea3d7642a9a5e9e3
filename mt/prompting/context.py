"""Text that precedes what is translated: the model reads it, and is asked not to translate it.

It stands right before the instruction and the template's own prompt:

    Text before, for context only, not to be translated:
    The bank was steep.

    Translate this from English to German:
"""

from __future__ import annotations

from collections.abc import Sequence

from ..splitting import sentences

_HEADING = "Text before, for context only, not to be translated:"


def nearest_first(context: str) -> tuple[str, ...]:
    """The sentences and lines of a context, the last one first: that is the order in which they are worth their room."""
    return tuple(reversed(list(sentences(context.strip()))))


def context_block(nearest: Sequence[str]) -> str:
    """What the prompt says of a context, with a blank line behind it; nothing without any."""
    text = "".join(reversed(nearest)).strip()
    return f"{_HEADING}\n{text}\n\n" if text else ""
