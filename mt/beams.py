"""Beam search over a batch, with the length normalisation of transformers (`sum of log-probabilities / length ** penalty`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import torch

from .config import DecodingConfig
from .decoding import Continuation, DecoderState, Ending, Request, penalise

if TYPE_CHECKING:
    from transformers import PreTrainedModel


@dataclass
class _Beam:
    """A hypothesis under way; `total` is what it is ranked by (penalties included)."""

    row: Continuation
    total: float = 0.0


@dataclass
class _Search:
    """The beams of one prompt, and the finished hypotheses by normalised score, best first."""

    request: Request
    beams: list[_Beam]
    finished: list[tuple[float, Continuation]] = field(default_factory=list)
    done: bool = False

    def best(self) -> Continuation:
        """The best finished hypothesis."""
        return self.finished[0][1]


@dataclass(frozen=True)
class _Candidate:
    """One way to go on: token `token` after beam `parent`."""

    parent: int
    token: int
    total: float
    log_probability: float


def beam_search(
    model: PreTrainedModel, requests: Sequence[Request], ending: Ending, config: DecodingConfig, padding: int
) -> list[Continuation]:
    """The best continuation of every prompt; prompts that are done leave the batch."""
    width = config.beams
    searches = [_Search(request, [_Beam(Continuation(request))]) for request in requests]
    state = DecoderState(model, [request.prompt for request in requests], padding)
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
        block = ranked[start : start + len(search.beams)].flatten()
        totals, places = block.topk(min((1 + max(1, len(ending.stop_ids))) * config.beams, len(block)))
        picked = plain[start : start + len(search.beams)].flatten()[places].tolist()
        rows = zip(places.tolist(), totals.tolist(), picked, strict=True)
        found.append([_Candidate(place // vocabulary, place % vocabulary, total, one) for place, total, one in rows])
        start += len(search.beams)
    return found


def _extend(search: _Search, candidates: Sequence[_Candidate], ending: Ending, width: int, length_penalty: float) -> list[_Candidate]:
    """Take a step: hypotheses that end are filed, the best others become the beams; returns the candidates those came from."""
    length = search.beams[0].row.generated + 1
    chosen: list[_Candidate] = []
    beams: list[_Beam] = []
    for rank, candidate in enumerate(candidates):
        parent = search.beams[candidate.parent].row
        ends = ending.ends(candidate.token, parent)
        if not ends and length < search.request.limit:
            if len(beams) < width:
                beams.append(_Beam(_grown(parent, candidate, ending), candidate.total))
                chosen.append(candidate)
        elif rank < width:  # a hypothesis that ends must be among the best `width`, else ending early would be too easy
            search.finished.append((candidate.total / length**length_penalty, _grown(parent, candidate, ending)))
    search.finished.sort(key=lambda pair: pair[0], reverse=True)
    del search.finished[width:]
    search.beams = beams
    search.done = not beams or (len(search.finished) == width and beams[0].total / length**length_penalty <= search.finished[-1][0])
    return chosen


def _grown(parent: Continuation, candidate: _Candidate, ending: Ending) -> Continuation:
    row = replace(parent, ids=list(parent.ids))
    ending.append(row, candidate.token, candidate.log_probability)
    return row
