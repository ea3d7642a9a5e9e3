"""First values of new rows, each method against its formula written out slowly."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from transformers import PreTrainedTokenizerBase
from vocab_additions import TEXTS, addition_of

from dragoman.mt.models import load_model, load_tokenizer
from dragoman.mt.provenance import tokenizer_digest
from dragoman.mt.tokenization import encode_plain
from dragoman.vocab import rows
from dragoman.vocab.additions import Addition
from dragoman.vocab.expand import ExpandedModel, ExpandSettings, expand_model
from dragoman.vocab.extend import extend_tokenizer
from dragoman.vocab.families import first_new_id, piece_bytes
from dragoman.vocab.initialise import METHODS, InitContext, initialise_rows
from dragoman.vocab.initialise.distillation import _loss, _only_new_rows
from dragoman.vocab.initialise.focus import sparsemax
from dragoman.vocab.initialise.snippets import DistillationSettings, choose_snippets
from dragoman.vocab.rows import SimilarRows, SparseRows, fill_rows


def context_of(folder: Path, addition: Addition | None = None, **changes: object) -> InitContext:
    base = load_tokenizer(folder)
    addition = addition or addition_of(base)
    first = first_new_id(base)
    matrix = torch.randn(first, 16, generator=torch.Generator().manual_seed(5))
    return InitContext(base, extend_tokenizer(base, addition), addition, first, matrix, TEXTS, **changes)


@pytest.fixture(scope="module", params=["byte-level", "sentencepiece"])
def context(request: pytest.FixtureRequest, tiny_llama_folder: Path, tiny_sentencepiece_folder: Path) -> InitContext:
    return context_of(tiny_llama_folder if request.param == "byte-level" else tiny_sentencepiece_folder)


def crossing(tokenizer: object) -> Addition:
    """Pieces whose merges come first, so that they cut across what the base makes of a text."""
    plain = addition_of(tokenizer, ["ambo", "oj", "habar", "walimu"])
    return replace(plain, scheme="auxiliary-first")


def spans(tokenizer: object, ids: list[int]) -> list[tuple[int, int]]:
    ends = [0]
    for one in ids:
        ends.append(ends[-1] + len(piece_bytes(tokenizer, one)))
    return list(pairwise(ends))


def aligned_slowly(context: InitContext) -> dict[int, Tensor]:
    """sum over id sequences of freq(sequence) * mean(E[sequence]), as it is written in the paper."""
    sequences: defaultdict[int, Counter[tuple[int, ...]]] = defaultdict(Counter)
    for text in context.texts:
        base, new = encode_plain(context.base, text), encode_plain(context.extended, text)
        base_spans = spans(context.extended, base)
        for piece, (start, end) in zip(new, spans(context.extended, new), strict=True):
            if piece >= context.first_id:
                under = tuple(one for one, (low, high) in zip(base, base_spans, strict=True) if low < end and high > start)
                sequences[piece - context.first_id][under] += 1
    return {
        row: sum(times / found.total() * context.matrix[list(sequence)].mean(0) for sequence, times in found.items())
        for row, found in sequences.items()
    }


def test_align_is_the_frequency_weighted_mean_over_overlapping_sequences(context: InitContext) -> None:
    made, plan = initialise_rows(context, "align"), METHODS["align"].plan(context)
    slow = aligned_slowly(context)
    assert len(slow) >= 6
    assert {row for row, origin in enumerate(plan.origins) if origin == "align"} == slow.keys()
    for row, wanted in slow.items():
        torch.testing.assert_close(made[row], wanted)


def test_align_counts_base_pieces_that_new_ones_cut_through(tiny_llama_folder: Path) -> None:
    context = context_of(tiny_llama_folder, crossing(load_tokenizer(tiny_llama_folder)))
    slow = aligned_slowly(context)
    assert slow
    made = initialise_rows(context, "align")
    for row, wanted in slow.items():
        torch.testing.assert_close(made[row], wanted)


def test_rows_without_an_occurrence_fall_back_to_their_merge_tree_and_say_so(context: InitContext) -> None:
    silent = replace(context, texts=("The fox",))
    plan = METHODS["align"].plan(silent)
    assert "align" not in plan.counts
    assert plan.counts["merge"] > 0
    torch.testing.assert_close(initialise_rows(silent, "align"), initialise_rows(silent, "merge"))


def test_mean_averages_the_base_pieces_of_the_text_with_its_space(context: InitContext) -> None:
    made = initialise_rows(context, "mean")
    checked = 0
    for row, piece in enumerate(context.addition.pieces):
        content = piece_bytes(context.extended, context.first_id + row)
        try:
            text = content.decode("utf-8")
        except UnicodeDecodeError:
            continue
        anchor = encode_plain(context.base, ":")
        ids = encode_plain(context.base, f":{text}")[len(anchor) :]
        assert b"".join(piece_bytes(context.base, one) for one in ids) == content, piece
        torch.testing.assert_close(made[row], context.matrix[ids].mean(0))
        checked += 1
    assert checked >= 10


def test_parts_of_characters_average_by_their_byte_pieces(tiny_llama_folder: Path) -> None:
    context = context_of(tiny_llama_folder)
    made = initialise_rows(context, "mean")
    partial = [row for row in range(context.count) if b"\xdf" in piece_bytes(context.extended, context.first_id + row)[-1:]]
    assert partial
    for row in partial:
        content = piece_bytes(context.extended, context.first_id + row)
        spelled = [context.base.convert_tokens_to_ids(each) for each in context.base.tokenize(content.decode("latin-1"))]
        assert METHODS["mean"].plan(context).origins[row] == "mean"
        assert torch.isfinite(made[row]).all()
        assert spelled  # the row comes from byte pieces that exist


def test_merge_halves_at_every_merge_and_averages_trees(tiny_llama_folder: Path) -> None:
    base = load_tokenizer(tiny_llama_folder)
    plain = addition_of(base, [])
    made_of = [("z", "q"), ("zq", "x"), ("q", "x"), ("z", "qx")]  # zqx has two trees
    addition = replace(plain, pieces=("zq", "zqx", "qx"), merges=tuple(made_of))
    context = context_of(tiny_llama_folder, addition)
    z, q, x = (context.matrix[base.convert_tokens_to_ids(each)] for each in "zqx")
    made = initialise_rows(context, "merge")
    torch.testing.assert_close(made[0], (z + q) / 2)
    torch.testing.assert_close(made[1], (((z + q) / 2 + x) / 2 + (z + (q + x) / 2) / 2) / 2)
    torch.testing.assert_close(made[2], (q + x) / 2)


def test_random_rows_have_the_matrix_own_mean_and_spread_and_come_again_with_the_seed(tiny_llama_folder: Path) -> None:
    context = context_of(tiny_llama_folder)
    many = torch.empty(4000, 16)
    matrix = context.matrix * torch.arange(1, 17) + 3
    plan = rows.RowPlan(("random",) * 4000)
    fill_rows(plan, matrix, many, seed=1)
    torch.testing.assert_close(many.mean(0), matrix.mean(0), atol=1.5, rtol=0.1)
    torch.testing.assert_close(many.std(0), matrix.std(0), atol=0.1, rtol=0.1)
    assert torch.equal(initialise_rows(context, "random"), initialise_rows(context, "random"))
    assert not torch.equal(initialise_rows(context, "random"), initialise_rows(replace(context, seed=1), "random"))


def test_sums_are_made_in_float32_and_cast_once(context: InitContext) -> None:
    half = replace(context, matrix=context.matrix.bfloat16())
    for method in ("mean", "merge", "align"):
        exact = initialise_rows(replace(half, matrix=half.matrix.float()), method)
        assert torch.equal(initialise_rows(half, method), exact.bfloat16())


@settings(max_examples=30, deadline=None)
@given(st.lists(st.dictionaries(st.integers(0, 19), st.floats(-1, 1, width=32), min_size=1, max_size=20), min_size=1, max_size=12))
def test_sparse_rows_are_the_same_in_chunks_of_any_size(weights: list[dict[int, float]]) -> None:
    matrix = torch.randn(20, 4, generator=torch.Generator().manual_seed(0))
    dense = torch.zeros(len(weights), 20)
    for row, each in enumerate(weights):
        for old, weight in each.items():
            dense[row, old] = weight
    chunks = pytest.MonkeyPatch()
    for chunk in (1, 8, 28, 1 << 24):
        chunks.setattr(rows, "_CHUNK", chunk)
        out = torch.full((len(weights), 4), torch.nan)
        SparseRows.of(dict(enumerate(weights))).write(matrix, out)
        torch.testing.assert_close(out, dense @ matrix, atol=1e-5, rtol=1e-5)
    chunks.undo()


def test_similar_rows_are_the_same_in_chunks_of_any_size(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = torch.Generator().manual_seed(0)
    matrix, vectors, shared = (torch.randn(size, generator=generator) for size in ((20, 4), (6, 3), (9, 3)))
    ids = torch.randperm(20, generator=generator)[:9]
    cosines = vectors @ shared.T
    wanted = cosines / cosines.sum(1, keepdim=True) @ matrix[ids]
    for chunk in (1, 12, 1 << 24):
        monkeypatch.setattr(rows, "_CHUNK", chunk)
        out = torch.empty(6, 4)
        SimilarRows(torch.arange(6), vectors, shared, ids).write(matrix, out)
        torch.testing.assert_close(out, wanted, atol=1e-4, rtol=1e-4)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(-5, 5, width=32), min_size=1, max_size=12))
def test_sparsemax_is_the_nearest_point_of_the_simplex(scores: list[float]) -> None:
    found = sparsemax(torch.tensor([scores], dtype=torch.float64))[0]
    assert found.sum().item() == pytest.approx(1)
    assert found.min() >= 0
    kept = found > 0
    gaps = torch.tensor(scores, dtype=torch.float64) - found
    # Optimality: the same threshold under every weight kept, and no score above it among those dropped.
    assert gaps[kept].max() - gaps[kept].min() < 1e-9
    assert (gaps[~kept] <= gaps[kept].min() + 1e-9).all()


def test_focus_takes_only_old_rows_of_the_text_and_gives_the_same_again(context: InitContext) -> None:
    pytest.importorskip("floret")
    plan, again = METHODS["focus"].plan(context), METHODS["focus"].plan(context)
    in_text = {one for text in TEXTS for one in encode_plain(context.extended, text) if one < context.first_id}
    assert plan.facts["overlap"] == len(in_text)
    assert plan.counts["focus"] >= 6
    part, second = plan.parts[-1], again.parts[-1]
    assert isinstance(part, SparseRows)
    assert isinstance(second, SparseRows)
    assert torch.equal(part.weights, second.weights)
    for place, row in enumerate(part.rows.tolist()):
        chosen = slice(int(part.offsets[place]), int(part.offsets[place + 1]))
        if plan.origins[row] == "focus":
            assert set(part.ids[chosen].tolist()) <= in_text
            assert part.weights[chosen].sum().item() == pytest.approx(1, abs=1e-4)


def test_pieces_that_are_like_nothing_in_the_helper_get_their_mean(tiny_llama_folder: Path, tiny_sentencepiece_folder: Path) -> None:
    context = context_of(tiny_llama_folder, helper=load_model(str(tiny_sentencepiece_folder), device="cpu"))  # random: no common direction
    plan = METHODS["similarity"].plan(context)
    assert plan.facts["like_nothing"] > 0
    assert plan.counts["mean"] >= plan.facts["like_nothing"]
    made = initialise_rows(context, "similarity")
    assert made.norm(dim=1).max() < 2 * 0.05**-1 * context.matrix.norm(dim=1).max()


def test_similarity_weighs_shared_pieces_by_cosine_in_the_helper(tiny_llama_folder: Path, tiny_sentencepiece_folder: Path) -> None:
    helper = load_model(str(tiny_sentencepiece_folder), device="cpu")
    with torch.no_grad():
        helper.model.get_input_embeddings().weight.add_(0.2)  # trained embeddings have a direction in common
    context = context_of(tiny_llama_folder, helper=helper)
    made, plan = initialise_rows(context, "similarity"), METHODS["similarity"].plan(context)
    assert set(plan.counts) <= {"similarity", "similarity, spelled by the helper", "mean"}
    table = helper.model.get_input_embeddings().weight.detach()
    theirs = {piece_bytes(helper.tokenizer, one): one for one in range(3, len(helper.tokenizer))}
    ours = {piece_bytes(context.base, one): one for one in range(3, context.first_id)}
    common = sorted(theirs.keys() & ours.keys())
    assert plan.facts["shared"] == len(common)
    row = next(row for row, origin in enumerate(plan.origins) if origin == "similarity, spelled by the helper")
    text = piece_bytes(context.extended, context.first_id + row).decode("utf-8")
    anchor = encode_plain(helper.tokenizer, ":")
    vector = table[encode_plain(helper.tokenizer, f":{text}")[len(anchor) :]].mean(0)
    cosines = torch.cosine_similarity(vector[None], table[[theirs[each] for each in common]])
    wanted = (cosines / cosines.sum()) @ context.matrix[[ours[each] for each in common]]
    torch.testing.assert_close(made[row], wanted, atol=1e-5, rtol=1e-4)


def expanded_model(folder: Path, method: str, tied: bool) -> ExpandedModel:
    loaded = load_model(str(folder), device="cpu")
    if not tied:
        loaded.model.lm_head.weight = torch.nn.Parameter(loaded.model.lm_head.weight.detach().clone())
        loaded.model.config.tie_word_embeddings = False
        loaded.model.name_or_path = ""  # the stored weights are tied
    distillation = DistillationSettings(learning_rate=3e-2, batch_tokens=80)
    return expand_model(loaded, addition_of(loaded.tokenizer), ExpandSettings(method, TEXTS[:3] * 20, distillation=distillation))


@pytest.mark.parametrize("tied", [True, False], ids=["tied", "untied"])
def test_distillation_lowers_its_loss_and_changes_nothing_but_the_new_rows_it_reached(tiny_llama_folder: Path, tied: bool) -> None:
    before, after = (expanded_model(tiny_llama_folder, method, tied) for method in ("mean", "distillation"))
    assert after.figures["last_loss"] < 0.8 * after.figures["first_loss"]
    origins = after.expansion.origins
    assert origins["distillation"] > 0
    assert origins["mean"] > 0
    means, made = before.loaded.model.state_dict(), after.loaded.model.state_dict()
    changed = (made["model.embed_tokens.weight"] != means["model.embed_tokens.weight"]).any(1).nonzero()[:, 0].tolist()
    assert len(changed) == origins["distillation"]
    assert min(changed) >= after.expansion.first_id
    same = means.keys() - {"model.embed_tokens.weight"} - ({"lm_head.weight"} if tied else set())
    assert all(torch.equal(made[name], means[name]) for name in same)
    assert not after.loaded.model.training
    assert all(each.requires_grad for each in after.loaded.model.parameters())


def test_pieces_that_a_base_without_bytes_cannot_spell_are_random_and_counted() -> None:
    base = unigram_tokenizer()
    addition = Addition("unigram", "continued", ("▁jambo", "▁habari", "▁ߒߞߏ"), (), tokenizer_digest(base), "swh_Latn", (-4.0, -4.0, -4.0))
    matrix = torch.randn(first_new_id(base), 16, generator=torch.Generator().manual_seed(5))
    context = InitContext(base, extend_tokenizer(base, addition), addition, first_new_id(base), matrix, TEXTS)
    plan = METHODS["align"].plan(context)
    assert plan.origins == ("align", "align", "random")
    assert plan.facts["unaligned_lines"] == 2  # both lines with N'Ko are <unk> to the base
    ids = encode_plain(base, "jambo")
    torch.testing.assert_close(initialise_rows(context, "align")[0], matrix[ids].mean(0))
    torch.testing.assert_close(initialise_rows(context, "mean")[0], matrix[ids].mean(0))
    assert METHODS["merge"].plan(context).origins == ("mean", "mean", "random")


def unigram_tokenizer() -> PreTrainedTokenizerBase:
    """A Unigram tokenizer of Latin letters, `▁` before the first word, without byte pieces."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    letters = [(letter, -3.0) for letter in "▁abcdefghijklmnopqrstuvwxyzTдела"]
    backend = Tokenizer(models.Unigram([("<unk>", 0.0), *letters, ("am", -4.0), ("▁ha", -4.0)], unk_id=0, byte_fallback=False))
    backend.pre_tokenizer = pre_tokenizers.Metaspace()
    backend.decoder = decoders.Metaspace()
    return PreTrainedTokenizerFast(tokenizer_object=backend, unk_token="<unk>")


@pytest.mark.parametrize("scaled", [False, True], ids=["plain embeddings", "embeddings scaled as Gemma's"])
def test_the_gradient_of_distillation_is_that_of_the_embedding_rows(tiny_llama_folder: Path, scaled: bool) -> None:
    from transformers import Gemma3ForCausalLM, Gemma3TextConfig

    context = context_of(tiny_llama_folder)
    model = load_model(str(tiny_llama_folder), device="cpu").model
    if scaled:
        sizes = {"hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "head_dim": 16}
        model = Gemma3ForCausalLM(Gemma3TextConfig(vocab_size=500, num_key_value_heads=1, initializer_range=0.2, **sizes)).eval()
    model.resize_token_embeddings(context.first_id + context.count)
    batch = choose_snippets(context, DistillationSettings())
    _loss(model, batch).backward()
    weight = model.get_input_embeddings().weight
    wanted = weight.grad[context.first_id :].clone()
    assert wanted.abs().sum() > 0
    master = weight.detach()[context.first_id :].clone().requires_grad_(True)
    weight.grad = None
    with _only_new_rows(model, master, context.first_id):
        _loss(model, batch).backward()
    assert weight.grad is None
    torch.testing.assert_close(master.grad, wanted)


def test_snippets_pair_the_positions_where_both_segmentations_have_read_the_same(context: InitContext) -> None:
    found = choose_snippets(context, DistillationSettings(length=30))
    assert found
    for snippet in found:
        assert snippet.pairs
        for old, new in snippet.pairs:
            read = [
                b"".join(map(context.bytes_of.__getitem__, ids[1:])) for ids in (snippet.teacher[: old + 1], snippet.student[: new + 1])
            ]
            assert read[0] == read[1]
        assert snippet.teacher[0] == snippet.student[0] == 1
        assert len(snippet.teacher) <= 31
        assert any(snippet.student[new] >= context.first_id for _, new in snippet.pairs)
    assert sum(len(each.teacher) for each in choose_snippets(context, DistillationSettings(tokens=40))) <= 40
    assert len(choose_snippets(replace(context, texts=TEXTS * 9), DistillationSettings(snippets=2))) <= 2 * 5
