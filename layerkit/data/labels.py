"""Label columns taken out of rows: by name, or by position."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from layerkit.core.layer import Array
from layerkit.core.rows import Rows
from layerkit.data.form import Form
from layerkit.datacontract.as_rows import missing_column
from layerkit.errors import DataError

__all__ = ["Labels", "named", "take_labels"]

Labels = str | int | Sequence[str | int] | None
"""A column, or several: by name, or by position from 0."""


def named(labels: Labels) -> list[str]:
    """The labels that are given by name."""
    listed = [] if labels is None else [labels] if isinstance(labels, (str, int)) else labels
    return [label for label in listed if isinstance(label, str)]


def take_labels(rows: Rows, labels: Labels, form: Form | None = None) -> Rows:
    """``rows`` with the column or columns ``labels`` moved to their labels.

    One column gives labels (n,) as they are spelled: whole numbers where all are, else numbers,
    with their spelling, else text. Several give (n, k) float64. Rows that have labels are left as
    they are.

    Raises
    ------
    DataError
        If there is no such column, or one of several is text.
    """
    if labels is None or rows.labels is not None:
        return rows
    columns, values = rows.columns, rows.values
    if columns is None and values is not None and values.ndim == 2:
        columns = {str(j): values[:, j] for j in range(values.shape[1])}
    there = columns or {}
    listed = [labels] if isinstance(labels, (str, int)) else list(labels)
    wanted = [_name(label, there, rows.source) for label in listed]
    text = None
    if isinstance(labels, (str, int)):
        found, text = _one(rows, there[wanted[0]], wanted[0], form or Form())
    else:
        found = np.stack([_numbers(there[name], name, rows.source) for name in wanted], axis=1)
    if rows.columns is not None:
        left = _without(rows.columns, wanted)
        return replace(rows, columns=left, labels=found, label_text=text)
    kept = [j for j, name in enumerate(there) if name not in wanted]
    rest = None if values is None else values[:, kept]
    return replace(rows, values=rest, labels=found, label_text=text, spelling=None)


def _without(columns: Mapping[str, Array], names: Sequence[str]) -> Mapping[str, Array]:
    without = getattr(columns, "without", None)
    if without is not None:
        left: Mapping[str, Array] = without(names)
        return left
    return {name: column for name, column in columns.items() if name not in names}


def _name(label: str | int, there: Mapping[str, Array], source: str) -> str:
    """The name of a column that is given by name, or by position."""
    name = str(label)
    if name in there:
        return name
    position = int(name) if name.isascii() and name.removeprefix("-").isdecimal() else None
    if position is None:
        raise missing_column([name], list(there), source)
    if not 0 <= position < len(there):
        raise DataError(
            f"this column is missing: there {_are(len(there))}, counted from 0",
            column=name,
            source=source,
            hint=None if not there else f"columns there: {', '.join(list(there)[:50])}",
        )
    return list(there)[position]


def _are(count: int) -> str:
    return "is 1 column" if count == 1 else f"are {count} columns"


def _one(rows: Rows, column: Array, name: str, form: Form) -> tuple[Array, Array | None]:
    cells = None if rows.spelling is None else rows.spelling(name)
    return (column, None) if cells is None else form.labels(cells)


def _numbers(column: Array, name: str, source: str) -> Array:
    if column.dtype.kind not in "biuf":
        reason = "this column holds text, and of several labels all must be numbers"
        raise DataError(reason, column=name, source=source)
    return column
