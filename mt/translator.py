"""Translate texts with a causal language model: prompts in, batches by length, continuations out, warnings beside them."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from .backends import OpenedModel, Opening, open_model
from .checks import LEFT_OUT, NO_DRAFT, TERMS, check
from .config import DecodingConfig
from .errors import ModelError
from .languages import Language
from .prompting.plan import Built, PromptPlan
from .prompting.records import Account
from .prompting.term_success import TermCheck
from .prompts import DEFAULT_TEMPLATE, PromptTemplate, load_template, read_answer
from .required_terms import RequiredTerms, searching
from .splitting import Part, Segment, split_text
from .tokenization import REPLACEMENT, decode_output, decode_whole, encode_plain, encode_prompt

if TYPE_CHECKING:
    from ..adapters.stacking.reading import SourceReading
    from .decoding import Continuation, Ending, Request
    from .models import LoadedModel

Progress = Callable[[int, int], None]
_LONGEST = 512  # source tokens; models trained on sentences lose the thread long before their context ends


@dataclass(frozen=True)
class Translation:
    """One translated text.

    Attributes:
        source: the text as given.
        text: its translation, with the source's own outer whitespace.
        score: mean log-probability of the output's tokens, EOS included; 0 for an empty source.
        tokens: of the output, EOS not counted.
        finished: the model ended the output itself (false: cut at the length limit).
        warnings: names out of `checks.EXPLANATIONS`, or "split into N parts".
        terms: with a glossary, the source's terms and whether the translation has them.
        material: what the prompts held besides template and source; None where nothing was asked for.
    """

    source: str
    text: str
    score: float
    tokens: int
    finished: bool
    warnings: tuple[str, ...] = ()
    terms: tuple[TermCheck, ...] = ()
    material: Account | None = None

    @property
    def terms_met(self) -> int:
        """Occurrences of glossary terms that the translation has."""
        return sum(term.met for term in self.terms)

    @property
    def terms_required(self) -> int:
        """Occurrences of glossary terms that the source has."""
        return sum(term.required for term in self.terms)


@dataclass(frozen=True)
class _Output:
    text: str
    log_probability: float
    generated: int
    tokens: int
    finished: bool


class Translator:
    """A model, a prompt, a direction and a way of decoding.

    The model is left as it was found: training mode, generation settings and (decoding greedily or with beams) torch's random state.

    Args:
        loaded: model and tokenizer, behind any back end.
        template: how a source text is put before the model.
        source: language of the texts.
        target: language wanted.
        decoding: beams, sampling, limits, batch size.
        long: what happens to a text that exceeds the model's context, or `longest`: "split" at sentence or else word boundaries,
            translated part by part, with a warning; or "refuse" with an error when it exceeds the context.
        longest: most source tokens translated at once with `long="split"`; None for what the context holds.
        plan: what prompts hold besides template and source: examples, dictionary, glossary. A glossary that forces its terms takes beam
            search: with `beams` 1, as many as `required_terms.BEAMS`.

    Raises:
        ConfigError: decoding settings that mean nothing, or sampling with a glossary that forces its terms.
    """

    def __init__(
        self,
        loaded: LoadedModel | OpenedModel,
        template: PromptTemplate,
        source: Language,
        target: Language,
        decoding: DecodingConfig,
        *,
        long: Literal["split", "refuse"] = "split",
        longest: int | None = _LONGEST,
        plan: PromptPlan | None = None,
    ) -> None:
        from .decoding import check_decoding

        check_decoding(decoding)
        if not isinstance(loaded, OpenedModel):
            from .backends.hf import opened_model

            loaded = opened_model(loaded)
        forcing = plan.glossary if plan and plan.glossary and plan.glossary.forces else None
        self._required = RequiredTerms(loaded.tokenizer, target, forcing.translations) if forcing else None
        decoding = searching(decoding) if forcing else decoding
        loaded.backend.check(decoding)
        self.loaded = loaded
        self.template = template
        self.source = source
        self.target = target
        self.decoding = decoding
        self.long = long
        self.plan = plan or PromptPlan()
        self._framing = self.plan.framing(template, source, target)
        self._context = loaded.backend.context
        self._stack = _reading(loaded, source)
        self._overhead = self._prompt_size(self._framing.bare(""))
        self._longest = self._longest_part(longest)
        self._texts: dict[int, str] = {}

    @classmethod
    def from_source(
        cls,
        model: str,
        source: Language,
        target: Language,
        decoding: DecodingConfig | None = None,
        *,
        template: PromptTemplate | None = None,
        revision: str | None = None,
        device: str = "auto",
        dtype: str = "auto",
        long: Literal["split", "refuse"] = "split",
        plan: PromptPlan | None = None,
        backend: str = "auto",
    ) -> Translator:
        """Load a model to translate with; see `backends.open_model`.

        Without a template: the one the model was trained with, else `alma`.

        Raises:
            DragomanError: whatever is wrong with the source, the device or the settings.
        """
        loaded = open_model(Opening(model, revision, device, dtype), backend)
        chosen = template or loaded.prompt or load_template(DEFAULT_TEMPLATE)
        return cls(loaded, chosen, source, target, decoding or DecodingConfig(), long=long, plan=plan)

    def prompt(self, text: str) -> str:
        """What the model reads for a text, as a whole and within the budget."""
        return self._built(text, self.plan).prompt

    def translate(self, texts: Sequence[str], *, progress: Progress | None = None) -> list[Translation]:
        """Translate texts, the results in the same order.

        Texts of like length go through the model together, equal ones once. Texts of whitespace only are returned as they are. With a
        glossary that insists, texts whose translation lacks terms are translated again with them inline; the other translation is taken
        where it has more of them and no warning that the first had not.

        Args:
            texts: each translated as a whole, whatever lines it has.
            progress: called with (pieces translated, pieces to translate) after every batch.

        Raises:
            ModelError: a text exceeds the model's context and `long` is "refuse".
        """
        done = self._translated(texts, self.plan, progress)
        for plan in self.plan.retries():
            lacking = [number for number, one in enumerate(done) if one.terms_met < one.terms_required]
            for number, other in zip(lacking, self._translated([texts[number] for number in lacking], plan, None), strict=True):
                if _better(other, done[number]):
                    done[number] = other
        return done

    def stream(self, text: str) -> Generator[str, None, Translation]:
        """Translate one text, yielding each new piece of it as it is generated: joined, they are `translate([text])[0].text`.

        A piece never ends inside a character. Leaving the iteration stops the model. With beams everything comes at the end, as one piece.
        The generator's value is the whole translation with its warnings.

        Raises:
            ModelError: as `translate`.
        """
        segment = self._segment(text)
        built = [self._built(part.text, self.plan) for part in segment.parts]
        done: list[_Output] = []
        shown = ""
        for part, prompt in zip(segment.parts, built, strict=True):
            output = None
            for output in self._stream_part(part.text, prompt):
                known = segment.join([*(one.text for one in done), output.text], self.target.spaced)
                if known.startswith(shown) and known != shown:
                    yield known[len(shown) :]
                    shown = known
            assert output is not None, "decoding ends with an output"
            done.append(output)
        whole = self._assemble(text, segment, done, built)
        if whole.text[len(shown) :]:
            yield whole.text[len(shown) :]
        return whole

    def _translated(self, texts: Sequence[str], plan: PromptPlan, progress: Progress | None) -> list[Translation]:
        segments = [self._segment(text) for text in texts]
        plan.prepare([part.text for segment in segments for part in segment.parts])
        pieces = {part.text: self._built(part.text, plan) for segment in segments for part in segment.parts}
        outputs: dict[str, _Output] = {}
        for batch in self._batches(pieces):
            before = len(outputs)
            told = (lambda done, before=before: progress(before + done, len(pieces))) if progress else None
            outputs.update(zip((text for text, _ in batch), self._run([request for _, request in batch], told), strict=True))
        return [
            self._assemble(text, segment, [outputs[part.text] for part in segment.parts], [pieces[part.text] for part in segment.parts])
            for text, segment in zip(texts, segments, strict=True)
        ]

    # ---- texts to requests ----

    def _segment(self, text: str) -> Segment:
        core = text.strip()
        start = text.index(core) if core else len(text)
        lead, tail = text[:start], text[start + len(core) :]
        size = self._size(core)
        if size <= self._longest:
            return Segment(lead, [Part(core, "")] if core else [], tail)
        if self.long == "refuse":
            raise ModelError(
                f"a text of {size} tokens ({core[:40]!r}...) exceeds what the model's context of {self._context} tokens has room for",
                allowed=f"{self._longest} tokens at most",
                hint="long=split translates it part by part",
            )
        return Segment(lead, split_text(core, self._size, self._longest), tail)

    def _size(self, text: str) -> int:
        plain = len(encode_plain(self.loaded.tokenizer, text))
        return max(plain, self._stack.size(text)) if self._stack else plain

    def _longest_part(self, longest: int | None) -> int:
        """Source tokens that leave room in the context for the prompt around them and an output of the same length and a half."""
        if self._stack:
            longest = min(longest or self._stack.longest, self._stack.longest)
        if self._context is None:
            return longest or 1_000_000
        room = self._context - self._overhead - (self._stack.extra if self._stack else 0)
        if room < 4:
            raise ModelError(f"the prompt alone takes {self._overhead} tokens of the model's context of {self._context}")
        fits = max(1, int(room / (3.5 if self._stack else 2.5)))  # the encoder's states stand beside the prompt
        if self._stack:
            fits = min(fits, self._stack.longest)
        return fits if longest is None or self.long == "refuse" else min(longest, fits)

    def _prompt_size(self, prompt: str) -> int:
        return len(encode_prompt(self.loaded.tokenizer, prompt))

    def _limit(self, bare: int) -> int:
        """Tokens a translation may have, by those of its prompt without material."""
        return self.decoding.max_new_tokens or 2 * (bare - self._overhead) + 20

    def _built(self, text: str, plan: PromptPlan) -> Built:
        """The prompt of a text, with as much of the plan's material as its budget and the context have room for beside the translation."""
        if plan.empty:
            return plan.build(self._framing, text)
        bare = self._prompt_size(self._framing.bare(text))
        beside = len(self._stack.ids(text)) + 1 if self._stack else 0
        free = None if self._context is None else self._context - bare - beside - self._limit(bare)
        room = [bound for bound in (plan.budget, free) if bound is not None]
        return plan.build(self._framing, text, size=self._prompt_size, most=bare + max(0, min(room)) if room else None)

    def _request(self, text: str, built: Built | None = None) -> Request:
        from .decoding import Request

        built = built or self._built(text, self.plan)
        prompt = encode_prompt(self.loaded.tokenizer, built.prompt)
        limit = self._limit(len(prompt) if built.bare else self._prompt_size(self._framing.bare(text)))
        read = self._stack.ids(text) if self._stack else ()
        if self._context is not None:
            limit = min(limit, self._context - len(prompt) - (len(read) + 1 if read else 0))
        seed = zlib.crc32(text.encode("utf-8", "surrogatepass"), self.decoding.seed & 0xFFFFFFFF)
        required = self._required.of(self.plan.glossary.find(text)) if self._required and self.plan.glossary else ()
        return Request(prompt, max(1, limit), self.decoding.stop == "line" and "\n" not in text, seed, required, read)

    def _batches(self, pieces: Mapping[str, Built]) -> Iterator[list[tuple[str, Request]]]:
        """Long ones first (what does not fit into memory fails at once), as many rows as `batch_tokens` holds, padding included.

        All at once where the back end sees to that itself; not with an encoder, whose states for all of them may fill the memory.
        """
        from .decoder_state import shared_prefix

        requests = sorted(
            ((text, self._request(text, built)) for text, built in pieces.items()), key=lambda pair: pair[1].length, reverse=True
        )
        backend = self.loaded.backend
        if backend.queues(self.decoding) and not self._stack:
            if requests:
                yield requests
            return
        shared = 0 if self._stack or len(requests) < 2 else shared_prefix([request.prompt for _, request in requests])
        batch: list[tuple[str, Request]] = []
        widest = 0
        for text, request in requests:
            weight = backend.weight(request.length, request.limit, shared)
            widest = max(widest, weight)
            if batch and (len(batch) + 1) * widest * self.decoding.beams > self.decoding.batch_tokens:
                yield batch
                batch, widest = [], weight
            batch.append((text, request))
        if batch:
            yield batch

    # ---- requests to outputs ----

    def _ending(self) -> Ending:
        from .decoding import Ending

        return Ending(frozenset(self.loaded.backend.stop_ids), self._token_text)

    def _token_text(self, token: int) -> str:
        text = self._texts.get(token)
        if text is None:
            text = self._texts[token] = decode_output(self.loaded.tokenizer, [token])
        return text

    def _run(self, requests: Sequence[Request], progress: Callable[[int], None] | None = None) -> list[_Output]:
        """`progress` is told how many rows are done when that has changed, and at the end that all are."""
        requests = self._stack.prefixed(requests) if self._stack else requests
        told = 0
        for rows in self.loaded.backend.continuations(requests, self._ending(), self.decoding):
            if progress and (done := sum(row.done for row in rows)) > told:
                progress(told := done)
        if progress and told < len(rows):
            progress(len(rows))
        return [self._read(row) for row in rows]

    def _read(self, row: Continuation) -> _Output:
        return _Output(self._answer(row), row.log_probability, row.generated, len(row.ids), row.finished)

    def _answer(self, row: Continuation) -> str:
        """The translation in a row, as far as it goes."""
        answer = read_answer(self.template, decode_whole(self.loaded.tokenizer, row.ids))
        return answer.split("\n", 1)[0].rstrip() if row.request.one_line else answer

    def _stream_part(self, text: str, built: Built) -> Iterator[_Output]:
        """The output for one part so far, after every step; the last one is complete."""
        request = self._request(text, built)
        if self.decoding.beams > 1:
            yield self._run([request])[0]
            return
        request = self._stack.prefixed([request])[0] if self._stack else request
        for rows in self.loaded.backend.continuations([request], self._ending(), self.decoding):
            output = self._read(rows[0])
            yield output if rows[0].done else replace(output, text=self._settled(output.text))

    def _settled(self, answer: str) -> str:
        """The part of an unfinished answer that no further token changes: no half characters, nothing of the template's own text."""
        opening, _, closing = (piece.strip() for piece in self.template.target.partition("{target}"))
        if opening.startswith(answer):
            return ""
        answer = answer.rstrip(REPLACEMENT)
        return answer[: len(answer) - len(closing)]

    # ---- outputs to translations ----

    def _assemble(self, source: str, segment: Segment, outputs: list[_Output], built: list[Built]) -> Translation:
        if not outputs:
            return Translation(source, source, 0.0, 0, True)
        text = segment.join([output.text for output in outputs], self.target.spaced) + segment.tail
        finished = all(output.finished for output in outputs)
        score = sum(output.log_probability for output in outputs) / max(1, sum(output.generated for output in outputs))
        split = (f"split into {len(outputs)} parts",) if len(outputs) > 1 else ()
        material = None if self.plan.empty else sum((one.account for one in built), Account())
        terms = self.plan.glossary.check(segment.text, text, self.target) if self.plan.glossary else ()
        warnings = split + check(segment.text, text, self.source, self.target, finished)
        warnings += (LEFT_OUT,) if material and material.left_out else ()
        warnings += (NO_DRAFT,) if material and material.drafts_missing else ()
        warnings += (TERMS,) if any(term.met < term.required for term in terms) else ()
        tokens = sum(output.tokens for output in outputs)
        return Translation(source, text, score, tokens, finished, warnings, terms, material)


def _reading(loaded: OpenedModel, source: Language) -> SourceReading | None:
    if loaded.stack is None:
        return None
    from ..adapters.stacking.reading import reading_of

    return reading_of(loaded.stack, loaded.tokenizer, source)


def _better(other: Translation, first: Translation) -> bool:
    """Whether a second try has more of the terms, and nothing looks wrong with it that did not with the first."""
    return other.terms_met > first.terms_met and set(other.warnings) - {LEFT_OUT, TERMS} <= set(first.warnings)
