"""vLLM in this process, for GPUs: paged attention, its own scheduling of all requests at once.

vLLM pins versions of its own, so it is no extra of ours: install it into an environment of its own beside Dragoman. The calls follow its
offline interface (`LLM.generate` with token prompts, `SamplingParams`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..config import DecodingConfig
from ..errors import ConfigError, ModelError
from ..model_facts import read_model_facts
from .base import OpenedModel, Opening

if TYPE_CHECKING:
    from ..decoding import Continuation, Ending, Request

_DTYPES = {"auto": "auto", "float32": "float32", "bfloat16": "bfloat16"}


class VllmBackend:
    """A `vllm.LLM`.

    Args:
        engine: the `vllm.LLM`.
        sampling_params: the class `vllm.SamplingParams`.
        context: positions the model has.
        stop_ids: ids that end an output.
    """

    name = "vllm"

    def __init__(self, engine: Any, sampling_params: Any, context: int | None, stop_ids: tuple[int, ...]) -> None:
        self._engine = engine
        self._parameters = sampling_params
        self.context = context
        self.stop_ids = stop_ids

    @property
    def description(self) -> str:
        """As in `Backend`."""
        return "vllm"

    def check(self, config: DecodingConfig) -> None:
        """As in `Backend`."""
        for wrong, what in (
            (config.beams > 1, "beam search"),
            (config.repetition_penalty != 1.0, "a repetition penalty that leaves the prompt out"),
        ):
            if wrong:
                raise ConfigError(f"vLLM has no {what}", allowed="--backend hf")

    def queues(self, config: DecodingConfig) -> bool:  # noqa: ARG002
        """As in `Backend`: a batch at a time."""
        return False

    def weight(self, length: int, limit: int, shared: int) -> int:
        """As in `Backend`: nothing, since vLLM makes its own batches of all that it is given."""
        del length, limit, shared
        return 0

    def continuations(self, requests: Sequence[Request], ending: Ending, config: DecodingConfig) -> Iterator[list[Continuation]]:
        """As in `Backend`: once."""
        from ..decoding import Continuation

        self.check(config)
        _refuse_extras(requests)
        rows = [Continuation(request) for request in requests]
        self._continue(rows, ending, config, stop_at_newline=True)
        # A line break before any text ended these, and it does not count.
        early = [number for number, row in enumerate(rows) if not row.done]
        again = [Continuation(requests[number]) for number in early]
        if again:
            self._continue(again, ending, config, stop_at_newline=False)
            for number, row in zip(early, again, strict=True):
                rows[number] = row
        yield rows

    def _continue(self, rows: Sequence[Continuation], ending: Ending, config: DecodingConfig, *, stop_at_newline: bool) -> None:
        prompts = [{"prompt_token_ids": list(row.request.prompt)} for row in rows]
        parameters = [self._parameters(**self._options(row.request, config, stop_at_newline)) for row in rows]
        for row, found in zip(rows, self._engine.generate(prompts, parameters, use_tqdm=False), strict=True):
            output = found.outputs[0]
            for token, alternatives in zip(output.token_ids, output.logprobs, strict=True):
                ending.append(row, token, alternatives[token].logprob)
                if row.done:
                    break

    def _options(self, request: Request, config: DecodingConfig, stop_at_newline: bool) -> dict[str, Any]:
        return {
            "max_tokens": request.limit,
            "temperature": config.temperature if config.sample else 0.0,
            "top_p": config.top_p if config.sample else 1.0,
            "seed": request.seed if config.sample else None,
            "stop_token_ids": sorted(self.stop_ids),
            "stop": ["\n"] if request.one_line and stop_at_newline else None,
            "include_stop_str_in_output": True,
            "logprobs": 0,  # of the chosen token only
        }


def _refuse_extras(requests: Sequence[Request]) -> None:
    for name, what in (("required", "terms that must be in the output"), ("prefix", "an encoder's states before the prompt")):
        values = [getattr(request, name, None) for request in requests]
        if any(value is not None and len(value) > 0 for value in values):
            raise ConfigError(f"vLLM cannot take {what}", allowed="--backend hf")


def open_vllm(opening: Opening) -> OpenedModel:
    """A model folder in vLLM.

    Raises:
        ConfigError: vLLM is not installed.
        ModelError: an adapter or an export; or vLLM cannot load it.
    """
    try:
        import vllm
    except ImportError:
        raise ConfigError("vllm is not installed", where="--backend vllm", hint="pip install vllm, in an environment with a GPU") from None
    from ..models import tokenizer_in
    from ..sources import resolve_model
    from ..tokenization import stop_ids

    folder = Path(resolve_model(opening.model, revision=opening.revision).location)
    if not any(folder.glob("model*.safetensors")):
        raise ModelError("vLLM is given whole models here", where=folder, hint=f"dragoman export merged {opening.model} OUT")
    if opening.dtype not in _DTYPES:
        raise ModelError(f"unknown dtype {opening.dtype!r}", allowed=", ".join(_DTYPES))
    try:
        engine = vllm.LLM(model=str(folder), dtype=_DTYPES[opening.dtype], enable_prefix_caching=True, trust_remote_code=False)
    except (RuntimeError, ValueError, OSError) as error:
        raise ModelError(f"vLLM cannot load it: {error}", where=folder) from error
    tokenizer = tokenizer_in(folder)
    facts = read_model_facts(folder)
    settings = _SavedSettings(folder)
    backend = VllmBackend(engine, vllm.SamplingParams, settings.context, stop_ids(settings, tokenizer))
    return OpenedModel(backend, tokenizer, opening.model, facts.prompt, facts.directions)


class _SavedSettings:
    """A model's settings from its folder, without its weights."""

    def __init__(self, folder: Path) -> None:
        from transformers import AutoConfig, GenerationConfig

        self.config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        saved = (folder / "generation_config.json").is_file()
        self.generation_config = GenerationConfig.from_pretrained(folder, local_files_only=True) if saved else None

    @property
    def context(self) -> int | None:
        """Positions the model has."""
        found = getattr(self.config.get_text_config(decoder=True), "max_position_embeddings", None)
        return found if isinstance(found, int) and found > 0 else None
