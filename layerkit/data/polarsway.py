"""The cells of plain lines by polars, where it is installed.

It is given only what it cannot read otherwise than NumPy and Python do: lines without quotes that
all have as many delimiters, every cell as text. What it takes for no number is read with care.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np

from layerkit.core.layer import Array
from layerkit.data.form import Form

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
        self._columns: dict[int, Any] = dict(zip(order, frame.get_columns(), strict=True))

    def texts(self, column: int) -> list[str]:
        """The cells of a column as written."""
        found: list[str | None] = self._columns[column].to_list()
        return ["" if cell is None else cell for cell in found]  # an empty cell is null

    def numbers(self, column: int) -> Array | None:
        """The numbers (n,) float64 of a column, None if it has text; of plain numbers only."""
        import polars as pl

        cells, form = self._columns[column], self._form
        found = cells.cast(pl.Float64, strict=False)
        values: Array = found.to_numpy()  # null is NaN
        if not found.null_count() and not form.missing_numbers:
            return values
        odd = found.is_null().to_numpy() | np.isin(values, form.missing_numbers)
        rows = np.flatnonzero(odd)
        values = values.copy()
        for row, cell in zip(rows.tolist(), cells.gather(rows).to_list(), strict=True):
            value = form.number(cell or "")
            if value is None:
                return None
            values[row] = value
        return values
