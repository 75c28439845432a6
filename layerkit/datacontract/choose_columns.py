"""Which columns a model takes: the user's list, or what the data offer."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta
from typing import Any

import numpy as np

from layerkit.core.layer import Shape
from layerkit.core.rows import Rows
from layerkit.datacontract.cell_hints import looks_like
from layerkit.datacontract.parse_cells import plain
from layerkit.display import quoted
from layerkit.errors import DataError, ShapeError, SpecError

__all__ = ["column_names", "no_number", "no_value", "shape_of"]

_TEXT_HINT = (
    "correct the cell, or if it stands for a missing value name it in input.missing_values; text "
    "columns (categories) cannot be inputs yet: list the columns to use under input.columns"
)


def no_number(
    cell: Any, *, row: int, column: str | int, source: str, text_hint: str = _TEXT_HINT
) -> DataError:
    """The error for a cell that holds text or another object where the model takes a number.

    ``text_hint`` says what to do with text.
    """
    shown = quoted(str(cell) if _is_date(cell) else plain(cell))
    hint = _kind_hint(cell, text_hint)
    reason = f"{shown} where a number is wanted"
    return DataError(reason, row=row, column=column, source=source, hint=hint)


def _is_date(cell: object) -> bool:
    return isinstance(cell, np.datetime64) or hasattr(cell, "isoformat")


def _kind_hint(cell: object, text_hint: str) -> str:
    """What to do with a cell that is no number, by what it is."""
    if _is_date(cell):
        return "this is a date or time: turn it into a number, such as the days since a fixed day"
    if isinstance(cell, (np.timedelta64, timedelta)):
        return "this is a span of time: turn it into a number, such as its seconds"
    if isinstance(cell, (complex, np.complexfloating)):
        return "give the real and the imaginary part as two columns"
    if isinstance(cell, (str, bytes)):
        text = cell.decode("utf-8", "replace") if isinstance(cell, bytes) else cell
        return looks_like(text) or text_hint
    return f"this is a {type(cell).__name__}: expected one number a cell, and a column for each"


def no_value(
    value: float, dtype: str, row: int, column: str | int, source: str, *, scaled: bool = False
) -> DataError:
    """The error for a missing or infinite value, or one beyond the model's dtype.

    ``scaled``: the value is beyond it once it is scaled.
    """
    hint = None
    if math.isnan(value):
        what = "a missing value, and this model has no rule for it"
        hint = 'fill it in, or train with input.missing: "mean", "median" or a number'
    elif math.isinf(value):
        what = "an infinite value"
    else:
        what = f"{value!r} is too large for {dtype}{' once it is scaled' if scaled else ''}"
    return DataError(what, row=row, column=column, source=source, hint=hint)


def column_names(
    rows: Rows,
    columns: Sequence[str | Mapping[str, Any]] | None,
    exclude: Collection[str],
    shape: Shape | None,
) -> tuple[str, ...] | None:
    """The names of the contract, or None if it goes by position.

    Raises
    ------
    ShapeError
        If there are more or fewer columns than the model takes.
    """
    if columns is not None:
        return tuple(_column_name(c, i) for i, c in enumerate(columns))
    if rows.columns is None:
        return None
    names = tuple(name for name in rows.columns if name not in exclude)
    if shape is None or (len(shape) == 1 and len(names) == shape[0]):
        return names
    if len(names) == math.prod(shape):
        return None
    raise ShapeError(
        f"the data have {len(names)} columns, the model takes {math.prod(shape)}",
        location="input.shape",
        hint=f"columns there: {', '.join(names)}\nchange input.shape, or list those to use under "
        "input.columns",
    )


def _column_name(column: str | Mapping[str, Any], index: int) -> str:
    if isinstance(column, str):
        return column
    at = f"input.columns.{index}"
    if column.get("kind", "numeric") != "numeric":
        reason = f"columns of kind {quoted(column['kind'])} cannot be inputs yet, only numeric"
        raise SpecError(reason, location=f"{at}.kind")
    if set(column) - {"kind"} != {"name"} or not isinstance(column["name"], str):
        raise SpecError("wanted a name, and perhaps a kind", location=at)
    return column["name"]


def shape_of(rows: Rows, names: tuple[str, ...] | None) -> Shape:
    """The shape of one row of the data, given the names of its columns or None."""
    if names is not None:
        return (len(names),)
    shape: Shape = () if rows.values is None else rows.values.shape[1:]
    return shape or (1,)
