import io

import numpy as np
import pytest

from layerkit.core.rows import Rows
from layerkit.data import read_rows
from layerkit.errors import DataError


def read(text: str, **options: object) -> Rows:
    return read_rows(io.StringIO(text), format="jsonl", **options)  # type: ignore[arg-type]


def test_objects_become_columns() -> None:
    rows = read('{"a": 1, "b": "x"}\n\n{"a": 2.5, "b": null, "c": true}\n', labels="b")
    assert rows.columns is not None
    assert rows.labels is not None
    assert list(rows.columns) == ["a", "c"]
    np.testing.assert_array_equal(rows.columns["a"], [1, 2.5])
    assert rows.columns["c"].tolist() == ["", "true"]  # true is no number
    assert rows.labels.tolist() == ["x", ""]


def test_arrays_become_values() -> None:
    rows = read("[1, 2]\n[3, 4.5]\n")
    assert rows.values is not None
    assert rows.values.dtype == np.float64
    assert rows.values.tolist() == [[1, 2], [3, 4.5]]


def test_nested_arrays_keep_their_shape() -> None:
    rows = read("[[1, 2], [3, 4]]\n[[5, 6], [7, null]]\n")
    assert rows.values is not None
    np.testing.assert_array_equal(rows.values, [[[1, 2], [3, 4]], [[5, 6], [7, np.nan]]])


def test_numbers_beyond_float_are_infinite() -> None:
    huge = "1" + "0" * 400
    assert read(f"[{huge}, 1]\n").values is not None
    rows = read(f'{{"a": {huge}}}\n')
    assert rows.columns is not None
    assert np.isinf(rows.columns["a"][0])


@pytest.mark.parametrize(
    ("text", "row", "words"),
    [
        ('{"a": 1}\n{"a": 1,}\n', 1, "line 2 is not JSON"),
        ('{"a": 1}\n\n{"a" 1}\n', 1, "line 3 is not JSON"),
        ('{"a": 1}\n[1]\n', 1, "line 2: expected an object, got"),
        ('[1]\n{"a": 1}\n', 1, "expected an array, got"),
        ("3\n", 0, "expected an object or an array, got"),
        ('{"a": 1, "a": 2}\n', 0, "the same key twice"),
        ("[" * 100_000 + "\n", 0, "nested too deeply"),
        ("[1" + "0" * 5000 + "]\n", 0, "line 1 is not JSON"),
        ("[1, 2]\n[3]\n", 1, r"shape \[2\] as in row 0, got \[1\]"),
        ("[[1, 2], [3]]\n", 0, "uneven"),
    ],
)
def test_faults_give_the_row(text: str, row: int, words: str) -> None:
    with pytest.raises(DataError, match=words) as caught:
        read(text)
    assert caught.value.row == row


@pytest.mark.parametrize(
    ("text", "row", "column", "words"),
    [
        ('[1, 2]\n[3, "x"]\n', 1, 1, "expected a number, got 'x'"),
        ('{"a": 1}\n{"a": [1, 2]}\n', 1, "a", "expected a number or text, got"),
        ('{"a": {"b": 1}}\n', 0, "a", "expected a number or text, got"),
    ],
)
def test_faults_give_the_column(text: str, row: int, column: str | int, words: str) -> None:
    with pytest.raises(DataError, match=words) as caught:
        read(text)
    assert (caught.value.row, caught.value.column) == (row, column)
