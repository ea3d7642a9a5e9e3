"""Examples and batches: what is trained and what is not. The known failures of ALMA's reference code are each a test here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dragoman.mt.batches import IGNORED, bucket_batch, micro_batches, packed_batch
from dragoman.mt.corpora.records import Origin, Pair, Segment
from dragoman.mt.corpora.tally import Tally
from dragoman.mt.examples import Example, ExampleSet, document_examples, interlinear_segments, pair_examples
from dragoman.mt.languages import find_language
from dragoman.mt.losses import target_loss
from dragoman.mt.prompts import load_template, render_prompt
from dragoman.mt.tokenization import decode_output, encode_prompt, padding_id

TEXTS = ["Good morning, everyone.", "The dog sleeps.", "🙂 naïve café", "مرحبا بالعالم", "你好，世界。", "Save %(count)s files?\nNow."]
FOLDERS = ["tiny_llama_folder", "tiny_sentencepiece_folder"]


def at(line: int) -> Origin:
    return Origin("corpus.tsv", line)


@pytest.fixture(params=FOLDERS)
def tokenizer(request: pytest.FixtureRequest) -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(request.getfixturevalue(request.param))


@pytest.fixture
def model(tiny_llama_folder: Path) -> torch.nn.Module:
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(tiny_llama_folder).eval()


def examples_of(pairs: list[tuple[str, str]], tokenizer: Any, max_length: int = 400, tally: Tally | None = None) -> list[Example]:
    rows = [Pair(source, target, at(line)) for line, (source, target) in enumerate(pairs, 1)]
    english, french = find_language("eng"), find_language("fra")
    return list(pair_examples(rows, tokenizer, load_template("alma"), english, french, max_length, tally or Tally()))


def trained_ids(example: Example, row: torch.Tensor) -> list[int]:
    return [int(label) for label in row if label != IGNORED]


def test_eos_is_trained_even_when_it_is_also_the_padding_id(tokenizer: Any) -> None:
    """Known failure 1: pad = eos and pads masked by id, so EOS was never learnt."""
    tokenizer.pad_token = tokenizer.eos_token
    examples = examples_of([("Good morning", "Bonjour"), ("The dog sleeps now", "Le chien dort maintenant")], tokenizer)
    batch = bucket_batch(examples, [0, 1], padding_id(tokenizer))
    for example, labels in zip(examples, batch.labels, strict=True):
        assert trained_ids(example, labels)[-1] == tokenizer.eos_token_id


def test_the_loss_covers_target_and_eos_only_with_bos_counted(tokenizer: Any) -> None:
    """Known failure 2: the prompt measured without BOS, so its last token leaked into the loss."""
    english, french = find_language("eng"), find_language("fra")
    for source, target in [("Good morning", "Bonjour à tous"), ("你好", "naïve 🙂")]:
        example = examples_of([(source, target)], tokenizer)[0]
        prompt = encode_prompt(tokenizer, render_prompt(load_template("alma"), source, english, french))
        assert prompt[0] == tokenizer.bos_token_id
        batch = bucket_batch([example], [0], 0)
        trained = trained_ids(example, batch.labels[0])
        assert list(example.ids[: example.target_start]) == prompt
        assert decode_output(tokenizer, trained[:-1]).strip() == target
        assert trained[-1] == tokenizer.eos_token_id
        assert trained.count(tokenizer.eos_token_id) == 1


def test_rows_are_padded_to_the_longest_of_their_batch_not_to_the_limit(tokenizer: Any) -> None:
    """Known failure 3: every row padded to max_length."""
    examples = examples_of([("a", "b"), ("The dog sleeps", "Le chien dort")], tokenizer)
    assert bucket_batch(examples, [0, 1], 0).input_ids.shape[1] == max(len(example.ids) for example in examples)


def test_targets_of_several_lines_are_trained_whole(tokenizer: Any) -> None:
    """Known failure 4 in training: a line break in the target is part of it."""
    example = examples_of([("One\nTwo", "Un\nDeux")], tokenizer)[0]
    trained = trained_ids(example, bucket_batch([example], [0], 0).labels[0])
    assert decode_output(tokenizer, trained).strip() == "Un\nDeux"


def test_eos_ends_every_row_not_only_the_first(tokenizer: Any) -> None:
    """Known failure 5: EOS appended only if row 0 lacked it; here some targets even spell it out."""
    for example in examples_of([("a", "b"), ("c", "d </s>"), ("e", "f")], tokenizer):
        assert example.ids[-1] == tokenizer.eos_token_id
        assert list(example.ids[example.target_start :]).count(tokenizer.eos_token_id) == 1


def test_a_pair_that_does_not_fit_is_refused_and_counted_by_place(tokenizer: Any) -> None:
    tally = Tally("tokenising")
    kept = examples_of([("short", "court"), ("long " * 50, "longue " * 50), ("dog", "chien")], tokenizer, max_length=60, tally=tally)
    assert [example.origin.line for example in kept] == [1, 3]
    assert (tally.kept, tally.skipped.total()) == (2, 1)
    assert "corpus.tsv:2" in "\n".join(tally.lines())


@given(st.lists(st.sampled_from("abc déf 你好 مر 🙂".split(" ")), min_size=1, max_size=60), st.integers(8, 40))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_long_document_is_split_so_that_every_token_is_predicted_once(tokenizer: Any, words: list[str], limit: int) -> None:
    text = " ".join(words)
    tally = Tally("tokenising")
    chunks = list(document_examples([Segment(text, at(1))], tokenizer, limit, "split", tally))
    whole = [*encode_prompt(tokenizer, text), tokenizer.eos_token_id]
    predicted = [i for chunk in chunks for i in list(chunk.ids)[chunk.target_start :]]
    assert predicted == whole[1:]
    assert all(len(chunk.ids) <= limit for chunk in chunks)
    assert tally.kept == 1
    assert tally.noted.total() == (1 if len(chunks) > 1 else 0)


def test_a_long_document_can_be_refused_instead(tokenizer: Any) -> None:
    tally = Tally("tokenising")
    assert list(document_examples([Segment("word " * 100, at(9))], tokenizer, 20, "refuse", tally)) == []
    assert "corpus.tsv:9" in "\n".join(tally.lines())


def test_interlinear_documents_alternate_source_and_target_lines() -> None:
    pairs = [Pair(f"s{i}", f"t{i}", at(i)) for i in range(1, 6)]
    segments = list(interlinear_segments(pairs, pairs_per_document=2))
    assert [segment.text for segment in segments] == ["s1\nt1\ns2\nt2", "s3\nt3\ns4\nt4", "s5\nt5"]
    assert [segment.origin.line for segment in segments] == [1, 3, 5]


def test_the_example_set_gives_back_what_went_in(tokenizer: Any) -> None:
    examples = examples_of([(text, text[::-1]) for text in TEXTS], tokenizer)
    kept = ExampleSet()
    for example in examples:
        kept.add(example)
    assert [(list(kept[i].ids), kept[i].target_start, kept[i].origin) for i in range(len(kept))] == [
        (list(example.ids), example.target_start, example.origin) for example in examples
    ]
    assert kept.lengths().tolist() == [len(example.ids) for example in examples]


def filled(tokenizer: Any) -> ExampleSet:
    kept = ExampleSet()
    for example in examples_of([(a, b) for a in TEXTS for b in TEXTS], tokenizer):
        kept.add(example)
    for example in document_examples([Segment(text, at(1)) for text in TEXTS], tokenizer, 100, "split", Tally()):
        kept.add(example)
    return kept


def test_packed_and_unpacked_losses_agree(tiny_llama_folder: Path, model: torch.nn.Module) -> None:
    """No attention crosses packed examples: one long row gives the loss of the same rows one by one."""
    from transformers import AutoTokenizer

    kept = filled(AutoTokenizer.from_pretrained(tiny_llama_folder))
    members = list(range(len(kept)))
    with torch.no_grad():
        alone = sum(target_loss(model, bucket_batch([kept[i]], [i], 0)).item() for i in members)
        packed = target_loss(model, packed_batch([kept[i] for i in members], members)).item()
        bucketed = sum(
            target_loss(model, batch).item() for batch in micro_batches(kept, members, layout="buckets", micro_tokens=300, padding=2)
        )
    targets = int(kept.target_lengths().sum())
    assert packed / targets == pytest.approx(alone / targets, abs=1e-5)
    assert bucketed / targets == pytest.approx(alone / targets, abs=1e-5)


def test_packed_and_unpacked_gradients_agree(tiny_llama_folder: Path, model: torch.nn.Module) -> None:
    from transformers import AutoTokenizer

    kept = filled(AutoTokenizer.from_pretrained(tiny_llama_folder))
    members = list(range(0, len(kept), 3))

    def gradient(layout: Any) -> torch.Tensor:
        model.zero_grad()
        for batch in micro_batches(kept, members, layout=layout, micro_tokens=256, padding=0):
            target_loss(model, batch).backward()
        return torch.cat([parameter.grad.flatten() for parameter in model.parameters() if parameter.grad is not None])

    one, other = gradient("buckets"), gradient("packed")
    assert torch.linalg.norm(one - other) / torch.linalg.norm(one) < 1e-5


def test_the_loss_equals_the_models_own_on_full_labels(tiny_llama_folder: Path, model: torch.nn.Module) -> None:
    """Computing the head for target columns only changes nothing."""
    from transformers import AutoTokenizer

    examples = examples_of([("Good morning", "Bonjour"), ("The dog", "Le chien dort")], AutoTokenizer.from_pretrained(tiny_llama_folder))
    batch = bucket_batch(examples, [0, 1], 0)
    labels = torch.full_like(batch.input_ids, IGNORED)
    labels[:, 1:] = batch.labels[:, :-1]
    with torch.no_grad():
        expected = model(input_ids=batch.input_ids, attention_mask=batch.attention_mask, labels=labels).loss
        assert target_loss(model, batch).item() / batch.targets == pytest.approx(expected.item(), abs=1e-5)


@pytest.mark.parametrize("layout", ["buckets", "packed"])
def test_micro_batches_hold_every_example_once_within_the_limit(layout: Any, tiny_llama_folder: Path) -> None:
    from transformers import AutoTokenizer

    kept = filled(AutoTokenizer.from_pretrained(tiny_llama_folder))
    batches = list(micro_batches(kept, range(len(kept)), layout=layout, micro_tokens=400, padding=0))
    assert sorted(i for batch in batches for i in batch.members) == list(range(len(kept)))
    assert all(batch.padded_tokens <= 400 or len(batch.members) == 1 for batch in batches)
    assert sum(batch.real_tokens for batch in batches) == kept.lengths().sum()
    assert sum(batch.targets for batch in batches) == kept.target_lengths().sum()
