"""The plan: every sequence in its share, in an order that only data, settings and seed decide."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dragoman.mt.config import BudgetConfig, MixtureConfig
from dragoman.mt.errors import ConfigError
from dragoman.mt.plan import Plan, Stream, block_sequences, make_plan, stream_probabilities


def streams_of(*sizes: int, replay: int | None = None, weights: tuple[float, ...] | None = None) -> list[Stream]:
    start, made = 0, []
    for number, size in enumerate(sizes):
        sequences = [np.array([i], dtype=np.int64) for i in range(start, start + size)]
        made.append(Stream(f"s{number}", sequences, (weights or (1.0,) * len(sizes))[number], replay == number))
        start += size
    return made


PROPORTIONAL = MixtureConfig()


def plan_of(
    streams: list[Stream], lengths: np.ndarray, budget: BudgetConfig, *, mixture: MixtureConfig = PROPORTIONAL, seed: int = 1
) -> Plan:
    return make_plan(streams, lengths, mixture=mixture, budget=budget, sequences_per_step=4, seed=[seed])


@given(st.lists(st.integers(2, 90), min_size=1, max_size=150), st.integers(0, 5))
@settings(max_examples=40, deadline=None)
def test_one_epoch_is_every_example_exactly_once(lengths: list[int], seed: int) -> None:
    plan = plan_of(streams_of(len(lengths)), np.array(lengths), BudgetConfig(epochs=1), seed=seed)
    assert sorted(np.concatenate(plan.steps).tolist()) == list(range(len(lengths)))
    assert plan.tokens.sum() == sum(lengths)


@given(st.lists(st.integers(2, 64), min_size=1, max_size=200))
@settings(max_examples=40, deadline=None)
def test_blocks_hold_every_document_once_and_never_overflow(lengths: list[int]) -> None:
    table = np.array(lengths)
    blocks = block_sequences(range(len(lengths)), table, 64, np.random.default_rng(0))
    assert sorted(i for block in blocks for i in block.tolist()) == list(range(len(lengths)))
    assert all(table[block].sum() <= 64 for block in blocks)


def test_blocks_of_real_like_lengths_are_nearly_full() -> None:
    lengths = np.random.default_rng(0).integers(10, 120, size=4000)
    blocks = block_sequences(range(4000), lengths, 512, np.random.default_rng(1))
    assert lengths.sum() / (512 * len(blocks)) > 0.99


def test_a_token_budget_ends_with_the_step_that_reaches_it() -> None:
    plan = plan_of(streams_of(30), np.full(30, 10), BudgetConfig(tokens=1001))
    assert plan.tokens[:-1].sum() < 1001 <= plan.tokens.sum()


def test_a_step_budget_is_exact_and_may_read_the_data_again() -> None:
    assert len(plan_of(streams_of(5), np.full(5, 10), BudgetConfig(steps=77)).steps) == 77


def test_the_same_seed_gives_the_same_plan_and_another_seed_another() -> None:
    lengths = np.random.default_rng(0).integers(5, 50, 300)
    first, again, other = (plan_of(streams_of(300), lengths, BudgetConfig(epochs=2), seed=seed) for seed in (1, 1, 2))
    assert first.digest == again.digest != other.digest


def test_rows_of_a_step_have_like_lengths() -> None:
    lengths = np.random.default_rng(0).integers(5, 100, 2000)
    plan = plan_of(streams_of(2000), lengths, BudgetConfig(epochs=1))
    computed = sum(lengths[step].max() * len(step) for step in plan.steps)
    assert plan.tokens.sum() / computed > 0.93


def test_probabilities_are_the_weights_whatever_the_sizes() -> None:
    plan = plan_of(
        streams_of(10, 1000, weights=(0.8, 0.2)), np.full(1010, 10), BudgetConfig(steps=2000), mixture=MixtureConfig(kind="probabilities")
    )
    assert plan.draws["s0"] / 8000 == pytest.approx(0.8, abs=0.02)


def test_temperature_flattens_the_sizes() -> None:
    streams = streams_of(100, 10_000)
    assert stream_probabilities(streams, MixtureConfig(kind="temperature", temperature=1.0))[0] == pytest.approx(100 / 10_100)
    assert stream_probabilities(streams, MixtureConfig(kind="temperature", temperature=2.0))[0] == pytest.approx(1 / 11)


def test_replay_gets_its_share_of_the_draws() -> None:
    shares = stream_probabilities(streams_of(500, 20, 100, replay=2), MixtureConfig(kind="proportional", replay=0.25))
    assert shares[2] == pytest.approx(0.25)
    assert shares[0] / shares[1] == pytest.approx(25)


def test_a_stage_without_examples_is_refused() -> None:
    with pytest.raises(ConfigError, match="no usable example"):
        plan_of([], np.zeros(0), BudgetConfig(steps=1))


@pytest.mark.parametrize("budget", [BudgetConfig(steps=10**12), BudgetConfig(tokens=10**15), BudgetConfig(epochs=1e9)])
def test_a_budget_of_thousands_of_passes_is_refused_at_once(budget: BudgetConfig) -> None:
    with pytest.raises(ConfigError, match="passes over"):
        plan_of(streams_of(10), np.full(10, 10), budget)
