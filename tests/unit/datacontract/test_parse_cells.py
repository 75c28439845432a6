import decimal
from typing import Any

import numpy as np
import pandas as pd
import pytest

from layerkit.core.rows import Rows
from layerkit.datacontract import InputContract, OutputContract
from layerkit.datacontract.parse_cells import as_numbers, is_missing, missing_in, number, text_cell
from layerkit.errors import DataError
from layerkit.training.row_weights import sample_weights

MISSING: list[Any] = [
    None,
    float("nan"),
    np.float32("nan"),
    decimal.Decimal("nan"),
    decimal.Decimal("snan"),
    pd.NA,
    pd.NaT,
    np.datetime64("NaT"),
    np.ma.masked,
    "",
    " ",
    "?",
    " ? ",
    b"?",
    "NaN",
    "nan",
]
THERE: list[Any] = [0, False, 0.0, "NA", "-", "null", "None", "0", np.float64("inf"), "nano", "+"]


@pytest.mark.parametrize("cell", MISSING, ids=repr)
def test_what_is_missing_is_so_for_every_use(cell: Any) -> None:
    assert is_missing(cell)
    assert text_cell(cell) == ""
    assert np.isnan(number(cell) or 0.0)
    cells = np.empty(2, object)
    cells[:] = [1, cell]
    assert missing_in(cells).tolist() == [False, True]
    given = Rows(columns={"a": cells}, labels=cells)
    with pytest.raises(
        DataError, match="row 1, column 'a': expected a number, got a missing value"
    ):
        InputContract((1,), columns=("a",)).matrix(given)
    with pytest.raises(DataError, match="row 1: the label is missing"):
        OutputContract((2,), classes=(0, 1)).encoded(given)
    with pytest.raises(DataError, match="row 1: the label is missing"):
        OutputContract.fit(given, shape=(2,))
    with pytest.raises(DataError, match="the target is missing"):
        OutputContract((1,), targets=("t",)).encoded(given)
    with pytest.raises(DataError, match=r"row 1, column 'a': .*a missing value"):
        sample_weights(given, "a", ())


@pytest.mark.parametrize("cell", THERE, ids=repr)
def test_what_is_there(cell: Any) -> None:
    assert not is_missing(cell)
    assert text_cell(cell) != ""


@pytest.mark.parametrize("cell", ["NA", " NA ", b"NA", "-", "-999", -999, -999.0])
def test_further_spellings(cell: Any) -> None:
    spellings = ("NA", "-", "-999")
    assert not is_missing(cell)
    assert is_missing(cell, spellings)
    numbers, bad = as_numbers(np.array([1, cell], object), spellings)
    assert bad is None
    assert np.isnan(numbers).tolist() == [False, True]
    rows = Rows(columns={"a": np.array([1, cell], object)})
    filled = InputContract((1,), missing=np.array([7.0]), missing_values=spellings).matrix(rows)
    assert filled.tolist() == [[1], [7]]


@pytest.mark.parametrize(
    ("cells", "missing"),
    [
        (np.array([1.0, np.nan]), [False, True]),
        (np.array([1, 2]), [False, False]),
        (np.array(["2020-01-01", "NaT"], "M8[D]"), [False, True]),
        (np.array(["a", "?"]), [False, True]),
    ],
)
def test_missing_in_arrays(cells: np.ndarray, missing: list[bool]) -> None:
    assert missing_in(cells).tolist() == missing
    assert missing_in(cells, ["-999"]).tolist() == missing
