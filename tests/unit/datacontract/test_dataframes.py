"""Rows as other libraries hold them: read as what they are, or refused with a way out."""

import datetime
import decimal
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import layerkit
from layerkit.datacontract import InputContract, as_rows, label_cells
from layerkit.errors import DataError

TABLE: dict[str, list[Any]] = {"a": [1.0, 2.5, -3.0], "b": [4, 5, 6], "y": ["u", "v", "u"]}
FRAME = pd.DataFrame(TABLE)
POLARS = pl.DataFrame(TABLE)
ARROW = pa.table(TABLE)
SPEC = {
    "layerkit": 1,
    "input": {"columns": ["a", "b"], "scale": "standardize"},
    "layers": [{"type": "dense", "units": 2}],
    "output": {"column": "y"},
    "train": {"epochs": 2},
}


class Stream:
    """A table of a library that layerkit does not know, as an Arrow stream."""

    def __init__(self, table: Any) -> None:
        self.table = table

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self.table.__arrow_c_stream__(requested_schema)


BROKEN = pa.chunked_array([[1, 2]])  # no table

TABLES: dict[str, Any] = {
    "lists": TABLE,
    "arrays": {name: np.array(column) for name, column in TABLE.items()},
    "records": FRAME.to_dict("records"),
    "structured": FRAME.assign(y=FRAME["y"].astype(object)).to_records(index=False),
    "pandas": FRAME,
    "pandas nullable": FRAME.convert_dtypes(),
    "pandas arrow": FRAME.convert_dtypes(dtype_backend="pyarrow"),
    "pandas category": FRAME.astype({"y": "category"}),
    "pandas sparse": FRAME.astype({"b": pd.SparseDtype(float)}),
    "pandas object": FRAME.astype(object),
    "polars": POLARS,
    "polars categorical": POLARS.with_columns(pl.col("y").cast(pl.Categorical)),
    "polars decimal": POLARS.with_columns(pl.col("a").cast(pl.Decimal(10, 2))),
    "polars series": {name: POLARS[name] for name in POLARS.columns},
    "pyarrow": ARROW,
    "pyarrow batch": ARROW.to_batches()[0],
    "pyarrow dictionary": ARROW.set_column(2, "y", ARROW["y"].dictionary_encode()),
    "decimals": TABLE | {"b": [decimal.Decimal(v) for v in TABLE["b"]]},
    "masked": TABLE | {"b": np.ma.array([4, 5, 6], mask=False)},
    "polars lazy": POLARS.lazy(),
    "dask": type("DataFrame", (), {"compute": lambda self: FRAME})(),
    "arrow stream": Stream(ARROW),
}


class Record(NamedTuple):
    b: float
    a: float


def test_equal_data_give_equal_models(tmp_path: Any) -> None:
    ids = {}
    for name, table in TABLES.items():
        model = layerkit.train(SPEC, data=table).model
        ids[name] = layerkit.save(model, tmp_path / "m.layerkit")
    assert len(set(ids.values())) == 1, ids


@pytest.mark.parametrize("name", TABLES)
def test_rows_of_every_form(name: str) -> None:
    x = InputContract((2,), "float64", ("a", "b")).matrix(TABLES[name])
    assert x.tolist() == [[1, 4], [2.5, 5], [-3, 6]]


@pytest.mark.parametrize(
    "row",
    [
        FRAME.iloc[1],
        FRAME.iloc[1:2],
        POLARS.row(1, named=True),
        POLARS[1],
        ARROW.slice(1, 1),
        next(FRAME.iloc[1:].itertuples(index=False)),
        [{"a": 2.5, "b": 5}],
        {"a": 2.5, "b": decimal.Decimal(5)},
        Record(b=5, a=2.5),
        np.array([(2.5, 5)], [("a", float), ("b", int)])[0],
    ],
    ids=lambda row: type(row).__name__,
)
def test_one_row_of_every_form(row: Any) -> None:
    assert InputContract((2,), columns=("a", "b")).matrix(row).tolist() == [[2.5, 5]]


NULLS: dict[str, Any] = {
    "lists": [1, None],
    "masked": np.ma.array([1, 2], mask=[False, True]),
    "nullable": pd.array([1, pd.NA], "Int64"),
    "series": pd.Series([1, pd.NA], dtype="Int64"),
    "arrow backend": pd.Series([1, None], dtype="int64[pyarrow]"),
    "polars": pl.Series([1, None]),
    "pyarrow": pa.array([1, None]),
    "chunked": pa.chunked_array([[1], [None]]),
}


@pytest.mark.parametrize("name", NULLS)
def test_null_is_missing(name: str) -> None:
    column = NULLS[name]
    filled = InputContract((1,), columns=("a",), missing=np.array([9.0])).matrix({"a": column})
    assert filled.tolist() == [[1], [9]]
    labels = {"class": ({}, "the label is missing"), "real": ({"targets": ["t"]}, "target")}
    for output, words in labels.values():
        spec = {**SPEC, "input": {"shape": [1]}, "output": output}
        spec["layers"] = [{"type": "dense", "units": 2 - len(output)}]
        with pytest.raises(DataError, match=f"row 1.*{words}.* missing|row 1: {words}"):
            layerkit.train(spec, data=(np.zeros((2, 1)), column))


DATES = pd.to_datetime(["2024-01-01", "2024-01-02"])


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (POLARS.lazy().select("no"), "the table could not be computed: ColumnNotFoundError"),
        (Stream(BROKEN), "the table could not be read"),
        ({"a": DATES, "b": [1, 2]}, "this is a date or time"),
        ({"a": pl.Series([datetime.date(2024, 1, 1)]), "b": [1]}, "this is a date or time"),
        ({"a": pa.array([datetime.datetime(2024, 1, 1)]), "b": [1]}, "this is a date or time"),
        ({"a": [datetime.date(2024, 1, 1)], "b": [1]}, "this is a date or time"),
        ({"a": DATES - DATES[0], "b": [1, 2]}, "this is a span of time"),
        ({"a": pl.Series([[1, 2], [3]]), "b": [1, 2]}, "expected one number per cell"),
        ({"a": pl.Series([{"c": 1}]), "b": [1]}, "expected one number per cell"),
        (
            {"a": [[1, 2], [3, 4]], "b": [1, 2]},
            "got cells of shape [2]",
        ),
        ({"a": [[1, 2], [3]], "b": [1, 2]}, "column 'a': expected 2 values as in row 0, got 1"),
        ({"a": [1, 2], "b": [1]}, "column 'b': expected 2 cells as in 'a', got 1"),
        ({"a": [1, 2], "b": 1}, "column 'b': expected a column of cells, got a single cell"),
        ({"a": [1, 2j], "b": [1, 2]}, "real and the imaginary part"),
        (pd.DataFrame([[1.0, 2.0]], columns=["a", "a"]), "'a': two columns have this name"),
        (pd.DataFrame([[1.0, 2.0]], columns=[1, "1"]), "'1': two columns have this name"),
        (pa.table([[1.0], [2.0]], names=["a", "a"]), "'a': two columns have this name"),
        (None, "got None"),
        ("rows.csv", "layerkit.read_rows"),
        ((x for x in [1, 2]), "got a builtins.generator"),
        ({1.0, 2.0}, "got a builtins.set"),
        (object(), "a pandas, polars or pyarrow table"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_rows_that_are_none(rows: Any, words: str) -> None:
    with pytest.raises(DataError) as caught:
        InputContract((2,), columns=("a", "b")).matrix(rows)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("labels", "kept"),
    [
        ([True, "yes"], [True, "yes"]),
        ([1, "1"], [1, "1"]),
        ([9007199254740993, 1.5], [9007199254740993, 1.5]),
        ([2**64, -1], [2**64, -1]),
        (["a", "a\0"], ["a", "a\0"]),
        (("a", None), ["a", None]),
        (pd.Series(["a", "b"], index=["p", "q"]), ["a", "b"]),
        (POLARS["y"], ["u", "v", "u"]),
        (FRAME[["y"]], [["u"], ["v"], ["u"]]),
        (POLARS.lazy().select("y"), [["u"], ["v"], ["u"]]),
        (FRAME[["a", "b"]], [[1, 4], [2.5, 5], [-3, 6]]),
        (ARROW.select(["b", "a"]), [[4, 1], [5, 2.5], [6, -3]]),
        ([[1, 2], [3, 4]], [[1, 2], [3, 4]]),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_labels_lose_nothing(labels: Any, kept: list[Any]) -> None:
    assert label_cells(labels).tolist() == kept


@pytest.mark.parametrize(
    "labels",
    [[[1], [1, 2]], {"a": [1], "b": [1, 2]}, "y"],
    ids=["uneven", "columns", "text"],
)
def test_labels_that_are_none(labels: Any) -> None:
    with pytest.raises(DataError):
        label_cells(labels)


def test_rows_are_not_copied_needlessly() -> None:
    x = np.zeros((3, 2))
    assert as_rows(x).values is x
    assert as_rows({"a": x[:, 0]}).columns["a"].base is x  # type: ignore[index]
