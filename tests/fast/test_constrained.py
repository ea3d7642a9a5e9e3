"""Beam search with terms that must stand in the output: held to an enumeration of every output of a tiny model."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import LlamaConfig, LlamaForCausalLM

from dragoman.eval.assignment import Span, most_met
from dragoman.mt.beams import beam_search
from dragoman.mt.config import DecodingConfig
from dragoman.mt.constrained import Constraints, allocate
from dragoman.mt.decoding import Ending, Request
from dragoman.mt.languages import find_language
from dragoman.mt.models import LoadedModel, load_model
from dragoman.mt.prompting.records import Hint
from dragoman.mt.required_terms import RequiredTerms
from dragoman.mt.tokenization import decode_output, encode_continuation, encode_prompt, stop_ids

FRENCH, CHINESE = map(find_language, ("fra", "zho_Hans"))
END = 0
LIMIT = 4
WORDS = Ending(frozenset({END}), lambda token: "" if token == END else f" w{token}")
Required = tuple[tuple[tuple[int, ...], ...], ...]


@pytest.fixture(scope="module")
def five_words() -> LlamaForCausalLM:
    """A model of five tokens, the first of which ends an output."""
    torch.manual_seed(3)
    sizes = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "num_key_value_heads": 2}
    return LlamaForCausalLM(LlamaConfig(vocab_size=5, initializer_range=0.4, tie_word_embeddings=False, **sizes)).eval()


def outputs(model: LlamaForCausalLM, prompt: list[int]) -> dict[tuple[int, ...], float]:
    """Every output, with its mean log-probability: ended by itself, EOS counted, or cut at the limit."""
    bodies = [body for length in range(LIMIT + 1) for body in product(range(1, 5), repeat=length)]
    rows = [([*prompt, *body, END][: len(prompt) + LIMIT]) for body in bodies]
    width = max(map(len, rows))
    ids = torch.tensor([[*row, *[0] * (width - len(row))] for row in rows])
    with torch.no_grad():
        chances = model(ids).logits[:, :-1].log_softmax(-1).gather(2, ids[:, 1:, None]).squeeze(2)
    new = [(len(prompt) - 1, len(row) - 1) for row in rows]
    return {body: float(chances[number, start:end].mean()) for number, (body, (start, end)) in enumerate(zip(bodies, new, strict=True))}


def holds(body: tuple[int, ...], required: Required) -> bool:
    """Whether each constraint has a stretch of its own, tried in every way."""
    if not required:
        return True
    return any(
        body[at : at + len(one)] == one and holds((*body[:at], *(-1,) * len(one), *body[at + len(one) :]), required[1:])
        for one in required[0]
        for at in range(len(body) - len(one) + 1)
    )


@pytest.mark.parametrize(
    "required",
    [
        (((3,),),),
        (((1, 2),),),
        (((2, 2), (4,)),),
        (((1,),), ((1,),)),
        (((1,), (2,)), ((1,),)),
        (((1, 2),), ((2, 1),)),
        (((3, 1),), ((1,),)),
    ],
    ids=str,
)
def test_a_beam_as_wide_as_the_space_finds_the_best_output_that_holds_the_constraints(
    five_words: LlamaForCausalLM, required: Required
) -> None:
    for prompt in ([1, 2], [4, 4, 3]):
        scored = {body: score for body, score in outputs(five_words, prompt).items() if holds(body, required)}
        best = max(scored, key=lambda body: scored[body])
        (row,) = beam_search(five_words, [Request(prompt, LIMIT, required=required)], WORDS, DecodingConfig(beams=700), 0)
        assert tuple(row.ids) == best
        assert row.log_probability / row.generated == pytest.approx(scored[best], abs=1e-5)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(1, 3), max_size=7).map(tuple),
    st.lists(st.lists(st.lists(st.integers(1, 3), min_size=1, max_size=3).map(tuple), min_size=1, max_size=2).map(tuple), max_size=3),
)
def test_what_an_output_has_depends_on_its_tokens_alone_and_is_the_most_there_is(body: tuple[int, ...], required: list) -> None:
    constraints = Constraints.of(required, WORDS.token_text)
    if constraints is None:
        assert not required
        return
    progress = constraints.start
    for token in body:
        assert (constraints.missing(progress) == 0) == (constraints.distance(progress) == 0)
        progress = constraints.advance(progress, token)
    assert (constraints.missing(progress) == 0) == holds(body, tuple(required))
    stretches = [
        Span(at, at + len(one), demand)
        for demand, alternatives in enumerate(constraints.demands)
        for one in alternatives
        for at in range(len(body) - len(one) + 1)
        if body[at : at + len(one)] == one
    ]
    assert sum(progress.met) == sum(most_met(stretches, constraints.needed))


@pytest.mark.parametrize("beams", [2, 4, 8])
def test_a_row_ends_only_with_its_terms_and_rows_without_are_left_as_they_were(five_words: LlamaForCausalLM, beams: int) -> None:
    config = DecodingConfig(beams=beams)
    free = [Request([1, 2], 10), Request([3], 8), Request([2, 2, 4], 10)]
    bound = replace(free[1], required=(((1, 3, 2),), ((4, 4),)))
    alone = [beam_search(five_words, [request], WORDS, config, 0)[0] for request in free]
    mixed = beam_search(five_words, [free[0], bound, free[2]], WORDS, config, 0)
    assert [mixed[0].ids, mixed[2].ids] == [alone[0].ids, alone[2].ids]
    assert holds(tuple(mixed[1].ids), bound.required)
    assert not holds(tuple(alone[1].ids), bound.required), "a constraint that is met anyway would test nothing"
    empty = replace(free[0], required=((), ((),)))
    assert beam_search(five_words, [empty], WORDS, config, 0)[0].ids == alone[0].ids


def test_at_its_limit_a_row_has_what_it_could_hold(five_words: LlamaForCausalLM) -> None:
    request = Request([1, 2], 3, required=(((3, 3),), ((4, 4),)))
    (row,) = beam_search(five_words, [request], WORDS, DecodingConfig(beams=4), 0)
    assert not row.finished
    assert holds(tuple(row.ids), request.required[:1]) or holds(tuple(row.ids), request.required[1:])


def test_a_row_that_can_only_end_ends_without_its_terms(five_words: LlamaForCausalLM) -> None:
    ends = Ending(frozenset(range(5)), WORDS.token_text)
    (row,) = beam_search(five_words, [Request([1, 2], 5, required=(((3,),),))], ends, DecodingConfig(beams=4), 0)
    assert (row.ids, row.finished) == ([], True)


def test_places_go_round_from_the_nearest_and_one_to_the_likeliest() -> None:
    assert allocate([2, 2, 2, 1, 1, 0, 2, 0], 4) == [0, 3, 5, 7]
    assert allocate([2, 2, 2, 2], 3) == [0, 1, 2]
    assert allocate([3, 2, 1, 0], 2) == [0, 3]
    assert allocate([1, 0], 1) == [1]
    assert allocate([], 3) == []


# ---- terms as tokens ----


@pytest.fixture(scope="module", params=["tiny_llama_folder", "tiny_sentencepiece_folder"])
def loaded(request: pytest.FixtureRequest) -> LoadedModel:
    folder: Path = request.getfixturevalue(request.param)
    return load_model(str(folder), device="cpu")


@pytest.fixture(scope="module")
def terms(loaded: LoadedModel) -> RequiredTerms:
    return RequiredTerms(loaded.tokenizer, FRENCH, ["maison", "chien", "chez soi"])


def spelled(loaded: LoadedModel, alternatives: tuple[tuple[int, ...], ...]) -> list[str]:
    return [decode_output(loaded.tokenizer, ids) for ids in alternatives]


def test_a_term_is_required_with_and_without_a_space_before_it_and_in_its_forms(loaded: LoadedModel, terms: RequiredTerms) -> None:
    texts = spelled(loaded, terms.of((Hint(4, 9, "house", ("maison", "chez soi")),))[0])
    assert texts[:4] == [" maison", "maison", " chez soi", "chez soi"]
    assert " maisons" in texts
    assert spelled(loaded, terms.of((Hint(0, 6, "Maison", ("Maison",)),))[0]) == [" Maison", "Maison"], "it stays as it is"
    chinese = RequiredTerms(loaded.tokenizer, CHINESE, [])
    assert spelled(loaded, chinese.of((Hint(0, 5, "world", ("世界",)),))[0])[0] == "世界"


def test_the_first_word_of_a_text_may_have_a_capital(loaded: LoadedModel, terms: RequiredTerms) -> None:
    first, later = terms.of((Hint(0, 5, "House", ("maison",)), Hint(9, 14, "House", ("maison",))))
    assert " Maison" in spelled(loaded, first)
    assert " Maison" not in spelled(loaded, later)


@pytest.mark.parametrize(
    ("before", "spelling", "after", "met"),
    [(" la", 0, ".", 1), ("", 1, "", 1), (" (", 1, ")", 1), (" la", 1, ".", 0), ("", 0, "nette", 0), ("", 0, "nette maison", 1)],
)
def test_a_term_inside_a_longer_word_is_not_there(
    loaded: LoadedModel, terms: RequiredTerms, before: str, spelling: int, after: str, met: int
) -> None:
    (alternatives,) = terms.of((Hint(0, 5, "house", ("maison",)),))
    constraints = Constraints.of([alternatives], _ending(loaded).token_text)
    assert constraints is not None
    around = [encode_continuation(loaded.tokenizer, "\n", text) for text in (before, after)]
    progress = constraints.start
    for token in (*around[0], *alternatives[spelling], *around[1]):
        progress = constraints.advance(progress, token)
    assert sum(progress.met) == met


def test_a_random_model_is_made_to_say_the_terms(loaded: LoadedModel, terms: RequiredTerms) -> None:
    required = terms.of((Hint(0, 5, "house", ("maison",)), Hint(6, 9, "dog", ("chien", "cabot"))))
    request = Request(encode_prompt(loaded.tokenizer, "English: a house, a dog\nFrench:"), 30, one_line=True, required=required)
    (row,) = beam_search(loaded.model, [request], _ending(loaded), DecodingConfig(beams=4), 0)
    text = decode_output(loaded.tokenizer, row.ids)
    assert "maison" in text
    assert "chien" in text or "cabot" in text


def _ending(loaded: LoadedModel) -> Ending:
    return Ending(frozenset(stop_ids(loaded.model, loaded.tokenizer)), lambda token: decode_output(loaded.tokenizer, [token]))
