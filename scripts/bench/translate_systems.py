"""The systems of `translate.py`: each a process of its own that keeps its model and answers one chunk of texts after the other."""

from __future__ import annotations

import multiprocessing
import os
import resource
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Task:
    """What every process must agree on: the prompts are the same ids for all of them.

    Attributes:
        source, target: codes of the languages.
        template: name of the prompt's template.
        shots: (source, translation) examples at the beginning of every prompt.
        limit: most new tokens.
    """

    source: str
    target: str
    template: str
    shots: tuple[tuple[str, str], ...]
    limit: int


@dataclass(frozen=True)
class System:
    """One way to translate.

    Attributes:
        name: in the table.
        model: what its process loads.
        kind: "dragoman" or "pipeline".
        batch: of the pipeline; None for its default, which is one text at a time.
        dtype: of the weights; "auto" for an export.
    """

    name: str
    model: str
    kind: str
    batch: int | None = None
    dtype: str = "float32"


@dataclass(frozen=True)
class Answer:
    """What a system made of a chunk: outputs, tokens it generated, seconds on the clock and of the processor (all threads)."""

    outputs: tuple[str, ...]
    tokens: int
    seconds: float
    processor: float


class Worker:
    """The other end of a system's process."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe

    def ask(self, what: str, *given: Any) -> Any:
        """Wait for an answer; an error of the process is raised here."""
        self._pipe.send((what, given))
        good, answer = self._pipe.recv()
        if not good:
            raise RuntimeError(answer)
        return answer


@contextmanager
def worker(system: System, task: Task) -> Iterator[Worker]:
    """A process with the system's model."""
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_serve, args=(system, task, theirs), daemon=True)
    process.start()
    try:
        yield Worker(ours)
    finally:
        ours.send(("stop", ()))
        process.join(30)


def _serve(system: System, task: Task, pipe: Connection) -> None:
    import torch

    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS") or os.cpu_count() or 1))
    try:
        calls: dict[str, Callable[..., Any]] = _dragoman(system, task) if system.kind == "dragoman" else _pipeline(system, task)
    except Exception as error:
        calls, failure = {}, repr(error)
    while (message := pipe.recv())[0] != "stop":
        what, given = message
        try:
            if what == "memory":
                pipe.send((True, peak_memory()))
            else:
                pipe.send((True, calls[what](*given)) if calls else (False, failure))
        except Exception as error:
            pipe.send((False, repr(error)))


def answer(outputs: Sequence[str], tokens: int, start: tuple[float, float]) -> Answer:
    """What was done since `start`, on the clock and of the processor."""
    return Answer(tuple(outputs), tokens, time.perf_counter() - start[0], time.process_time() - start[1])


def peak_memory() -> float:
    """MiB this process held at most. On Linux getrusage would begin with what the parent held when it started us."""
    status = Path("/proc/self/status")
    if status.exists():
        return next(int(line.split()[1]) for line in status.read_text().split("\n") if line.startswith("VmHWM")) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _translator(system: System, task: Task) -> Any:
    from dragoman.mt.config import DecodingConfig
    from dragoman.mt.languages import find_language
    from dragoman.mt.prompts import load_template
    from dragoman.mt.translator import Translator

    languages = find_language(task.source), find_language(task.target)
    template = load_template(task.template)
    return Translator.from_source(
        system.model,
        *languages,
        DecodingConfig(max_new_tokens=task.limit, stop="line"),
        template=template,
        device="cpu",
        dtype=system.dtype,
        plan=_plan(task),
    )


def _plan(task: Task) -> Any:
    from dragoman.mt.languages import find_language
    from dragoman.mt.prompting import ExamplesConfig, PromptingConfig, load_plan

    if not task.shots:
        return None
    import tempfile

    with tempfile.NamedTemporaryFile("w", suffix=".tsv", encoding="utf-8") as file:
        file.write("".join(f"{source}\t{target}\n" for source, target in task.shots))
        file.flush()
        config = PromptingConfig(examples=ExamplesConfig(file.name, shots=len(task.shots), select="fixed"))
        return load_plan(config, find_language(task.source), find_language(task.target)).plan


def _dragoman(system: System, task: Task) -> dict[str, Callable[..., Any]]:
    translator = _translator(system, task)

    def run(texts: Sequence[str]) -> Answer:
        start = time.perf_counter(), time.process_time()
        done = translator.translate(texts)
        return answer([one.text for one in done], sum(one.tokens for one in done), start)

    def first(text: str) -> float:
        start = time.perf_counter()
        pieces = translator.stream(text)
        next(pieces, None)
        seconds = time.perf_counter() - start
        pieces.close()
        return seconds

    return {"run": run, "first": first}


def _pipeline(system: System, task: Task) -> dict[str, Callable[..., Any]]:
    """transformers' text-generation pipeline with the same prompts, ending at the same tokens as ours: EOS and line breaks."""
    import torch
    from transformers import pipeline

    from dragoman.mt.models import load_model

    loaded = load_model(system.model, device="cpu", dtype=system.dtype)
    tokenizer = loaded.tokenizer
    tokenizer.padding_side = "left"
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    prompts = _translator(system, task)
    breaks = [number for piece, number in tokenizer.get_vocab().items() if piece in ("\u010a", "\n", "<0x0A>")]
    ends = [tokenizer.eos_token_id, *breaks]
    generate = pipeline("text-generation", model=loaded.model, tokenizer=tokenizer, device=torch.device("cpu"))
    options = {"max_new_tokens": task.limit, "do_sample": False, "eos_token_id": ends, "return_full_text": False}

    def run(texts: Sequence[str], batch: int | None = None) -> Answer:
        read = [prompts.prompt(text) for text in texts]
        start = time.perf_counter(), time.process_time()
        found = generate(read, **options, **({} if batch is None else {"batch_size": batch}))
        outputs = [one[0]["generated_text"].split("\n", 1)[0].strip() for one in found]
        return answer(outputs, sum(len(tokenizer(one)["input_ids"]) for one in outputs), start)

    def first(text: str) -> float:
        read = prompts.prompt(text)
        start = time.perf_counter()
        generate(read, **{**options, "max_new_tokens": 1})
        return time.perf_counter() - start

    return {"run": run, "first": first}
