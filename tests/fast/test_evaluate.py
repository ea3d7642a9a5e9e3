"""`dragoman evaluate`: published scores reproduced, a metric that fails is told and costs only itself, files and models alike."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from typer.testing import CliRunner

from dragoman.eval.comet import CometScores
from dragoman.eval.evaluate import EvaluateOptions, evaluate
from dragoman.eval.exports import to_json, to_tsv
from dragoman.eval.model_outputs import ModelSystem, model_digest, translate_test_set
from dragoman.eval.records import Evaluation, SystemOutput, TestSet
from dragoman.eval.requests import Request, run_request
from dragoman.eval.significance import TestSettings
from dragoman.eval.testsets import load_test_set
from dragoman.mt.cli.main import app
from dragoman.mt.config import DecodingConfig
from dragoman.mt.errors import ConfigError, CorpusError, DragomanError
from dragoman.mt.languages import find_language

ENG, DEU, NQO, JPN = (find_language(code) for code in ("eng", "deu", "nqo", "jpn"))
REFERENCE = ("the cat sat on the mat .", "two dogs ran home", "it rains today", "שלום, עולם!", "he went to bed early", "all is well")
BETTER = ("the cat sat on the mat .", "two dogs ran home", "it is raining", "שלום עולם", "he went to bed", "all is well")
WORSE = ("a cat was on the mat .", "dogs ran", "it rained", "עולם", "she went to sleep", "well")
SET = TestSet("tiny", ENG, DEU, REFERENCE, (REFERENCE,))
SYSTEMS = (SystemOutput("worse", WORSE, "w.txt"), SystemOutput("better", BETTER, "b.txt"))
QUICK = TestSettings(samples=50, trials=50)


class FakeComet:
    """Scores a hypothesis by its length, one more with a reference that begins with x; and does whatever it is told to do wrong."""

    def __init__(self, wrong: dict[str, object] | None = None, *, reads_references: bool = True) -> None:
        self.wrong = wrong or {}
        self.reads = int(reads_references)
        self.calls: list[tuple[str, str]] = []

    def score(self, model: str, sources: Sequence[str], hypotheses: Sequence[str], references: Sequence[str]) -> CometScores:
        self.calls.append((model, hypotheses[0]))
        found = [len(hypothesis) / 100 + self.reads * one.startswith("x") for hypothesis, one in zip(hypotheses, references, strict=True)]
        if model in self.wrong:
            if isinstance(self.wrong[model], Exception):
                raise self.wrong[model]
            found[2] = self.wrong[model]  # type: ignore[call-overload]
        return CometScores(0.0, tuple(found), (), (), f"{model}|v1|r{self.reads}", self.reads)


def scores_of(evaluation: Evaluation) -> dict[str, dict[str, float]]:
    return {result.system.name: {score.name: score.value for score in result.scores} for result in evaluation.results}


def run(*arguments: str) -> tuple[int, str]:
    outcome = CliRunner().invoke(app, ["evaluate", *arguments])
    error = outcome.exception
    return outcome.exit_code, outcome.output + (str(error) if isinstance(error, DragomanError) else "")


# ---- what an evaluation says ----


def test_every_metric_has_scores_intervals_segments_and_a_comparison() -> None:
    found = evaluate(SET, SYSTEMS, EvaluateOptions(metrics=("chrF++", "BLEU", "TER"), test=QUICK))
    assert [score.name for score in found.results[0].scores] == ["chrF++", "BLEU", "TER"]
    for result in found.results:
        assert all(score.low <= score.value <= score.high for score in result.scores)
        assert {name: len(scores) for name, scores in result.segment_scores.items()} == {"chrF++": 6, "BLEU": 6, "TER": 6}
    compared = {one.metric: one for one in found.comparisons}
    assert all((one.first, one.second) == ("better", "worse") for one in compared.values())
    assert compared["BLEU"].difference == pytest.approx(scores_of(found)["better"]["BLEU"] - scores_of(found)["worse"]["BLEU"])
    assert compared["BLEU"].difference > 0 > compared["TER"].difference


def test_the_first_system_is_the_baseline_unless_all_pairs_are_wanted() -> None:
    three = (*SYSTEMS, SystemOutput("third", BETTER, "c.txt"))
    pairs = {
        all_pairs: [
            (one.first, one.second) for one in evaluate(SET, three, EvaluateOptions(("BLEU",), all_pairs=all_pairs, test=QUICK)).comparisons
        ]
        for all_pairs in (False, True)
    }
    assert pairs[False] == [("better", "worse"), ("third", "worse")]
    assert pairs[True] == [*pairs[False], ("third", "better")]


def test_facts_hold_digests_that_change_with_the_texts() -> None:
    first, second = (evaluate(SET, [SystemOutput("s", lines, "f")], EvaluateOptions(test=QUICK)).facts for lines in (BETTER, WORSE))
    assert first["sha256"]["s"] != second["sha256"]["s"]
    assert first["sha256"]["reference 1"] == second["sha256"]["reference 1"]
    assert first["seed"] == 12345


def test_one_segment_has_scores_but_nothing_is_tested() -> None:
    single = TestSet("one", ENG, DEU, None, (("a b c d",),))
    found = evaluate(single, [SystemOutput("x", ("a b c d",), "x"), SystemOutput("y", ("a b c",), "y")], EvaluateOptions(test=QUICK))
    assert found.comparisons == ()
    assert any("no interval" in warning for warning in found.warnings)


def test_references_that_are_all_empty_are_refused() -> None:
    with pytest.raises(CorpusError, match="all 6 references are empty"):
        evaluate(TestSet("t", ENG, DEU, REFERENCE, (("", " ", "\t", "", "", ""),)), SYSTEMS, EvaluateOptions(test=QUICK))


def test_bleu_of_lines_shorter_than_its_longest_n_gram_says_nothing_and_is_told() -> None:
    short = ("ja", "nein doch", "")
    found = evaluate(TestSet("t", ENG, DEU, None, (short,)), [SystemOutput("same", short, "s")], EvaluateOptions(test=QUICK))
    assert scores_of(found)["same"] == {"chrF++": 100.0, "BLEU": 0.0}
    assert "BLEU counts sequences of 4 words and no line of same has so many: its 0 says nothing" in found.warnings


def test_tokenised_outputs_are_told_unless_that_is_what_was_asked_for() -> None:
    lines = tuple(f"so ein Satz Nummer {number} ." for number in range(100))
    set_, systems = TestSet("t", ENG, DEU, None, (lines,)), [SystemOutput("same", lines, "s")]
    told = evaluate(set_, systems, EvaluateOptions(test=QUICK)).warnings
    assert any(warning.startswith("100 of 100 lines of same end in a space and a full stop") for warning in told)
    assert evaluate(set_, systems, EvaluateOptions(tokenizer="none", test=QUICK)).warnings == ()
    assert evaluate(set_, systems, EvaluateOptions(("chrF",), test=QUICK)).warnings == ()


def test_empty_references_are_told() -> None:
    holes = TestSet("holes", ENG, DEU, None, (("a b", "", "c"),))
    found = evaluate(holes, [SystemOutput("x", ("a b", "d", "c"), "x")], EvaluateOptions(test=QUICK))
    assert any("1 of 3 segments are empty (lines 2)" in warning for warning in found.warnings)


@pytest.mark.parametrize(
    ("systems", "said"),
    [
        ([], "no system"),
        ([SYSTEMS[0], SYSTEMS[0]], "two systems are called"),
        ([SystemOutput("x", ("a",), "x")], "1 hypothesis lines, but tiny has 6"),
    ],
    ids=["none", "twice", "too short"],
)
def test_systems_that_cannot_be_scored_are_refused(systems: list[SystemOutput], said: str) -> None:
    with pytest.raises(CorpusError, match=said):
        evaluate(SET, systems)


def test_a_term_list_adds_its_figures_and_tells_the_lines_it_left_out(tmp_path: Path) -> None:
    terms = tmp_path / "terms.tsv"
    terms.write_text("cat\tcat\ndogs\tdogs\nbed\t\n", encoding="utf-8")
    found = evaluate(SET, SYSTEMS, EvaluateOptions(("BLEU",), terms=terms, test=QUICK))
    assert [result.terms["term_success_surface"] for result in found.results] == [1.0, 1.0]
    assert any("1 an empty side" in warning and "terms.tsv:3" in warning for warning in found.warnings)
    with pytest.raises(ConfigError, match="--source FILE"):
        evaluate(TestSet("t", ENG, DEU, None, (REFERENCE,)), SYSTEMS, EvaluateOptions(terms=terms, test=QUICK))


# ---- metrics that fail ----


def test_comet_scores_stand_beside_the_others_and_are_compared() -> None:
    worker = FakeComet()
    found = evaluate(SET, SYSTEMS, EvaluateOptions(comet=("m",), test=QUICK), worker=worker)
    assert worker.calls == [("m", WORSE[0]), ("m", BETTER[0])]
    assert scores_of(found)["better"]["m"] == pytest.approx(sum(map(len, BETTER)) / 600)
    assert found.results[1].scores[-1].signature == "m|v1|r1"
    assert [one.metric for one in found.comparisons] == ["chrF++", "BLEU", "m"]


def test_with_several_references_comet_is_the_mean_over_them_and_says_so() -> None:
    two = TestSet("tiny", ENG, DEU, REFERENCE, (REFERENCE, tuple(f"x{line}" for line in REFERENCE)))
    alone = scores_of(evaluate(SET, SYSTEMS, EvaluateOptions(comet=("m",), test=QUICK), worker=FakeComet()))
    found = evaluate(two, SYSTEMS, EvaluateOptions(comet=("m",), test=QUICK), worker=FakeComet())
    for name in ("better", "worse"):
        assert scores_of(found)[name]["m"] == pytest.approx(alone[name]["m"] + 0.5)
    assert found.results[0].segment_scores["m"][0] == pytest.approx(len(WORSE[0]) / 100 + 0.5)
    assert found.results[0].scores[-1].signature == "m|v1|r2:mean"
    assert "m reads one reference at a time: its scores are means over the 2 of each segment" in found.warnings
    worker = FakeComet(reads_references=False)
    found = evaluate(two, SYSTEMS, EvaluateOptions(comet=("kiwi",), test=QUICK), worker=worker)
    assert len(worker.calls) == len(SYSTEMS)  # a model that reads none is not run twice
    assert found.results[0].scores[-1].signature == "kiwi|v1|r0"
    assert not any("kiwi" in warning for warning in found.warnings)


@pytest.mark.parametrize("wrong", [float("nan"), float("inf")])
def test_a_score_that_is_no_number_is_counted_and_never_shown(wrong: float) -> None:
    found = evaluate(SET, SYSTEMS, EvaluateOptions(comet=("bad", "good"), test=QUICK), worker=FakeComet({"bad": wrong}))
    assert list(scores_of(found)["better"]) == ["chrF++", "BLEU", "good"]
    assert "bad is left out for worse: 1 of its scores are not numbers (line 3)" in found.warnings
    json.dumps(to_json([found]), allow_nan=False)


def test_a_worker_that_dies_costs_only_its_own_metric() -> None:
    found = evaluate(SET, SYSTEMS, EvaluateOptions(comet=("m",), test=QUICK), worker=FakeComet({"m": DragomanError("killed")}))
    assert list(scores_of(found)["worse"]) == ["chrF++", "BLEU"]
    assert "m is left out for worse, better: killed" in found.warnings


def test_comet_without_a_source_and_for_a_language_it_never_saw_says_so() -> None:
    without = evaluate(TestSet("t", ENG, DEU, None, (REFERENCE,)), SYSTEMS, EvaluateOptions(comet=("m",), test=QUICK), worker=FakeComet())
    assert any("COMET is left out: it reads the source" in warning for warning in without.warnings)
    unseen = evaluate(
        TestSet("t", ENG, NQO, REFERENCE, (REFERENCE,)), SYSTEMS, EvaluateOptions(comet=("m",), test=QUICK), worker=FakeComet()
    )
    assert any("never saw N'Ko: read chrF++ first" in warning for warning in unseen.warnings)


def test_a_tokenizer_that_is_not_installed_leaves_its_metric_out(monkeypatch: pytest.MonkeyPatch) -> None:
    import sacrebleu.tokenizers.tokenizer_ja_mecab as japanese

    monkeypatch.setattr(japanese, "MeCab", None)
    set_ = TestSet("t", ENG, JPN, None, (REFERENCE,))
    found = evaluate(set_, SYSTEMS, EvaluateOptions(test=QUICK))
    assert list(scores_of(found)["better"]) == ["chrF++"]
    assert any("BLEU is left out" in warning and "sacrebleu[ja]" in warning for warning in found.warnings)
    with pytest.raises(ConfigError, match="ja-mecab"):
        evaluate(set_, SYSTEMS, EvaluateOptions(metrics=("BLEU",), test=QUICK))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (EvaluateOptions(()), "no metric is asked for"),
        (EvaluateOptions(("chrf+",)), r"(?s)unknown metric 'chrf\+'.*chrF\+\+"),
        (EvaluateOptions(tokenizer="13b"), r"(?s)unknown BLEU tokenizer.*13a"),
    ],
)
def test_unknown_metrics_and_tokenizers_name_the_nearest(options: EvaluateOptions, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        evaluate(SET, SYSTEMS, options)


# ---- spBLEU ----


@pytest.fixture(scope="module")
def pieces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SentencePiece model of a few pieces."""
    import sentencepiece

    folder = tmp_path_factory.mktemp("pieces")
    (folder / "text").write_text("\n".join([*REFERENCE, *BETTER, *WORSE] * 3), encoding="utf-8")
    sentencepiece.SentencePieceTrainer.Train(
        input=str(folder / "text"), model_prefix=str(folder / "tiny"), vocab_size=70, minloglevel=2, hard_vocab_limit=False
    )
    return folder / "tiny.model"


def test_spbleu_is_bleu_over_the_pieces_of_a_local_model(pieces: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sentencepiece
    from sacrebleu.metrics.bleu import BLEU

    processor = sentencepiece.SentencePieceProcessor(model_file=str(pieces))
    split = [[" ".join(processor.encode(line, out_type=str)) for line in lines] for lines in (BETTER, REFERENCE)]
    expected = BLEU(tokenize="none", force=True).corpus_score(split[0], [split[1]]).score
    found = evaluate(SET, SYSTEMS, EvaluateOptions(("spBLEU",), spm_model=pieces, test=QUICK))
    assert scores_of(found)["better"]["spBLEU"] == pytest.approx(expected)
    assert "tok:tiny-" in found.results[0].scores[0].signature
    monkeypatch.setenv("DRAGOMAN_CACHE", str(tmp_path))
    (tmp_path / "spm").mkdir()
    shutil.copy(pieces, tmp_path / "spm" / "flores200.model")
    assert scores_of(evaluate(SET, SYSTEMS, EvaluateOptions(("spBLEU",), test=QUICK))) == scores_of(found)


def test_spbleu_without_a_model_is_left_out_and_says_where_it_belongs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sacrebleu.tokenizers.tokenizer_spm as spm

    def offline(*_: object) -> None:
        raise OSError("no route")

    monkeypatch.setenv("DRAGOMAN_CACHE", str(tmp_path))
    monkeypatch.setattr(spm, "SACREBLEU_DIR", str(tmp_path))
    monkeypatch.setattr(spm, "download_file", offline)
    found = evaluate(SET, SYSTEMS, EvaluateOptions(("spBLEU", "BLEU"), test=QUICK))
    assert list(scores_of(found)["better"]) == ["BLEU"]
    assert any("spBLEU is left out" in warning and "--spm-model" in warning for warning in found.warnings)
    with pytest.raises(ConfigError, match=r"spm/flores200\.model"):
        evaluate(SET, SYSTEMS, EvaluateOptions(("spBLEU",), test=QUICK))
    with pytest.raises(ConfigError, match="no such SentencePiece model"):
        evaluate(SET, SYSTEMS, EvaluateOptions(("spBLEU",), spm_model=tmp_path / "none.model", test=QUICK))


# ---- models ----


def test_a_models_translations_are_made_once(tiny_llama_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRAGOMAN_CACHE", str(tmp_path / "cache"))
    decoding = DecodingConfig(max_new_tokens=4, stop="line")
    made = translate_test_set(str(tiny_llama_folder), SET, decoding=decoding)
    assert len(made.hypotheses) == len(SET)
    again = ModelSystem(str(tiny_llama_folder), decoding=decoding)
    assert again.is_kept(SET)
    monkeypatch.setattr(ModelSystem, "_load", lambda _: pytest.fail("translated again"))
    assert again.translate(SET) == made
    longer = ModelSystem(str(tiny_llama_folder), decoding=DecodingConfig(max_new_tokens=5, stop="line"))
    assert not longer.is_kept(SET)
    assert not ModelSystem(str(tiny_llama_folder), decoding=decoding, use_cache=False).is_kept(SET)


def test_other_weights_are_another_fingerprint(tiny_llama_folder: Path, tmp_path: Path) -> None:
    from safetensors.numpy import load_file, save_file

    copy = Path(shutil.copytree(tiny_llama_folder, tmp_path / "copy"))
    assert model_digest(copy) == model_digest(tiny_llama_folder)
    [weights] = copy.glob("*.safetensors")
    tensors = load_file(weights)
    name = sorted(tensors)[0]
    tensors[name] = tensors[name] + 1
    save_file(tensors, weights, metadata={"format": "pt"})
    assert model_digest(copy) != model_digest(tiny_llama_folder)


def test_a_model_needs_sources_and_languages(tiny_llama_folder: Path) -> None:
    with pytest.raises(ConfigError, match="--source"):
        translate_test_set(str(tiny_llama_folder), TestSet("t", ENG, DEU, None, (REFERENCE,)))
    with pytest.raises(ConfigError, match="--pair"):
        translate_test_set(str(tiny_llama_folder), TestSet("t", None, None, REFERENCE, (REFERENCE,)))


# ---- the command ----


@pytest.fixture
def files(tmp_path: Path) -> Path:
    for name, lines in {"ref.de": REFERENCE, "better.de": BETTER, "worse.de": WORSE, "src.en": REFERENCE}.items():
        (tmp_path / name).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return tmp_path


def test_files_in_a_table_and_its_machine_twins_out(files: Path) -> None:
    arguments = [
        "--hypotheses",
        f"base={files / 'worse.de'}",
        "--hypotheses",
        str(files / "better.de"),
        "--references",
        str(files / "ref.de"),
    ]
    outputs = ["--json", str(files / "s.json"), "--tsv", str(files / "s.tsv"), "--bootstrap", "40", "--trials", "40"]
    code, shown = run(*arguments, "--source", str(files / "src.en"), "--pair", "eng-deu", *outputs)
    assert code == 0, shown
    assert "better" in shown
    assert "approximate randomisation" in shown
    assert "nrefs:1|case:mixed" in shown
    [written] = json.loads((files / "s.json").read_text(encoding="utf-8"))["evaluations"]
    assert (written["direction"], written["segments"]) == ("eng_Latn-deu_Latn", 6)
    assert [system["name"] for system in written["systems"]] == ["base", "better.de"]
    rows = [line.split("\t") for line in (files / "s.tsv").read_text(encoding="utf-8").splitlines()]
    assert {len(row) for row in rows} == {len(rows[0])}
    assert [row[2:4] for row in rows[1:]] == [["base", "chrF++"], ["base", "BLEU"], ["better.de", "chrF++"], ["better.de", "BLEU"]]
    assert float(rows[1][4]) == pytest.approx(written["systems"][0]["scores"][0]["value"], abs=1e-6)


def test_json_on_standard_output_is_json_alone(files: Path) -> None:
    command = ["--hypotheses", str(files / "better.de"), "--references", str(files / "ref.de"), "--json", "-", "--bootstrap", "5"]
    outcome = CliRunner().invoke(app, ["evaluate", *command])
    assert json.loads(outcome.stdout)["format"] == 1


def test_many_directions_make_a_matrix(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (files / "mine").mkdir()
    (files / "mine" / "testset.yaml").write_text("layouts: [{source: '{src}.txt', reference: '{tgt}.txt'}]\n", encoding="utf-8")
    for code in ("eng", "deu", "fra"):
        (files / "mine" / f"{code}.txt").write_text("\n".join(f"{code} {line}" for line in REFERENCE), encoding="utf-8")
    pattern = str(files / "mine" / "{tgt}.txt")
    code, shown = run(
        "--hypotheses", pattern, "--test-set", str(files / "mine"), "--pair", "eng-deu,deu-eng,eng-fra", "--bootstrap", "5", "--trials", "5"
    )
    assert code == 0, shown
    assert "from \\ to" in shown
    assert shown.count("100.0") == 6  # three directions, two metrics


def test_a_model_and_an_output_are_compared_by_one_command(files: Path, tiny_llama_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRAGOMAN_CACHE", str(files / "cache"))
    data = ["--references", str(files / "ref.de"), "--source", str(files / "src.en"), "--pair", "eng-deu"]
    command = [
        "--hypotheses",
        str(files / "worse.de"),
        "--model",
        f"tiny={tiny_llama_folder}",
        *data,
        "--device",
        "cpu",
        "--json",
        str(files / "s"),
    ]
    for told in ("making the translations", "reusing the translations"):
        code, shown = run(*command, "--bootstrap", "5", "--trials", "5")
        assert code == 0, shown
        assert f"{told} of ref.de eng_Latn-deu_Latn by tiny" in shown
    [written] = json.loads((files / "s").read_text(encoding="utf-8"))["evaluations"]
    assert [system["name"] for system in written["systems"]] == ["worse.de", "tiny"]
    assert written["systems"][1]["origin"] == str(tiny_llama_folder)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "nothing to evaluate"),
        (["--hypotheses", "x"], "nothing to compare with"),
        (["--hypotheses", "x", "--references", "y", "--test-set", "z"], "cannot both be the references"),
        (["--hypotheses", "x", "--test-set", "flores20", "--pair", "eng-deu"], "did you mean flores200"),
        (["--hypotheses", "{here}/better.d", "--references", "{here}/ref.de"], "did you mean better.de"),
        (["--hypotheses", "{here}/better.de", "--references", "{here}/ref.de", "--metrics", "BLEW"], "did you mean BLEU"),
        (["--hypotheses", "{here}/better.de", "--references", "{here}/ref.de", "--report", "{here}"], "cannot be written"),
    ],
)
def test_a_request_that_cannot_be_met_says_what_would_be(files: Path, arguments: list[str], said: str) -> None:
    code, shown = run(*(each.replace("{here}", str(files)) for each in arguments))
    assert code != 0
    assert said in shown


def test_evaluating_files_does_not_import_torch(files: Path) -> None:
    command = ["evaluate", "--hypotheses", str(files / "better.de"), "--references", str(files / "ref.de"), "--bootstrap", "5"]
    code = f"""
import sys
from dragoman.mt.cli.main import app
try:
    app({command!r})
except SystemExit as end:
    assert not end.code, end.code
sys.exit(any(name in sys.modules for name in ("torch", "transformers")))
"""
    assert subprocess.run([sys.executable, "-c", code], check=False, capture_output=True).returncode == 0


def test_a_tsv_field_holds_no_tab_or_line_break() -> None:
    odd = SystemOutput("a\tb\nc", BETTER, "x")
    text = to_tsv([evaluate(SET, [odd], EvaluateOptions(("BLEU",), test=QUICK))])
    assert text.splitlines()[1].split("\t")[2] == "a b c"


# ---- numbers that others published ----


@pytest.mark.parametrize("pair", ["en-lt", "en-sv"])
def test_the_published_flores_bleu_of_several_engines_is_reproduced_to_its_decimal(pair: str) -> None:
    data = os.environ.get("DRAGOMAN_DATA")
    if not data:
        pytest.skip("DRAGOMAN_DATA is unset: the published FLORES outputs are not here")
    folder, target = Path(data) / "mozilla-flores" / pair, pair.split("-")[1]
    published = {path.name.split(".")[1]: float(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.bleu"))}
    request = Request(
        hypotheses=tuple(f"{name}={folder}/flores-test.{name}.{target}" for name in published),
        references=(folder / f"flores-test.{target}",),
        options=EvaluateOptions(("BLEU",), test=TestSettings(samples=2, trials=2)),
    )
    [found] = run_request(request, lambda _: None)
    assert {name: round(scores["BLEU"], 1) for name, scores in scores_of(found).items()} == published
    assert len(published) >= 4


def test_the_published_wmt22_scores_of_a_small_direction_are_reproduced() -> None:
    """All directions: tests/slow/test_wmt22.py."""
    data = os.environ.get("DRAGOMAN_DATA")
    if not data:
        pytest.skip("DRAGOMAN_DATA is unset: the published WMT22 scores are not here")
    from dragoman.eval.outputs import read_systems

    rows = [line.split("\t") for line in (Path(data) / "wmt22" / "automatic-scores.tsv").read_text(encoding="utf-8").splitlines()[1:]]
    published = {(system, metric): float(value) for pair, system, _, _, metric, value in rows if pair == "liv-en"}
    test_set = load_test_set("wmt22:A", find_language("liv"), ENG)
    names = sorted({system for system, _ in published})
    paths = [f"{name}={data}/wmt22/system-outputs/generaltest2022.liv-en.hyp.{name}.en" for name in names]
    systems, warnings = read_systems(paths, len(test_set))
    found = evaluate(test_set, systems, EvaluateOptions(("BLEU", "chrF"), test=TestSettings(samples=2, trials=2)))
    assert warnings == ()
    for name, scores in scores_of(found).items():
        assert scores["BLEU"] == pytest.approx(published[name, "bleu-A"], abs=0.005)
        assert scores["chrF"] == pytest.approx(published[name, "chrf-A"], abs=0.005)
