import io
from typing import Any

import numpy as np
import pytest

from layerkit.data import Dialect
from layerkit.data.dialect import DIALECT_KEYS
from layerkit.data.read import read_blocks, read_rows
from layerkit.data.readers.csv_polars import is_installed
from layerkit.errors import DataError
from layerkit.specs.sections import DIALECT, SECTIONS


def test_the_spec_has_the_same_fields() -> None:
    assert DIALECT == DIALECT_KEYS
    assert set(DIALECT) <= set(SECTIONS["input"].model_fields)


def test_what_is_set_goes_before_the_other() -> None:
    mine = Dialect(delimiter=";", missing_values=("NA",))
    other = Dialect(delimiter="|", decimal=",", header=False)
    both = mine.over(other)
    assert both == Dialect(";", ",", header=False, missing_values=("NA",))
    assert Dialect().over(both) == both
    assert Dialect.of({**both.given(), "columns": ["a"], "encoding": None}) == both


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"delimiter": ""}, "delimiter: expected one character"),
        ({"delimiter": "ab"}, "one character, got 'ab'"),
        ({"delimiter": "\n"}, "one character"),
        ({"decimal": ";"}, "'.' or ','"),
        ({"thousands": "5"}, "other than a digit"),
        ({"quote": "ab"}, "one character"),
        ({"header": 1.5}, "true or false"),
        ({"comment": ""}, "comment lines"),
        ({"encoding": "latin-x"}, "latin-1"),
        ({"encoding": "base64"}, "latin-1"),
        ({"delimiter": ",", "decimal": ","}, "both delimiter and decimal"),
        ({"decimal": ".", "thousands": "."}, "both decimal and thousands"),
    ],
)
def test_what_can_be_no_dialect(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(DataError, match=words):
        Dialect(**settings)


@pytest.mark.parametrize(
    ("text", "settings", "columns"),
    [
        ("a,b\n1,2\n", {"decimal": ","}, {"a": [1.0], "b": [2.0]}),
        ('a,b\n"1,5",2\n3,"4,5"\n', {"decimal": ","}, {"a": [1.5, 3.0], "b": [2.0, 4.5]}),
        ('a,b\n"1,234",2\n3,"4,500.5"\n', {"thousands": ","}, {"a": [1234, 3], "b": [2, 4500.5]}),
        ("a\n1,5\n2,5\n", {"decimal": ","}, {"a": [1.5, 2.5]}),
        ("a\n1,500\n2,500\n", {"thousands": ","}, {"a": [1500.0, 2500.0]}),
        ("a;b\n1,5;2\n2,5;3\n", {"decimal": ","}, {"a": [1.5, 2.5], "b": [2.0, 3.0]}),
        ("a;b\nx;2\n2;3,5\n1.5;4\n", {"decimal": ","}, {"a": ["x", "2", "1.5"], "b": [2, 3.5, 4]}),
    ],
)
def test_a_mark_of_numbers_may_be_what_stands_between_cells(
    text: str, settings: dict[str, Any], columns: dict[str, list[Any]]
) -> None:
    rows = read_rows(io.BytesIO(text.encode()), **settings)
    assert rows.columns is not None
    assert {name: rows.columns[name].tolist() for name in rows.columns} == columns
    assert len(columns) > 1 or rows.notes == ()  # nothing stands between the cells of one column


def test_one_column_of_decimal_commas_without_a_header() -> None:
    rows = read_rows(io.BytesIO(b"1,5\n2,5\n"), decimal=",", header=False)
    assert rows.values is not None
    assert rows.values.tolist() == [[1.5], [2.5]]


@pytest.mark.parametrize("cell", ["-999", " -999", "-999 ", "\t-999"])
@pytest.mark.parametrize("large", [True, False])
def test_a_number_that_spells_a_missing_value_is_one_with_blanks_around_it(
    cell: str, large: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("layerkit.data.readers.csv.is_large", lambda _: large and is_installed())
    text = f"a,b\n1,2\n{cell},3\n4,{cell}\n"
    rows = read_rows(io.BytesIO(text.encode()), missing_values=["-999"])
    assert rows.columns is not None
    np.testing.assert_array_equal(rows.columns["a"], [1, np.nan, 4])
    np.testing.assert_array_equal(rows.columns["b"], [2, 3, np.nan])


def test_one_spelling_of_a_missing_value_may_be_given_as_a_string() -> None:
    rows = read_rows(io.BytesIO(b"a\n1\nNA\nN\n"), missing_values="NA")
    assert rows.columns is not None
    assert rows.columns["a"].tolist() == ["1", "", "N"]


@pytest.mark.parametrize("wide", [1, 300, 1500])
@pytest.mark.parametrize("first", [5, 30, 60, 150])
def test_pieces_of_a_file_are_read_as_the_whole(first: int, wide: int) -> None:
    lines = [f"1;{'x' * wide}\n"] * first + ["1.234,5;x\n"] * 900
    raw = ("a;b\n" + "".join(lines)).encode()
    whole = read_rows(io.BytesIO(raw), columns=["a"])
    blocks = list(read_blocks(io.BytesIO(raw), rows=64, columns=["a"]))
    assert {block.notes for block in blocks} == {whole.notes}
    assert whole.columns is not None
    cells = [str(x) for b in blocks if b.columns for x in b.columns["a"].tolist()]
    if wide == 1:  # all that is looked at is in the first lines
        assert whole.columns["a"].tolist() == [1.0] * first + [1234.5] * 900
        assert cells == list(map(str, whole.columns["a"].tolist()))
