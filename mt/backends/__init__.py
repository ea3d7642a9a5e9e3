"""What runs a model that translates: a registry of back ends, and the one way to open a model with any of them.

opened = open_model(Opening("runs/first"), "auto")
Translator(opened, template, source, target, decoding)
"""

from .base import Backend, OpenedModel, Opening
from .registry import BACKENDS, BackendKind, choose_backend, open_model

__all__ = ["BACKENDS", "Backend", "BackendKind", "OpenedModel", "Opening", "choose_backend", "open_model"]
