"""Specialised systems: Apertium for real, tiny M2M-100 models built in code, files of drafts; and how sure they are of each word."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dragoman.mt.errors import ConfigError, CorpusError, DragomanError, ModelError
from dragoman.mt.languages import find_language
from dragoman.mt.specialists import NO_DRAFT, Draft, Opening, open_specialist
from dragoman.mt.specialists.apertium import Apertium
from dragoman.mt.specialists.apertium_stream import from_stream, to_stream
from dragoman.mt.specialists.batches import batches
from dragoman.mt.specialists.families import FAMILIES, Marking, mark
from dragoman.mt.specialists.files import FileDrafts
from dragoman.mt.specialists.seq2seq import Seq2Seq
from dragoman.mt.specialists.word_confidences import draft_of

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

TAUGHT = ["The dog left the house.", "El perro dejó la casa.", "A new day begins.", "Un nuevo día empieza.", "the dog", "el perro"]
ENGLISH, SPANISH = find_language("eng"), find_language("spa")


def opening(spelled: str, **options: object) -> Opening:
    return Opening(spelled, "", ENGLISH, SPANISH, **options)  # type: ignore[arg-type]


# ---- drafts and their words ----


def test_a_draft_is_written_with_a_confidence_after_each_word_that_has_one() -> None:
    draft = Draft(
        "El  perro\nse fue, el perro.", (("El", 0.913), ("perro", 0.5), ("se", None), ("fue,", 1.0), ("el", 0.0), ("perro.", 0.585))
    )
    assert draft.written(confidences=True) == "El(0.91) perro(0.50) se fue,(1.00) el(0.00) perro.(0.58)"
    assert draft.written(confidences=False) == "El perro se fue, el perro."
    assert Draft.plain("مرحبا 你好").written(confidences=True) == "مرحبا 你好"


def test_a_words_confidence_is_the_mean_of_its_sub_tokens() -> None:
    pieces = ["El", " per", "ro", " ", "s", "é", "."]
    draft = draft_of(range(7), [0.9, 0.4, 0.8, 0.2, 0.6, 0.7, 0.5], lambda ids: "".join(pieces[one] for one in ids))
    assert draft.text == "El perro sé."
    assert [word for word, _ in draft.words] == ["El", "perro", "sé."]
    assert [confidence for _, confidence in draft.words] == pytest.approx([0.9, 0.6, (0.2 + 0.6 + 0.7 + 0.5) / 4])


def test_sub_tokens_are_the_words_of_a_script_without_spaces_and_bytes_wait_for_their_character() -> None:
    pieces = [b"\xe4", b"\xbd\xa0", "好".encode(), b" ok", "۔ سلام".encode()]
    draft = draft_of(range(5), [0.2, 0.4, 0.5, 1.0, 0.1], lambda ids: b"".join(pieces[one] for one in ids).decode("utf-8", "replace"))
    assert [word for word, _ in draft.words] == ["你", "好", "ok۔", "سلام"]
    assert [confidence for _, confidence in draft.words] == pytest.approx([0.3, 0.5, 0.55, 0.1])
    assert draft_of([], [], lambda _: "") == NO_DRAFT


@settings(max_examples=50)
@given(st.lists(st.text(alphabet="ab \u0301你ไ۔é", max_size=4), max_size=12), st.data())
def test_the_words_of_a_draft_are_all_of_it_and_as_sure_as_their_sub_tokens(pieces: list[str], data: st.DataObject) -> None:
    sure = data.draw(st.lists(st.floats(0, 1), min_size=len(pieces), max_size=len(pieces)))
    draft = draft_of(range(len(pieces)), sure, lambda ids: "".join(pieces[one] for one in ids))
    assert "".join(word for word, _ in draft.words) == "".join(draft.text.split())
    assert all(confidence is not None and min(sure) - 1e-9 <= confidence <= max(sure) + 1e-9 for _, confidence in draft.words)


def test_batches_hold_every_text_once_and_no_more_tokens_than_they_may() -> None:
    lengths = [3, 50, 7, 7, 100, 1, 2]
    made = list(batches(lengths, 60))
    assert sorted(number for batch in made for number in batch) == list(range(7))
    assert all(len(batch) == 1 or len(batch) * max(lengths[number] for number in batch) <= 60 for batch in made)


@pytest.mark.parametrize("spelled", ["apertum:eng-spa", "apertium", "apertium:", "", ":x"])
def test_a_specification_that_names_no_system_is_refused_with_those_there_are(spelled: str) -> None:
    with pytest.raises(ConfigError, match="apertium:MODE, nllb:MODEL"):
        open_specialist(opening(spelled))


# ---- Apertium ----

needs_apertium = pytest.mark.skipif(
    shutil.which("apertium") is None or "eng-spa" not in subprocess.run(["apertium", "-l"], capture_output=True, text=True).stdout.split(),
    reason="Apertium's eng-spa is not installed: apt-get install apertium-eng-spa",
)
TRICKY = [
    "The dog left",
    "the house",
    "I am going to the United",
    "States of America",
    "",
    "[b] ^c$ \\ {x} @ / <i>y</i> ~z~ #1 *",
    "two\nlines and\ttabs",
    "the U.S",
    "  ",
    "مرحبا 你好。 \u2028 é 😀 smile",
    "*star word",
    "nul\0inside",
    "xyzzyq",
]


@needs_apertium
def test_apertium_translates_each_text_by_itself_whatever_stands_beside_it() -> None:
    apertium = open_specialist(opening("apertium:eng-spa"))
    together = apertium.drafts(TRICKY)
    assert together[0].text == "El perro dejó"
    assert together[0].words == (("El", None), ("perro", None), ("dejó", None))
    assert together[4] == together[8] == NO_DRAFT
    assert "[b] ^c$ \\ {x} @ /" in together[5].text
    assert "~z~ #1 *" in together[5].text
    assert together[6].text.count("\n") == 1
    assert together[12].text == "xyzzyq", "unknown words have no mark"
    assert [apertium.drafts([text])[0] for text in TRICKY[2:4]] == together[2:4]
    assert apertium.drafts(TRICKY[::-1]) == together[::-1]


@needs_apertium
def test_an_apertium_mode_that_is_not_installed_and_one_that_takes_too_long_are_told() -> None:
    with pytest.raises(ConfigError, match=r"no mode 'eng-spx'(.|\n)*did you mean(.|\n)*apertium-eng-spx"):
        open_specialist(opening("apertium:eng-spx"))
    with pytest.raises(ModelError, match=r"longer than 0\.001 s"):
        Apertium("apertium:eng-spa", "eng-spa", seconds=0.001).drafts(["The house."])


def test_without_the_command_the_debian_package_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ConfigError, match="apt-get install apertium-eng-spa"):
        open_specialist(opening("apertium:eng-spa"))


@settings(max_examples=50)
@given(st.lists(st.text().filter(lambda text: "\0" not in text), max_size=6))
def test_the_stream_of_apertium_gives_back_every_text(texts: list[str]) -> None:
    sent = [text.encode("utf-8", "replace").decode() for text in texts]
    assert from_stream(to_stream(texts), len(texts)) == sent
    assert from_stream(to_stream(texts) + b"\0\0", len(texts)) == sent
    assert from_stream(to_stream([*texts, "one more"]), len(texts)) is None
    assert from_stream(to_stream(texts), len(texts) + 1) is None


# ---- encoder-decoder models ----


@pytest.fixture(scope="module")
def nllb_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny NLLB: an M2M-100 with random weights and a BPE of one line beside the 202 languages."""
    import torch
    from tokenizers import Tokenizer, models, normalizers, trainers
    from transformers import M2M100Config, M2M100ForConditionalGeneration, NllbTokenizer

    folder = tmp_path_factory.mktemp("nllb")
    backend = Tokenizer(models.BPE(unk_token="<unk>"))
    backend.normalizer = normalizers.Replace(" ", "▁")
    trainer = trainers.BpeTrainer(vocab_size=80, special_tokens=["<s>", "<pad>", "</s>", "<unk>"], show_progress=False)
    line = " The dog left the house. El perro dejó la casa. A new day begins; un nuevo día empieza."
    backend.train_from_iterator(re.findall(r" ?\w+| ?[^\w\s]", line), trainer)
    trained = json.loads(backend.to_str())["model"]
    tokenizer = NllbTokenizer(vocab=trained["vocab"], merges=[tuple(pair) for pair in trained["merges"]])
    state = torch.random.get_rng_state()
    torch.manual_seed(3)
    size = {"d_model": 32, "encoder_layers": 1, "decoder_layers": 1, "encoder_ffn_dim": 32, "decoder_ffn_dim": 32, "init_std": 0.1}
    heads = {"dropout": 0.0, "encoder_attention_heads": 2, "decoder_attention_heads": 2, "max_position_embeddings": 90}
    model = M2M100ForConditionalGeneration(M2M100Config(vocab_size=len(tokenizer), **size, **heads))
    _learn(model, tokenizer)
    torch.random.set_rng_state(state)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def _learn(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
    """A few steps on three pairs: enough that outputs are words and end, too few for it to be sure of them."""
    import torch

    tokenizer.src_lang = "eng_Latn"
    inputs = tokenizer(TAUGHT[0::2], return_tensors="pt", padding=True)
    spanish = tokenizer.convert_tokens_to_ids("spa_Latn")
    targets = [[2, spanish, *tokenizer(text, add_special_tokens=False).input_ids, 2] for text in TAUGHT[1::2]]
    rows = torch.tensor([row + [1] * (max(map(len, targets)) - len(row)) for row in targets])
    optimiser = torch.optim.AdamW(model.parameters(), lr=0.02)
    for _ in range(60):
        logits = model(**inputs, decoder_input_ids=rows[:, :-1]).logits
        loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), rows[:, 1:].flatten(), ignore_index=1)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()


def by_hand(specialist: Seq2Seq, text: str) -> list[list[float]]:
    """The probabilities of each word's pieces, token by token, without a batch: a word begins at a piece with `▁`."""
    import torch

    tokenizer, model = specialist.tokenizer, specialist.model
    source = tokenizer(text, return_tensors="pt").input_ids
    settings = {"num_beams": specialist.beams, "do_sample": False, "early_stopping": specialist.beams > 1}
    spanish = tokenizer.convert_tokens_to_ids("spa_Latn")
    output = model.generate(source, max_length=None, max_new_tokens=30, forced_bos_token_id=spanish, **settings)[0].tolist()
    words: list[list[float]] = []
    for at, token in enumerate(output[2:], 2):
        with torch.no_grad():
            logits = model(input_ids=source, decoder_input_ids=torch.tensor([output[:at]])).logits[0, -1]
        if token in tokenizer.all_special_ids:
            continue
        if tokenizer.convert_ids_to_tokens(token).startswith("▁") or not words:
            words.append([])
        words[-1].append(float(torch.softmax(logits, 0)[token]))
    return words


@pytest.mark.parametrize("beams", [1, 3])
def test_the_confidences_of_a_model_are_its_probabilities_computed_by_hand(
    nllb_folder: Path, beams: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    specialist = open_specialist(opening(f"nllb:{nllb_folder}", beams=beams, device="cpu"))
    assert isinstance(specialist, Seq2Seq)
    texts = ["The dog left the house.", "A new day begins.", "", "the dog begins a day"]
    monkeypatch.setattr("dragoman.mt.specialists.seq2seq._room", lambda *_: 30)
    made = specialist.drafts(texts)
    assert made[2] == NO_DRAFT
    assert max(len(draft.words) for draft in made) > 2, "a model that says nothing would test nothing"
    for text, draft in zip(texts, made, strict=True):
        expected = by_hand(specialist, text) if text else []
        assert [confidence for _, confidence in draft.words] == pytest.approx([sum(word) / len(word) for word in expected], abs=1e-5)


def test_a_language_that_a_model_lacks_and_a_folder_of_another_family_are_refused(nllb_folder: Path) -> None:
    with pytest.raises(ModelError, match="does not know Cornish"):
        open_specialist(Opening(f"nllb:{nllb_folder}", "", ENGLISH, find_language("cor")))
    with pytest.raises(ModelError, match=r"NllbTokenizer(.|\n)*M2M100Tokenizer"):
        open_specialist(opening(f"m2m:{nllb_folder}"))
    with pytest.raises(DragomanError, match=r"no such|neither"):
        open_specialist(opening("nllb:./not/there"))


@pytest.mark.parametrize(
    ("family", "known", "expected"),
    [
        ("m2m", {"__en__": 7, "__es__": 8}, Marking(first=("__es__", 8))),
        ("marian", {">>spa<<": 5, ">>fra<<": 6}, Marking(">>spa<< ")),
        ("marian", {"▁casa": 5}, Marking()),
    ],
)
def test_each_family_is_told_its_languages_in_its_own_way(family: str, known: dict[str, int], expected: Marking) -> None:
    tokenizer = SimpleNamespace(
        all_special_tokens=list(known),
        convert_tokens_to_ids=lambda token: known.get(token, 3),
        unk_token_id=3,
        get_vocab=lambda: known,
        src_lang="",
    )
    assert mark(tokenizer, FAMILIES[family], ENGLISH, SPANISH, "x") == expected  # type: ignore[arg-type]
    assert tokenizer.src_lang == ("en" if family == "m2m" else "")


def test_a_text_longer_than_the_models_context_has_no_draft(nllb_folder: Path) -> None:
    specialist = open_specialist(opening(f"nllb:{nllb_folder}", beams=1, device="cpu"))
    assert specialist.drafts(["the dog " * 60, "the dog"])[0] == NO_DRAFT


def test_a_ctranslate2_folder_drafts_as_the_model_it_was_made_from(nllb_folder: Path, tmp_path: Path) -> None:
    pytest.importorskip("ctranslate2", reason="needs the extra ct2")
    from ctranslate2.converters import TransformersConverter

    TransformersConverter(str(nllb_folder), copy_files=["tokenizer.json", "tokenizer_config.json"]).convert(str(tmp_path / "ct2"))
    texts = ["The dog left the house.", "", "A new day."]
    plain = open_specialist(opening(f"nllb:{nllb_folder}", beams=1, device="cpu")).drafts(texts)
    fast = open_specialist(opening(f"ct2:{tmp_path / 'ct2'}", beams=1, device="cpu")).drafts(texts)
    for ours, theirs in zip(plain, fast, strict=True):
        length = min(len(ours.words), len(theirs.words)) - 1  # the two cut endless outputs elsewhere
        assert [word for word, _ in theirs.words[:length]] == [word for word, _ in ours.words[:length]]
        assert [sure for _, sure in theirs.words[:length]] == pytest.approx([sure for _, sure in ours.words[:length]], abs=1e-4)
    assert len(fast[0].words) > 1


# ---- files ----


def file_drafts(path: Path, content: str) -> FileDrafts:
    path.write_text(content, encoding="utf-8")
    found = open_specialist(opening(f"file:{path}"))
    assert isinstance(found, FileDrafts)
    return found


def test_a_file_of_lines_gives_line_i_to_segment_i_and_counts_what_it_cannot_use(tmp_path: Path) -> None:
    drafts = file_drafts(tmp_path / "d.txt", "Uno\u2028x.\n\nDos.\nTres.\n")
    aligned = drafts.aligned([" one", "", "two", "two"])
    assert aligned.drafts(["two", "one ", "other"]) == [Draft.plain("Dos."), Draft.plain("Uno\u2028x."), NO_DRAFT]
    assert aligned.repeated == 1
    with pytest.raises(CorpusError, match="order of an input"):
        drafts.drafts(["one"])


@pytest.mark.parametrize("texts", [["one"], ["one", "two", "three"]])
def test_a_wrong_number_of_drafts_is_told_at_the_line_where_they_part(tmp_path: Path, texts: Sequence[str]) -> None:
    line = min(2, len(texts)) + 1
    with pytest.raises(CorpusError, match=rf"d\.txt:{line}: 2 drafts for {len(texts)} segments"):
        file_drafts(tmp_path / "d.txt", "Uno.\nDos.\n").aligned(texts)


def test_jsonl_brings_confidences_and_may_say_whose_draft_it_is(tmp_path: Path) -> None:
    rows = [{"source": "two", "draft": "Dos uno.", "words": [["Dos", 0.5], ["uno.", None]]}, {"source": "one", "draft": "Uno."}]
    found = file_drafts(tmp_path / "d.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    assert found.drafts(["one", "two"]) == [Draft.plain("Uno."), Draft("Dos uno.", (("Dos", 0.5), ("uno.", None)))]


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ({"text": "x"}, "without a draft"),
        ({"draft": "x", "words": [["y", 0.5]]}, "'y' is not in the draft"),
        ({"draft": "x", "words": [["x", 1.5]]}, "confidence of 1.5"),
        ({"draft": "x", "words": [["x"]]}, "not pairs"),
        ({"draft": "x", "words": [["x", True]]}, "not pairs"),
        ("not json", "cannot be read"),
    ],
)
def test_a_row_that_cannot_be_used_is_told_at_its_place(tmp_path: Path, row: object, problem: str) -> None:
    bad = row if isinstance(row, str) else json.dumps(row)
    with pytest.raises(CorpusError, match=rf"d\.jsonl(.|\n)*:?2(.|\n)*|{problem}") as told:
        file_drafts(tmp_path / "d.jsonl", f'{{"draft": "x"}}\n{bad}\n')
    assert problem in str(told.value)
    assert "d.jsonl:2" in str(told.value)
