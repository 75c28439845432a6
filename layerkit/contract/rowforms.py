"""The forms in which callers hand over rows, brought to one."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeGuard

import numpy as np

from layerkit.errors import DataError, quoted
from layerkit.layer import Array, Shape
from layerkit.offers import nearest
from layerkit.parts import Rows

__all__ = ["as_rows", "at_source", "columns_of", "missing_column", "one_batch", "take_labels"]


def as_rows(rows: object) -> Rows:
    """``rows`` as ``Rows``: an array, nested sequences, mappings or a data frame.

    Raises
    ------
    DataError
        If nested sequences have different lengths, or columns have.
    """
    if isinstance(rows, Rows):
        return rows
    if isinstance(rows, Mapping):
        return _mapping(rows)
    if hasattr(rows, "columns") and hasattr(rows, "__getitem__"):  # a data frame
        return _mapping({str(name): np.asarray(rows[name]) for name in rows.columns})
    if isinstance(rows, Sequence) and len(rows) > 0 and isinstance(rows[0], Mapping):
        return Rows(columns=columns_of(rows, "rows"))
    if _is_masked(rows):
        rows = np.ma.filled(rows.astype(np.float64), np.nan)
    try:
        return Rows(values=np.asarray(rows))
    except ValueError:
        raise _uneven(rows) from None


def _is_masked(rows: object) -> TypeGuard[np.ma.MaskedArray[Any, Any]]:
    """Whether it is a masked array; np.ma is not named for others, since that imports it: 6 ms."""
    derived = isinstance(rows, np.ndarray) and type(rows) is not np.ndarray
    return derived and isinstance(rows, np.ma.MaskedArray)


def _mapping(columns: Mapping[Any, Any]) -> Rows:
    """Columns of n cells each, or one row of single cells."""
    arrays = {str(name): np.asarray(column) for name, column in columns.items()}
    if arrays and all(a.ndim == 0 for a in arrays.values()):
        arrays = {name: a[None] for name, a in arrays.items()}
    sizes = {name: a.shape for name, a in arrays.items()}
    for name, shape in sizes.items():
        if len(shape) != 1 or shape != next(iter(sizes.values())):
            first = next(iter(sizes))
            raise DataError(
                f"this column has shape {list(shape)}, {quoted(first)} has {list(sizes[first])}",
                column=name,
            )
    return Rows(columns=arrays)


def _uneven(rows: object) -> DataError:
    sizes = [len(r) if hasattr(r, "__len__") else 1 for r in rows]  # type: ignore[attr-defined]
    for row, size in enumerate(sizes):
        if size != sizes[0]:
            return DataError(f"{size} values where row 0 has {sizes[0]}", row=row)
    return DataError("rows of uneven nested lengths")


def columns_of(records: Sequence[object], source: str) -> dict[str, Array]:
    """Records (mappings) as columns; a key that a record lacks is a missing value there.

    A column of numbers becomes float64, any other text (an object of numbers and text is kept as
    text, so that the contract can name the row that is not a number).

    Raises
    ------
    DataError
        If a record is not a mapping, or a value is neither number nor text.
    """
    names: dict[str, None] = {}
    for row, record in enumerate(records):
        if not isinstance(record, Mapping):
            shown = quoted(record)
            raise DataError(f"{shown} where an object is wanted", row=row, source=source)
        names.update(dict.fromkeys(record))
    return {
        str(name): _column([r.get(name) for r in records], str(name), source)  # type: ignore[attr-defined]
        for name in names
    }


def _column(cells: list[Any], name: str, source: str) -> Array:
    text = False
    for row, cell in enumerate(cells):
        if isinstance(cell, str):
            text = True
        elif cell is not None and not isinstance(cell, (bool, int, float, np.generic)):
            reason = f"{quoted(cell)} where a number or a text is wanted"
            raise DataError(reason, row=row, column=name, source=source)
    if text:
        return np.array(["" if c is None else str(c) for c in cells], np.str_)
    try:
        return np.array([math.nan if c is None else float(c) for c in cells], np.float64)
    except OverflowError:
        return np.array([math.nan if c is None else _clipped(c) for c in cells], np.float64)


def _clipped(cell: Any) -> float:
    try:
        return float(cell)
    except OverflowError:
        return math.inf


@contextmanager
def at_source(rows: object) -> Iterator[None]:
    """Let a DataError name the number that its row had at its source, before rows were taken."""
    try:
        yield
    except DataError as error:
        index = rows.index if isinstance(rows, Rows) else None
        if index is not None and error.row is not None:
            error.row = int(index[error.row])
        raise


def missing_column(absent: Sequence[str], there: list[str], source: str) -> DataError:
    """The error for columns that the contract names and the rows lack."""
    if there and not any(name.isdecimal() for name in absent) and all(map(str.isdecimal, there)):
        return DataError(
            f"the columns {', '.join(map(quoted, absent))} are wanted by name, and these rows have "
            "no header",
            column=absent[0],
            source=source,
            hint="add a first line with the names of the columns",
        )
    near = nearest(absent[0], there)
    more = f" ({len(absent)} missing: {', '.join(map(quoted, absent))})" if len(absent) > 1 else ""
    return DataError(
        f"this column is missing{near}{more}",
        column=absent[0],
        source=source,
        hint=f"columns there: {', '.join(there) or 'none'}",
    )


def one_batch(values: Array, shape: Shape, *, alone: bool) -> Array | None:
    """``values`` as (n, *shape), or None if they are not of that form.

    Parameters
    ----------
    values
        (n, *shape), (n, prod(shape)), for a shape of one axis also (n, ...) of as many numbers
        (pictures), or, if ``alone``, one row of ``shape`` or all its numbers.
    """
    flat = math.prod(shape)
    if alone and values.shape == shape:
        return values[None]
    if values.shape[1:] == shape and values.ndim == len(shape) + 1:
        return values
    if values.ndim == 2 and values.shape[1] == flat:
        return values.reshape(len(values), *shape) if flat else None
    if len(shape) == 1 and values.ndim > 2 and math.prod(values.shape[1:]) == flat:
        return values.reshape(len(values), flat)
    if values.ndim == 1 and (flat == 1 or values.size == 0):
        return values.reshape(len(values), *shape) if flat else None
    if alone and values.shape == (flat,):
        return values.reshape(1, *shape)
    return None


def take_labels(rows: Rows, labels: str | Sequence[str] | None) -> Rows:
    """``rows`` with the column or columns ``labels`` moved to their labels.

    Several columns give labels (n, k) of numbers. Rows that have labels are left as they are.

    Raises
    ------
    DataError
        If there is no such column, or one of several is text.
    """
    if labels is None or rows.labels is not None:
        return rows
    wanted = [labels] if isinstance(labels, str) else list(labels)
    columns, values = rows.columns, rows.values
    if columns is None and values is not None and values.ndim == 2:
        columns = {str(j): values[:, j] for j in range(values.shape[1])}
    there = columns or {}
    absent = [name for name in wanted if name not in there]
    if absent:
        raise missing_column(absent, list(there), rows.source)
    texts = [name for name in wanted if there[name].dtype.kind not in "biuf"]
    if len(wanted) > 1 and texts:
        reason = "this column holds text, and of several labels all must be numbers"
        raise DataError(reason, column=texts[0], source=rows.source)
    found = [there[name] for name in wanted]
    taken = found[0] if isinstance(labels, str) else np.stack(found, axis=1)
    kept = {name: column for name, column in there.items() if name not in wanted}
    if rows.columns is not None:
        return Rows(rows.values, kept, taken, rows.source)
    rest = [j for j in range(len(there)) if str(j) not in wanted]
    return Rows(None if values is None else values[:, rest], None, taken, rows.source)
