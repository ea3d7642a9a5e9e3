"""CTranslate2's generator: models in its own format, int8 or float32, several times faster than transformers on a CPU (extra `ct2`).

Greedy decoding is stepped through a callback, so that each row has its own limit, its own end of line and its log-probabilities, as in the
loop of `decoding.py`. Beam search is CTranslate2's own and may find other hypotheses. Sampling is refused: its random numbers cannot be
repeated.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from threading import Event, Thread
from typing import TYPE_CHECKING, Any

from ..config import DecodingConfig
from ..errors import ConfigError, ModelError
from ..model_facts import read_model_facts
from ..model_folders import is_ctranslate2
from .base import OpenedModel, Opening, weight_in_memory

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from ..decoding import Continuation, Ending, Request

TOKENIZER = "tokenizer"  # its folder inside the model's: both formats have a vocabulary.json
SETTINGS = "export.json"
_SPREAD = 16  # tokens that prompts read together may differ in length: what is beyond the shortest is read token by token
_WORKERS = 2  # groups at work at a time, each on its share of the cores, which wastes less than all cores on one; weights are shared


@dataclass(frozen=True)
class ExportSettings:
    """What CTranslate2's own files do not say about a model.

    Attributes:
        context: positions it has.
        stop_ids: ids that end an output.
    """

    context: int | None = None
    stop_ids: tuple[int, ...] = ()


class Ct2Backend:
    """A CTranslate2 generator.

    Args:
        generator: a `ctranslate2.Generator`.
        pieces: (V,) the spelling of every id, as the model's vocabulary has it.
        settings: what the export recorded.
        where: device and number format.
    """

    name = "ct2"

    def __init__(self, generator: Any, pieces: Sequence[str], settings: ExportSettings, where: str) -> None:
        self._generator = generator
        self._pieces = pieces
        self._where = where
        self.context = settings.context
        self.stop_ids = settings.stop_ids
        self._line_ends = [number for number, piece in enumerate(pieces) if piece in _NEWLINES]

    @property
    def description(self) -> str:
        """As in `Backend`."""
        return f"ct2 on {self._where}"

    def check(self, config: DecodingConfig) -> None:
        """As in `Backend`."""
        for wrong, why in (
            (config.sample, "CTranslate2's random choices cannot be repeated, so it does not sample here"),
            (config.repetition_penalty != 1.0, "CTranslate2's repetition penalty would be in the scores, and on the prompt's own tokens"),
        ):
            if wrong:
                raise ConfigError(why, allowed="--backend hf")

    def queues(self, config: DecodingConfig) -> bool:
        """As in `Backend`: but for beams."""
        return config.beams == 1

    def weight(self, length: int, limit: int, shared: int) -> int:
        """As in `Backend`: a beginning that prompts share is read once, but its keys and values are every row's to read at each step."""
        del shared
        return weight_in_memory(length, limit)

    def continuations(self, requests: Sequence[Request], ending: Ending, config: DecodingConfig) -> Iterator[list[Continuation]]:
        """As in `Backend`: a single request after each step, several after each group of them; with beams once."""
        from ..decoding import Continuation

        self.check(config)
        _refuse_extras(requests)
        rows = [Continuation(request) for request in requests]
        if config.beams > 1:
            self._search(rows, ending, config)
            yield rows
        elif len(rows) == 1:
            yield from self._stepwise(rows, ending)
        else:
            yield from self._grouped(rows, ending, config.batch_tokens)

    # ---- greedy ----

    def _grouped(self, rows: list[Continuation], ending: Ending, room: int) -> Iterator[list[Continuation]]:
        """Continue groups of rows side by side; leaving the iteration drops the groups that were not begun."""
        from ..decoder_state import shareable

        shared = shareable([row.request.prompt for row in rows])
        with ThreadPoolExecutor(_WORKERS, "ct2 group") as workers:
            begun = [workers.submit(self._greedy, group, ending, shared=shared) for group in _groups(rows, room)]
            try:
                for group in as_completed(begun):
                    group.result()
                    yield rows
            finally:
                workers.shutdown(cancel_futures=True)

    def _greedy(self, rows: Sequence[Continuation], ending: Ending, listener: _Listener | None = None, shared: int = 0) -> None:
        """Continue the rows in place; their prompts begin with `shared` tokens that are the same."""
        steps = _Steps(rows, ending, listener)
        try:
            self._generate(
                [row.request for row in rows],
                shared,
                max_length=max(row.request.limit for row in rows),
                return_scores=True,
                callback=steps,
            )
        finally:
            error = steps.let_go()
        if error is not None:
            raise error

    def _stepwise(self, rows: list[Continuation], ending: Ending) -> Iterator[list[Continuation]]:
        """Generate in a thread of its own and yield after each token."""
        listener = _Listener()

        def work() -> None:
            try:
                self._greedy(rows, ending, listener)
            except BaseException as error:
                listener.outcome = error
            listener.steps.put(False)

        thread = Thread(target=work, name="ct2 stream", daemon=True)
        thread.start()
        try:
            while listener.steps.get():
                yield rows
                listener.seen.put(None)
        finally:
            listener.left.set()
            listener.seen.put(None)
            thread.join()
        if listener.outcome is not None:
            raise listener.outcome
        yield rows

    # ---- beams ----

    def _search(self, rows: Sequence[Continuation], ending: Ending, config: DecodingConfig) -> None:
        """Beam search, for rows of one limit at a time: CTranslate2 knows one for the batch."""
        from ..decoder_state import shareable

        by_limit: dict[tuple[int, bool], list[Continuation]] = defaultdict(list)
        for row in rows:
            by_limit[row.request.limit, row.request.one_line].append(row)
        for (limit, one_line), group in by_limit.items():
            ends = [*ending.stop_ids, *(self._line_ends if one_line else ())]
            results = self._generate(
                [row.request for row in group],
                shareable([row.request.prompt for row in group]),
                beam_size=config.beams,
                length_penalty=config.length_penalty,
                max_length=limit,
                end_token=ends,
                return_scores=True,
            )
            for row, result in zip(group, results, strict=True):
                ids = result.sequences_ids[0]
                finished = len(ids) < limit
                total = result.scores[0] * max(1, len(ids) + finished) ** config.length_penalty
                _replay(row, ids, total, finished, ending)

    def _generate(self, requests: Sequence[Request], shared: int, **options: Any) -> list[Any]:
        prompts = [[self._pieces[one] for one in request.prompt] for request in requests]
        if shared:
            options["static_prompt"], prompts = prompts[0][:shared], [prompt[shared:] for prompt in prompts]
        options.setdefault("end_token", sorted(self.stop_ids))
        found: list[Any] = self._generator.generate_batch(prompts, include_prompt_in_result=False, **options)
        return found


_NEWLINES = frozenset({"\n", "\u010a", "<0x0A>"})  # as it is, in byte-level spelling, and as a byte of SentencePiece


class _Steps:
    """What is done with each generated token.

    CTranslate2 drops its reference to a callback in a thread of its own, some time after it has answered. If that were the last way to the
    generator (through the ending, to the translator), the generator would end inside its own thread, and the process with it.
    """

    def __init__(self, rows: Sequence[Continuation], ending: Ending, listener: _Listener | None) -> None:
        self._held: tuple[Sequence[Continuation], Ending, _Listener | None] | None = (rows, ending, listener)
        self._failed: BaseException | None = None

    def __call__(self, result: Any) -> bool:
        """Add a token to its row; true where the row wants no more."""
        if self._held is None or self._failed is not None:
            return True
        rows, ending, listener = self._held
        row = rows[result.batch_id]
        try:
            if not row.done:
                ending.append(row, result.token_id, result.log_prob)
            return row.done or (listener is not None and listener.step())
        except BaseException as error:  # an exception must not cross the C++ code
            self._failed = error
            return True

    def let_go(self) -> BaseException | None:
        """Hold nothing any more; what went wrong, if anything did."""
        self._held, failed = None, self._failed
        self._failed = None
        return failed


class _Listener:
    """Hands every step of the generating thread to the reading one, which may leave."""

    def __init__(self) -> None:
        self.steps: SimpleQueue[bool] = SimpleQueue()
        self.seen: SimpleQueue[None] = SimpleQueue()
        self.left = Event()
        self.outcome: BaseException | None = None

    def step(self) -> bool:
        """Called after each token; true when nobody reads on. The rows stay as they are until the reader has seen them."""
        if not self.left.is_set():
            self.steps.put(True)
            self.seen.get()
        return self.left.is_set()


def _groups(rows: Sequence[Continuation], room: int) -> Iterator[list[Continuation]]:
    """Rows whose prompts are of nearly one length, as many as there is room for; long ones first."""
    group: list[Continuation] = []
    widest = 0
    for row in sorted(rows, key=lambda row: len(row.request.prompt), reverse=True):
        weight = weight_in_memory(row.request.length, row.request.limit)
        widest = max(widest, weight)
        spread = len(group[0].request.prompt) - len(row.request.prompt) if group else 0
        if group and (spread > _SPREAD or (len(group) + 1) * widest > room):
            yield group
            group, widest = [], weight
        group.append(row)
    yield group


def _replay(row: Continuation, ids: Sequence[int], log_probability: float, finished: bool, ending: Ending) -> None:
    """Fill a row with a finished hypothesis; one that went on behind an end of line ends there."""
    for token in ids:
        ending.append(row, token, 0.0)
        if row.done:
            break
    row.finished = row.finished or finished
    row.generated = len(ids) + finished
    row.log_probability = log_probability


def _refuse_extras(requests: Sequence[Request]) -> None:
    for name, what in (("required", "terms that must be in the output"), ("prefix", "an encoder's states before the prompt")):
        values = [getattr(request, name, None) for request in requests]
        if any(value is not None and len(value) > 0 for value in values):
            raise ConfigError(f"CTranslate2 cannot take {what}", allowed="--backend hf")


def open_ct2(opening: Opening) -> OpenedModel:
    """A model in CTranslate2's format, with its tokenizer.

    Raises:
        ConfigError: ctranslate2 is not installed.
        ModelError: a model in another format, or one that CTranslate2 cannot load on this device.
    """
    try:
        import ctranslate2
    except ImportError:
        raise ConfigError("ctranslate2 is not installed", where="--backend ct2", hint="pip install 'dragoman[ct2]'") from None
    import torch

    from ..devices import choose_device
    from ..sources import resolve_model

    folder = Path(resolve_model(opening.model, revision=opening.revision).location)
    if not is_ctranslate2(folder):
        raise ModelError("not in CTranslate2's format", where=folder, hint=f"dragoman export ct2 {opening.model} OUT")
    if opening.dtype != "auto":
        raise ConfigError(f"--dtype {opening.dtype} of an exported model", allowed="auto: its numbers were chosen by the export")
    device, _, index = choose_device(opening.device).device.partition(":")
    try:
        threads = {"inter_threads": _WORKERS, "intra_threads": max(1, torch.get_num_threads() // _WORKERS)} if device == "cpu" else {}
        generator = ctranslate2.Generator(str(folder), device=device, device_index=int(index or 0), **threads)
    except (RuntimeError, ValueError) as error:
        raise ModelError(f"CTranslate2 cannot load it: {error}", where=folder) from error
    tokenizer = _tokenizer(folder)
    settings = _settings(folder, tokenizer)
    facts = read_model_facts(folder)
    backend = Ct2Backend(generator, _pieces(folder), settings, f"{device}, {generator.compute_type}")
    return OpenedModel(backend, tokenizer, opening.model, facts.prompt, facts.directions)


def _pieces(folder: Path) -> list[str]:
    path = folder / "vocabulary.json"
    if path.is_file():
        found = json.loads(path.read_text(encoding="utf-8"))
        return [str(piece) for piece in found]
    return (folder / "vocabulary.txt").read_text(encoding="utf-8").split("\n")


def _tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    """The tokenizer that our export put beside the model, or that somebody put into the same folder."""
    from ..models import plain_tokenizer, tokenizer_in

    return tokenizer_in(folder / TOKENIZER) if (folder / TOKENIZER).is_dir() else plain_tokenizer(folder)


def _settings(folder: Path, tokenizer: PreTrainedTokenizerBase) -> ExportSettings:
    from ..tokenization import stop_ids

    path = folder / SETTINGS
    if not path.is_file():
        return ExportSettings(None, stop_ids(None, tokenizer))
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        context = found["context"]
        return ExportSettings(None if context is None else int(context), tuple(int(one) for one in found["stop_ids"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(f"not readable: {error!r}", where=path, hint="export the model again") from error
