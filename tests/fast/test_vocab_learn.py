"""Learning new pieces: all are used, old text stays as it was, and the tokenizer can be saved and loaded."""

from __future__ import annotations

import json
import os
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from learning_tokenizers import english, latin_text, llama3_like, marked_text, sentencepiece_bpe, unigram
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from dragoman.mt.errors import ConfigError, CorpusError, DragomanError, ModelError
from dragoman.mt.tokenization import encode_plain
from dragoman.vocab.additions import Addition, load_addition
from dragoman.vocab.extend import extend_tokenizer
from dragoman.vocab.families import bytes_of_piece, first_new_id, piece_bytes
from dragoman.vocab.learn import LearnSettings, learn_pieces
from dragoman.vocab.segmentation import segment

TOKENIZERS = {"byte-bpe": llama3_like, "sentencepiece-bpe": sentencepiece_bpe, "unigram": unigram}
TEXTS = {"nqo_Nkoo": marked_text, "lij_Latn": latin_text}
PROTECTED = (*english()[1::3], *english()[2::3])
CASES = [
    (family, language, scheme)
    for family in TOKENIZERS
    for language in TEXTS
    for scheme in ("continued", "auxiliary-first", "added-tokens")
    if (family, scheme) != ("unigram", "auxiliary-first")
]
_LEARNT: dict[tuple[str, str, str], tuple[PreTrainedTokenizerBase, Addition, PreTrainedTokenizerBase]] = {}


def learnt(family: str, language: str, scheme: Any = "continued") -> tuple[PreTrainedTokenizerBase, Addition, PreTrainedTokenizerBase]:
    """The base, 150 pieces learnt for it, and both put together."""
    key = (family, language, scheme)
    if key not in _LEARNT:
        base = TOKENIZERS[family]()
        wanted = LearnSettings(language, pieces=150, scheme=scheme, protect=PROTECTED)
        addition = learn_pieces(TEXTS[language](), base, wanted)
        _LEARNT[key] = (base, addition, extend_tokenizer(base, addition))
    return _LEARNT[key]


@pytest.mark.parametrize(("family", "language", "scheme"), CASES)
def test_every_new_piece_is_used_on_the_learning_text(family: str, language: str, scheme: str) -> None:
    base, addition, extended = learnt(family, language, scheme)
    uses = Counter(each for ids in segment(extended, TEXTS[language]()) for each in ids)
    first, count = first_new_id(base), len(addition.pieces)
    assert min(uses[first + place] for place in range(count)) >= 5
    assert uses.total() == addition.facts["tokens_after"]
    assert count == len(set(addition.pieces)) == 150
    if (family, language) != ("unigram", "nqo_Nkoo"):  # there a run of unknown characters was one token, which says nothing
        assert addition.facts["tokens_after"] < 0.8 * addition.facts["tokens_before"]


@pytest.mark.parametrize(("family", "language", "scheme"), CASES)
def test_new_ids_follow_the_old_ones_which_all_stay(family: str, language: str, scheme: str) -> None:
    base, addition, extended = learnt(family, language, scheme)
    old, new = base.get_vocab(), extended.get_vocab()
    assert first_new_id(base) == len(base)
    assert {piece: new[piece] for piece in old} == old
    count = len(addition.pieces)
    assert [new[piece] for piece in addition.pieces] == list(range(len(base), len(base) + count))
    assert len(new) == len(extended) == len(base) + count
    assert extended.all_special_tokens == base.all_special_tokens
    assert extended.all_special_ids == base.all_special_ids
    assert extended.encode("A word.", add_special_tokens=True)[:1] == base.encode("A word.", add_special_tokens=True)[:1]


def test_the_tokenizer_given_is_left_alone() -> None:
    base = llama3_like()
    before = base.backend_tokenizer.to_str()
    extend_tokenizer(base, learnt("byte-bpe", "nqo_Nkoo")[1])
    assert base.backend_tokenizer.to_str() == before


@pytest.mark.parametrize("family", TOKENIZERS)
def test_a_language_in_another_script_changes_no_english_line(family: str) -> None:
    base, _, extended = learnt(family, "nqo_Nkoo")
    assert segment(extended, english()) == segment(base, english())


@pytest.mark.parametrize("family", TOKENIZERS)
def test_protected_lines_stay_and_others_of_their_language_nearly_all_do(family: str) -> None:
    base, _, extended = learnt(family, "lij_Latn")
    protected, others = PROTECTED, english()[::3]
    assert segment(extended, protected) == segment(base, protected)
    changed = sum(old != new for old, new in zip(segment(base, others), segment(extended, others), strict=True))
    # 440 lines do not hold every pair of a vocabulary of 1,500; what the real one promises is in the slow tests.
    assert changed < 0.03 * len(others)


def test_the_published_scheme_and_added_tokens_do_not_keep_english() -> None:
    for scheme in ("auxiliary-first", "added-tokens"):
        base, _, extended = learnt("byte-bpe", "lij_Latn", scheme)
        changed = sum(old != new for old, new in zip(segment(base, english()), segment(extended, english()), strict=True))
        assert changed > 0.1 * len(english()), scheme


@pytest.mark.parametrize(("family", "language"), [(family, language) for family in TOKENIZERS for language in TEXTS])
def test_the_saved_folder_loads_as_the_same_tokenizer(family: str, language: str, tmp_path: Path) -> None:
    _, _, extended = learnt(family, language)
    extended.save_pretrained(tmp_path)
    loaded = AutoTokenizer.from_pretrained(tmp_path)
    texts = [*TEXTS[language](), *english()]
    assert segment(loaded, texts) == segment(extended, texts)
    assert json.loads(loaded.backend_tokenizer.to_str()) == json.loads(extended.backend_tokenizer.to_str())
    assert loaded.get_vocab() == extended.get_vocab()


@settings(max_examples=150, deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"])) | st.text("ߊ߲߫ ߞaeç't\n\u0301\u200d❤️👩", max_size=30))
def test_any_text_survives_a_byte_level_tokenizer(text: str) -> None:
    for language in TEXTS:
        extended = learnt("byte-bpe", language)[2]
        ids = encode_plain(extended, text)
        assert extended.decode(ids, skip_special_tokens=False, clean_up_tokenization_spaces=False) == text
        assert b"".join(piece_bytes(extended, each) for each in ids) == text.encode("utf-8")


@settings(max_examples=100, deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"])) | st.text("ߊ߲߫ ߞaeç't.\u0301", max_size=30))
def test_what_sentencepiece_gives_back_is_what_the_base_gives_back(text: str) -> None:
    for language in TEXTS:
        base, _, extended = learnt("sentencepiece-bpe", language)
        old, new = (each.decode(encode_plain(each, text), skip_special_tokens=False) for each in (base, extended))
        assert new == old


@settings(max_examples=50, deadline=None)
@given(st.lists(st.sampled_from(english()[:100]), min_size=1, max_size=3), st.text("abc éß😀ж", max_size=10))
def test_unigram_splits_text_of_the_old_language_as_before(lines: list[str], other: str) -> None:
    base, _, extended = learnt("unigram", "nqo_Nkoo")
    text = other.join(lines)
    assert encode_plain(extended, text) == encode_plain(base, text)


@pytest.mark.parametrize("family", TOKENIZERS)
def test_pieces_are_whole_characters_or_the_beginning_of_one(family: str) -> None:
    base, addition, extended = learnt(family, "nqo_Nkoo")
    for place in range(len(addition.pieces)):
        content = piece_bytes(extended, len(base) + place)
        try:
            content.decode("utf-8")
        except UnicodeDecodeError as error:
            assert error.start == 0, content


@pytest.mark.parametrize("family", ["sentencepiece-bpe", "unigram"])
def test_no_sentencepiece_piece_crosses_a_space_or_takes_in_punctuation(family: str) -> None:
    _, addition, _ = learnt(family, "lij_Latn")
    assert [piece for piece in addition.pieces if not piece.removeprefix("▁").isalpha()] == []


def test_the_same_text_gives_the_same_pieces() -> None:
    base, addition, _ = learnt("byte-bpe", "lij_Latn")
    again = learn_pieces(TEXTS["lij_Latn"](), base, LearnSettings("lij_Latn", pieces=150, protect=PROTECTED))
    assert again == addition


def test_an_addition_survives_its_file(tmp_path: Path) -> None:
    for key in (("byte-bpe", "nqo_Nkoo", "continued"), ("unigram", "lij_Latn", "continued")):
        addition = learnt(*key)[1]
        addition.save(tmp_path / "pieces.json")
        assert load_addition(tmp_path / "pieces.json") == addition


def test_a_least_gain_stops_where_pieces_save_less() -> None:
    base, text = llama3_like(), marked_text()
    few = learn_pieces(text, base, LearnSettings("nqo", pieces=None, min_gain=2000))
    more = learn_pieces(text, base, LearnSettings("nqo", pieces=None, min_gain=500))
    assert 5 < len(few.pieces) < len(more.pieces)
    assert more.pieces[: len(few.pieces)] == few.pieces
    capped = learn_pieces(text, base, LearnSettings("nqo", pieces=4, min_gain=500))
    assert capped.pieces == few.pieces[:4]


def test_no_piece_is_longer_than_allowed() -> None:
    addition = learn_pieces(marked_text(), llama3_like(), LearnSettings("nqo", pieces=100, longest=3))
    _, unlimited, _ = learnt("byte-bpe", "nqo_Nkoo")
    assert max(len(bytes_of_piece(piece, "byte-bpe").decode()) for piece in addition.pieces) == 3
    assert max(len(bytes_of_piece(piece, "byte-bpe").decode()) for piece in unlimited.pieces) > 3


def test_text_in_flores_comes_back_in_all_its_languages() -> None:
    if not os.environ.get("DRAGOMAN_DATA"):
        pytest.skip("DRAGOMAN_DATA is not set")
    extended = learnt("byte-bpe", "nqo_Nkoo")[2]
    files = sorted((Path(os.environ["DRAGOMAN_DATA"]) / "flores200" / "dev").glob("*.dev"))
    assert len(files) == 46
    for file in files:
        texts = file.read_text(encoding="utf-8").rstrip("\n").split("\n")[:40]
        for text, ids in zip(texts, segment(extended, texts), strict=True):
            assert extended.decode(ids, skip_special_tokens=False, clean_up_tokenization_spaces=False) == text, file.name


# ---- what cannot be done ----


def refused(kind: type[DragomanError], texts: list[str], base: Any, **wanted: Any) -> str:
    with pytest.raises(kind) as caught:
        learn_pieces(texts, base, LearnSettings("nqo", **wanted))
    return str(caught.value)


def test_more_pieces_than_the_text_offers_are_refused_with_their_number() -> None:
    message = refused(CorpusError, marked_text(40), llama3_like(), pieces=5000)
    offered = int(message.split("offers ")[1].split(" ")[0])
    assert 10 < offered < 300
    assert f"--pieces {offered}" in message
    assert len(learn_pieces(marked_text(40), llama3_like(), LearnSettings("nqo", pieces=offered)).pieces) == offered


def test_no_text_is_refused() -> None:
    assert "no text" in refused(CorpusError, ["", "  \n"], llama3_like())
    assert "offers 0" in refused(CorpusError, ["ߒ"], llama3_like(), pieces=None, min_gain=1.0)


@pytest.mark.parametrize("wanted", [{"pieces": 0}, {"pieces": None}, {"min_gain": -1.0}, {"longest": 0}, {"min_uses": 0}])
def test_settings_that_mean_nothing_are_refused(wanted: dict[str, Any]) -> None:
    assert refused(ConfigError, marked_text(20), llama3_like(), **wanted)


def test_unigram_has_no_merges_to_put_first() -> None:
    assert "continued, added-tokens" in refused(ModelError, marked_text(), unigram(), scheme="auxiliary-first")


def test_an_addition_fits_only_the_tokenizer_it_was_learnt_for() -> None:
    base, addition, extended = learnt("byte-bpe", "nqo_Nkoo")
    with pytest.raises(ModelError, match="another tokenizer"):
        extend_tokenizer(base, replace(addition, base="0" * 64))
    with pytest.raises(ModelError, match="sentencepiece-bpe"):
        extend_tokenizer(sentencepiece_bpe(), addition)
    with pytest.raises(ModelError, match="expanded already: all pieces"):
        extend_tokenizer(extended, addition)
