"""Labels: which class a label is, which classes there are, which number a target is.

Looking up goes by distinct values, so its cost is that of sorting the labels once.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from layerkit.contract.cells import as_numbers, label_of, number
from layerkit.contract.specfields import distinct
from layerkit.errors import DataError, ShapeError, SpecError, quoted
from layerkit.layer import Array

__all__ = ["check_classes", "check_targets", "class_numbers", "classes_in", "real_numbers"]


def check_classes(classes: Sequence[str | int], width: int) -> None:
    """Refuse classes that are not all text or all int, come twice, or do not fit ``width``.

    Raises
    ------
    SpecError, ShapeError
        If so.
    """
    at = "output.classes"
    if {type(c) for c in classes} not in ({str}, {int}):
        raise SpecError("wanted only text or only whole numbers", location=at)
    distinct(classes, at)
    wanted = 2 if width == 1 else width
    if len(classes) != wanted:
        reason = f"{len(classes)} classes, but the model gives {width} numbers"
        hint = f"the last layer needs units: {len(classes)} (or 1 for two classes)"
        raise ShapeError(reason, location=at, hint=hint)


def check_targets(
    y: Array, name: Callable[[int], str | int], source: str, *, flags: bool = False
) -> None:
    """Refuse targets (n, ..., k) that are not finite or, if they are flags, not 0 or 1.

    Raises
    ------
    DataError
        At the first one; ``name`` tells the column from its position on the last axis.
    """
    bad = np.argwhere((y != 0) & (y != 1) if flags else ~np.isfinite(y))
    if len(bad) == 0:
        return
    value = float(y[tuple(bad[0])])
    what = f"{value!r} where 0 or 1 is wanted" if flags else "the target is infinite"
    raise DataError(
        "the target is missing" if math.isnan(value) else what,
        row=int(bad[0][0]),
        column=name(int(bad[0][-1])),
        source=source,
    )


def class_numbers(
    labels: Array, classes: Sequence[str | int], *, column: str | None, source: str
) -> Array:
    """The class number of each label: (n,) int64 for labels (n,) or (n, 1).

    Raises
    ------
    DataError
        If a label is missing or none of the classes; ``row`` and ``column`` say where.
    """
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim != 1 or labels.dtype.kind in "cVmM":
        found = f"labels of shape {list(labels.shape)} and dtype {labels.dtype}"
        wanted = "one class a row, text or a number, is wanted"
        raise DataError(f"{found} where {wanted}", column=column, source=source)
    if len(labels) == 0:
        return np.empty(0, np.int64)
    spelled = {c: i for i, c in enumerate(classes)}
    valued = _by_value(classes)
    different, inverse = _distinct(labels)
    found_numbers = np.array([_class_of(v, spelled, valued) for v in different], np.int64)
    numbers: Array = found_numbers[inverse]
    if numbers.min() < 0:
        row = int(np.argmax(numbers < 0))
        raise _no_class(different[inverse[row]], row, classes, column, source)
    return numbers


def _no_class(
    value: object, row: int, classes: Sequence[str | int], column: str | None, source: str
) -> DataError:
    label, spelled = label_of(value), [str(c) for c in classes]
    if _is_missing(label):
        return DataError("the label is missing", row=row, column=column, source=source)
    import difflib  # 1 ms, and only for a mistake

    close = difflib.get_close_matches(str(label), spelled, n=2, cutoff=0.6)
    near = f"; did you mean {' or '.join(map(repr, close))}?" if close else ""
    shown = ", ".join(spelled[:20]) + (", ..." if len(spelled) > 20 else "")
    return DataError(
        f"label {quoted(label)} is none of the {len(spelled)} classes{near}",
        row=row,
        column=column,
        source=source,
        hint=f"classes: {shown}",
    )


def _is_missing(label: str | float) -> bool:
    return label == "" or (isinstance(label, float) and math.isnan(label))


def real_numbers(labels: Array, column: str | int, source: str) -> Array:
    """``labels`` as numbers of their shape, NaN where one is missing.

    Raises
    ------
    DataError
        If one is no number.
    """
    numbers, bad = as_numbers(np.asarray(labels))
    if bad is not None:
        row = bad // max(1, math.prod(labels.shape[1:]))
        cell = labels.ravel()[bad]
        shown = quoted(cell.item() if isinstance(cell, np.generic) else cell)
        reason = f"{shown} where a number is wanted"
        raise DataError(reason, row=row, column=column, source=source)
    return numbers


def _distinct(labels: Array) -> tuple[list[Any], Array]:
    """The different labels, and for each row (n,) which of them it has."""
    if labels.dtype.kind != "O":
        values, inverse = np.unique(labels, return_inverse=True)
        return values.tolist(), inverse.reshape(-1)
    seen: dict[tuple[bool, Any], int] = {}
    keys = [label_of(v) for v in labels.tolist()]
    places = [seen.setdefault((isinstance(k, str), k), len(seen)) for k in keys]
    return [key for _, key in seen], np.array(places, np.int64)


def _by_value(classes: Sequence[str | int]) -> dict[float, int]:
    """Value to class number, for the classes that are numbers and share their value with none."""
    values = [number(c) for c in classes]
    times = Counter(values)
    return {v: i for i, v in enumerate(values) if v is not None and times[v] == 1}


def _class_of(value: object, spelled: dict[str | int, int], valued: dict[float, int]) -> int:
    """The class number of a label, -1 if it is none of the classes."""
    label = label_of(value)
    if label in spelled and isinstance(label, (str, int)):
        return spelled[label]
    if isinstance(value, (bool, np.bool_)) and str(bool(value)) in spelled:
        return spelled[str(bool(value))]
    found = number(label)
    return -1 if found is None or math.isnan(found) else valued.get(found, -1)


def classes_in(labels: Array, column: str | None, source: str) -> tuple[str, ...] | tuple[int, ...]:
    """The distinct labels, sorted: whole numbers as int, text that is numbers by value.

    Raises
    ------
    DataError
        If a label is missing or a fraction, or fewer than two classes are there.
    """
    different, inverse = _distinct(labels.reshape(-1))
    found = [label_of(v) for v in different]
    for i, label in enumerate(found):
        row = int(np.argmax(inverse == i))
        if _is_missing(label):
            raise DataError("the label is missing", row=row, column=column, source=source)
        if isinstance(label, float):
            raise DataError(
                f"label {label} is no class: wanted text or whole numbers",
                row=row,
                column=column,
                source=source,
                hint="to predict numbers, choose a loss such as mse and name output.targets",
            )
    if len(found) < 2:
        only = f"only {quoted(found[0])}" if found else "none"
        raise DataError(
            f"wanted at least two classes among the labels, found {only}",
            column=column,
            source=source,
        )
    if all(isinstance(label, int) for label in found):
        return tuple(sorted(int(label) for label in set(found)))
    texts = {str(label) for label in found}
    values = {t: number(t) for t in texts}
    if all(v is not None and math.isfinite(v) for v in values.values()):
        return tuple(sorted(texts, key=lambda t: (values[t], t)))
    return tuple(sorted(texts))
