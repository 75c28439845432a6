"""Cells of large CSV files read by polars, if it is installed.

It is given only lines without quotes that all have the same number of delimiters, and reads every
cell as text, so that it gives what NumPy and Python give. Cells that it cannot turn into numbers go
through ``CellFormat.number``.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np

from layerkit.core.context import Array
from layerkit.data.readers.csv_cells import CellFormat


@cache
def is_installed() -> bool:
    """Whether polars can be imported."""
    try:
        import polars  # noqa: F401
    except ImportError:
        return False
    return True


class Cells:
    """The cells of some columns of a text."""

    def __init__(self, text: str, fmt: CellFormat, columns: Sequence[int]) -> None:
        import polars as pl

        order = sorted(columns)
        frame = pl.read_csv(
            text.encode(),
            has_header=False,
            columns=order,
            separator=fmt.delimiter,
            quote_char=None,
            infer_schema=False,
            eol_char="\n",
        )
        self._fmt = fmt
        self._columns: dict[int, Any] = dict(zip(order, frame.get_columns(), strict=True))

    def texts(self, column: int) -> list[str]:
        """The cells of a column as written."""
        found: list[str | None] = self._columns[column].to_list()
        return ["" if cell is None else cell for cell in found]  # an empty cell is null

    def numbers(self, column: int) -> Array | None:
        """A column as numbers (n,) float64, or None if it has text; for plain numbers only."""
        import polars as pl

        cells, fmt = self._columns[column], self._fmt
        found = cells.cast(pl.Float64, strict=False)
        values: Array = found.to_numpy()  # null is NaN
        if not found.null_count() and not fmt.missing_numbers:
            return values
        odd = found.is_null().to_numpy() | np.isin(values, fmt.missing_numbers)
        rows = np.flatnonzero(odd)
        values = values.copy()
        for row, cell in zip(rows.tolist(), cells.gather(rows).to_list(), strict=True):
            value = fmt.number(cell or "")
            if value is None:
                return None
            values[row] = value
        return values
