"""What a person asks of `dragoman evaluate`, and how it is carried out: everything is read and checked before anything slow begins."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..mt.config import DecodingConfig
from ..mt.errors import ConfigError, CorpusError
from .evaluate import EvaluateOptions, check_systems, evaluate, read_terms
from .measures import NeuralScorer, Remarks, usable_metrics
from .outputs import files_test_set, read_systems
from .pairs import Pair
from .records import Evaluation, SystemOutput, TestSet
from .testsets import load_test_set

if TYPE_CHECKING:
    from ..mt.prompting import PromptingConfig
    from .model_outputs import ModelSystem, Progress

Report = Callable[[str], None]


@dataclass(frozen=True)
class Request:
    """Outputs or models, and what they are measured on.

    Attributes:
        hypotheses: `FILE` or `NAME=FILE`; with several pairs `{src}` and `{tgt}` stand for the languages.
        references: files; or else `test_set`.
        source_file: with `references`.
        test_set: by name or folder.
        pairs: directions; one may be left out with `references`.
        models: translated with first; the same spellings as `dragoman translate --model`.
        options: what is computed.
        decoding, device, dtype, backend, use_cache, prompting: of models.
    """

    hypotheses: tuple[str, ...] = ()
    references: tuple[Path, ...] = ()
    source_file: Path | None = None
    test_set: str | None = None
    pairs: tuple[Pair, ...] = ()
    models: tuple[str, ...] = ()
    options: EvaluateOptions = field(default_factory=EvaluateOptions)
    decoding: DecodingConfig = field(default_factory=lambda: DecodingConfig(stop="line"))
    device: str = "auto"
    dtype: str = "auto"
    backend: str = "auto"
    use_cache: bool = True
    prompting: PromptingConfig | None = None


@dataclass(frozen=True)
class _Task:
    test_set: TestSet
    outputs: tuple[SystemOutput, ...]


def run_request(
    request: Request, report: Report, *, worker: NeuralScorer | None = None, progress: Progress | None = None
) -> list[Evaluation]:
    """One evaluation a direction, in the order given.

    Args:
        request: what is asked.
        report: called with one line before each slow step.
        worker: scores with COMET models, instead of a worker of this call's own.
        progress: of translating.

    Raises:
        DragomanError: whatever is wrong with the request, its files or its models, before the first translation where possible.
    """
    _check(request)
    tasks = [_task(request, pair) for pair in request.pairs or (None,)]
    for task in tasks:
        usable_metrics(request.options.metrics, task.test_set.target, request.options.tokenizer, request.options.spm_model, Remarks())
        read_terms(request.options, task.test_set)
        if not request.models:
            check_systems(task.test_set, task.outputs)
    models = _models(request)
    translated = [_with_models(task, models, report, progress) for task in tasks]
    with ExitStack() as stack:
        if request.options.comet and worker is None:
            from .comet import CometWorker

            worker = stack.enter_context(CometWorker())  # one for all directions: models are loaded once
        found = []
        for task in translated:
            if len(tasks) > 1:
                report(f"scoring {task.test_set.name} {task.test_set.direction}")
            found.append(evaluate(task.test_set, task.outputs, request.options, worker=worker))
        return found


def _check(request: Request) -> None:
    if not request.hypotheses and not request.models:
        raise ConfigError("there is nothing to evaluate", allowed="--hypotheses FILE, --model MODEL, or both")
    if request.references and request.test_set:
        raise ConfigError("--references and --test-set cannot both be the references", allowed="one of them")
    if not request.references and not request.test_set:
        raise ConfigError("there is nothing to compare with", allowed="--references FILE, or --test-set NAME with --pair eng-deu")
    if request.source_file and request.test_set:
        raise ConfigError("--source is part of the test set already", allowed="--source with --references")
    if len(request.pairs) > 1 and request.references:
        raise ConfigError(f"{len(request.pairs)} directions cannot share one reference file", allowed="--test-set NAME, or one --pair")


def _task(request: Request, pair: Pair | None) -> _Task:
    source, target = pair or (None, None)
    if request.test_set:
        test_set = load_test_set(request.test_set, source, target)
    else:
        test_set = files_test_set(request.references, request.source_file, source, target)
    specifications = [_spelled(given, pair) for given in request.hypotheses]
    outputs, warnings = read_systems(specifications, len(test_set)) if specifications else ([], ())
    return _Task(replace(test_set, warnings=(*test_set.warnings, *warnings)), tuple(outputs))


def _spelled(given: str, pair: Pair | None) -> str:
    """A hypothesis file with its `{src}` and `{tgt}` filled in by the spelling whose file exists; the pattern stays the system's name."""
    if "{src}" not in given and "{tgt}" not in given:
        return given
    if pair is None:
        raise ConfigError(f"{given!r} stands for a file a direction", hint="--pair eng-deu,deu-eng")
    name, equals, pattern = given.partition("=")
    if not equals:
        name, pattern = Path(given).name, given
    tried = [pattern.replace("{src}", src).replace("{tgt}", tgt) for src in pair[0].spellings for tgt in pair[1].spellings]
    for path in tried:
        if Path(path).expanduser().is_file():
            return f"{name}={path}"
    raise CorpusError(f"no outputs from {pair[0].name} to {pair[1].name}", where=given, allowed=" or ".join(dict.fromkeys(tried)))


def _models(request: Request) -> list[ModelSystem]:
    if not request.models:
        return []
    from .model_outputs import ModelSystem

    return [
        ModelSystem(
            path if name else spelled,
            name=name or None,
            decoding=request.decoding,
            device=request.device,
            dtype=request.dtype,
            backend=request.backend,
            use_cache=request.use_cache,
            prompting=request.prompting,
        )
        for spelled in request.models
        for name, path in [_name_and_source(spelled)]
    ]


def _name_and_source(spelled: str) -> tuple[str, str]:
    """`NAME=MODEL`; a `==` belongs to a wheel's version."""
    name, equals, path = spelled.partition("=")
    return (name, path) if equals and not path.startswith("=") and ":" not in name else ("", spelled)


def _with_models(task: _Task, models: Sequence[ModelSystem], report: Report, progress: Progress | None) -> _Task:
    outputs = list(task.outputs)
    for model in models:
        kept = model.is_kept(task.test_set)
        report(f"{'reusing' if kept else 'making'} the translations of {task.test_set.name} {task.test_set.direction} by {model.name}")
        outputs.append(model.translate(task.test_set, progress=progress))
    return _Task(task.test_set, tuple(outputs))
