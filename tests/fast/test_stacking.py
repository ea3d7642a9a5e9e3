"""A translation encoder in front of a language model: the teacher is the model itself, rows do not see each other, saved is loaded."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from stacks import ENGLISH, ENGLISH_TEXTS, FRENCH, GERMAN, GERMAN_TEXTS, save, save_tiny_encoder, tiny_stack

from dragoman.adapters.seq2seq.vocabulary import learn_vocabulary
from dragoman.adapters.stacking.encoder import load_encoder
from dragoman.adapters.stacking.model import StackedModel
from dragoman.adapters.stacking.saving import load_stack
from dragoman.mt.config import DecodingConfig
from dragoman.mt.errors import DragomanError, LanguageError, ModelError
from dragoman.mt.models import LoadedModel, load_model, load_tokenizer
from dragoman.mt.prompts import load_template
from dragoman.mt.tokenization import decode_whole, encode_plain, encode_prompt, leading_ids
from dragoman.mt.translator import Translator


@pytest.fixture(scope="module")
def encoder_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_encoder(tmp_path_factory.mktemp("tiny-encoder"))


@pytest.fixture(scope="module")
def stack(encoder_folder: Path, tiny_llama_folder: Path) -> StackedModel:
    return tiny_stack(encoder_folder, tiny_llama_folder)


def text_batch(folder: Path, texts: list[str]) -> tuple[torch.Tensor, torch.Tensor]:
    rows = [encode_plain(load_tokenizer(folder), text) for text in texts]
    width = max(map(len, rows))
    return (
        torch.tensor([[*row, *[0] * (width - len(row))] for row in rows]),
        torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row in rows]),
    )


def test_the_teacher_is_the_language_model_bit_for_bit_and_leaves_everything_as_it_was(
    stack: StackedModel, tiny_llama_folder: Path
) -> None:
    ids, mask = text_batch(tiny_llama_folder, ENGLISH_TEXTS)
    plain = load_model(str(tiny_llama_folder), device="cpu").model
    with torch.no_grad():
        expected = plain.model(input_ids=ids, attention_mask=mask).last_hidden_state
    wanted = [parameter.requires_grad for parameter in stack.parameters()]
    stack.train()
    try:
        assert torch.equal(stack.teacher_states(ids, mask), expected)
        assert not torch.equal(stack.text_states(ids, mask), expected)
        assert [parameter.requires_grad for parameter in stack.parameters()] == wanted
        assert all(module.training for module in stack.llm.modules())
        assert not stack.encoder.model.training
    finally:
        stack.eval()


def test_gradients_reach_projection_adapter_and_end_vector_and_nothing_else(encoder_folder: Path, tiny_llama_folder: Path) -> None:
    stack = tiny_stack(encoder_folder, tiny_llama_folder, "mlp")
    ids, mask = stack.encoder.encode_batch(GERMAN_TEXTS, GERMAN)
    stack.pooled(ids, mask).square().sum().backward()
    moved = {name for name, parameter in stack.named_parameters() if parameter.grad is not None and parameter.grad.any()}
    assert moved == {name for name, _ in stack.named_parameters() if name.startswith("projection.") or "lora_" in name}
    states, starts = stack.target_states(stack.encoder.rows(GERMAN_TEXTS, GERMAN), [[1, 5, 6, 7]] * 4, 1)
    states[torch.arange(4), starts].sum().backward()
    moved = {name for name, parameter in stack.named_parameters() if parameter.grad is not None and parameter.grad.any()}
    assert "end" in moved and not any("lora_" not in name and name.startswith("llm.") for name in moved)
    assert all(parameter.grad is None and not parameter.requires_grad for parameter in stack.encoder.model.parameters())


@pytest.mark.parametrize("attention", ["causal", "bidirectional"])
def test_a_batch_of_mixed_lengths_equals_its_rows_one_by_one(encoder_folder: Path, tiny_llama_folder: Path, attention: str) -> None:
    stack = tiny_stack(encoder_folder, tiny_llama_folder, attention=attention)  # type: ignore[arg-type]
    with torch.no_grad():
        together = stack.pooled(*stack.encoder.encode_batch(GERMAN_TEXTS, GERMAN))
        alone = torch.cat([stack.pooled(*stack.encoder.encode_batch([text], GERMAN)) for text in GERMAN_TEXTS])
        taught = stack.teacher_pooled(*text_batch(tiny_llama_folder, ENGLISH_TEXTS))
        taught_alone = torch.cat([stack.teacher_pooled(*text_batch(tiny_llama_folder, [text])) for text in ENGLISH_TEXTS])
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(taught, taught_alone, atol=1e-5, rtol=1e-5)


def test_bidirectional_states_see_what_follows_and_causal_ones_do_not(encoder_folder: Path, tiny_llama_folder: Path) -> None:
    ids, mask = text_batch(tiny_llama_folder, ["The bird flew south."])
    other = ids.clone()
    other[0, -1] = 7
    for attention, same in (("causal", True), ("bidirectional", False)):
        stack = tiny_stack(encoder_folder, tiny_llama_folder, attention=attention)  # type: ignore[arg-type]
        first, second = (stack.teacher_states(one, mask)[0, 0] for one in (ids, other))
        assert torch.equal(first, second) == same


def loaded_with(stack: StackedModel, folder: Path) -> LoadedModel:
    loaded = load_model(str(folder), device="cpu")
    loaded.model, loaded.stack = stack.llm, stack
    return loaded


@pytest.mark.parametrize("beams", [1, 3])
def test_the_translator_gives_for_a_batch_what_it_gives_for_single_texts_and_what_generate_gives(
    stack: StackedModel, tiny_llama_folder: Path, beams: int
) -> None:
    loaded = loaded_with(stack, tiny_llama_folder)
    decoding = DecodingConfig(beams=beams, max_new_tokens=8, stop="eos")
    translator = Translator(loaded, load_template("alma"), GERMAN, ENGLISH, decoding)
    together = [one.text for one in translator.translate(GERMAN_TEXTS)]
    assert together == [translator.translate([text])[0].text for text in GERMAN_TEXTS]
    assert together[0] == "".join(translator.stream(GERMAN_TEXTS[0]))
    plain = Translator(load_model(str(tiny_llama_folder), device="cpu"), load_template("alma"), GERMAN, ENGLISH, decoding)
    assert together != [one.text for one in plain.translate(GERMAN_TEXTS)]
    if beams == 1:
        tokenizer = loaded.tokenizer
        prompts = [encode_prompt(tokenizer, translator.prompt(text)) for text in GERMAN_TEXTS]
        rows = stack.encoder.rows(GERMAN_TEXTS, GERMAN)
        ids = stack.generate(rows, prompts, len(leading_ids(tokenizer)), max_new_tokens=8, do_sample=False, pad_token_id=0)
        assert [decode_whole(tokenizer, row.tolist()).strip() for row in ids] == together


def test_a_saved_stack_is_loaded_equal_and_translates_the_same_merged_or_not(
    stack: StackedModel, encoder_folder: Path, tiny_llama_folder: Path, tmp_path: Path
) -> None:
    folder = save(tmp_path / "run" / "model", stack, encoder_folder, tiny_llama_folder)
    again = load_stack(folder.parent, device="cpu")
    batch = stack.encoder.encode_batch(GERMAN_TEXTS, GERMAN)
    with torch.no_grad():
        assert torch.equal(stack.pooled(*batch), again.model.pooled(*batch))
    assert sum(path.stat().st_size for path in folder.glob("*.safetensors")) < 100_000
    decoding = DecodingConfig(max_new_tokens=8)
    texts = [one.text for one in Translator(again.loaded, load_template("alma"), GERMAN, ENGLISH, decoding).translate(GERMAN_TEXTS)]
    merged = Translator.from_source(str(folder), GERMAN, ENGLISH, decoding, device="cpu")
    assert merged.loaded.directions == ("deu_Latn-eng_Latn",) and merged.loaded.stack and not merged.loaded.stack.adapted
    assert [one.text for one in merged.translate(GERMAN_TEXTS)] == texts


def test_a_parent_that_changed_or_went_is_a_clear_error(
    stack: StackedModel, encoder_folder: Path, tiny_llama_folder: Path, tmp_path: Path
) -> None:
    own = Path(shutil.copytree(encoder_folder, tmp_path / "encoder"))
    folder = save(tmp_path / "stack", stack, own, tiny_llama_folder)
    weights = own / "model.safetensors"
    before = weights.read_bytes()
    weights.write_bytes(before[:-4] + b"\1\2\3\4")
    with pytest.raises(ModelError, match=r"the encoder of this stack, .* has changed"):
        load_stack(folder)
    shutil.rmtree(own)
    with pytest.raises(ModelError, match="not to be had"):
        load_model(str(folder))
    (folder / "stack.safetensors").unlink()
    with pytest.raises(ModelError, match=r"a stack without stack\.safetensors"):
        load_model(str(folder))


def test_a_long_text_is_split_to_fit_the_encoder_or_refused(encoder_folder: Path, tiny_llama_folder: Path, tmp_path: Path) -> None:
    short = save_tiny_encoder(tmp_path / "short", positions=24)
    loaded = loaded_with(tiny_stack(short, tiny_llama_folder), tiny_llama_folder)
    text = " ".join(GERMAN_TEXTS)
    decoding = DecodingConfig(max_new_tokens=4)
    whole = Translator(loaded, load_template("alma"), GERMAN, ENGLISH, decoding).translate([text])[0]
    assert any("split into" in warning for warning in whole.warnings)
    with pytest.raises(ModelError, match="tokens"):
        Translator(loaded, load_template("alma"), GERMAN, ENGLISH, decoding, long="refuse").translate([text])
    with pytest.raises(ModelError, match="tokens for the encoder"):
        load_encoder(str(short)).encode_batch([text], GERMAN)


def test_languages_are_tokens_not_pieces_and_an_unknown_one_names_the_nearest(stack: StackedModel, tiny_llama_folder: Path) -> None:
    encoder = stack.encoder
    ids = encoder.rows(["Hallo deu_Latn </s>", ""], GERMAN)
    assert ids[0][0] == encoder.languages["deu_Latn"] and ids[0].count(encoder.languages["deu_Latn"]) == 1
    assert ids[0].count(encoder.tokenizer.eos_token_id) == 1 and ids[1] == [ids[0][0], ids[0][-1]]
    with pytest.raises(LanguageError, match=r"does not know French \(fra_Latn\)"):
        Translator(loaded_with(stack, tiny_llama_folder), load_template("alma"), FRENCH, ENGLISH, DecodingConfig())


def test_an_encoder_with_another_tokenizer_and_a_model_without_embeddings_as_input_are_refused(
    stack: StackedModel, encoder_folder: Path, tiny_llama_folder: Path, tmp_path: Path
) -> None:
    other = Path(shutil.copytree(encoder_folder, tmp_path / "encoder"))
    learn_vocabulary([*GERMAN_TEXTS, *ENGLISH_TEXTS, "etwas ganz anderes"], [ENGLISH, GERMAN], 400).save_pretrained(other)
    with pytest.raises(ModelError, match="rows of embeddings"):
        load_encoder(str(other))
    with pytest.raises(DragomanError, match="no encoder-decoder model"):
        load_encoder(str(tiny_llama_folder))

    class Closed(torch.nn.Module):
        def forward(self, input_ids: torch.Tensor) -> torch.Tensor:
            return input_ids

    with pytest.raises(ModelError, match="inputs_embeds"):
        StackedModel(stack.encoder, Closed())
