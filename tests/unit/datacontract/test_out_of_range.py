"""Which rows leave the range that training saw."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from layerkit import DataError, Rows
from layerkit.datacontract import InputContract
from layerkit.datacontract.out_of_range import OutOfRangeCount, out_of_range_error, outside


def fitted(columns: dict[str, list[float]], **choices: Any) -> InputContract:
    arrays = {name: np.array(cells, float) for name, cells in columns.items()}
    return InputContract.fit(Rows(columns=arrays), **choices)


AGES = {"age": [17.0, 40, 90], "size": [1.0, 2, 3]}


@pytest.mark.parametrize("scale", [None, "standardize", "minmax"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_bounds_are_inside_and_what_is_beyond_is_not(scale: Any, dtype: Any) -> None:
    inputs = fitted(AGES, scale=scale, dtype=dtype)
    rows = {"age": [17.0, 90, 91, 16.5], "size": [1.0, 3, 2, 4]}
    assert outside(inputs, rows).tolist() == [[False] * 2, [False] * 2, [True, False], [True, True]]


@pytest.mark.parametrize("scale", [None, "standardize"])
@pytest.mark.parametrize("offset", [0.0, 1e6, 1.7e9])
def test_rounding_to_the_dtype_is_not_outside(scale: Any, offset: float) -> None:
    values = (offset + np.random.default_rng(0).normal(0, 30, 500)).tolist()
    inputs = fitted({"t": values}, scale=scale)
    for rows in (np.array(values), np.array(values, np.float32)):
        assert not outside(inputs, rows[:, None]).any()
    assert outside(inputs, [[max(values) + 300], [min(values) - 300]]).all()


def test_a_filled_value_is_not_outside() -> None:
    inputs = fitted({"a": [5.0, 6]}, missing=-1)
    assert outside(inputs, {"a": [np.nan, 5.5, 7]}).ravel().tolist() == [False, False, True]


def test_one_number_may_stand_for_all_elements() -> None:
    inputs = InputContract((2, 3), low=np.array([0.0]), high=np.array([16.0]))
    x = np.zeros((2, 2, 3), np.float32)
    x[1, 1, 2] = 17
    assert np.argwhere(outside(inputs, x)).tolist() == [[1, 1, 2]]
    assert "column 5: 17" in str(out_of_range_error(inputs, x, outside(inputs, x), "x"))


def test_without_training_nothing_is_outside() -> None:
    assert not outside(InputContract((2,)), [[1e30, -1e30]]).any()


def test_rows_that_do_not_keep_the_contract_are_refused() -> None:
    with pytest.raises(DataError, match="size"):
        outside(fitted(AGES), {"age": [1.0]})


def test_blocks_add_up_to_one_sentence() -> None:
    inputs = fitted(AGES)
    tally = OutOfRangeCount(inputs)
    assert tally.sentence() == ""
    for block in ({"age": [130.0, 20], "size": [1.0, 2]}, {"age": [212.0, 16], "size": [9.0, 2]}):
        x = inputs.matrix(block)
        tally.add(x, outside(inputs, x))
    assert tally.columns == {"age": 3, "size": 1}
    assert tally.sentence() == (
        "3 of 4 rows lie outside the range of training: most in 'age' (3 rows: 16 to 212; "
        "training saw 17 to 90), some in 1 other column"
    )
