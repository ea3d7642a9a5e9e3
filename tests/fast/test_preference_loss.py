"""The loss of a preference stage: the papers' formula, and the same however a step is cut."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from preference_rows import batches_of, examples_of

from dragoman.mt.batches import MicroBatch
from dragoman.mt.config import PreferenceConfig
from dragoman.mt.corpora.records import Origin
from dragoman.mt.examples import Example, ExampleSet
from dragoman.mt.losses import chunked_token_losses
from dragoman.mt.preference_loss import Preferred, StepSize, preference_loss, score_sides

CPO, ARPO = PreferenceConfig(), PreferenceConfig(loss="arpo", nll_weight=0.5)
ROWS = [
    ("the dog", "le chien", "chien le gros méchant"),
    ("cat", "chat", "chien"),
    ("a house of stone", "une maison de pierre", "maison"),
    ("你好", "bonjour 🙂", "adieu"),
    ("water", "eau", "de l'eau de pluie et de la neige, beaucoup de neige"),
]


@pytest.fixture(scope="module")
def tokenizer(tiny_llama_folder: Path) -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(tiny_llama_folder)


@pytest.fixture(scope="module")
def model(tiny_llama_folder: Path) -> Any:
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(tiny_llama_folder, dtype=torch.float64).eval()


@pytest.fixture(scope="module")
def examples(tokenizer: Any) -> ExampleSet:
    kept = ExampleSet()
    for example in examples_of(ROWS, tokenizer):
        kept.add(example)
    return kept


def log_probability(model: Any, example: Example) -> tuple[float, int]:
    """Of the target and EOS after the prompt, and how many tokens these are: one row, the whole head, no mask."""
    with torch.no_grad():
        rows = model(torch.tensor([list(example.ids)])).logits[0].log_softmax(-1)
    targets = list(example.ids)[example.target_start :]
    return sum(rows[example.target_start - 1 + place, token].item() for place, token in enumerate(targets)), len(targets)


@pytest.mark.parametrize("chosen", [CPO, ARPO], ids=["cpo", "arpo"])
def test_the_loss_is_the_papers_formula(chosen: PreferenceConfig, model: Any, examples: ExampleSet) -> None:
    scores = [log_probability(model, examples[index]) for index in range(len(examples))]
    contrasts, shares = [], []
    for (better, better_tokens), (worse, worse_tokens) in zip(scores[::2], scores[1::2], strict=True):
        distance = abs(better / better_tokens - worse / worse_tokens)
        shares.append(1.0 if chosen.loss == "cpo" else min(1.0, 0.9 * math.exp(0.4 * distance) - 1))
        contrasts.append(math.log1p(math.exp(-0.1 * (better - shares[-1] * worse))))
    likelihood = sum(w for w, _ in scores[::2]) / sum(tokens for _, tokens in scores[::2])
    expected = sum(contrasts) / len(ROWS) - chosen.nll_weight * likelihood
    (batch,) = batches_of(examples)
    # The library takes log-probabilities in float32, whatever the model computes in.
    assert preference_loss(model, batch, chosen, StepSize.of([batch])).item() == pytest.approx(expected, rel=1e-5)
    if chosen.loss == "arpo":
        assert len({round(share, 3) for share in shares}) > 1, "the shares should differ between preferences"


@pytest.mark.parametrize("chosen", [CPO, ARPO], ids=["cpo", "arpo"])
def test_a_steps_loss_and_gradient_are_the_same_however_it_is_cut(chosen: PreferenceConfig, model: Any, examples: ExampleSet) -> None:
    def of(batches: list[MicroBatch]) -> tuple[float, torch.Tensor]:
        model.zero_grad()
        step, total = StepSize.of(batches), 0.0
        for batch in batches:
            loss = preference_loss(model, batch, chosen, step)
            loss.backward()  # type: ignore[no-untyped-call]
            total += loss.item()
        return total, torch.cat([p.grad.flatten() for p in model.parameters()])

    one_by_one = batches_of(examples, micro_tokens=1)
    assert [len(batch.members) for batch in one_by_one] == [2] * len(ROWS)
    loss, gradient = of(one_by_one)
    for layout, micro_tokens in (("buckets", 100_000), ("packed", 100), ("packed", 100_000)):
        cut_loss, cut_gradient = of(batches_of(examples, layout, micro_tokens))
        assert cut_loss == pytest.approx(loss, rel=1e-5)
        assert torch.allclose(cut_gradient, gradient, atol=1e-5 * float(gradient.abs().max()))
    model.zero_grad()


def test_log_probabilities_do_not_depend_on_chunks_and_neither_do_gradients() -> None:
    torch.manual_seed(0)
    head, labels, weights = torch.nn.Linear(8, 30, bias=False), torch.randint(30, (11,)), torch.randn(11)
    states = torch.randn(11, 8, requires_grad=True)
    results = []
    for positions in (100, 4):
        losses = chunked_token_losses(head, states, labels, positions)
        results.append((losses, *torch.autograd.grad((losses * weights).sum(), [states, head.weight])))
    for whole, chunked in zip(*results, strict=True):
        assert torch.allclose(whole, chunked, atol=1e-6)


def test_the_margin_and_accuracy_reported_are_means_over_preferences(model: Any, examples: ExampleSet) -> None:
    seen = Preferred()
    batches = batches_of(examples, micro_tokens=100)
    assert len(batches) > 1
    for batch in batches:
        preference_loss(model, batch, CPO, StepSize.of(batches), seen)
    differences = [
        log_probability(model, examples[index])[0] - log_probability(model, examples[index + 1])[0] for index in range(0, len(examples), 2)
    ]
    report = seen.report()
    assert report["margin"] == pytest.approx(0.1 * sum(differences) / len(ROWS), rel=1e-4)
    assert report["accuracy"] == sum(difference > 0 for difference in differences) / len(ROWS)
    assert seen.report() == {}


@given(
    st.lists(st.tuples(st.integers(2, 40), st.integers(2, 40)), min_size=1, max_size=12),
    st.integers(1, 300),
    st.sampled_from(["buckets", "packed"]),
)
@settings(max_examples=30, deadline=None)
def test_both_sides_of_a_preference_are_in_one_forward_pass(lengths: list[tuple[int, int]], micro_tokens: int, layout: str) -> None:
    kept = ExampleSet()
    for pair in lengths:
        for length in pair:
            kept.add(Example(list(range(length)), 1, Origin("p.jsonl", 1)))
    batches = batches_of(kept, layout, micro_tokens)
    members = [batch.members for batch in batches]
    assert all(a % 2 == 0 and b == a + 1 for each in members for a, b in zip(each[::2], each[1::2], strict=True))
    assert sorted(index for each in members for index in each) == list(range(len(kept)))
    assert all(batch.padded_tokens <= micro_tokens or len(batch.members) == 2 for batch in batches)
    assert [batch.targets_of_each() for batch in batches] == [[len(kept[index].ids) - 1 for index in each] for each in members]


@pytest.mark.parametrize("outside", [True, False], ids=["head-outside", "head-inside"])
def test_score_sides_tells_chosen_from_rejected_in_either_layout(
    outside: bool, model: Any, examples: ExampleSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dragoman.mt.losses.may_chunk", lambda _: outside)
    expected = [log_probability(model, examples[index]) for index in range(len(examples))]
    for layout in ("buckets", "packed"):
        (batch,) = batches_of(examples, layout)
        sides = score_sides(model, batch)
        for place, index in enumerate(batch.members[::2]):
            assert sides.chosen[place].item() == pytest.approx(expected[index][0], rel=1e-5)
            assert sides.rejected[place].item() == pytest.approx(expected[index + 1][0], rel=1e-5)
            assert (sides.chosen_tokens[place].item(), sides.rejected_tokens[place].item()) == (expected[index][1], expected[index + 1][1])
