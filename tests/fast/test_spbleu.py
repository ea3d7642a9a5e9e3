"""spBLEU with a real SentencePiece model kept locally: the same statistics and scores as sacrebleu's own tokenizer with that model."""

from __future__ import annotations

import gzip
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import sacrebleu.tokenizers.tokenizer_spm as spm
from sacrebleu.metrics.bleu import BLEU
from typer.testing import CliRunner

from dragoman.eval.corpus_metrics import MetricUnavailable
from dragoman.eval.metrics import CorpusScorer
from dragoman.mt.cli.main import app


def data(name: str) -> Path:
    folder = os.environ.get("DRAGOMAN_DATA")
    if not folder:
        pytest.skip(f"DRAGOMAN_DATA is unset: {name} is not here")
    return Path(folder) / name


def lines(path: Path) -> list[str]:
    content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    return content.decode("utf-8").split("\n")[:-1]


@pytest.fixture(scope="module")
def pieces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """1,000 pieces of real English, German, French and Czech captions."""
    import sentencepiece

    captions = data("multi30k")
    folder = tmp_path_factory.mktemp("pieces")
    texts = [line for code in ("en", "de", "fr", "cs") for line in lines(captions / "data" / "task1" / "raw" / f"train.{code}.gz")[:1000]]
    (folder / "text").write_text("\n".join(texts), encoding="utf-8")
    sentencepiece.SentencePieceTrainer.Train(
        input=str(folder / "text"), model_prefix=str(folder / "captions"), vocab_size=1000, minloglevel=2, num_threads=1
    )
    return folder / "captions.model"


@pytest.fixture
def sacrebleus_folder(pieces: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """sacrebleu's own folder with that model in the place of FLORES-200's, and an empty cache of Dragoman's."""
    place = tmp_path / "sacrebleu" / "models"
    place.mkdir(parents=True)
    shutil.copy(pieces, place / Path(spm.SPM_MODELS["flores200"]["url"]).name)
    monkeypatch.setattr(spm, "SACREBLEU_DIR", str(tmp_path / "sacrebleu"))
    monkeypatch.setenv("DRAGOMAN_CACHE", str(tmp_path / "cache"))
    return place


@pytest.mark.parametrize("target", ["cs", "zh"])
def test_scores_and_statistics_are_those_of_sacrebleus_own_tokenizer(pieces: Path, sacrebleus_folder: Path, target: str) -> None:
    """Chinese is all unknown pieces for this model, and Czech has the letters it knows; both have two references."""
    folder = data("wmt22")
    outputs = sorted((folder / "system-outputs").glob(f"generaltest2022.en-{target}.hyp.*.{target}"))[:2]
    references = [lines(path)[:150] for path in sorted((folder / "references").glob(f"generaltest2022.en-{target}.ref.*.{target}"))]
    own = BLEU(tokenize="flores200")
    ours = CorpusScorer(references, metrics=["spBLEU"], spm_model=pieces)
    through_sacrebleu = CorpusScorer(references, metrics=["spBLEU"])  # nothing in the cache, so sacrebleu's copy is read
    for output in outputs:
        hypotheses = lines(output)[:150]
        expected = own._extract_corpus_statistics(hypotheses, references)
        [found], [other] = ours.statistics(hypotheses), through_sacrebleu.statistics(hypotheses)
        assert np.array_equal(found.table, np.asarray(expected))
        assert np.array_equal(other.table, found.table)
        assert found.value == other.value == own.corpus_score(hypotheses, references).score
        assert "tok:captions-" in found.signature and "tok:flores200" in other.signature


def test_the_command_scores_with_the_model_and_without_one_says_where_it_belongs(
    pieces: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def offline(*_: object) -> None:
        raise OSError("no route")

    monkeypatch.setattr(spm, "SACREBLEU_DIR", str(tmp_path / "empty"))
    monkeypatch.setattr(spm, "download_file", offline)
    monkeypatch.setenv("DRAGOMAN_CACHE", str(tmp_path / "cache"))
    folder = data("mozilla-flores")
    output = folder / "en-lt" / "flores-test.nllb.lt"
    arguments = ["evaluate", "--hypotheses", str(output), "--references", str(output)]
    arguments += ["--metrics", "spBLEU", "--bootstrap", "10"]
    done = CliRunner().invoke(app, [*arguments, "--spm-model", str(pieces)])
    assert done.exit_code == 0 and "100.0" in done.output and "tok:captions-" in done.output
    refused = CliRunner().invoke(app, arguments)
    assert isinstance(refused.exception, MetricUnavailable)
    for part in ("spBLEU", "no route", "--spm-model FILE", "spm/flores200.model"):
        assert part in str(refused.exception)
