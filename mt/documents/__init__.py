"""Documents: files whose texts are translated in place, in the same format, every other byte as it was."""

from .document import Document
from .formats import FORMATS, DocumentFormat
from .reading import read_document
from .records import DocumentSegment, Limits, ReadingOptions
from .translating import (
    EXPLANATIONS,
    DocumentResult,
    SegmentReport,
    TranslationCancelled,
    translate_document,
)

__all__ = [
    "EXPLANATIONS",
    "FORMATS",
    "Document",
    "DocumentFormat",
    "DocumentResult",
    "DocumentSegment",
    "Limits",
    "ReadingOptions",
    "SegmentReport",
    "TranslationCancelled",
    "read_document",
    "translate_document",
]
