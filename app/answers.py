"""From a request to its answer: which jobs it becomes, waiting for them while the client stays, and the JSON it gets."""

from __future__ import annotations

import asyncio
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar

from ..mt.config import DecodingConfig
from .asked import BadRequestError, TranslationAsked
from .detection import Candidate
from .markup_texts import Fragment, take_apart
from .serving import Job, Result, Serving

if TYPE_CHECKING:
    from starlette.requests import Request

    from ..mt.languages import Language
    from .models import Direction

Of = TypeVar("Of")
_ALTERNATIVE = DecodingConfig(sample=True, temperature=0.8, top_p=0.9)


class ClientLeftError(RuntimeError):
    """Nobody waits for the answer any more."""


@dataclass(frozen=True)
class _Share:
    """The texts of a request that have one direction, and what became of them.

    Attributes:
        numbers: which texts of the request, from 0.
        direction: source and target.
        jobs: the translation, then the alternatives.
    """

    numbers: tuple[int, ...]
    direction: Direction
    fragments: tuple[Fragment | None, ...]
    jobs: tuple[Job, ...]

    def texts(self, results: Sequence[Result]) -> list[str]:
        """One translation a text, HTML put back around it."""
        rest = iter(results)
        made = []
        for fragment in self.fragments:
            if fragment is None:
                made.append(next(rest).text)
            else:
                made.append(fragment.join([next(rest).text for _ in fragment.texts]))
        return made

    def warnings(self, results: Sequence[Result]) -> list[list[str]]:
        """The warnings of each text."""
        return [list(dict.fromkeys(warning for one in found for warning in one.warnings)) for found in self.of_texts(results)]

    def of_texts(self, of_results: Sequence[Of]) -> list[list[Of]]:
        """What belongs to the results of each text, text by text."""
        rest = iter(of_results)
        counts = [1 if fragment is None else len(fragment.texts) for fragment in self.fragments]
        return [[next(rest) for _ in range(count)] for count in counts]


@dataclass(frozen=True)
class Plan:
    """What a request became.

    Attributes:
        detected: a candidate a text where the source was to be detected.
    """

    asked: TranslationAsked
    detected: tuple[Candidate, ...]
    shares: tuple[_Share, ...]

    @property
    def jobs(self) -> list[Job]:
        """All of them."""
        return [job for share in self.shares for job in share.jobs]

    def answer(self, results: Mapping[int, Sequence[Result]], serving: Serving) -> dict[str, Any]:
        """The JSON object LibreTranslate gives for it; `results` by the `id` of their job."""
        count = len(self.asked.texts)
        texts, warnings = [""] * count, [list[str]()] * count
        others: list[list[str]] = [[] for _ in range(count)]
        for share in self.shares:
            first, *more = (results[id(job)] for job in share.jobs)
            for number, text, found in zip(share.numbers, share.texts(first), share.warnings(first), strict=True):
                texts[number], warnings[number] = text, found
            for each in more:
                for number, text in zip(share.numbers, share.texts(each), strict=True):
                    if text not in (texts[number], *others[number]):
                        others[number].append(text)
        one = 0 if not self.asked.array else slice(None)
        made: dict[str, Any] = {"translatedText": texts[one]}
        if self.detected:
            made["detectedLanguage"] = [told(each) for each in self.detected][one]
        if self.asked.alternatives:
            made["alternatives"] = others[one]
        if self.asked.warnings:
            made["warnings"] = warnings[one]
        if self.asked.estimates:
            made["estimates"] = self._estimates(results, serving)[one]
        return made

    def _estimates(self, results: Mapping[int, Sequence[Result]], serving: Serving) -> list[list[dict[str, Any]]]:
        """For each text what is estimated of its segments."""
        made: list[list[dict[str, Any]]] = [[] for _ in self.asked.texts]
        for share in self.shares:
            of_results = serving.estimates(results[id(share.jobs[0])], share.direction)
            for number, estimates in zip(share.numbers, share.of_texts(of_results), strict=True):
                made[number] = [{"value": each.value, "meaning": each.meaning} for found in estimates for each in found]
        return made


def told(candidate: Candidate) -> dict[str, Any]:
    """A candidate as LibreTranslate tells it: confidence in per cent."""
    return {"confidence": round(candidate.confidence * 100, 1), "language": candidate.language.bcp47}


def plan(asked: TranslationAsked, serving: Serving, client: Hashable) -> Plan:
    """Queue everything a request needs, or nothing.

    Raises:
        BadRequestError: a language that cannot be detected, a direction no model was trained for.
        TooLargeError, ConfigError, BusyError, ClosedError: as `Serving.submit`.
    """
    detected = tuple(_detected(text, asked, serving) for text in asked.texts) if asked.source is None else ()
    sources = [each.language for each in detected] if detected else [asked.source] * len(asked.texts)
    groups: dict[Language, list[int]] = {}
    for number, source in enumerate(sources):
        assert source is not None
        groups.setdefault(source, []).append(number)
    directions = {source: served_direction(serving, source, asked.target, asked.model) for source in groups}
    shares: list[_Share] = []
    try:
        for source, numbers in groups.items():
            shares.append(_queue(asked, numbers, directions[source], serving, client))
    except BaseException:
        _cancel([job for share in shares for job in share.jobs])
        raise
    return Plan(asked, detected, tuple(shares))


def served_direction(serving: Serving, source: Language, target: Language, model: str | None = None) -> Direction:
    """The direction, when there is a model for it.

    Raises:
        BadRequestError: every model says what it was trained for, and this is not among it.
        ConfigError: no model of that name.
    """
    info = serving.model_for(source, target, model)
    if info.directions and info.trained(source, target) is None:
        trained = ", ".join(f"{one.bcp47} to {two.bcp47}" for one, two in info.directions)
        raise BadRequestError(
            f"{target.name} ({target.bcp47}) is not available as a target language from {source.name} ({source.bcp47})", allowed=trained
        )
    return source, target


async def results_of(jobs: Sequence[Job], request: Request) -> dict[int, Sequence[Result]]:
    """Wait for jobs; the results by `id` of the job.

    Raises:
        ClientLeftError: the client went away; the jobs are cancelled.
        Exception: the first that a job failed with; the others are cancelled.
    """
    work = asyncio.gather(*(asyncio.wrap_future(job.ticket.future) for job in jobs))
    work.add_done_callback(lambda ended: ended.cancelled() or ended.exception())  # looked at, also when nobody waits for it any more
    left = asyncio.ensure_future(until_left(request))
    try:
        either: set[asyncio.Future[Any]] = {work, left}
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if not work.done():
            raise ClientLeftError
        return {id(job): job.results(translations) for job, translations in zip(jobs, work.result(), strict=True)}
    finally:
        left.cancel()
        _cancel(jobs)
        work.cancel()


async def until_left(request: Request) -> None:
    """Wait until the client goes away; call it once the body has been read."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _cancel(jobs: Sequence[Job]) -> None:
    for job in jobs:
        job.cancel()


def _detected(text: str, asked: TranslationAsked, serving: Serving) -> Candidate:
    among = {source for info in serving.models if asked.model in (None, info.name) for source in info.sources}
    free = serving.detect(text)
    kept = serving.detect(text, among)
    if free.sure and free.candidates[0].language not in among:
        return free.candidates[0]  # refused by name later, which says more than "not detected"
    if not kept.candidates:
        raise BadRequestError(
            f"the source language cannot be detected: {kept.reason}", where="source", allowed="a language instead of auto"
        )
    return kept.candidates[0]


def _queue(asked: TranslationAsked, numbers: Sequence[int], direction: Direction, serving: Serving, client: Hashable) -> _Share:
    given = [asked.texts[number] for number in numbers]
    fragments: tuple[Fragment | None, ...] = tuple(take_apart(text) if asked.html else None for text in given)
    texts = [piece for text, fragment in zip(given, fragments, strict=True) for piece in (fragment.texts if fragment else (text,))]
    material = asked.wishes.material(direction[1])
    jobs: list[Job] = []
    try:
        jobs.append(serving.submit(texts, direction, None, asked.model, client, material))
        for seed in range(1, asked.alternatives + 1):
            jobs.append(serving.submit(texts, direction, replace(_ALTERNATIVE, seed=seed), asked.model, client, material))
    except BaseException:
        _cancel(jobs)
        raise
    return _Share(tuple(numbers), direction, fragments, tuple(jobs))
