import io
from pathlib import Path

import numpy as np
import pytest

from layerkit.core.rows import Rows
from layerkit.data import read_rows
from layerkit.errors import DataError


def read(text: str, **options: object) -> Rows:
    return read_rows(io.StringIO(text), format="csv", **options)  # type: ignore[arg-type]


def table(rows: Rows) -> dict[str, list[object]]:
    assert rows.columns is not None
    return {name: column.tolist() for name, column in rows.columns.items()}


def test_numbers_without_header_are_values() -> None:
    rows = read("1,2\n3,4.5\n")
    assert rows.columns is None
    assert rows.values is not None
    assert rows.values.dtype == np.float64
    np.testing.assert_array_equal(rows.values, [[1, 2], [3, 4.5]])


def test_a_first_line_with_text_names_the_columns() -> None:
    assert table(read("a,b\n1,x\n2,y\n")) == {"a": [1.0, 2.0], "b": ["x", "y"]}


def test_header_above_numbers_only() -> None:
    rows = read("a, b \n1,2\n3,4\n")
    assert table(rows) == {"a": [1.0, 3.0], "b": [2.0, 4.0]}
    assert rows.values is None


@pytest.mark.parametrize("missing", ["", " ", "?", " ? ", "nan"])
def test_missing_numbers_are_nan(missing: str) -> None:
    rows = read(f"a,b\n1,{missing}\n3,4\n")
    assert rows.columns is not None
    np.testing.assert_array_equal(rows.columns["b"], [np.nan, 4.0])


@pytest.mark.parametrize("missing", ["", "?", "  "])
def test_missing_text_is_the_empty_string(missing: str) -> None:
    assert table(read(f"a,b\n1,{missing}\n2,x\n"))["b"] == ["", "x"]


def test_blanks_around_cells_and_blank_lines_do_not_count() -> None:
    rows = read("\n a , b\n\n 1 , x y \n   \n2,z\n\n")
    assert table(rows) == {"a": [1.0, 2.0], "b": ["x y", "z"]}


def test_rows_of_text_and_numbers_without_header_are_kept_whole() -> None:
    rows = read("T,2,8\nI,5,12\nD,4,11\n")
    assert table(rows) == {"0": ["T", "I", "D"], "1": [2.0, 5.0, 4.0], "2": [8.0, 12.0, 11.0]}


def test_has_header_overrides_the_guess() -> None:
    assert table(read("1,2\n3,4\n", has_header=True)) == {"1": [3.0], "2": [4.0]}
    assert table(read("a,b\nc,d\n", has_header=False)) == {"0": ["a", "c"], "1": ["b", "d"]}


def test_blank_header_cell_is_named_by_its_position() -> None:
    assert table(read(",a\n0,5\n1,6\n")) == {"0": [0.0, 1.0], "a": [5.0, 6.0]}


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_the_delimiter_is_found(delimiter: str) -> None:
    text = delimiter.join(["a", "b", "c"]) + "\n" + delimiter.join(["1", '"x,y;z"', "3"]) + "\n"
    assert table(read(text)) == {"a": [1.0], "b": ["x,y;z"], "c": [3.0]}


def test_a_version_hides_no_decimal_commas() -> None:
    text = "x;version\n" + "".join(f"{i},5;{'1.0' if i % 2 else 'new'}\n" for i in range(9))
    rows = read_rows(io.BytesIO(text.encode()))
    assert rows.columns is not None
    assert rows.columns["x"].tolist() == [i + 0.5 for i in range(9)]
    assert rows.columns["version"].tolist()[:2] == ["new", "1.0"]


def test_digits_in_groups_beside_points_are_no_decimal_commas() -> None:
    text = "x;y\n" + "".join(f"{i},500;1.5\n" for i in range(1, 9))
    rows = read_rows(io.BytesIO(text.encode()))
    assert rows.columns is not None
    assert rows.columns["y"].tolist() == [1.5] * 8


def test_decimal_commas_between_semicolons_are_told() -> None:
    rows = read("a;b\n1,5;x\n2,25;y\n")
    assert table(rows) == {"a": [1.5, 2.25], "b": ["x", "y"]}
    assert ["semicolons" in note and "decimal mark" in note for note in rows.notes] == [True]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_line_ends_of_all_systems(end: str) -> None:
    assert table(read(end.join(["a,b", "1,x", "2,y", ""])))["a"] == [1.0, 2.0]
    rows = read(end.join(["1,2", "3,4", ""]))
    assert rows.values is not None
    assert rows.values.tolist() == [[1.0, 2.0], [3.0, 4.0]]


def test_quoted_cells_may_hold_line_ends_and_quotes() -> None:
    assert table(read('a,b\n1,"two\nlines, ""q"""\n'))["b"] == ['two\nlines, "q"']


@pytest.mark.parametrize("cell", ["1_000", "٣", "0x10", "1e", "--1"])
def test_what_is_no_number_is_text(cell: str) -> None:
    assert table(read(f"a,b\n{cell},1\n2,3\n"))["a"] == [cell, "2"]


def test_a_byte_order_mark_is_no_part_of_the_first_name() -> None:
    rows = read_rows(io.BytesIO(b"\xef\xbb\xbfa,b\n1,2\n"), format="csv")
    assert list(table(rows)) == ["a", "b"]


def test_labels_are_taken_out_by_name() -> None:
    rows = read("a,b,kind\n1,2,x\n3,4,y\n", labels="kind")
    assert list(table(rows)) == ["a", "b"]
    assert rows.labels is not None
    assert rows.labels.tolist() == ["x", "y"]


def test_labels_are_taken_out_by_position() -> None:
    rows = read("1,2,0\n3,4,1\n", labels="2")
    assert rows.values is not None
    assert rows.labels is not None
    assert rows.values.tolist() == [[1, 2], [3, 4]]
    assert rows.labels.tolist() == [0, 1]


def test_several_labels_become_a_matrix() -> None:
    rows = read("a,u,v\n1,2,3\n4,5,6\n", labels=["v", "u"])
    assert rows.labels is not None
    assert rows.labels.tolist() == [[3, 2], [6, 5]]


def test_missing_label_column_names_the_nearest() -> None:
    with pytest.raises(DataError, match="did you mean 'species'") as caught:
        read("a,species\n1,x\n", labels="specis")
    assert caught.value.column == "specis"
    assert "columns found: a, species" in str(caught.value)


def test_several_labels_must_be_numbers() -> None:
    with pytest.raises(DataError, match=r"expected numbers, .* got text") as caught:
        read("a,u,v\n1,2,x\n", labels=["u", "v"])
    assert caught.value.column == "v"


@pytest.mark.parametrize(
    ("text", "row", "line", "cells"),
    [
        ("a,b\n1,2\n\n3\n", 1, 4, 1),
        ("a,b\n1,2,3\n", 0, 2, 3),
        ("1,2\n3,4\n5,6,7\n", 2, 3, 3),
        ('a,b\n"x\ny",2\n3\n', 1, 4, 1),
    ],
)
def test_ragged_row(text: str, row: int, line: int, cells: int) -> None:
    with pytest.raises(DataError) as caught:
        read(text)
    assert caught.value.row == row
    assert f"expected 2 cells in line {line}, as in the first line, got {cells}" in str(
        caught.value
    )


def test_name_that_comes_twice() -> None:
    with pytest.raises(DataError, match="0 and 2, counted from 0") as caught:
        read("a,b,a\n1,2,3\n")
    assert caught.value.column == "a"
    assert "header=False" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("\n \n", "empty"),
        ("", "empty"),
        ("a,b\n", "expected rows after the header 'a,b', got none"),
        ('a,b\n1,"x\n', "line 2"),
        ('a,b\n1,"x"y\n', "line 2"),
        ("59 2 32.1\n48 1 21.6\n", "blanks separate the numbers"),
    ],
)
def test_other_faults(text: str, words: str) -> None:
    with pytest.raises(DataError, match=words):
        read(text)


def test_undecodable_bytes_give_the_line(tmp_path: Path) -> None:
    path = tmp_path / "latin.csv"
    path.write_bytes("a,b\n1,x\n2,é\n".encode("latin-1"))
    with pytest.raises(DataError, match=r"line 3 is not UTF-8 text .*e9") as caught:
        read_rows(path)
    assert caught.value.source == str(path)


def test_a_cell_beyond_the_csv_limit() -> None:
    with pytest.raises(DataError, match="line 2"):
        read("a,b\n1," + "x" * 200_000 + "\n")


def test_one_column_with_a_missing_value_is_no_row_of_blanks() -> None:
    rows = read("5\n?\n6\n")
    assert rows.values is not None
    np.testing.assert_array_equal(rows.values, [[5], [np.nan], [6]])


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_a_byte_order_mark_alone_is_no_row(kind: str) -> None:
    with pytest.raises(DataError, match="no rows"):
        read_rows(io.BytesIO(b"\xef\xbb\xbf\n"), format=kind)
