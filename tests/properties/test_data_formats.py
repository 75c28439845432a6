"""What is written is what is read: every format, any table; and any bytes give no other error."""

import csv
import gzip
import io
import json
import math
from collections.abc import Mapping

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from layerkit.data import read_rows
from layerkit.data.readers import csv_blocks
from layerkit.errors import LayerkitError

FINITE = st.floats(allow_nan=False, allow_infinity=False)
NAMES = st.lists(
    st.text("abcdefgh_-. ,;\"'é", min_size=1).map(str.strip).filter(bool),
    min_size=2, max_size=5, unique=True,
).map(lambda names: ["x" + name for name in names])  # fmt: skip
TEXT = st.text("xyzäö ,;\t\"'\n", min_size=1).map(str.strip).filter(bool).map(lambda t: "t" + t)


@st.composite
def tables(draw: st.DrawFn) -> dict[str, list[float] | list[str]]:
    """Columns by name, of numbers (NaN: missing) or of text ("": missing)."""
    names = draw(NAMES)
    size = draw(st.integers(1, 6))
    number = st.lists(FINITE | st.just(math.nan), min_size=size, max_size=size)
    text = st.lists(TEXT | st.just(""), min_size=size, max_size=size).filter(any)
    found: dict[str, list[float] | list[str]] = {n: draw(number | text) for n in names}
    if not any(isinstance(column[0], float) for column in found.values()):
        found[names[0]] = draw(number)
    return found


def assert_columns(columns: object, table: dict[str, list[float] | list[str]]) -> None:
    assert isinstance(columns, Mapping)
    assert list(columns) == list(table)
    for name, cells in table.items():
        np.testing.assert_array_equal(columns[name], np.array(cells))


def shown(cell: float | str) -> str:
    return cell if isinstance(cell, str) else "" if math.isnan(cell) else repr(cell)


@given(tables(), st.sampled_from(",;\t"), st.booleans())
def test_csv_columns(
    table: dict[str, list[float] | list[str]], delimiter: str, packed: bool
) -> None:
    stream = io.StringIO()
    writer = csv.writer(stream, delimiter=delimiter, quoting=csv.QUOTE_ALL)
    writer.writerow(table)
    writer.writerows([map(shown, cells) for cells in zip(*table.values(), strict=True)])
    raw = stream.getvalue().encode()
    source = io.BytesIO(gzip.compress(raw) if packed else raw)
    assert_columns(read_rows(source, format="csv", has_header=True).columns, table)


@given(hnp.arrays(np.float64, hnp.array_shapes(min_dims=2, max_dims=2), elements=FINITE))
def test_csv_numbers(x: np.ndarray) -> None:
    stream = io.StringIO()
    csv.writer(stream).writerows(x.tolist())
    rows = read_rows(io.StringIO(stream.getvalue()), format="csv")
    np.testing.assert_array_equal(rows.values, x)


CELLS = st.sampled_from(
    ["1", " 2 ", "-3.5e2", "+4", ".5", "6.", "inf", "-Infinity", "nan", "1e999", "1_0", "0x1", "٣",
     '"7"', "1 2", "", "?", "x", "1d5", "True", "1j", "1e-400", "\x0b8", "\x009"]
)  # fmt: skip


@given(st.lists(st.lists(CELLS, min_size=2, max_size=2), min_size=1, max_size=4), st.booleans())
def test_the_fast_way_and_the_careful_way_agree(cells: list[list[str]], header: bool) -> None:
    text = ("a,b\n" if header else "") + "\n".join(map(",".join, cells)) + "\n"

    def read() -> dict[str, list[str | float]] | str:
        try:
            rows = read_rows(io.StringIO(text), format="csv", delimiter=",", header=header)
        except LayerkitError as error:
            return str(error)
        if rows.columns is not None:
            return {name: np.asarray(c).tolist() for name, c in rows.columns.items()}
        assert rows.values is not None
        return {str(j): rows.values[:, j].tolist() for j in range(2)}

    quick = read()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(csv_blocks, "_lines_alike", lambda *_: None)
        careful = read()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(csv_blocks, "_LARGE", 0)
        polars = read()
    np.testing.assert_equal(quick, careful)
    np.testing.assert_equal(polars, careful)


@given(tables())
def test_jsonl_objects(table: dict[str, list[float] | list[str]]) -> None:
    def cell(value: float | str) -> float | str | None:
        return None if value == "" or value != value else value

    rows = zip(*table.values(), strict=True)
    lines = [json.dumps({n: cell(c) for n, c in zip(table, row, strict=True)}) for row in rows]
    assert_columns(read_rows(io.StringIO("\n".join(lines)), format="jsonl").columns, table)


@given(hnp.arrays(np.float64, hnp.array_shapes(min_dims=2, max_dims=4), elements=FINITE))
def test_jsonl_arrays(x: np.ndarray) -> None:
    lines = "\n".join(json.dumps(row) for row in x.tolist())
    rows = read_rows(io.StringIO(lines), format="jsonl")
    np.testing.assert_array_equal(rows.values, x)


ARRAYS = hnp.arrays(
    hnp.integer_dtypes() | hnp.floating_dtypes() | hnp.boolean_dtypes(),
    hnp.array_shapes(min_dims=1, max_dims=4),
)


@pytest.mark.parametrize("kind", ["npy", "npz"])
@given(x=ARRAYS, packed=st.booleans())
def test_numpy_files(kind: str, x: np.ndarray, packed: bool) -> None:
    stream = io.BytesIO()
    if kind == "npy":
        np.save(stream, x)
    else:
        np.savez(stream, x=x, y=np.arange(len(x)))
    raw = stream.getvalue()
    rows = read_rows(io.BytesIO(gzip.compress(raw) if packed else raw))
    assert rows.values is not None
    assert rows.values.dtype == x.dtype
    np.testing.assert_array_equal(rows.values, x)


@given(
    st.sampled_from(["csv", "tsv", "jsonl", "npy", "npz", "idx", None]),
    st.sampled_from([b"", b"\x1f\x8b\x08", b"\x93NUMPY\x01\0", b"PK\x03\x04", b"\0\0\x08\x01", b"[",
                     b'{"', b"a,b\n", b"1,2\n"]),
    st.binary(max_size=60),
)  # fmt: skip
def test_any_bytes_are_rows_or_an_error_of_layerkit(
    kind: str | None, start: bytes, rest: bytes
) -> None:
    try:
        rows = read_rows(io.BytesIO(start + rest), format=kind)
    except LayerkitError:
        return
    assert (rows.values is None) != (rows.columns is None)


@given(st.sampled_from(["npy", "npz"]), st.data())
def test_damaged_numpy_files(kind: str, data: st.DataObject) -> None:
    stream = io.BytesIO()
    array = np.arange(6.0).reshape(3, 2)
    if kind == "npy":
        np.save(stream, array)
    else:
        np.savez_compressed(stream, x=array, y=np.arange(3))
    raw = bytearray(stream.getvalue())
    place = data.draw(st.integers(0, len(raw) - 1))
    raw[place] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(raw)) | st.just(len(raw)))
    try:
        rows = read_rows(io.BytesIO(bytes(raw[:cut])), format=kind)
    except LayerkitError:
        return
    assert rows.values is not None
    assert len(rows) == len(rows.values)
