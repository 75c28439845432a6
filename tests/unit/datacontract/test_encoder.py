"""Columns of categories in the data contract: cells, errors, scaling, the file, what is outside."""

import copy
import datetime
import time
from typing import Any

import numpy as np
import pytest

from layerkit.core.rows import Rows
from layerkit.datacontract import DataContract, InputContract
from layerkit.datacontract.categories import Categorical, learn
from layerkit.datacontract.encoder import Encoder, learned
from layerkit.datacontract.fitted_rows import fitted_rows
from layerkit.datacontract.out_of_range import OutOfRangeCount, out_of_range_error, outside
from layerkit.datacontract.outputs import OutputContract
from layerkit.errors import DataError, ShapeError, SpecError

JOB = {"name": "job", "categories": ["cook", "smith"], "unknown": "other", "missing": "category"}
COLUMNS: list[Any] = ["age", JOB, "size"]
ROWS = Rows(
    columns={
        "age": np.array([1.0, 2.0, 3.0]),
        "job": np.array(["smith", "", "cook"]),
        "size": np.array([5.0, np.nan, 7.0]),
    },
    source="rows.csv",
)


def fitted(columns: Any = COLUMNS, rows: Rows = ROWS, **choices: Any) -> InputContract:
    return InputContract.fit(rows, columns=columns, missing=choices.pop("missing", 0.0), **choices)


def cells(*given: Any) -> Any:
    found = np.empty(len(given), object)
    found[:] = given
    return found


def test_one_column_per_category_and_one_for_missing_values() -> None:
    contract = fitted()
    assert contract.columns == ("age", "job=cook", "job=smith", "job=?", "size")
    assert contract.raw_columns == ("age", "job", "size")
    x = contract.matrix({"age": [9], "job": [" cook "], "size": [8], "more": ["text"]})
    np.testing.assert_array_equal(x, [[9, 1, 0, 0, 8]])
    np.testing.assert_array_equal(contract.matrix(ROWS)[:, 1:4], [[0, 1, 0], [0, 0, 1], [1, 0, 0]])


@pytest.mark.parametrize(
    "row", [{"age": 9, "job": "baker", "size": 8}, [9, "baker", 8], [[9, "baker", 8]]]
)
def test_another_category_is_all_zeros(row: Any) -> None:
    np.testing.assert_array_equal(fitted().matrix(row), [[9, 0, 0, 0, 8]])


def test_numbers_that_are_encoded_already_are_taken_as_they_are() -> None:
    x = np.array([[9, 0, 1, 0, 8]], np.float32)
    assert fitted().matrix(x) is x
    with pytest.raises(DataError, match=r"expected 3 cells \(or 5 numbers\) per row, got 4"):
        fitted().matrix(np.zeros((2, 4)))


def test_scaling_and_filling_leave_categories_alone() -> None:
    contract = fitted(scale="standardize", missing="mean")
    assert contract.center is not None
    assert contract.scale is not None
    assert contract.missing is not None
    np.testing.assert_allclose(contract.center, [2, 0, 0, 0, 6])
    np.testing.assert_allclose(contract.scale, [np.sqrt(2 / 3)] + [1] * 3 + [np.sqrt(2 / 3)])
    np.testing.assert_allclose(contract.missing, [2, 0, 0, 0, 6])
    listed = fitted(scale={"center": [1, 2], "scale": [3, 4]})
    assert listed.center is not None
    np.testing.assert_allclose(listed.center, [1, 0, 0, 0, 2])
    with pytest.raises((ShapeError, SpecError), match="2"):
        fitted(scale={"divide": [1, 2, 3]})


def test_a_table_of_categories_only_can_be_scaled() -> None:
    contract = fitted([JOB], scale="minmax", missing="median")
    assert (contract.center is not None, contract.missing is not None) == (True, True)
    np.testing.assert_array_equal(
        contract.scale_rows(contract.matrix({"job": ["cook"]})), [[1, 0, 0]]
    )


@pytest.mark.parametrize(
    ("categories", "found"),
    [
        (["7", "8"], [7, 7.0, "7", "7.0", " 7", np.int8(7), np.float32(7), b"7"]),
        (["7.0", "8"], [7, 7.0, "7", "7.0"]),
        (["007"], ["007"]),
        (["true", "false"], [True, np.True_, "true", "True", "TRUE"]),
        (["True", "x"], [True, "true", "True"]),
        (["1.5"], [1.5, "1.5"]),
        (["-3"], [-3, -3.0, "-3"]),
    ],
)
def test_cells_of_a_category(categories: list[str], found: list[Any]) -> None:
    field = Categorical("c", tuple(categories))
    assert field.numbers(cells(*found))[0].all()


@pytest.mark.parametrize(
    ("category", "cell"),
    [("7", "007"), ("0", "00"), ("00", 0), ("1", True), ("true", 1), ("a", "A"), ("1.5", "1.50")],
)
def test_cells_of_another_category(category: str, cell: Any) -> None:
    with pytest.raises(DataError, match="expected one of 1 categories"):
        Categorical("c", (category,)).numbers(cells(cell))


def test_an_unknown_category_names_the_nearest() -> None:
    contract = fitted([{**JOB, "unknown": "error"}])
    with pytest.raises(DataError) as caught:
        contract.matrix({"job": ["cook", "smiht"]})
    assert (caught.value.row, caught.value.column) == (1, "job")
    assert "got 'smiht'; did you mean 'smith'?" in str(caught.value)
    assert caught.value.hint is not None
    assert "categories: cook, smith" in caught.value.hint


@pytest.mark.parametrize("cell", [None, "", "?", "nan", float("nan"), "NA", np.datetime64("NaT")])
def test_missing_cells_are_refused_or_a_category(cell: Any) -> None:
    strict = Categorical("c", ("a",))
    with pytest.raises(DataError, match="expected a category, got a missing value"):
        strict.numbers(cells("a", cell), ["NA"])
    lenient = Categorical("c", ("a",), missing="category")
    np.testing.assert_array_equal(lenient.numbers(cells("a", cell), ["NA"]), [[1, 0], [0, 1]])


DAY = datetime.date(2026, 1, 2)


@pytest.mark.parametrize(
    "column",
    [
        np.array(["2026-01-02", "NaT"], "datetime64[D]"),
        cells(DAY, None),
        cells(datetime.datetime(2026, 1, 2, 3, 4), None),
        cells(datetime.time(3, 4), "x"),
    ],
)
@pytest.mark.parametrize("name", ["age", "job"])
def test_dates_are_refused_with_advice(column: Any, name: str) -> None:
    for_all = {"age": [1, 2], "job": ["cook", "cook"], "size": [1, 2], name: column}
    with pytest.raises(DataError, match="days since a fixed day") as caught:
        fitted().matrix(for_all)
    assert (caught.value.row, caught.value.column) == (0, name)


@pytest.mark.parametrize(
    "column", [np.array([1, "NaT"], "timedelta64[D]"), cells(datetime.timedelta(1), None)]
)
def test_spans_of_time_are_refused_with_advice(column: Any) -> None:
    with pytest.raises(DataError, match=r"(?s)expected a category, got '1 day.*its sec") as caught:
        Categorical("c", ("a",), missing="category").numbers(column)
    assert (caught.value.row, caught.value.column) == (0, "c")


@pytest.mark.parametrize("cell", [[1, 2], {"a": 1}, (1, [2]), np.zeros(2)])
def test_cells_of_several_values_are_refused(cell: Any) -> None:
    with pytest.raises(DataError) as caught:
        Categorical("c", ("a",)).numbers(cells("a", cell))
    assert caught.value.row == 1


def test_learned_categories_are_sorted_and_cut_to_the_most_frequent() -> None:
    given = cells("b", "a", "c", "c", None, "a", "d")
    assert learn(given, "c", most=9) == (("a", "b", "c", "d"), 0)
    assert learn(given, "c", most=3) == (("a", "b", "c"), 1)  # of equal counts, the first
    assert learn(cells(10, 9, "8", 9.0), "c", most=9) == (("8", "9", "10"), 0)
    with pytest.raises(DataError, match="no categories can be learned"):
        learn(cells(None, ""), "c", most=9)
    with pytest.raises(DataError, match=r"list them in input\.columns"):
        learn(cells(None, "2026-01-02", "03.04.2026"), "c", most=9)


def test_learned_columns_are_explicit() -> None:
    column = {
        "name": "job",
        "categories": "learn",
        "max": 1,
        "unknown": "error",
        "missing": "error",
    }
    found = learned(["age", column], ROWS)
    assert found == [
        "age",
        {"name": "job", "categories": ["cook"], "unknown": "other", "missing": "error"},
    ]
    with pytest.raises(SpecError, match="still to be learned"):
        Encoder.of([column])
    with pytest.raises(DataError, match="'jop': not found; did you mean 'job'"):
        learned([{**column, "name": "jop"}], ROWS)


@pytest.mark.parametrize(
    ("columns", "match"),
    [
        ([{**JOB, "categories": []}], "one or more"),
        ([{**JOB, "categories": ["a", "a"]}], "'a' twice"),
        ([{**JOB, "categories": ["?"]}], "missing value"),
        ([{**JOB, "categories": ["a "]}], "no blanks"),
        ([JOB, JOB], "'job' appears twice"),
        (["job=cook", JOB], "'job=cook' appears twice"),
    ],
)
def test_columns_that_contradict_themselves(columns: Any, match: str) -> None:
    rows = Rows(columns={"job": np.array(["cook"]), "job=cook": np.array([1.0])})
    with pytest.raises(SpecError, match=match):
        fitted(columns, rows)


def test_a_column_that_is_not_there() -> None:
    with pytest.raises(DataError, match=r"'job'.*not found; did you mean 'jobs'"):
        fitted().matrix({"age": [1], "jobs": ["cook"], "size": [1]})


SPEC = DataContract(fitted(missing="mean")).to_spec()


def test_the_file_says_what_each_raw_column_is() -> None:
    assert SPEC["table"]["fields"] == [
        {"kind": "numeric", "name": "age", "fill": 2.0},
        {"kind": "categorical", **JOB, "others": 0},
        {"kind": "numeric", "name": "size", "fill": 6.0},
    ]
    assert SPEC["input"]["columns"] == ["age", "job=cook", "job=smith", "job=?", "size"]
    plain = DataContract(fitted(["age", JOB], missing="error")).to_spec()
    assert plain["table"]["fields"][0] == {"kind": "numeric", "name": "age"}
    assert DataContract.from_spec(plain).input == fitted(["age", JOB], missing="error")


def put(tree: Any, path: str, value: Any) -> Any:
    *steps, last = [int(s) if s.isdigit() else s for s in path.split(".")]
    changed = at = copy.deepcopy(tree)
    for step in steps:
        at = at[step]
    if value is ...:
        del at[last]
    else:
        at[last] = value
    return changed


@pytest.mark.parametrize(
    ("path", "value", "location"),
    [
        ("1.kind", "numeric", ""),
        ("1.kind", None, ""),
        ("1.name", 5, "[1].name"),
        ("1.name", "hat", ""),
        ("1.name", "age", ""),
        ("1.categories", "cook", "[1].categories"),
        ("1.categories", [], "[1].categories"),
        ("1.categories", ["cook", 5], "[1].categories"),
        ("1.categories", ["cook", "cook"], "[1].categories"),
        ("1.categories", ["cook", "?"], "[1].categories"),
        ("1.categories", ["cook"], ""),
        ("1.categories", ["smith", "cook"], ""),
        ("1.unknown", "othr", "[1].unknown"),
        ("1.unknown", [], "[1].unknown"),
        ("1.missing", True, "[1].missing"),
        ("1.missing", "error", ""),
        ("1.others", -1, "[1].others"),
        ("1.others", 1.0, "[1].others"),
        ("1.others", 2**63, "[1].others"),
        ("1.more", 1, "[1]"),
        ("1", "job", ""),
        ("0.fill", ..., ""),
        ("0.fill", True, "[0].fill"),
        ("0.name", ..., "[0].name"),
        ("2", ..., ""),
    ],
)
def test_a_malformed_table_gives_the_place(path: str, value: Any, location: str) -> None:
    with pytest.raises(SpecError) as caught:
        DataContract.from_spec(put(SPEC, f"table.fields.{path}", value))
    assert caught.value.location == f"spec.data.table.fields{location}"


def test_hostile_tables_cost_no_more_than_their_size() -> None:
    many = [{"kind": "categorical", "name": "a" * k, "categories": ["x"], "unknown": "error",
             "missing": "error", "others": 0} for k in range(1, 1500)]  # fmt: skip
    start = time.process_time()
    for fields in (
        [*many, *many],
        many,
        [{**many[0], "categories": [str(k) for k in range(60000)]}] * 5,
    ):
        with pytest.raises(SpecError):
            DataContract.from_spec(put(SPEC, "table.fields", fields))
    assert time.process_time() - start < 10


def test_names_that_no_file_could_hold_are_refused_before_they_are_made() -> None:
    column = {"name": "a" * 2**20, "categories": list(map(str, range(60000)))}
    with pytest.raises(SpecError, match=r"take 62\.9 GB: expected at most 16\.8 MB"):
        Encoder.of([column])


def test_what_training_did_not_see_is_outside() -> None:
    contract = fitted([{**JOB, "categories": ["cook", "smith", "baker"]}, "age"])
    given = {"job": ["cook", "baker", "miner", ""], "age": [1, 1, 9, 2]}
    flags = outside(contract, given)
    np.testing.assert_array_equal(flags.any(axis=1), [False, True, True, False])
    np.testing.assert_array_equal(flags[:, -1], [False, False, True, False])
    assert flags[1].tolist() == [True] * 4 + [False]
    x = contract.matrix(given)
    tally = OutOfRangeCount(contract)
    tally.add(x, flags)
    assert tally.columns == {"job": 2, "age": 1}
    sentence = (
        "most in 'job' (2 rows: a category that training did not see), some in 1 other column"
    )
    assert sentence in tally.sentence()
    error = out_of_range_error(contract, x, flags, "rows")
    assert (error.row, error.column) == (1, "job")


def test_other_is_inside_if_training_saw_another_category() -> None:
    contract = fitted([{**JOB, "categories": ["cook"], "missing": "category"}])
    assert contract.encoder is not None
    assert contract.encoder.fields[0].others == 1  # type: ignore[union-attr]  # categorical
    assert not outside(contract, {"job": ["miner"]}).any()


def test_rows_of_other_categories_have_another_digest() -> None:
    contract = DataContract(fitted([JOB]), OutputContract((2,), classes=("a", "b"), label="y"))
    digests = set()
    for jobs in (["cook", "smith"], ["cook", "cook"], ["smith", "cook"], ["cook", None]):
        rows = Rows(columns={"job": cells(*jobs), "y": np.array(["a", "b"])})
        digests.add(fitted_rows(contract, rows).digest)
    assert len(digests) == 4
