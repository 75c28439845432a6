"""The cells of plain lines by polars, where it is installed.

It is given only what it cannot read otherwise than NumPy and Python do: lines without quotes that
all have as many delimiters, every cell as text. What it takes for no number is read with care.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np

from layerkit.data.form import Form
from layerkit.layer import Array

__all__ = ["Cells", "is_there"]


@cache
def is_there() -> bool:
    """Whether polars can be used."""
    try:
        import polars  # noqa: F401
    except ImportError:
        return False
    return True


class Cells:
    """The cells of some columns of lines of text."""

    def __init__(self, text: str, form: Form, wanted: Sequence[int]) -> None:
        import polars as pl

        order = sorted(wanted)
        frame = pl.read_csv(
            text.encode(),
            has_header=False,
            columns=order,
            separator=form.delimiter,
            quote_char=None,
            infer_schema=False,
            eol_char="\n",
        )
        self._form = form
        columns = [column.fill_null("") for column in frame.get_columns()]  # an empty cell is null
        self._columns: dict[int, Any] = dict(zip(order, columns, strict=True))

    def texts(self, column: int) -> list[str]:
        """The cells of a column as written."""
        found: list[str] = self._columns[column].to_list()
        return found

    def numbers(self, column: int) -> Array | None:
        """The numbers (n,) float64 of a column, None if it has text; of plain numbers only."""
        import polars as pl

        cells, form = self._columns[column], self._form
        found = cells.cast(pl.Float64, strict=False)
        odd = found.is_null()
        values: Array = found.fill_null(math.nan).to_numpy().copy()
        for spelled in form.missing_numbers:
            odd |= found == spelled
        if odd.any():
            rows = np.flatnonzero(odd.to_numpy())
            for row, cell in zip(rows.tolist(), cells.filter(odd).to_list(), strict=True):
                value = form.number(cell)
                if value is None:
                    return None
                values[row] = value
        return values
