"""Tables: the csv module judges that the target column says what was meant, and that every other cell is as it was."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from dragoman.mt.documents import Document, ReadingOptions, read_document
from dragoman.mt.errors import CorpusError

cell = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\r"), max_size=20)
rows = st.lists(st.tuples(cell, cell.filter(str.strip), cell), min_size=1, max_size=5)


def parsed(data: bytes, delimiter: str = ",") -> list[list[str]]:
    return list(csv.reader(io.StringIO(data.decode(), newline=""), delimiter=delimiter, strict=True))


def read(content: str, kind: str = "csv", **options: Any) -> Document:
    return read_document(content.encode(), kind, name=f"a.{kind}", options=ReadingOptions(**options))


@given(
    table=rows,
    targets=st.lists(cell, min_size=5, max_size=5),
    delimiter=st.sampled_from(",;\t|"),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC]),
    newline=st.sampled_from(["\n", "\r\n", "\r"]),
    has_target=st.booleans(),
)
@settings(max_examples=80, deadline=None)
def test_the_csv_module_reads_the_intended_targets_and_all_else_as_it_was(
    table: list[tuple[str, str, str]], targets: list[str], delimiter: str, quoting: int, newline: str, has_target: bool
) -> None:
    assume(newline != "\r" or quoting == csv.QUOTE_ALL)  # the module leaves \n bare where rows end at \r
    out = io.StringIO()
    writer = csv.writer(out, delimiter=delimiter, quoting=quoting, lineterminator=newline)  # type: ignore[arg-type]
    writer.writerows([("id", "source", "target"), *table] if has_target else [("id", "source"), *(row[:2] for row in table)])
    data = out.getvalue().encode()
    document = read_document(data, "csv", options=ReadingOptions(delimiter=delimiter, existing="replace"))
    assert [segment.source for segment in document.segments] == [row[1] for row in table]
    wanted = targets[: len(table)]
    written = document.write(wanted)
    assert parsed(written, delimiter) == [
        ["id", "source", "target"],
        *([*row[:2], target] for row, target in zip(table, wanted, strict=True)),
    ]
    if has_target and quoting == csv.QUOTE_ALL:
        writer = csv.writer(again := io.StringIO(), delimiter=delimiter, quoting=csv.QUOTE_ALL, lineterminator=newline)
        writer.writerows([("id", "source", "target"), *((*row[:2], target) for row, target in zip(table, wanted, strict=True))])
        assert written == again.getvalue().encode()


@given(table=st.lists(st.tuples(cell, cell), min_size=1, max_size=5), targets=st.lists(cell, min_size=5, max_size=5))
@settings(max_examples=60, deadline=None)
def test_tab_separated_cells_hold_no_tabs_or_line_breaks_and_quotes_mean_nothing(table: list[tuple[str, str]], targets: list[str]) -> None:
    plain = [[value.replace("\t", " ").replace("\n", " ") for value in row] for row in table]
    assume(all(row[0].strip() for row in plain))
    content = "".join("\t".join(row) + "\n" for row in [["source", "target"], ['"', ""], *plain])
    document = read(content, "tsv", existing="replace")
    wanted = [target.replace("\t", " ").replace("\n", " ") for target in targets[: len(plain)]]
    got = document.write(["x", *targets[: len(plain)]]).decode().split("\n")
    assert [line.split("\t") for line in got[2:-1]] == [[row[0], target] for row, target in zip(plain, wanted, strict=True)]


def test_a_changed_cell_is_quoted_as_it_was_and_a_new_one_as_its_neighbour() -> None:
    document = read('a,source,target\r\n1,"Dog","Hund"\r\n"2",Cat,Katze\r\n3,"A, b",\r\n4,"Cow",\r\n', existing="replace")
    assert document.write(["Chien", "Chat", "ab", "Vache"]) == (
        b'a,source,target\r\n1,"Dog","Chien"\r\n"2",Cat,Chat\r\n3,"A, b",ab\r\n4,"Cow","Vache"\r\n'
    )
    assert document.write({1: 'say "x"\ny'}).decode().split("\r\n")[2] == '"2",Cat,"say ""x""\ny"'


def test_a_missing_target_column_is_appended_to_every_row() -> None:
    document = read('"id";"source"\n"1";"Dog"\n\n"2";""\n"3"\n"4";"Cat"')
    assert document.targets == (None, None, None)
    assert document.write({0: "Chien"}) == b'"id";"source";"target"\n"1";"Dog";"Chien"\n\n"2";"";""\n"3"\n"4";"Cat";""'
    assert document.write([None, None, None]) == b'"id";"source"\n"1";"Dog"\n\n"2";""\n"3"\n"4";"Cat"'
    assert document.notes == ("rows that end before the source column, left as they are: 1 (line 5)",)
    assert read("x\ny\n", source_column=0, target_column=1).write(["a", "b"]) == b"x,a\ny,b\n"


def test_columns_go_by_name_or_position() -> None:
    content = "id,EN,fr\n1,Dog,\n"
    assert read(content, source_column="en", target_column="fr").write(["Chien"]) == b"id,EN,fr\n1,Dog,Chien\n"
    assert read("1,Dog,\n", source_column=1, target_column=2).write(["Chien"]) == b"1,Dog,Chien\n"
    assert read(content, source_column=1, target_column="de").write(["Hund"]) == b"id,EN,fr,de\n1,Dog,,Hund\n"
    for options, problem in (
        ({"source_column": "de"}, "no column named de"),
        ({"source_column": "en", "target_column": 1}, "the same column"),
        ({"source_column": 4, "target_column": 1}, "no column 4"),
    ):
        with pytest.raises(CorpusError, match=problem) as caught:
            read(content, **options)
        assert str(caught.value).startswith("a.csv:1: ")


def test_short_and_long_rows_are_filled_or_refused() -> None:
    document = read("id,source,note,target\n1,Dog\n2,Cat,x,\n")
    assert document.write(["Chien", "Chat"]) == b"id,source,note,target\n1,Dog,,Chien\n2,Cat,x,Chat\n"
    long = read("id,source\n1,Dog,x\n2,Cat\n")
    assert [segment.skip for segment in long.segments] == ["row longer than the header", ""]
    with pytest.raises(CorpusError, match="more cells than the header"):
        long.write({0: "Chien"})


@pytest.mark.parametrize(
    ("content", "delimiter"),
    [
        ("source;target\nOne, two, three;\n", ";"),
        ('source|target\n"a|b, c";|\n'.replace(";|", "|"), "|"),
        ("source\ttarget\nOne, two\t\n", "\t"),
        ("sep=;\nsource;target\nDog;\n", ";"),
        ("source\nDog\n", ","),
    ],
)
def test_the_delimiter_is_found(content: str, delimiter: str) -> None:
    document = read(content)
    assert f"{delimiter}X" in document.write(["X"]).decode()


def test_a_tab_separated_file_with_real_quotes_is_read_with_them() -> None:
    document = read('source\ttarget\n"one\ttwo\nand\nthree"\t""\n"say ""x"""\t""\n', "tsv")
    assert [segment.source for segment in document.segments] == ["one\ttwo\nand\nthree", 'say "x"']
    assert document.write({1: 'dis "x"'}).endswith(b'\t"dis ""x"""\n')
    assert [segment.origin.line for segment in document.segments] == [2, 5]


@pytest.mark.parametrize(("content", "line"), [('source,target\na,b\n"open,b\n', 3), ('source,target\n"a"b,c\n', 2), ("", 0), ("\n\n", 0)])
def test_a_broken_table_is_refused_at_its_line(content: str, line: int) -> None:
    with pytest.raises(CorpusError) as caught:
        read(content)
    assert str(caught.value).startswith(f"a.csv:{line}: " if line else "a.csv: ")
