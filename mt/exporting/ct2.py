"""A folder that CTranslate2 loads (extra `ct2`): its own converters' mapping of weights, our loading, tokenizer and facts.

CTranslate2 reads `model.bin`, `config.json` and `vocabulary.json`; `tokenizer/`, `export.json` and `dragoman.json` are for
`dragoman translate`.
"""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import Any

from ..backends.ct2 import SETTINGS, TOKENIZER
from ..errors import ConfigError, ModelError
from ..files import staged_folder, write_json
from ..models import LoadedModel, context_length
from ..tokenization import stop_ids
from .loading import check_architecture, check_free, load_whole, write_facts, write_tokenizer

QUANTISATIONS = ("int8", "float32")
# Decoder-only architectures by transformers' `model_type`, each as CTranslate2's converters name its configuration.
_CONFIGURATIONS = {
    "bloom": "BloomConfig",
    "falcon": "FalconConfig",
    "gemma": "GemmaConfig",
    "gemma2": "Gemma2Config",
    "gpt2": "GPT2Config",
    "gpt_neox": "GPTNeoXConfig",
    "llama": "LlamaConfig",
    "mistral": "MistralConfig",
    "opt": "OPTConfig",
    "phi3": "Phi3Config",
    "qwen2": "Qwen2Config",
    "qwen3": "Qwen3Config",
}


def export_ct2(source: str, out: Path, *, quantisation: str = "int8", revision: str | None = None, overwrite: bool = False) -> None:
    """Write a model in CTranslate2's format.

    Args:
        source: as `load_model` takes it.
        out: the folder to write.
        quantisation: "int8" (weights rounded to 8 bits by row, a quarter of the size) or "float32".
        revision: of a Hub id.
        overwrite: replace an earlier export.

    Raises:
        ConfigError: `out` is there, no such quantisation, or ctranslate2 is not installed.
        ModelError: an architecture that CTranslate2 does not run.
        DragomanError: the source cannot be loaded.
    """
    if quantisation not in QUANTISATIONS:
        raise ConfigError(f"no quantisation {quantisation!r}", where="--quantization", allowed=", ".join(QUANTISATIONS))
    check_free(out, overwrite)
    loaders = _loaders()
    loaded = load_whole(source, revision)
    check_architecture(loaded, tuple(_CONFIGURATIONS), "CTranslate2's format")
    settings = {"context": context_length(loaded.model), "stop_ids": list(stop_ids(loaded.model, loaded.tokenizer))}
    specification = _specification(loaded, loaders)
    specification.optimize(quantization=quantisation)
    with staged_folder(out) as folder:
        write_tokenizer(loaded, folder / TOKENIZER)
        write_json(folder / SETTINGS, settings)
        write_facts(loaded, folder, "ct2", quantisation=quantisation, ctranslate2=version("ctranslate2"))
        specification.save(str(folder))


def _loaders() -> Any:
    try:
        from ctranslate2.converters import transformers as converters
    except ImportError:
        raise ConfigError("ctranslate2 is not installed", hint="pip install 'dragoman[ct2]'") from None
    return converters._MODEL_LOADERS


def _specification(loaded: LoadedModel, loaders: Any) -> Any:
    """The weights as CTranslate2 orders them; the model is taken apart by it.

    Its converter class would load the model by itself: an adapter, a run or a wheel it does not know.
    """
    import torch

    loader = loaders.get(_CONFIGURATIONS[loaded.model.config.model_type])
    if loader is None:
        raise ModelError(f"this version of CTranslate2 does not convert {loaded.model.config.model_type!r}", where=loaded.source)
    try:
        with torch.no_grad():
            specification = loader(loaded.model, loaded.tokenizer)
        specification.validate()
    except (NotImplementedError, ValueError, AttributeError, KeyError) as error:
        raise ModelError(f"CTranslate2 cannot convert it: {error}", where=loaded.source, hint="--backend hf") from error
    return specification
