"""Translating with tiny random models: what comes out is noise, but it must be the same noise however it is asked for."""

from __future__ import annotations

import math
import time
from collections import defaultdict
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dragoman.mt.config import DecodingConfig
from dragoman.mt.decoding import Continuation, Ending, Request, decode
from dragoman.mt.errors import ConfigError, ModelError
from dragoman.mt.languages import find_language
from dragoman.mt.models import LoadedModel, load_model
from dragoman.mt.prompts import PromptTemplate, load_template
from dragoman.mt.splitting import split_text
from dragoman.mt.tokenization import encode_prompt
from dragoman.mt.translator import Translation, Translator

ENGLISH, FRENCH, CHINESE = find_language("eng"), find_language("fra"), find_language("zho_Hans")
SHORT = DecodingConfig(max_new_tokens=12)
TEXTS = ["Good morning, everyone.", "Dog.", "", "The quick brown fox\njumps over the lazy dog.", "  Dog.\r", "你好，世界。", " \t"]


@pytest.fixture(scope="module")
def loaded(tiny_llama_folder: Path) -> LoadedModel:
    return load_model(str(tiny_llama_folder), device="cpu")


def translator(loaded: LoadedModel, decoding: DecodingConfig = SHORT, template: str = "alma", **options: object) -> Translator:
    return Translator(loaded, load_template(template), ENGLISH, FRENCH, decoding, **options)  # type: ignore[arg-type]


def rounded(translation: Translation) -> Translation:
    return replace(translation, score=round(translation.score, 3))


@pytest.mark.parametrize(
    "decoding",
    [
        SHORT,
        DecodingConfig(),
        replace(SHORT, repetition_penalty=1.3),
        replace(SHORT, beams=3),
        replace(SHORT, sample=True, top_p=0.9, seed=5),
        replace(SHORT, stop="line"),
    ],
    ids=["greedy", "own-limits", "penalty", "beams", "sample", "line"],
)
def test_a_batch_gives_what_single_texts_give(loaded: LoadedModel, decoding: DecodingConfig) -> None:
    together = translator(loaded, decoding).translate(TEXTS)
    alone = [translator(loaded, decoding).translate([text])[0] for text in TEXTS]
    small = translator(loaded, replace(decoding, batch_tokens=1)).translate(TEXTS)
    assert [rounded(one) for one in together] == [rounded(one) for one in alone] == [rounded(one) for one in small]
    assert [one.source for one in together] == TEXTS
    assert any(one.text.strip() for one in together)


def test_greedy_and_beams_agree_with_generate(loaded: LoadedModel) -> None:
    prompt = encode_prompt(loaded.tokenizer, "English: Good morning.\nFrench:")
    ids = torch.tensor([prompt])
    for beams in (1, 2, 4):
        expected = loaded.model.generate(
            ids,
            attention_mask=torch.ones_like(ids),
            num_beams=beams,
            do_sample=False,
            max_new_tokens=15,
            eos_token_id=2,
            pad_token_id=0,
        )[0, len(prompt) :].tolist()
        ending = Ending(frozenset({2}), lambda _: "x")
        config = DecodingConfig(beams=beams)
        if beams == 1:
            *_, rows = decode(loaded.model, [Request(prompt, 15)], ending, config, 0)
        else:
            from dragoman.mt.beams import beam_search

            rows = beam_search(loaded.model, [Request(prompt, 15)], ending, config, 0)
        assert rows[0].ids == [one for one in expected if one not in (0, 2)]


@pytest.mark.parametrize("beams", [1, 3])
def test_the_score_is_the_mean_log_probability_of_the_output_with_its_eos(loaded: LoadedModel, beams: int) -> None:
    prompt = encode_prompt(loaded.tokenizer, "English: Dog.\nFrench:")
    rows = _run(loaded, [Request(prompt, 10)], DecodingConfig(beams=beams))
    output = rows[0].ids + [2] * rows[0].finished
    with torch.no_grad():
        logits = loaded.model(torch.tensor([prompt + output])).logits[0, len(prompt) - 1 : -1].log_softmax(-1)
    expected = sum(float(logits[i, token]) for i, token in enumerate(output))
    assert math.isclose(rows[0].log_probability, expected, rel_tol=1e-4)
    assert rows[0].generated == len(output)


def _run(
    loaded: LoadedModel, requests: list[Request], config: DecodingConfig, stops: frozenset[int] = frozenset({2})
) -> list[Continuation]:
    from dragoman.mt.beams import beam_search

    ending = Ending(stops, lambda token: loaded.tokenizer.decode([token]))
    if config.beams > 1:
        return beam_search(loaded.model, requests, ending, config, 0)
    *_, rows = decode(loaded.model, requests, ending, config, 0)
    return rows


@pytest.mark.parametrize("beams", [1, 2])
def test_rows_stop_at_eos_and_leave_the_batch(loaded: LoadedModel, beams: int, monkeypatch: pytest.MonkeyPatch) -> None:
    prompts = [encode_prompt(loaded.tokenizer, text) for text in ("Dog.", "Bonjour, comment")]
    free = _run(loaded, [Request(prompt, 10) for prompt in prompts], DecodingConfig(beams=1), frozenset())
    stop = free[0].ids[2]
    position = free[0].ids.index(stop)
    widths = []
    forward = loaded.model.forward
    monkeypatch.setattr(loaded.model, "forward", lambda **given: (widths.append(len(given["input_ids"])), forward(**given))[1])
    monkeypatch.setattr("dragoman.mt.row_pool.forward_arguments", lambda model: frozenset({"position_ids", "logits_to_keep"}))
    requests = [Request(prompt, limit) for prompt, limit in zip(prompts, (5, 10), strict=True)]
    rows = _run(loaded, requests, DecodingConfig(beams=beams), frozenset({stop}))
    assert rows[0].finished
    assert stop not in rows[0].ids
    assert widths[-1] < max(widths)
    if beams == 1:
        assert rows[0].ids == free[0].ids[:position]
        assert rows[0].generated == position + 1


def test_every_row_has_its_own_limit_and_an_unfinished_output_says_so(loaded: LoadedModel) -> None:
    short, long = translator(loaded, DecodingConfig()).translate(["Dog.", "The quick brown fox jumps over the lazy dog."])
    assert (short.finished, long.finished) == (False, False)
    assert 20 < short.tokens < long.tokens
    assert "unfinished" in short.warnings


def test_stop_line_ends_at_the_first_newline_only_when_the_source_has_none(loaded: LoadedModel) -> None:
    row = Continuation(Request([1], 10, one_line=True))
    texts = {5: "\n", 6: "a", 7: ".\n"}
    ending = Ending(frozenset({2}), texts.__getitem__)
    ending.append(row, 5, -1.0)
    assert not row.finished  # a newline before any text is not the end
    ending.append(row, 6, -1.0)
    ending.append(row, 7, -1.0)
    assert row.finished
    many = Continuation(Request([1], 10, one_line=False), has_text=True)
    ending.append(many, 7, -1.0)
    assert not many.finished
    built = translator(loaded, replace(SHORT, stop="line"))
    assert built._request("one line").one_line
    assert not built._request("two\nlines").one_line


def test_outputs_of_several_lines_stay_whole(loaded: LoadedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    answer = " Le chien.\n\nFrench: encore\nune ligne"
    _force(loaded, monkeypatch, answer)
    found = translator(loaded, DecodingConfig(max_new_tokens=200)).translate(["The dog.\nAgain"])[0]
    assert found.text == answer.strip()
    assert found.finished
    one_line = translator(loaded, DecodingConfig(max_new_tokens=200, stop="line")).translate(["The dog."])[0]
    assert one_line.text == "Le chien."
    assert one_line.finished


def _force(loaded: LoadedModel, monkeypatch: pytest.MonkeyPatch, answer: str) -> None:
    """Make greedy decoding spell out `answer`, whatever the prompt is."""
    from dragoman.mt.row_pool import RowPool

    ids = [*loaded.tokenizer.encode(answer, add_special_tokens=False), 2]
    steps: dict[RowPool, int] = defaultdict(int)
    forward = RowPool._forward

    def forced(self: RowPool, inputs: torch.Tensor, mask: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
        logits = forward(self, inputs, mask, positions) * 0
        logits[:, ids[min(steps[self], len(ids) - 1)]] = 10.0
        steps[self] += 1
        return logits

    monkeypatch.setattr(RowPool, "_forward", forced)


def test_empty_and_blank_texts_never_reach_the_model(loaded: LoadedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    built = translator(loaded)
    monkeypatch.setattr(loaded.model, "forward", None)
    found = built.translate(["", "  ", "\n"])
    assert [one.text for one in found] == ["", "  ", "\n"]
    assert all(one.finished and not one.warnings and one.tokens == 0 for one in found)


def test_outer_whitespace_is_kept_out_of_the_prompt_and_put_back(loaded: LoadedModel) -> None:
    plain, dressed = translator(loaded).translate(["Dog.", "\t Dog.\r"])
    assert dressed.text == f"\t {plain.text}\r"


@pytest.mark.parametrize("template", ["alma", "instruction", "closing"])
@pytest.mark.parametrize(
    "answer",
    [" Le chien 你好 🙂 मस्ते.", "<< Une ligne\nune autre >>", "<< <  >", "", "  \n"],
    ids=["scripts", "lines", "odd", "empty", "blank"],
)
def test_streamed_pieces_join_to_the_translation_and_hold_no_half_characters(
    loaded: LoadedModel, monkeypatch: pytest.MonkeyPatch, template: str, answer: str
) -> None:
    _force(loaded, monkeypatch, answer)
    chosen = PromptTemplate("closing", "{text}:", "<< {target} >>") if template == "closing" else load_template(template)
    built = Translator(loaded, chosen, ENGLISH, FRENCH, DecodingConfig(max_new_tokens=100))
    pieces = list(built.stream(" The dog.\n"))
    assert "".join(pieces) == built.translate([" The dog.\n"])[0].text
    assert all(pieces)
    assert "\ufffd" not in "".join(pieces)
    if template == "alma" and len(answer) > 20:
        assert len(pieces) > 5


@given(st.text(max_size=40))
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_streaming_any_text_gives_its_translation(loaded: LoadedModel, text: str) -> None:
    built = translator(loaded, DecodingConfig(max_new_tokens=6))
    assert "".join(built.stream(text)) == built.translate([text])[0].text


@pytest.mark.parametrize("options", [{"beams": 2}, {"sample": True}])
def test_streaming_works_for_every_way_of_decoding(loaded: LoadedModel, options: dict[str, int | bool]) -> None:
    built = translator(loaded, replace(SHORT, **options))  # type: ignore[arg-type]
    assert "".join(built.stream("Dog.")) == built.translate(["Dog."])[0].text


def test_an_abandoned_stream_stops_computing_and_restores_the_model(loaded: LoadedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    forward = loaded.model.forward
    monkeypatch.setattr(loaded.model, "forward", lambda **given: (calls.append(1), forward(**given))[1])
    loaded.model.train()
    stream = translator(loaded, DecodingConfig(max_new_tokens=50)).stream("The quick brown fox")
    next(stream)
    stream.close()
    assert 0 < len(calls) < 10
    assert loaded.model.training
    loaded.model.eval()


@pytest.mark.parametrize("options", [{}, {"beams": 2}, {"sample": True}], ids=["greedy", "beams", "sample"])
def test_translating_leaves_the_model_and_the_random_state_as_they_were(tiny_llama_folder: Path, options: dict[str, int | bool]) -> None:
    from peft import LoraConfig, get_peft_model

    fresh = load_model(str(tiny_llama_folder), device="cpu")
    expected = translator(fresh, replace(SHORT, **options)).translate(TEXTS)  # type: ignore[arg-type]
    fresh.model = get_peft_model(fresh.model, LoraConfig(r=2, lora_dropout=0.5, target_modules="all-linear", task_type="CAUSAL_LM"))
    fresh.model.gradient_checkpointing_enable()
    fresh.model.train()
    frozen = fresh.model.get_base_model().model.layers[0]
    frozen.eval()
    modes = [module.training for module in fresh.model.modules()]
    generation, use_cache = fresh.model.generation_config.to_dict(), fresh.model.config.use_cache
    state = torch.random.get_rng_state()
    found = translator(fresh, replace(SHORT, **options)).translate(TEXTS)  # type: ignore[arg-type]
    assert [rounded(one) for one in found] == [rounded(one) for one in expected]
    assert torch.equal(state, torch.random.get_rng_state())
    assert [module.training for module in fresh.model.modules()] == modes
    assert (fresh.model.generation_config.to_dict(), fresh.model.config.use_cache) == (generation, use_cache)
    assert fresh.model.get_base_model().model.gradient_checkpointing
    ids = torch.tensor([[1, 2, 3]])
    fresh.model(input_ids=ids, labels=ids).loss.backward()  # nothing left behind in inference mode


def test_samples_depend_on_the_seed_and_the_text_not_on_the_batch(loaded: LoadedModel) -> None:
    config = replace(SHORT, sample=True, temperature=1.5)
    first = translator(loaded, config).translate(["Dog.", "Good morning."])
    again = translator(loaded, config).translate(["Good morning.", "Dog."])
    other = translator(loaded, replace(config, seed=2)).translate(["Dog.", "Good morning."])
    assert [one.text for one in first] == [one.text for one in reversed(again)]
    assert [one.text for one in first] != [one.text for one in other]


def test_a_tiny_nucleus_is_greedy(loaded: LoadedModel) -> None:
    greedy = translator(loaded, SHORT).translate(TEXTS)
    nucleus = translator(loaded, replace(SHORT, sample=True, top_p=1e-6)).translate(TEXTS)
    assert [one.text for one in greedy] == [one.text for one in nucleus]


def test_a_long_text_is_split_and_the_warning_says_into_how_many_parts(loaded: LoadedModel) -> None:
    sentence = "The quick brown fox jumps over the lazy dog. "
    built = translator(loaded, DecodingConfig(max_new_tokens=4))
    found = built.translate([sentence * 225, "Dog."])
    assert len(sentence * 225) > 10_000
    (warning,) = [name for name in found[0].warnings if name.startswith("split")]
    count = int(warning.split()[2])
    assert count > 5
    assert found[0].text.endswith(" ")
    assert rounded(found[1]) == rounded(built.translate(["Dog."])[0])
    assert "".join(built.stream(sentence * 20)) == built.translate([sentence * 20])[0].text


def test_a_long_text_is_refused_when_asked_for(loaded: LoadedModel) -> None:
    with pytest.raises(ModelError, match="exceeds what the model's context of 512 tokens"):
        translator(loaded, long="refuse").translate(["dog " * 2000])
    with pytest.raises(ValueError):
        list(translator(loaded, long="refuse").stream("dog " * 2000))


@given(st.text(alphabet="ab .!,，。\n你ก\u0e47\u0301\u200d🙂", max_size=60), st.integers(1, 12))
@settings(max_examples=60, deadline=None)
def test_splitting_loses_no_character_and_keeps_parts_short(text: str, longest: int) -> None:
    core = text.strip()
    parts = split_text(core, len, longest)
    assert "".join(part.text + part.gap for part in parts) == core
    glued = "\u0301\u200d\u0e47"  # a mark, a joiner, a vowel sign: nothing is cut before them, nor after a joiner
    assert not any(part.text[:1] in glued or before.text[-1:] == "\u200d" for before, part in pairwise(parts) if not before.gap)
    for part in parts:
        cuts = [at for at in range(1, len(part.text)) if part.text[at] not in glued and part.text[at - 1] != "\u200d"]
        assert len(part.text) <= longest or not cuts


def test_a_huge_text_without_any_boundary_is_split_quickly(loaded: LoadedModel) -> None:
    built = translator(loaded)
    started = time.perf_counter()
    assert len(built._segment("你好" * 10_000).parts) > 100
    assert time.perf_counter() - started < 5


def test_parts_are_joined_as_the_target_language_writes(loaded: LoadedModel) -> None:
    from dragoman.mt.splitting import Part, Segment

    segment = Segment("", [Part("One.", " "), Part("Two.", "\n\n"), Part("Three.", "")], "")
    assert segment.join(["一。", "二。", "三。"], CHINESE.spaced) == "一。二。\n\n三。"
    assert segment.join(["Un.", "", "Trois."], FRENCH.spaced) == "Un. Trois."


@pytest.mark.parametrize(
    "change", [{"beams": 0}, {"temperature": 0.0}, {"top_p": 0.0}, {"max_new_tokens": 0}, {"batch_tokens": 0}, {"beams": 2, "sample": True}]
)
def test_decoding_settings_that_mean_nothing_are_refused(loaded: LoadedModel, change: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="decoding"):
        translator(loaded, replace(DecodingConfig(), **change))  # type: ignore[arg-type]


def test_progress_counts_up_to_the_number_of_distinct_texts(loaded: LoadedModel) -> None:
    seen: list[tuple[int, int]] = []
    translator(loaded, replace(SHORT, batch_tokens=1)).translate(["Dog.", "Dog.", "Cat.", ""], progress=lambda *at: seen.append(at))
    assert seen == [(1, 2), (2, 2)]


def test_the_prompt_of_the_model_is_used_when_none_is_given(tiny_sentencepiece_folder: Path) -> None:
    built = Translator.from_source(str(tiny_sentencepiece_folder), ENGLISH, FRENCH, SHORT, device="cpu")
    assert built.prompt("Dog.") == "Translate this from English to French:\nEnglish: Dog.\nFrench:"
    assert [one.source for one in built.translate(["Dog.", "Chat"])] == ["Dog.", "Chat"]
