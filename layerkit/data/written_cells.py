"""Cells of a column as they are written at their source, to be written again."""

from __future__ import annotations

import json
import math
import re
from typing import Any

from layerkit.core.rows import Rows
from layerkit.datacontract.choose_columns import missing_column
from layerkit.errors import DataError

_JSON_NUMBER = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?", re.A)


def written_cells(rows: Rows, name: str, *, typed: bool) -> list[Any]:
    """The n cells of the column ``name``, None where missing.

    Those of a text file are text as it was written; if ``typed``, a column of numbers that JSON
    would write so becomes numbers: 12 and 0.5, but not 007. Raises DataError if the rows have no
    such column.
    """
    if rows.columns is None:
        raise DataError(
            f"expected the column {name!r} by name, but these rows have no named columns",
            source=rows.source,
        )
    if name not in rows.columns:
        raise missing_column([name], list(rows.columns), rows.source)
    column = rows.columns[name]
    texts = None if rows.spelling is None else rows.spelling(name)
    if texts is None:
        return [_plain(cell) for cell in column.tolist()]
    cells: list[str | None] = [text or None for text in texts.tolist()]
    numbers = typed and column.dtype.kind == "f"
    if numbers and all(cell is None or _JSON_NUMBER.fullmatch(cell) for cell in cells):
        return [None if cell is None else json.loads(cell) for cell in cells]
    return cells


def _plain(cell: Any) -> Any:
    """A cell that CSV and JSON can hold; a whole number of a column of floats becomes an int."""
    if isinstance(cell, float):
        if not math.isfinite(cell):
            return None if math.isnan(cell) else str(cell)
        return int(cell) if cell.is_integer() and abs(cell) < 2**53 else cell
    return cell if isinstance(cell, (int, bool)) else None if cell in ("", None) else str(cell)
