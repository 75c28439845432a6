"""The target of a table, and whether it is learned as classes or as numbers."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

import numpy as np

from layerkit.core.context import Array
from layerkit.core.rows import Rows
from layerkit.datacontract.labels import class_numbers, classes_in
from layerkit.datacontract.parse_cells import missing_in
from layerkit.display import counted, nearest, quoted
from layerkit.errors import DataError
from layerkit.profile.columns import ColumnProfile, TableProfile

Task = Literal["classes", "numbers"]
"""What is learned: one of some classes, or a number."""

_FEW = 20  # whole numbers of more values are numbers, not classes
_EACH = 5  # and so are those that a class would have fewer rows of, on average
_SHOWN = 30  # columns that a message lists


@dataclass(frozen=True)
class Target:
    """The column to predict, the task, and why it is that one.

    ``classes`` has the rows of each class in the order of the outputs; empty for numbers.
    """

    column: ColumnProfile
    task: Task
    reason: str
    classes: dict[str | int, int]


def choose_target(
    rows: Rows,
    profile: TableProfile,
    name: str | None,
    task: Task | None,
    spellings: Collection[str] = (),
) -> Target:
    """The target called ``name``, by default the last column; ``task`` is the user's choice.

    ``spellings`` are further ones of a missing value. Raises DataError if there is no such column,
    or it cannot be learned: empty cells, a single value, dates, text that hardly repeats.
    """
    column = _named(rows, profile, name)
    _refuse_unusable(rows, column, spellings)
    likely, reason = _likely_task(column)
    if task is not None and task != likely:
        likely, reason = task, f"as chosen; it has {reason}"
    if likely == "numbers":
        if not column.numbers:
            raise DataError(
                f"expected numbers in the target, got {quoted(column.frequent[0][0])}",
                column=column.name,
                source=rows.source,
                hint="to learn classes: --task classes (in Python: task='classes')",
            )
        return Target(column, likely, reason, {})
    return Target(column, likely, reason, _classes(rows, column))


def _named(rows: Rows, profile: TableProfile, name: str | None) -> ColumnProfile:
    if name is None:
        return profile.columns[-1]
    names = [column.name for column in profile.columns]
    if name in names:
        return profile[name]
    reason = "there is no such column to predict"
    if names == [str(position) for position in range(len(names))]:
        hint = f"the columns have no names: they are 0 to {names[-1]}; else give --header"
    else:
        reason += nearest(name, names)
        more = ", ..." if len(names) > _SHOWN else ""
        hint = f"columns found: {', '.join(names[:_SHOWN])}{more}"
    raise DataError(reason, column=name, source=rows.source, hint=hint)


def _refuse_unusable(rows: Rows, column: ColumnProfile, spellings: Collection[str]) -> None:
    cells, source = _cells(rows, column.name), rows.source
    if column.missing:
        absent = np.flatnonzero(missing_in(cells, spellings))
        raise DataError(
            f"the target is missing in {column.missing:,} of {counted(column.rows, 'row')}",
            row=int(absent[0]) if len(absent) else None,
            column=column.name,
            source=source,
            hint="a row without it cannot be learned from: fill in these cells or remove the rows",
        )
    if column.distinct < 2:
        reason = f"expected two or more values in the target, got {_only(column)}"
        hint = "to predict another column: --target NAME (in Python: target=)"
        raise DataError(reason, column=column.name, source=source, hint=hint)
    if column.kind == "datetime":
        reason = "expected classes or numbers in the target, got dates or times"
        hint = "turn them into numbers, such as the days since a fixed day"
        raise DataError(reason, column=column.name, source=source, hint=hint)
    if column.infinite:
        reason = f"expected finite numbers in the target, got {column.infinite:,} that are infinite"
        raise DataError(reason, column=column.name, source=source, hint="correct these cells")
    if not column.numbers and 2 * column.distinct > max(column.rows, 4):
        raise DataError(
            f"expected classes that repeat, got {counted(column.distinct, 'value')} in "
            f"{counted(column.rows, 'row')}",
            column=column.name,
            source=source,
            hint=column.looks_like
            or "to predict another column: --target NAME (in Python: target=)",
        )


def _only(column: ColumnProfile) -> str:
    return f"only {quoted(_plain(column.frequent[0][0]))}" if column.frequent else "none"


def _plain(value: str | float) -> str | float:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _likely_task(column: ColumnProfile) -> tuple[Task, str]:
    """(the task that a column's values suggest, what they are)."""
    if not column.numbers:
        return "classes", f"{column.distinct:,} values of text"
    if not column.whole:
        return "numbers", f"{column.distinct:,} values with fractions"
    few = column.distinct == 2 or column.distinct <= min(_FEW, column.rows // _EACH)
    return "classes" if few else "numbers", f"{column.distinct:,} values, all whole numbers"


def _cells(rows: Rows, name: str) -> Array:
    """The cells (n,) of a column, as written where that is known."""
    written = None if rows.spelling is None else rows.spelling(name)
    if written is not None:
        return written
    if rows.columns is None:
        assert rows.values is not None  # noqa: S101  # Rows have one or the other
        return rows.values[:, int(name)]
    return np.asarray(rows.columns[name])


def _classes(rows: Rows, column: ColumnProfile) -> dict[str | int, int]:
    """The rows of each class, in the order in which training would learn them."""
    cells, name, source = _cells(rows, column.name), column.name, rows.source
    classes = classes_in(cells, name, source, untyped=rows.spelling is not None)
    numbers = class_numbers(cells, classes, column=name, source=source)
    counts = np.bincount(numbers, minlength=len(classes)).tolist()
    return dict(zip(classes, counts, strict=True))
