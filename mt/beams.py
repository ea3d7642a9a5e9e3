"""Beam search over a batch, with the length normalisation of transformers (`sum of log-probabilities / length ** penalty`).

A prompt whose output must hold something shares its beam by what hypotheses have of it (`constrained.py`); they end only with all of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import torch

from .config import DecodingConfig
from .constrained import Constraints, Progress, allocate
from .decoder_state import DecoderState
from .decoding import Continuation, Ending, Request, penalise

if TYPE_CHECKING:
    from transformers import PreTrainedModel


@dataclass
class _Beam:
    """A hypothesis under way; `total` is what it is ranked by (penalties included), `progress` what it has of the constraints."""

    row: Continuation
    total: float = 0.0
    progress: Progress | None = None


@dataclass
class _Search:
    """The beams of one prompt, and the finished hypotheses: constraints missing, normalised score; best first."""

    request: Request
    constraints: Constraints | None
    beams: list[_Beam]
    finished: list[tuple[int, float, Continuation]] = field(default_factory=list)
    done: bool = False

    @classmethod
    def of(cls, request: Request, ending: Ending) -> _Search:
        constraints = Constraints.of(request.required, ending.token_text)
        return cls(request, constraints, [_Beam(Continuation(request), progress=constraints.start if constraints else None)])

    def best(self) -> Continuation:
        """The best finished hypothesis."""
        return self.finished[0][2]


@dataclass(frozen=True)
class _Candidate:
    """One way to go on: token `token` after beam `parent`, with which constraints are met as `progress` says."""

    parent: int
    token: int
    total: float
    log_probability: float
    progress: Progress | None = None


def beam_search(
    model: PreTrainedModel, requests: Sequence[Request], ending: Ending, config: DecodingConfig, padding: int
) -> list[Continuation]:
    """The best continuation of every prompt; prompts that are done leave the batch."""
    width = config.beams
    searches = [_Search.of(request, ending) for request in requests]
    state = DecoderState.of(model, requests, padding)
    alive = list(searches)
    logits = state.start()  # (prompts, V) the first time, (prompts * beams, V) afterwards
    while True:
        parents, tokens, first = [], [], 0
        for search, candidates in zip(alive, _candidates(logits, alive, ending, config), strict=True):
            before = len(search.beams)
            chosen = _extend(search, candidates, ending, width, config.length_penalty)
            if not search.done:
                parents += [first + candidate.parent for candidate in chosen]
                tokens += [candidate.token for candidate in chosen]
            first += before
        alive = [search for search in alive if not search.done]
        if not alive:
            return [search.best() for search in searches]
        state.select(parents)
        logits = state.advance(tokens)


def _candidates(logits: torch.Tensor, alive: Sequence[_Search], ending: Ending, config: DecodingConfig) -> list[list[_Candidate]]:
    """For each prompt its best continuations, best first: enough that `beams` of them do not end at a stop id."""
    plain = logits.log_softmax(dim=-1)
    beams = [beam for search in alive for beam in search.beams]
    ranked = penalise(plain, [beam.row.ids for beam in beams], config.repetition_penalty)
    ranked = ranked + torch.tensor([beam.total for beam in beams], device=ranked.device)[:, None]
    vocabulary = ranked.shape[-1]
    found, start = [], 0
    for search in alive:
        block = ranked[start : start + len(search.beams)]
        totals, places = block.flatten().topk(min((1 + max(1, len(ending.stop_ids))) * config.beams, block.numel()))
        if search.constraints is not None:
            totals, places = _with_wanted(search, search.constraints, block, places)
        picked = plain[start : start + len(search.beams)].flatten()[places].tolist()
        rows = zip(places.tolist(), totals.tolist(), picked, strict=True)
        found.append([_Candidate(place // vocabulary, place % vocabulary, total, one) for place, total, one in rows])
        start += len(search.beams)
    return found


def _with_wanted(search: _Search, constraints: Constraints, block: torch.Tensor, places: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Besides the best places of a (beams, V) block each beam's best, and those that go on with a constraint: totals and places, sorted."""
    vocabulary = block.shape[1]
    wanted = {number * vocabulary + token for number, token in enumerate(block.argmax(dim=1).tolist())}
    for number, beam in enumerate(search.beams):
        assert beam.progress is not None
        wanted |= {number * vocabulary + token for token in constraints.wanted(beam.progress)}
    more = sorted(wanted - set(places.tolist()))
    together = torch.cat([places, torch.tensor(more, dtype=places.dtype, device=places.device)])
    totals, order = block.flatten()[together].sort(descending=True, stable=True)
    return totals, together[order]


def _extend(search: _Search, candidates: Sequence[_Candidate], ending: Ending, width: int, length_penalty: float) -> list[_Candidate]:
    """Take a step: hypotheses that end are filed, the best others become the beams; returns the candidates those came from."""
    length = search.beams[0].row.generated + 1
    last = length >= search.request.limit
    over, chosen = (
        _constrained(search, candidates, ending, width, last) if search.constraints else _free(search, candidates, ending, width, last)
    )
    for candidate in over:
        missing = search.constraints.missing(candidate.progress) if search.constraints and candidate.progress else 0
        row = _grown(search.beams[candidate.parent].row, candidate, ending)
        search.finished.append((missing, candidate.total / length**length_penalty, row))
    search.finished.sort(key=lambda each: (-each[0], each[1]), reverse=True)
    del search.finished[width:]
    rows = [_grown(search.beams[candidate.parent].row, candidate, ending) for candidate in chosen]
    search.beams = [_Beam(row, candidate.total, candidate.progress) for row, candidate in zip(rows, chosen, strict=True)]
    full = len(search.finished) == width
    search.done = not chosen or (full and chosen[0].total / length**length_penalty <= search.finished[-1][1])
    return chosen


def _free(
    search: _Search, candidates: Sequence[_Candidate], ending: Ending, width: int, last: bool
) -> tuple[list[_Candidate], list[_Candidate]]:
    """Candidates that end, and those that go on, at most `width` of each."""
    over: list[_Candidate] = []
    going: list[_Candidate] = []
    for rank, candidate in enumerate(candidates):
        if not last and not ending.ends(candidate.token, search.beams[candidate.parent].row):
            going.append(candidate)
        elif rank < width:  # a hypothesis that ends must be among the best `width`, else ending early would be too easy
            over.append(candidate)
    return over, going[:width]


def _constrained(
    search: _Search, candidates: Sequence[_Candidate], ending: Ending, width: int, last: bool
) -> tuple[list[_Candidate], list[_Candidate]]:
    """As `_free`, but nothing ends without all constraints while it can go on, and the beam is shared by what hypotheses have."""
    constraints = search.constraints
    assert constraints is not None
    steps: list[tuple[_Candidate, Progress]] = []
    for candidate in candidates:
        before = search.beams[candidate.parent].progress
        assert before is not None
        after = constraints.advance(before, candidate.token)
        steps.append((replace(candidate, progress=after), after))
    whole = [candidate for candidate, progress in steps if not constraints.missing(progress)]
    over = [one for one in whole[:width] if ending.ends(one.token, search.beams[one.parent].row)]
    going = [step for step in steps if not ending.ends(step[0].token, search.beams[step[0].parent].row)]
    stuck = not (over or going or search.finished)
    if last or stuck:
        return [candidate for candidate, _ in sorted(steps, key=lambda step: constraints.missing(step[1]))][:width], []
    return over, [going[number][0] for number in allocate([constraints.distance(progress) for _, progress in going], width)]


def _grown(parent: Continuation, candidate: _Candidate, ending: Ending) -> Continuation:
    row = replace(parent, ids=list(parent.ids))
    ending.append(row, candidate.token, candidate.log_probability)
    return row
