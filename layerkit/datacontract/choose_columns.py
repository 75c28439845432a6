"""Columns that a model takes: the user's list, or what the data offer."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence

from layerkit.core.context import Shape
from layerkit.core.rows import Rows
from layerkit.display import nearest, quoted
from layerkit.errors import DataError, ShapeError


def column_names(
    rows: Rows,
    columns: Sequence[str] | None,
    exclude: Collection[str],
    shape: Shape | None,
) -> tuple[str, ...] | None:
    """The names of the contract, or None if it goes by position.

    Raises ShapeError if there are more or fewer columns than the model takes.
    """
    if columns is not None:
        return tuple(columns)
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
        hint=f"columns found: {', '.join(names)}\nchange input.shape, or list the columns to use "
        "under input.columns",
    )


def missing_column(absent: Sequence[str], there: list[str], source: str) -> DataError:
    """The error for columns that the contract names and the rows lack."""
    shown = ", ".join(map(quoted, absent))
    near = nearest(absent[0], there)
    more = f" ({len(absent)} missing: {shown})" if len(absent) > 1 else ""
    reason = f"not found{near}{more}"
    hint = f"columns found: {', '.join(there) or 'none'}"
    mark = next((m for m in ",;\t|" if len(there) == 1 and m in there[0]), None)
    if there and not any(map(str.isdecimal, absent)) and all(map(str.isdecimal, there)):
        noun = "column" if len(absent) == 1 else "columns"
        reason = f"expected the {noun} {shown} by name, but these rows have no header"
        hint = "add a first line with the names of the columns"
    elif mark is not None:
        reason = f"not found: the only column is {quoted(there[0])}"
        hint = (
            f"if {quoted(mark)} separates the cells, give --delimiter {quoted(mark)} "
            f"(in Python: delimiter={quoted(mark)})"
        )
    return DataError(reason, column=absent[0], source=source, hint=hint)
