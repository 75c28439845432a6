"""Errors for cells that a model cannot take: text, dates, missing or infinite values."""

from __future__ import annotations

import math
from datetime import timedelta
from typing import Any

import numpy as np

from layerkit.display import quoted
from layerkit.errors import DataError

_TEXT_HINT = (
    "correct the cell, or if it stands for a missing value name it in input.missing_values; if the "
    'column holds categories, write {"name": NAME, "categories": "learn"} in input.columns'
)


def not_a_number(
    cell: Any,
    *,
    row: int,
    column: str | int,
    source: str,
    text_hint: str = _TEXT_HINT,
    wanted: str = "a number",
) -> DataError:
    """The error for a cell that holds text or another object instead of what is ``wanted``.

    ``text_hint`` says what to do about text.
    """
    shown = str(cell) if is_time(cell) else cell.item() if isinstance(cell, np.generic) else cell
    reason = f"expected {wanted}, got {quoted(shown)}"
    return DataError(reason, row=row, column=column, source=source, hint=_hint(cell, text_hint))


def is_time(cell: object) -> bool:
    """Whether a cell is a date, a time or a span of time, by its type."""
    spans = (np.datetime64, np.timedelta64, timedelta)
    return isinstance(cell, spans) or hasattr(cell, "isoformat")


def _hint(cell: object, text_hint: str) -> str:
    """What to do about a cell that is not a number, by what it is."""
    if isinstance(cell, (np.timedelta64, timedelta)):
        return "this is a span of time: turn it into a number, such as its seconds"
    if is_time(cell):
        from layerkit.datacontract.cell_hints import MAKE_COLUMNS

        return f"this is a date or time: {MAKE_COLUMNS}"
    if isinstance(cell, (complex, np.complexfloating)):
        return "give the real and the imaginary part as two columns"
    if isinstance(cell, (str, bytes)):
        from layerkit.datacontract.cell_hints import looks_like  # 2 ms, and only for a mistake

        text = cell.decode("utf-8", "replace") if isinstance(cell, bytes) else cell
        return looks_like(text) or text_hint
    return f"this is a {type(cell).__name__}: expected one number per cell, one column per number"


def not_whole(value: float, below: int, row: int, column: str | int, source: str) -> DataError:
    """The error for a number that is none of the whole numbers that a layer takes."""
    hint = None
    if math.isnan(value):
        got = "a missing value"
        hint = "give missing values a whole number of their own; input.missing does not fill these"
    else:
        got = str(int(value)) if value.is_integer() else repr(value)
    reason = f"expected a whole number from 0 to {below - 1}, got {got}"
    return DataError(reason, row=row, column=column, source=source, hint=hint)


def unusable_number(
    value: float, dtype: str, row: int, column: str | int, source: str, *, scaled: bool = False
) -> DataError:
    """The error for a missing or infinite value, or one beyond the model's dtype.

    ``scaled``: the value is beyond it once it is scaled.
    """
    hint = None
    if math.isnan(value):
        what = "expected a number, got a missing value"
        hint = 'fill it in, or set input.missing ("mean", "median" or a number) and train again'
    elif math.isinf(value):
        what = f"expected a finite number, got {value}"
        hint = "correct the cell or delete the row"
    else:
        what = f"{value!r} is too large for {dtype}{' once it is scaled' if scaled else ''}"
    return DataError(what, row=row, column=column, source=source, hint=hint)
