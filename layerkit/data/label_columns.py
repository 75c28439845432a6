"""Label columns, moved out of the inputs by name or by position."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from layerkit.core.context import Array
from layerkit.core.rows import Rows
from layerkit.data.readers.csv_cells import CellFormat
from layerkit.datacontract.choose_columns import missing_column
from layerkit.errors import DataError

Labels = str | int | Sequence[str | int] | None
"""One or several columns, each by name or by position from 0."""


def label_names(labels: Labels) -> list[str]:
    """The label columns that are given by name."""
    listed = [labels] if labels is None or isinstance(labels, (str, int)) else labels
    return [label for label in listed if isinstance(label, str)]


def take_labels(rows: Rows, labels: Labels, fmt: CellFormat | None = None) -> Rows:
    """``rows`` with the columns ``labels`` moved to their labels, unless they have labels already.

    One column gives labels (n,): integers if all cells are integers, numbers with their spelling if
    all are numbers, else text. Several columns give (n, k) float64. Raises DataError if there is no
    such column, or one of several holds text.
    """
    if labels is None or rows.labels is not None:
        return rows
    columns, values = rows.columns, rows.values
    if columns is None and values is not None and values.ndim == 2:
        columns = {str(j): values[:, j] for j in range(values.shape[1])}
    there = columns or {}
    listed = [labels] if isinstance(labels, (str, int)) else list(labels)
    names = [_name(label, there, rows.source) for label in listed]
    text = None
    if isinstance(labels, (str, int)):
        cells = None if rows.spelling is None else rows.spelling(names[0])
        found = there[names[0]]
        if cells is not None:
            found, text = (fmt or CellFormat()).labels(cells)
    else:
        found = np.stack([_numbers(there[name], name, rows.source) for name in names], axis=1)
    if rows.columns is not None:
        left = _without(rows.columns, names)
        return replace(rows, columns=left, labels=found, label_text=text)
    kept = [j for j, name in enumerate(there) if name not in names]
    rest = None if values is None else values[:, kept]
    return replace(rows, values=rest, labels=found, label_text=text, spelling=None)


def _without(columns: Mapping[str, Array], names: Sequence[str]) -> Mapping[str, Array]:
    without = getattr(columns, "without", None)
    if without is not None:
        left: Mapping[str, Array] = without(names)
        return left
    return {name: column for name, column in columns.items() if name not in names}


def _name(label: str | int, there: Mapping[str, Array], source: str) -> str:
    """The name of the column ``label``, which may be a position."""
    name = str(label)
    if name in there:
        return name
    position = int(name) if name.isascii() and name.removeprefix("-").isdecimal() else None
    if position is None:
        raise missing_column([name], list(there), source)
    if not 0 <= position < len(there):
        positions = f"a position from 0 to {len(there) - 1}" if there else "columns"
        raise DataError(
            f"expected {positions}, got {position if there else 'none'}",
            column=name,
            source=source,
            hint=None if not there else f"columns found: {', '.join(list(there)[:50])}",
        )
    return list(there)[position]


def _numbers(column: Array, name: str, source: str) -> Array:
    if column.dtype.kind not in "biuf":
        reason = "expected numbers, as there are several labels, got text"
        raise DataError(reason, column=name, source=source)
    return column
