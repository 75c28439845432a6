from collections import UserDict
from typing import Any

import numpy as np
import pytest

from layerkit.core.rows import Rows
from layerkit.datacontract import InputContract
from layerkit.errors import DataError, ShapeError, SpecError

AB = InputContract((2,), columns=("a", "b"))
PLAIN = InputContract((2,))


def columns(**named: list[Any]) -> Rows:
    return Rows(columns={name: np.array(cells) for name, cells in named.items()}, source="rows.csv")


def refused(contract: InputContract, rows: Any) -> DataError:
    with pytest.raises(DataError) as caught:
        contract.matrix(rows)
    return caught.value


def test_columns_are_picked_by_name_in_the_contracts_order() -> None:
    x = AB.matrix(columns(b=[3.0, 4.0], other=["x", "y"], a=[1.0, 2.0]))
    assert x.dtype == np.float32
    np.testing.assert_array_equal(x, [[1, 3], [2, 4]])


@pytest.mark.parametrize(
    "rows",
    [
        {"a": [1, 2], "b": [3, 4]},
        [{"a": 1, "b": 3}, {"b": 4, "a": 2}],
        [[1, 3], [2, 4]],
        np.array([[1, 3], [2, 4]], np.uint8),
        np.array([["1", " 3 "], ["2", "4e0"]]),
        np.array([[1, "3"], [2.0, b"4"]], object),
        np.ma.array([[1, 3], [2, 4]], mask=False),
    ],
)
def test_every_form_of_rows(rows: Any) -> None:
    np.testing.assert_array_equal(AB.matrix(rows), [[1, 3], [2, 4]])


def test_a_data_frame_is_taken_by_name() -> None:
    class Frame(UserDict[str, list[int]]):
        @property
        def columns(self) -> list[str]:
            return list(self)

    class Opaque:  # as a data frame: no Mapping
        def __init__(self, **named: list[int]) -> None:
            self.columns = list(named)
            self._named = named

        def __getitem__(self, name: str) -> list[int]:
            return self._named[name]

    for frame in (Frame(b=[3, 4], a=[1, 2]), Opaque(b=[3, 4], a=[1, 2])):
        np.testing.assert_array_equal(AB.matrix(frame), [[1, 3], [2, 4]])  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "row", [[1, 3], np.array([1.0, 3.0]), {"a": 1, "b": 3}, [{"a": 1, "b": 3}]]
)
def test_one_row_alone(row: Any) -> None:
    np.testing.assert_array_equal(AB.matrix(row), [[1, 3]])


def test_images_whole_flat_and_alone() -> None:
    contract = InputContract((2, 3))
    x = np.arange(12, dtype=np.uint8)
    for rows in (x.reshape(2, 2, 3), x.reshape(2, 6), Rows(x.reshape(2, 6))):
        np.testing.assert_array_equal(contract.matrix(rows), x.reshape(2, 2, 3))
    for row in (x[:6], x[:6].reshape(2, 3)):
        assert contract.matrix(row).shape == (1, 2, 3)
    many = Rows(columns={f"p{i}": np.arange(2.0) for i in range(6)})
    assert contract.matrix(many).shape == (2, 2, 3)


SAID = [(64,), (8, 8), (8, 8, 1), (1, 8, 8), (64, 1)]


@pytest.mark.parametrize("shape", SAID, ids=str)
@pytest.mark.parametrize("given", SAID, ids=str)
def test_rows_in_any_shape_that_says_the_same_numbers(
    shape: tuple[int, ...], given: tuple[int, ...]
) -> None:
    x = np.arange(3 * 64.0).reshape(3, 64)
    wanted = x.reshape(3, *shape)
    contract = InputContract(shape, "float64")
    np.testing.assert_array_equal(contract.matrix(x.reshape(3, *given)), wanted)
    np.testing.assert_array_equal(contract.matrix(x[0].reshape(given)), wanted[:1])


@pytest.mark.parametrize("given", [(16, 4), (4, 16), (4, 4, 4), (63,), (8, 4, 2)], ids=str)
def test_rows_whose_axes_mean_something_else_are_refused(given: tuple[int, ...]) -> None:
    error = refused(InputContract((8, 8, 1)), np.zeros((3, *given)))
    assert "expected [8, 8, 1] or 64 numbers per row, got" in str(error)


def test_channels_first_are_not_taken_for_channels_last() -> None:
    refused(InputContract((5, 5, 3)), np.zeros((2, 3, 5, 5)))
    assert InputContract((5, 5, 3)).matrix(np.zeros((2, 75))).shape == (2, 5, 5, 3)


def test_a_vector_for_one_column_is_many_rows() -> None:
    assert InputContract((1,)).matrix(np.arange(5)).shape == (5, 1)


def test_no_rows_are_a_batch_of_none() -> None:
    assert PLAIN.matrix([]).shape == (0, 2)
    assert PLAIN.matrix(np.empty((0, 2))).shape == (0, 2)


def test_rows_are_a_batch_even_if_they_look_like_one_row() -> None:
    refused(InputContract((3,)), Rows(np.arange(3)))


def test_the_input_is_never_written_into() -> None:
    contract = InputContract((2,), "float64", missing=np.array([7.0, 8.0]), center=np.ones(2),
                             scale=np.ones(2))  # fmt: skip
    given = np.array([[np.nan, 1.0], [2.0, np.nan]])
    kept = given.copy()
    given.flags.writeable = False
    x = contract.matrix(given)
    np.testing.assert_array_equal(x, [[7, 1], [2, 8]])
    assert contract.scale_rows(x)[0, 0] == 6
    assert x[0, 0] == 7
    np.testing.assert_array_equal(given, kept)


def test_missing_column_names_it_the_nearest_and_all_there() -> None:
    error = refused(
        InputContract((2,), columns=("length", "width")), columns(longth=[1.0], colour=[1.0])
    )
    assert error.column == "length"
    assert error.source == "rows.csv"
    assert "did you mean 'longth'" in str(error)
    assert "2 missing: 'length', 'width'" in str(error)
    assert "columns found: longth, colour" in str(error)


def test_text_names_row_column_and_the_text() -> None:
    error = refused(AB, columns(a=["1", "2", "INLAND"], b=[1.0, 2.0, 3.0]))
    assert (error.row, error.column) == (2, "a")
    assert "expected a number, got 'INLAND'" in str(error)
    assert "input.columns" in str(error)


@pytest.mark.parametrize(
    ("rows", "row", "column", "words"),
    [
        (np.array([[1, 2], [3, np.nan]]), 1, "b", "missing value"),
        (np.array([["1", "2"], ["", "3"]]), 1, "a", "missing value"),
        (np.array([[1, None]], object), 0, "b", "missing value"),
        (np.array([[1, np.inf]]), 0, "b", "got inf"),
        (np.array([[1, 2], [-1e300, 2]]), 1, "a", "too large for float32"),
        (np.array([[1, "x"]], object), 0, "b", "expected a number, got 'x'"),
        (np.array([[1, (2,)], [1, 2]], object), 0, "b", "expected a number"),
        (np.array([[1, 10**400]], object), 0, "b", "got inf"),
    ],
)
def test_refused_values(rows: Any, row: int, column: str, words: str) -> None:
    error = refused(AB, rows)
    assert (error.row, error.column) == (row, column)
    assert words in str(error)


def test_refused_pixel_is_counted_flat() -> None:
    x = np.zeros((3, 2, 3))
    x[1, 1, 0] = np.nan
    error = refused(InputContract((2, 3)), x)
    assert (error.row, error.column) == (1, 3)


@pytest.mark.parametrize("bad", [np.array([[1 + 1j, 2]]), np.array([["2020", "2021"]], "M8[Y]")])
def test_arrays_of_no_real_numbers(bad: Any) -> None:
    assert refused(PLAIN, bad).row == 0


@pytest.mark.parametrize(
    "rows",
    [np.zeros((4, 3)), np.zeros((4, 2, 2)), np.zeros(5), np.array(1.0), Rows(np.zeros((1, 3)))],
)
def test_wrong_width_says_what_came(rows: Any) -> None:
    error = refused(PLAIN, rows)
    assert "expected 2 numbers per row" in str(error)


def test_wrong_number_of_columns_without_names() -> None:
    error = refused(PLAIN, columns(a=[1.0], b=[2.0], label=[3.0]))
    assert "expected 2 numbers per row, got 3 columns" in str(error)
    assert "a, b, label" in str(error)


def test_uneven_rows() -> None:
    error = refused(PLAIN, [[1, 2], [3, 4], [5]])
    assert error.row == 2
    assert "expected 2 values as in row 0, got 1" in str(error)


def test_uneven_deeper_down_and_records_of_two_kinds() -> None:
    assert "uneven nested" in str(refused(InputContract((2, 2)), [[[1, 2], [3]]]))
    error = refused(AB, [{"a": 1, "b": 2}, 3])
    assert error.row == 1
    assert "expected an object, got 3" in str(error)


def test_a_row_needs_an_axis_and_contracts_compare() -> None:
    with pytest.raises(SpecError, match="expected one or more sizes"):
        InputContract(())
    assert InputContract((2,)) == PLAIN
    assert PLAIN != (2,)
    assert InputContract((0,)).matrix(np.empty((3, 0))).shape == (3, 0)


def test_columns_of_different_lengths() -> None:
    assert refused(AB, {"a": [1, 2], "b": [1]}).column == "b"


def test_labels_alone_are_no_input() -> None:
    assert "labels, but no input columns" in str(refused(PLAIN, Rows(labels=np.zeros(3))))


def test_scaling_is_center_then_scale_in_the_contracts_dtype() -> None:
    contract = InputContract((2,), center=np.array([1.0, 0.0]), scale=np.array([2.0, 4.0]))
    scaled = contract.scale_rows(contract.matrix([[5, 6]]))
    assert scaled.dtype == np.float32
    np.testing.assert_array_equal(scaled, [[2, 1.5]])


# ---- fitting ------------------------------------------------------------------------------


def test_fit_takes_all_columns_but_the_excluded() -> None:
    rows = columns(a=[1.0, 3.0], kind=["x", "y"], b=[2.0, 2.0])
    contract = InputContract.fit(rows, exclude=["kind"])
    assert contract.columns == ("a", "b")
    assert contract.shape == (2,)
    assert contract.low is not None
    assert contract.high is not None
    assert (contract.low.tolist(), contract.high.tolist()) == ([1, 2], [3, 2])
    assert contract.center is None


def test_fit_refuses_text_and_says_what_to_do() -> None:
    with pytest.raises(DataError, match="if the column holds categories, write") as caught:
        InputContract.fit(columns(a=[1.0], kind=["x"]))
    assert (caught.value.row, caught.value.column) == (0, "kind")


def test_standardize_with_a_column_that_never_changes() -> None:
    rows = Rows(np.array([[1, 0.1, 5], [3, 0.1, 5], [5, 0.1, 5]]))
    contract = InputContract.fit(rows, scale="standardize", dtype="float64")
    assert contract.center is not None
    assert contract.scale is not None
    np.testing.assert_allclose(contract.center, [3, 0.1, 5], rtol=1e-15)
    np.testing.assert_allclose(contract.scale, [np.sqrt(8 / 3), 1, 1], rtol=1e-15)


def test_standardize_many_rows_in_blocks() -> None:
    x = np.random.default_rng(0).normal(3, 2, (10_001, 3))
    contract = InputContract.fit(Rows(x), scale="standardize", dtype="float64")
    assert contract.center is not None
    assert contract.scale is not None
    np.testing.assert_allclose(contract.center, x.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(contract.scale, x.std(axis=0), rtol=1e-12)


def test_minmax() -> None:
    contract = InputContract.fit(Rows(np.array([[1, 7], [5, 7]])), scale="minmax")
    x = contract.scale_rows(contract.matrix([[1, 7], [5, 8]]))
    np.testing.assert_array_equal(x, [[0, 0], [1, 1]])


@pytest.mark.parametrize("by", [255, [255, 255]])
def test_divide(by: Any) -> None:
    contract = InputContract.fit(Rows(np.array([[0, 51]], np.uint8)), scale={"divide": by})
    np.testing.assert_allclose(contract.scale_rows(contract.matrix([[255, 51]])), [[1, 0.2]])


def test_given_center_and_scale() -> None:
    contract = InputContract.fit(Rows(np.zeros((1, 2))), scale={"center": [1, 2], "scale": 4})
    np.testing.assert_array_equal(contract.scale_rows(contract.matrix([[5, 6]])), [[1, 1]])


@pytest.mark.parametrize(
    ("rule", "fill"), [("mean", [2.0, 20 / 3]), ("median", [2.0, 5.0]), (9, [9.0, 9.0])]
)
def test_missing_values_are_filled_from_training_rows_alone(rule: Any, fill: list[float]) -> None:
    rows = columns(a=[1.0, np.nan, 3.0], b=[5.0, 5.0, 10.0])
    contract = InputContract.fit(rows, missing=rule, dtype="float64")
    assert contract.missing is not None
    np.testing.assert_allclose(contract.missing, fill)
    x = contract.matrix(columns(a=[np.nan], b=[np.nan]))
    np.testing.assert_allclose(x, [fill])


def test_missing_rule_counts_for_the_statistics() -> None:
    rows = Rows(np.array([[0.0], [np.nan], [4.0]]))
    contract = InputContract.fit(rows, missing=2, scale="standardize", dtype="float64")
    assert contract.scale is not None
    assert contract.scale[0] == pytest.approx(np.sqrt(8 / 3))


def test_missing_refused_by_default_in_training() -> None:
    with pytest.raises(DataError, match="missing value") as caught:
        InputContract.fit(columns(a=[1.0, np.nan]))
    assert (caught.value.row, caught.value.column) == (1, "a")
    assert "input.missing" in str(caught.value)


def test_infinite_values_are_refused_under_a_missing_rule_too() -> None:
    with pytest.raises(DataError, match="got inf"):
        InputContract.fit(columns(a=[1.0, np.inf]), missing="mean")


def test_column_without_any_value_has_no_mean() -> None:
    with pytest.raises(DataError, match="no mean to fill") as caught:
        InputContract.fit(columns(a=[1.0], b=[np.nan]), missing="mean")
    assert caught.value.column == "b"


@pytest.mark.parametrize(
    "scale",
    ["standardise", {"divide": 0}, {"divide": [1, 2, 3]}, {"divide": "x"}, {"center": 1}, {},
     {"center": [0, 0], "scale": [1, 0]}, {"divide": float("inf")}],
)  # fmt: skip
def test_malformed_scale(scale: Any) -> None:
    with pytest.raises(SpecError, match=r"input\.scale"):
        InputContract.fit(Rows(np.zeros((2, 2))), scale=scale)


def test_misspelt_choices_name_the_nearest() -> None:
    with pytest.raises(SpecError, match="did you mean 'standardize'"):
        InputContract.fit(Rows(np.zeros((2, 2))), scale="standardise")  # type: ignore[arg-type]
    with pytest.raises(SpecError, match="did you mean 'median'"):
        InputContract.fit(Rows(np.zeros((2, 2))), missing="medain")  # type: ignore[arg-type]


def test_columns_are_chosen_once() -> None:
    rows = columns(a=[1.0], b=[2.0], c=[3.0])
    assert InputContract.fit(rows, columns=["c", "a"]).columns == ("c", "a")
    with pytest.raises(SpecError, match="appears twice"):
        InputContract.fit(rows, columns=["a", "a"])


def test_shape_and_columns_must_fit() -> None:
    rows = columns(a=[1.0], b=[2.0], c=[3.0])
    with pytest.raises(ShapeError, match="3 columns, the model takes 2") as caught:
        InputContract.fit(rows, shape=(2,))
    assert "a, b, c" in str(caught.value)
    with pytest.raises(ShapeError, match="2 columns for a last axis of 3"):
        InputContract.fit(rows, shape=(3,), columns=["a", "b"])


def test_columns_by_position_for_an_image() -> None:
    rows = columns(p0=[1.0], p1=[2.0], p2=[3.0], p3=[4.0], digit=[7.0])
    contract = InputContract.fit(rows, shape=(2, 2), exclude=["digit"])
    assert contract.columns is None
    assert contract.low is not None
    assert contract.low.tolist() == [1, 2]


def test_no_rows_to_fit() -> None:
    with pytest.raises(DataError, match="no rows"):
        InputContract.fit(Rows(np.empty((0, 2))))


def test_values_too_large_to_standardize() -> None:
    rows = Rows(np.array([[1.0, -1e308], [2.0, 1e308]]))
    with pytest.raises(DataError, match="too large") as caught:
        InputContract.fit(rows, scale="standardize", dtype="float64")
    assert caught.value.column == 1
