"""A model that was trained here before, to go on from."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from transformers import AutoTokenizer, M2M100ForConditionalGeneration, NllbTokenizer

from ...mt.errors import LanguageError, ModelError
from ...mt.languages import Language


def earlier_model(folder: str, languages: Sequence[Language]) -> tuple[M2M100ForConditionalGeneration, NllbTokenizer]:
    """An NLLB-type model and its tokenizer, the model in training mode and float32.

    Args:
        folder: as a run saves it, `RUN/model`.
        languages: that the text is in.

    Raises:
        ModelError: nothing there that can be loaded.
        LanguageError: the vocabulary has no token for one of the languages.
    """
    allowed = "the model folder of a run of scripts/train_encoder.py"
    if not (Path(folder) / "config.json").is_file():
        raise ModelError("no model here to start from", where=folder, allowed=allowed)
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
        model = M2M100ForConditionalGeneration.from_pretrained(
            folder,
            attn_implementation="eager",  # see `new_model`
            use_safetensors=True,
            trust_remote_code=False,
        )
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        reason = (str(error).strip() or type(error).__name__).split("\n")[0]
        raise ModelError(f"the model to start from cannot be loaded: {reason}", where=folder, allowed=allowed) from error
    known = set(tokenizer.all_special_tokens)
    for language in languages:
        if language.code not in known:
            raise LanguageError(
                f"the vocabulary of the model to start from has no token for {language.name} ({language.code})", where=folder
            )
    return model.train(), tokenizer
