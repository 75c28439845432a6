"""Rows from any form: arrays, nested lists, records and tables become ``Rows``."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from layerkit.core.context import Array, Shape
from layerkit.core.rows import Rows
from layerkit.datacontract.dataframes import as_array, cells_of, frame_columns
from layerkit.display import counted, quoted
from layerkit.errors import DataError

_EXACT = 2**53  # up to here every whole number is a float64


def as_rows(rows: object) -> Rows:
    """``rows`` as ``Rows``: an array, nested sequences, mappings, or a table of another library.

    Raises DataError if they are none of these, or nested sequences or columns differ in length.
    """
    if isinstance(rows, Rows):
        return rows
    columns = frame_columns(rows)
    if columns is not None:
        return _of_columns(columns)
    if isinstance(rows, Sequence) and len(rows) > 0 and isinstance(rows[0], Mapping):
        return _of_records(rows)
    return Rows(values=as_array(rows))


def _of_columns(arrays: dict[str, Array]) -> Rows:
    """Columns of n cells each, or one row of single cells."""
    if arrays and all(a.ndim == 0 for a in arrays.values()):
        arrays = {name: a[None] for name, a in arrays.items()}
    for name, array in arrays.items():
        if array.ndim == 0:
            raise DataError("expected a column of cells, got a single cell", column=name)
        if array.ndim != 1:
            reason = f"expected one number per cell, got cells of shape {list(array.shape[1:])}"
            raise DataError(reason, column=name, hint="split it into one column per number")
        first = next(iter(arrays))
        if len(array) != len(arrays[first]):
            cells = counted(len(arrays[first]), "cell")
            reason = f"expected {cells} as in {quoted(first)}, got {len(array)}"
            raise DataError(reason, column=name)
    return Rows(columns=arrays)


def _of_records(records: Sequence[object]) -> Rows:
    """Records (mappings) as columns; a key that a record lacks is a missing value there."""
    names: dict[object, None] = {}
    for row, record in enumerate(records):
        if not isinstance(record, Mapping):
            reason = f"expected an object, got {quoted(record)}"
            raise DataError(reason, row=row, source="rows")
        names.update(dict.fromkeys(record))
    found: dict[str, Array] = {}
    for name in names:
        if str(name) in found:
            raise DataError("two keys have this name as text", column=str(name), source="rows")
        cells = [record.get(name) for record in records]  # type: ignore[attr-defined]  # mappings
        found[str(name)] = _column(cells, str(name))
    return Rows(columns=found)


def _column(cells: list[Any], name: str) -> Array:
    """Cells as float64 or str; mixed ones, and whole numbers beyond 2**53, stay what they are.

    So the contract can name the row that is not a number.
    """
    for row, cell in enumerate(cells):
        if isinstance(cell, (Mapping, list, tuple, set, np.ndarray)):
            reason = f"expected a number or text, got {quoted(cell)}"
            hint = "each key of a record is one column: give one number or text per key"
            raise DataError(reason, row=row, column=name, source="rows", hint=hint)
    kinds = {type(cell) for cell in cells}
    if kinds <= {str, type(None)} and str in kinds:
        cells = ["" if cell is None else cell for cell in cells]
    elif kinds <= {int, float, type(None)} and not any(
        isinstance(cell, int) and abs(cell) > _EXACT for cell in cells
    ):
        return np.array([math.nan if cell is None else cell for cell in cells], np.float64)
    return cells_of(cells, name)


@contextmanager
def at_source(rows: object) -> Iterator[None]:
    """Make a DataError name the number that its row had at its source, before rows were taken."""
    try:
        yield
    except DataError as error:
        index = rows.index if isinstance(rows, Rows) else None
        if index is not None and error.row is not None:
            error.row = int(index[error.row])
        raise


def same_numbers(a: Shape, b: Shape) -> bool:
    """Whether rows of shape a and of shape b say the same numbers in the same order.

    Axes of size 1 do not matter, and one of them may be flat.

    >>> same_numbers((64,), (8, 8, 1)), same_numbers((8, 8), (8, 8, 1))
    (True, True)
    >>> same_numbers((8, 8, 3), (3, 8, 8))
    False
    """
    long_a, long_b = (tuple(size for size in shape if size != 1) for shape in (a, b))
    flat = min(len(long_a), len(long_b)) <= 1
    return long_a == long_b or (flat and math.prod(a) == math.prod(b))


def one_batch(values: Array, shape: Shape, *, alone: bool) -> Array | None:
    """``values`` as (n, *shape), or None if they are not of that form.

    They may be n rows, or if ``alone`` one row, that say the same numbers in another shape.
    """
    if alone and values.shape == shape:
        return values[None]
    if values.ndim and (same_numbers(values.shape[1:], shape) or values.shape == (0,)):
        if math.prod(shape) == 0:  # rows without numbers have no other shape
            return values if values.shape[1:] == shape else None
        return values.reshape(len(values), *shape)
    if alone and same_numbers(values.shape, shape):
        return values.reshape(1, *shape)
    return None
