"""Corpora in: what was written comes back, what cannot be read is counted at its place, and mistakes are named."""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dragoman.mt.config import CorpusConfig
from dragoman.mt.corpora import Origin, Tally, corpus_files, fingerprint, read_pairs, read_segments, word_count
from dragoman.mt.errors import CorpusError
from dragoman.mt.languages import find_language

DATA = os.environ.get("DRAGOMAN_DATA")

# Anything a person may type on one line, from any script, U+2028 and form feeds included. A BOM is a mark of the file, not of its text.
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\n\0\ufeff"), min_size=1, max_size=30).filter(
    lambda text: text == text.strip()
)
ROWS = st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=6)
round_trip = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def _write(path: Path, content: str | bytes) -> Path:
    data = content if isinstance(content, bytes) else content.encode()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


def _pairs_of(corpus: CorpusConfig) -> tuple[list[tuple[str, str]], Tally]:
    tally = Tally()
    return [(pair.source, pair.target) for pair in read_pairs(corpus, tally)], tally


def _parallel(path: Path | list[Path], **settings: object) -> CorpusConfig:
    given = str(path) if isinstance(path, Path) else [str(each) for each in path]
    return CorpusConfig(**{"path": given, "source": "de", "target": "en", **settings})  # type: ignore[arg-type]


def _as_csv(rows: list[tuple[str, str]]) -> str:
    out = io.StringIO()
    csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator="\n").writerows(rows)
    return out.getvalue()


def _as_tsv(rows: list[tuple[str, str]]) -> str:
    return "".join(f"{source}\t{target}\n" for source, target in rows)


def _as_jsonl(rows: list[tuple[str, str]]) -> str:
    return "".join(json.dumps({"translation": {"de": source, "en": target}}, ensure_ascii=False) + "\n" for source, target in rows)


def _as_list(rows: list[tuple[str, str]]) -> str:
    return json.dumps([{"source": source, "target": target} for source, target in rows], indent=2)


@pytest.mark.parametrize("packed", ["", ".gz"])
@pytest.mark.parametrize(
    ("suffix", "write"),
    [(".tsv", _as_tsv), (".csv", _as_csv), (".jsonl", _as_jsonl), (".json", _as_list)],
    ids=["tsv", "csv", "jsonl", "list"],
)
@round_trip
@given(rows=ROWS)
def test_any_text_comes_back_as_it_was_written(
    tmp_path: Path, suffix: str, packed: str, write: Callable[[list[tuple[str, str]]], str], rows: list[tuple[str, str]]
) -> None:
    if suffix == ".tsv":
        rows = [(source.replace("\t", "_"), target.replace("\t", "_")) for source, target in rows]
    path = _write(tmp_path / f"corpus{suffix}{packed}", write(rows))
    found, tally = _pairs_of(_parallel(path))
    assert found == rows
    assert (tally.read, tally.kept) == (len(rows), len(rows))


@pytest.mark.parametrize("packed", ["", ".gz"])
@round_trip
@given(rows=ROWS)
def test_any_text_comes_back_from_two_aligned_files(tmp_path: Path, packed: str, rows: list[tuple[str, str]]) -> None:
    for side, language in enumerate(("deu_Latn", "en")):
        _write(tmp_path / f"train.{language}{packed}", "\n".join(row[side] for row in rows))
    assert _pairs_of(_parallel(tmp_path / f"train.{{lang}}{packed}"))[0] == rows


@round_trip
@given(rows=ROWS)
def test_any_text_comes_back_as_documents(tmp_path: Path, rows: list[tuple[str, str]]) -> None:
    path = _write(tmp_path / "mono.txt", "\n\n".join("\n".join(row) for row in rows))
    by_paragraph = CorpusConfig(path=str(path), language="nqo", documents="blank-line")
    assert [segment.text for segment in read_segments(by_paragraph, Tally())] == ["\n".join(row) for row in rows]
    by_line = CorpusConfig(path=str(path), language="nqo")
    assert [segment.text for segment in read_segments(by_line, Tally())] == [text for row in rows for text in row]


def test_lines_end_at_newlines_only(tmp_path: Path) -> None:
    odd = "one\u2028two\x0bthree\x85four\x0cfive\x1esix"
    path = _write(tmp_path / "odd.tsv", f"\ufeff{odd}\tx\r\nplain\ty\r\n")
    assert _pairs_of(_parallel(path))[0] == [(odd, "x"), ("plain", "y")]


def test_a_file_can_be_one_document(tmp_path: Path) -> None:
    path = _write(tmp_path / "book.txt", "\n\nChapter one\n\n\nIt rained.\n\n")
    (segment,) = read_segments(CorpusConfig(path=str(path), language="en", documents="file"), Tally())
    assert (segment.text, str(segment.origin)) == ("Chapter one\n\n\nIt rained.", f"{path}:3")


def test_bad_rows_are_counted_by_reason_and_place(tmp_path: Path) -> None:
    rows = [b"gut\tgood", b"\xff\xfe\tbad", b"leer\t  ", b"nur eine Spalte", b"nul\0\tnul", b"lang\t" + b"x" * 20_001, b"ja\tyes"]
    path = _write(tmp_path / "rows.tsv", b"\n".join(rows))
    found, tally = _pairs_of(_parallel(path))
    assert found == [("gut", "good"), ("ja", "yes")]
    assert tally.places == {
        "not valid UTF-8": [f"{path}:2"],
        "empty side": [f"{path}:3"],
        "fewer than 2 columns": [f"{path}:4"],
        "NUL character": [f"{path}:5"],
        "over 20,000 characters": [f"{path}:6"],
    }
    assert tally.read == 7
    assert tally.lines()[0] == "reading: 7 rows read, 2 kept, 5 skipped"
    assert tally.to_json()["skipped"]["empty side"] == {"rows": 1, "first": [f"{path}:3"]}


def test_a_tally_remembers_five_places_and_counts_the_rest() -> None:
    tally = Tally()
    tally.skip_all([Origin("a.txt", line) for line in range(1, 9)], "empty side")
    assert tally.lines()[1] == "  8 empty side (a.txt:1, a.txt:2, a.txt:3, a.txt:4, a.txt:5, ...)"


def test_a_bad_json_line_is_counted_and_the_others_are_read(tmp_path: Path) -> None:
    lines = ['{"de": "ja", "en": "yes"}', "{broken", '{"de": "nein"}', '{"de": 1, "en": "x"}', "[1]", "", '{"de": "\\ud800", "en": "x"}']
    path = _write(tmp_path / "rows.jsonl", "\n".join(lines))
    found, tally = _pairs_of(_parallel(path))
    assert found == [("ja", "yes")]
    places = {reason: place for reason, (place,) in tally.places.items()}
    assert places == {
        "not valid JSON": f"{path}:2",
        "no text under en": f"{path}:3",
        "a value that is not text": f"{path}:4",
        "not a JSON object": f"{path}:5",
        "blank line": f"{path}:6",
        "lone surrogate": f"{path}:7",
    }


@pytest.mark.parametrize("content", ["{broken\n{also\n", "\n\n", ""])
def test_a_corpus_without_one_usable_row_is_an_error(tmp_path: Path, content: str) -> None:
    path = _write(tmp_path / "rows.jsonl", content)
    with pytest.raises(CorpusError, match=r"not one usable row|empty"):
        _pairs_of(_parallel(path))


@pytest.mark.parametrize(
    ("row", "columns"),
    [
        ({"translation": {"deu_Latn": "ja", "eng": "yes"}}, None),
        ({"de": "ja", "en": "yes", "score": 1}, None),
        ({"source": "ja", "target": "yes"}, None),
        ({"question": "ja", "answer": "yes"}, ["question", "answer"]),
    ],
)
def test_json_rows_may_spell_their_keys_in_many_ways(tmp_path: Path, row: object, columns: list[str | int] | None) -> None:
    path = _write(tmp_path / "rows.jsonl", json.dumps(row))
    assert _pairs_of(_parallel(path, columns=columns))[0] == [("ja", "yes")]


def test_items_of_a_json_list_know_their_line_or_number(tmp_path: Path) -> None:
    flat = _write(tmp_path / "flat.json", '[{"source": "a", "target": "b"}, {"source": "c", "target": "d"}]')
    assert [str(pair.origin) for pair in read_pairs(_parallel(flat), Tally())] == [f"{flat}:1[1]", f"{flat}:1[2]"]
    tall = _write(tmp_path / "tall.json", '[\n{"source": "a",\n"target": "b"},\n{"source": "c", "target": "d"}\n]\n')
    assert [str(pair.origin) for pair in read_pairs(_parallel(tall), Tally())] == [f"{tall}:2", f"{tall}:4"]


@pytest.mark.parametrize(
    "broken", ['[{"de": "a", "en": "b"},\n', '[{"de": "a", "en": "b"}\n{"x": 1}]', '[{"de": "a", "en": "b"}]\n[]', "["]
)
def test_a_json_list_that_breaks_off_is_an_error_at_its_line(tmp_path: Path, broken: str) -> None:
    path = _write(tmp_path / "list.json", broken)
    with pytest.raises(CorpusError, match=r"list\.json:\d"):
        _pairs_of(_parallel(path))


def test_a_misaligned_pair_names_both_line_counts_before_anything_is_read(tmp_path: Path) -> None:
    source, target = _write(tmp_path / "a.de", "eins\nzwei\ndrei\n"), _write(tmp_path / "a.en", "one\ntwo\n")
    with pytest.raises(CorpusError, match=r"3 lines, but 2 in .*a\.en"):
        read_pairs(_parallel([source, target]), Tally())


def test_a_missing_file_is_answered_with_its_neighbours(tmp_path: Path) -> None:
    _write(tmp_path / "train.de-en.tsv", "a\tb\n")
    with pytest.raises(CorpusError, match=r"did you mean train\.de-en\.tsv\?"):
        read_pairs(_parallel(tmp_path / "train.en-de.tsv"), Tally())
    with pytest.raises(CorpusError, match="its folder does not exist"):
        corpus_files(_parallel(tmp_path / "nowhere" / "train.tsv"))
    with pytest.raises(CorpusError, match=r"no file for German\n  allowed: .*train\.de .*train\.deu_Latn"):
        corpus_files(_parallel(tmp_path / "train.{lang}"))


def test_columns_are_taken_by_name_or_position_and_a_wrong_name_is_answered_with_the_header(tmp_path: Path) -> None:
    path = _write(tmp_path / "memory.csv", 'id,English,"German, formal"\n1,"Good, morning","Guten\nMorgen"\n2,Hi,"Sagte ""hallo"""\n')
    expected = [("Guten\nMorgen", "Good, morning"), ('Sagte "hallo"', "Hi")]
    assert _pairs_of(_parallel(path, columns=["German, formal", "English"]))[0] == expected
    assert _pairs_of(_parallel(path, columns=[2, "English"]))[0] == expected
    assert _pairs_of(_parallel(path, columns=[2, 1]))[0] == [("German, formal", "English"), *expected]
    with pytest.raises(CorpusError, match="no column named Deutsch\n  allowed: id, English, German, formal"):
        _pairs_of(_parallel(path, columns=["Deutsch", "English"]))


def test_a_row_that_breaks_csv_quoting_is_counted_and_a_quote_left_open_is_an_error(tmp_path: Path) -> None:
    found, tally = _pairs_of(_parallel(_write(tmp_path / "a.csv", 'a,b\n"x"y,z\nc,d\n')))
    assert (found, tally.places) == ([("a", "b"), ("c", "d")], {"not valid CSV": [f"{tmp_path}/a.csv:2"]})
    with pytest.raises(CorpusError, match=r"b\.csv:2: a quote opened here is not closed"):
        _pairs_of(_parallel(_write(tmp_path / "b.csv", 'a,b\n"c,d\ne,f\n')))


def test_quotes_in_tsv_are_plain_characters(tmp_path: Path) -> None:
    assert _pairs_of(_parallel(_write(tmp_path / "q.tsv", '"offen\t"open\n')))[0] == [('"offen', '"open')]


def test_length_limits_are_counted_and_max_rows_says_where_it_stopped(tmp_path: Path) -> None:
    path = _write(tmp_path / "l.tsv", "eins\tone\neins zwei\tone two\neins zwei drei\tone\nvier fünf\tfour five\nsechs sieben\tsix seven\n")
    found, tally = _pairs_of(_parallel(path, min_words=2, max_words=2, max_rows=2))
    assert found == [("eins zwei", "one two"), ("vier fünf", "four five")]
    assert dict(tally.skipped) == {"under 2 words": 1, "over 2 words": 1}
    assert tally.stopped is not None and "max_rows 2" in tally.stopped


def test_words_of_scripts_without_spaces_are_half_their_characters() -> None:
    assert word_count("one two  three", find_language("en")) == 3
    assert word_count("你好 世界！", find_language("zh")) == 3
    assert word_count("สวัสดี", find_language("th")) == 3


PO = """# a catalogue
msgid ""
msgstr ""
"Content-Type: text/plain; charset=UTF-8\\n"
"Language: de\\n"

msgid "Yes"
msgstr "Ja"

#, fuzzy
msgid "No"
msgstr "Nie"

msgid "%d page"
msgid_plural "%d pages"
msgstr[0] "%d Seite"
msgstr[1] "%d Seiten"

msgctxt "button"
msgid "Save"
msgstr "Speichern"

msgid "Later"
msgstr ""

#~ msgid "Old"
#~ msgstr "Alt"
"""


@pytest.mark.parametrize("name", ["app.po", "app.po.gz"])
def test_a_catalogue_gives_its_finished_single_form_messages_in_either_direction(tmp_path: Path, name: str) -> None:
    path = _write(tmp_path / name, PO)
    found, tally = _pairs_of(_parallel(path, source="en", target="de"))
    assert found == [("Yes", "Ja"), ("Save", "Speichern")]
    assert dict(tally.skipped) == {"fuzzy message": 1, "plural message": 1, "untranslated message": 1, "obsolete message": 1}
    assert tally.places["untranslated message"] == [f"{path}:23"]
    assert _pairs_of(_parallel(path, source="de", target="en"))[0] == [("Ja", "Yes"), ("Speichern", "Save")]
    assert [pair.origin.line for pair in read_pairs(_parallel(path), Tally())] == [7, 19]


def test_a_catalogue_of_a_third_language_or_a_broken_one_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="a catalogue in German, which is neither side"):
        _pairs_of(_parallel(_write(tmp_path / "app.po", PO), source="en", target="fr"))
    with pytest.raises(CorpusError, match=r"b\.po:2: not a gettext catalogue"):
        _pairs_of(_parallel(_write(tmp_path / "b.po", 'msgid "a"\nwhat is this\n'), source="en", target="de"))
    with pytest.raises(CorpusError, match=r"not valid utf-?8"):
        _pairs_of(_parallel(_write(tmp_path / "c.po", PO.encode("utf-8").replace(b"Ja", b"J\xe4")), source="en", target="de"))


def test_a_damaged_gzip_file_is_an_error_of_the_user(tmp_path: Path) -> None:
    whole = gzip.compress(b"".join(b"wort %d\tword %d\n" % (number, number * number) for number in range(5000)))
    for name, content in {"cut.tsv.gz": whole[: len(whole) // 2], "not.tsv.gz": b"plain\ttext\n"}.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(CorpusError, match="damaged gzip"):
            _pairs_of(_parallel(tmp_path / name))


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"format": "text"}, "format text holds no pairs"),
        ({"source": None}, "needs both its languages"),
        ({"columns": [0]}, "1 columns are given"),
    ],
)
def test_settings_that_cannot_work_are_named(tmp_path: Path, settings: dict[str, object], problem: str) -> None:
    with pytest.raises(CorpusError, match=problem):
        _pairs_of(_parallel(_write(tmp_path / "a.tsv", "a\tb\n"), **settings))


def test_one_file_of_unknown_format_is_not_guessed_at(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="does not say what format"):
        read_pairs(_parallel(_write(tmp_path / "corpus.dat", "a\tb\n")), Tally())
    with pytest.raises(CorpusError, match="hold pairs, and this corpus is monolingual"):
        read_segments(CorpusConfig(path=str(_write(tmp_path / "a.tsv", "a\tb\n")), language="de"), Tally())


def test_monolingual_json_is_read_by_its_text_key(tmp_path: Path) -> None:
    path = _write(tmp_path / "web.jsonl", '{"text": "eins", "url": "x"}\n{"text": "zwei"}\n')
    assert [segment.text for segment in read_segments(CorpusConfig(path=str(path), language="de"), Tally())] == ["eins", "zwei"]


def test_a_fingerprint_is_of_the_bytes_on_disk(tmp_path: Path) -> None:
    for language in ("de", "en"):
        _write(tmp_path / f"a.{language}", "abc")
    sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert fingerprint(_parallel(tmp_path / "a.{lang}")) == [
        {"path": f"{tmp_path}/a.de", "bytes": 3, "sha256": sha256},
        {"path": f"{tmp_path}/a.en", "bytes": 3, "sha256": sha256},
    ]


@pytest.mark.skipif(DATA is None, reason="DRAGOMAN_DATA is not set: no real corpora")
@pytest.mark.parametrize(
    ("path", "source", "target", "rows"),
    [
        ("alma-human/csen/train.cs-en.json", "cs", "en", 12_076),
        ("alma-human/deen/valid.de-en.json", "German", "eng_Latn", 1_002),
        ("alma-human/HW-5-shot/shots.cs-en.json", "cs", "en", 5),
        ("alma-human/zhen/train.zh-en.{lang}", "zh-Hans", "en", 15_406),
        ("multi30k/data/task1/raw/train.{lang}.gz", "en", "de", 29_000),
        ("nllb-seed/{lang}", "eng", "N'Ko", 6_193),
        ("nqo/data/baba_mamadi_diane_parallel_004.{lang}", "en", "nqo", 36_211),
    ],
)
def test_real_corpora_are_read_whole(path: str, source: str, target: str, rows: int) -> None:
    found, tally = _pairs_of(CorpusConfig(path=f"{DATA}/{path}", source=source, target=target))
    assert (len(found), tally.read) == (rows, rows)
