"""Labels of classes: read as written, looked up among the classes of a model.

Each spelling of a text is a class: ``007`` is not ``7``. Whole numbers are exact integers. True and
False of any type are the classes ``true`` and ``false``. Only distinct labels are looked up, so the
cost is that of sorting them once.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Sequence
from typing import Any

import numpy as np

from layerkit.core.context import Array
from layerkit.core.parts import Target
from layerkit.datacontract.cell_errors import not_a_number
from layerkit.datacontract.parse_cells import as_numbers, is_missing, number
from layerkit.datacontract.shared_fields import check_distinct
from layerkit.display import counted, quoted
from layerkit.errors import DataError, ShapeError, SpecError

_WHOLE = re.compile(r"-?(0|[1-9][0-9]*)")
_TRUTH = ("true", "false")
_LEAST, _MOST = -(2**63), 2**63 - 1

Label = str | int | float | None
"""Text as written, a whole number, a fraction (which cannot be a class), or None if missing."""


def label_of(cell: object, spellings: Collection[str] = ()) -> Label:
    """The label in a cell.

    >>> label_of("007"), label_of(np.float64(7)), label_of(np.True_), label_of("?")
    ('007', 7, 'true', None)
    """
    if is_missing(cell, spellings):
        return None
    if isinstance(cell, bytes):
        return cell.decode("utf-8", "replace")
    if isinstance(cell, str):
        return str(cell)
    if isinstance(cell, (bool, np.bool_)):
        return _TRUTH[not cell]
    if isinstance(cell, (int, np.integer)):
        return int(cell)
    value = number(cell)
    if value is None:
        return str(cell)
    return int(cell) if math.isfinite(value) and cell == int(cell) else value  # type: ignore[call-overload]  # numbers only


def _whole(text: str) -> int | None:
    """The integer that ``text`` spells the way ``str`` would write it."""
    value = int(text) if len(text) <= 20 and _WHOLE.fullmatch(text) else None
    return value if value is not None and _LEAST <= value <= _MOST and text != "-0" else None


class LabelLookup:
    """Finds labels among ``names``, text or numbers.

    Text is found by its exact spelling, a number by its value, and text and number match if one is
    how the other is written: the text "7" is the number 7, "007" and "7.0" are not. Without a
    match, blanks around a label are ignored, and capitals in ``true`` and ``false``.
    """

    def __init__(self, names: Sequence[str | float]) -> None:
        self.found: dict[Label, int] = {}
        for i, name in enumerate(names):
            self.found.setdefault(label_of(name) if not isinstance(name, str) else name, i)
        self._truth: dict[str, list[int]] = {}
        for key, i in self.found.items():
            if isinstance(key, str) and key.lower() in _TRUTH:
                self._truth.setdefault(key.lower(), []).append(i)

    def find(self, cell: object) -> int:
        """The position of the name that ``cell`` has, or -1."""
        label = label_of(cell)
        for key in _spelled(cell, label):
            if key in self.found:
                return self.found[key]
        truth = self._truth.get(label.strip().lower(), []) if isinstance(label, str) else []
        return truth[0] if len(truth) == 1 else -1


def _spelled(cell: object, label: Label) -> list[Label]:
    """Keys to look for ``label`` under, the best first."""
    if isinstance(label, str):
        text, value = label.strip(), number(label)
        fraction = None if value is None or value.is_integer() else value
        return [key for key in (label, text, _whole(text), fraction) if key is not None]
    also = [str(float(cell))] if isinstance(cell, (float, np.floating)) else []
    return [label, str(label), *also]


def check_classes(classes: Sequence[str | int], width: int, target: Target | None = None) -> None:
    """Refuse classes that are not all text or all int, appear twice, or do not fit ``width``.

    A single number can stand for two classes, but not for a loss whose ``target`` is "class".
    Raises ShapeError if they do not fit ``width``, else SpecError.
    """
    at = "output.classes"
    if {type(c) for c in classes} not in ({str}, {int}):
        raise SpecError("expected only text or only whole numbers", location=at)
    check_distinct(classes, at)
    count = len(classes)
    if width == count or (width == 1 and count == 2 and target != "class"):
        return
    units = "1 (or 2)" if count == 2 and target == "binary" else str(count)
    hint = (
        f"the last layer needs units: {units}; after a layer whose width is that of its input, put "
        f"a dense layer with units: {units}"
    )
    if _have_fractions(classes):
        hint = f"{_REAL}; to learn them as classes, {hint}"
    reason = f"{count} classes, but the model gives {counted(width, 'number')}"
    raise ShapeError(reason, location=at, hint=hint)


_CLASSES = (
    "to learn classes, name their column in output.column, and use no loss for numbers such as mse"
)
_REAL = "to predict numbers, choose a loss such as mse and name output.targets"


def _have_fractions(classes: Sequence[str | int]) -> bool:
    """Whether the classes look like numbers to predict."""
    values = [number(c) for c in classes]
    return None not in values and any(v != int(v) for v in values if v and math.isfinite(v))


def check_targets(
    y: Array, name: Callable[[Sequence[int]], str | int], source: str, *, flags: bool = False
) -> None:
    """Refuse targets (n, ..., k) that are not finite or, if they are flags, not 0 or 1.

    Raises DataError at the first one; ``name`` gives the column of a place in a row.
    """
    bad = np.argwhere((y != 0) & (y != 1) if flags else ~np.isfinite(y))
    if len(bad) == 0:
        return
    value = float(y[tuple(bad[0])])
    what = f"expected 0 or 1, got {value!r}" if flags else "the target is infinite"
    raise DataError(
        "the target is missing" if math.isnan(value) else what,
        row=int(bad[0][0]),
        column=name(bad[0][1:].tolist()),
        source=source,
    )


def class_numbers(
    labels: Array,
    classes: Sequence[str | int],
    *,
    column: str | None,
    source: str,
    spellings: Collection[str] = (),
) -> Array:
    """The class number of each label: (n,) int64 for labels (n,) or (n, 1).

    ``spellings`` of missing labels: see ``is_missing``. Raises DataError, with row and column, if a
    label is missing or none of the classes.
    """
    labels = _one_per_row(labels, column, source)
    if len(labels) == 0:
        return np.empty(0, np.int64)
    names = LabelLookup(classes)
    different, inverse = distinct_labels(labels)
    places = [-1 if is_missing(v, spellings) else names.find(v) for v in different]
    numbers: Array = np.array(places, np.int64)[inverse]
    if numbers.min() < 0:
        row = int(np.argmax(numbers < 0))
        cell = different[inverse[row]]
        if is_missing(cell, spellings):
            raise _no_label(row, column, source)
        raise _no_class(label_of(cell), row, classes, column, source)
    return numbers


def _one_per_row(labels: Array, column: str | None, source: str) -> Array:
    """Labels (n,) or (n, 1) as (n,), of a kind that can be classes."""
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim != 1 or labels.dtype.kind in "cVmM":
        found = f"labels of shape {list(labels.shape)} and dtype {labels.dtype}"
        reason = f"expected one class per row, text or a number, got {found}"
        hint = "dates as classes: labels.astype(str)" if labels.dtype.kind in "mM" else None
        raise DataError(reason, column=column, source=source, hint=hint)
    return labels


def _no_label(row: int, column: str | None, source: str) -> DataError:
    return DataError("the label is missing", row=row, column=column, source=source)


def _no_class(
    label: Label, row: int, classes: Sequence[str | int], column: str | None, source: str
) -> DataError:
    import difflib  # 1 ms, and only for a mistake

    spelled = [str(c) for c in classes]
    truth = isinstance(label, str) and label.strip().lower() in _TRUTH
    value = float(label.strip().lower() == "true") if truth else number(label)  # type: ignore[union-attr]  # text
    close = [] if value is None else [c for c in spelled if number(c) == value]
    close = close or difflib.get_close_matches(str(label), spelled, n=2, cutoff=0.6)
    near = f"; did you mean {' or '.join(map(repr, close[:2]))}?" if close else ""
    shown = ", ".join(spelled[:20]) + (", ..." if len(spelled) > 20 else "")
    return DataError(
        f"expected one of {len(spelled):,} classes, got {quoted(label)}{near}",
        row=row,
        column=column,
        source=source,
        hint=f"classes: {shown}\ncorrect the label, or add it to output.classes and train again",
    )


def real_numbers(
    labels: Array, column: str | int, source: str, spellings: Collection[str] = ()
) -> Array:
    """``labels`` as numbers of their shape, NaN where one is missing.

    Raises DataError if one is not a number.
    """
    numbers, bad = as_numbers(np.asarray(labels), spellings)
    if bad is not None:
        row = bad // max(1, math.prod(labels.shape[1:]))
        cell = labels.ravel()[bad]
        raise not_a_number(cell, row=row, column=column, source=source, text_hint=_CLASSES)
    return numbers


def distinct_labels(labels: Array) -> tuple[list[Any], Array]:
    """The distinct cells of labels (n,), and for each row (n,) which of them it has."""
    if labels.dtype.kind not in "OT":
        values, inverse = np.unique(labels, return_inverse=True)
        return values.tolist(), inverse.reshape(-1)
    known: dict[tuple[type, Any], int] = {}  # by cell: most need no ``label_of``
    seen: dict[tuple[type, Any], int] = {}
    different: list[Any] = []
    places = np.empty(len(labels), np.int64)
    for i, cell in enumerate(labels.tolist()):
        quick = isinstance(cell, (str, int))
        place = known.get((type(cell), cell)) if quick else None
        if place is None:
            label = label_of(cell)
            place = seen.setdefault((type(label), label), len(seen))
            if place == len(different):
                different.append(cell)
            if quick:
                known[type(cell), cell] = place
        places[i] = place
    return different, places


def classes_in(
    labels: Array,
    column: str | None,
    source: str,
    *,
    untyped: bool = False,
    spellings: Collection[str] = (),
) -> tuple[str, ...] | tuple[int, ...]:
    """The distinct labels, sorted: whole numbers as int, text that is numbers by value.

    ``labels`` are (n,) or (n, 1). ``untyped`` says that the source has no types (CSV), so that text
    of whole numbers means numbers. ``spellings`` of missing labels: see ``is_missing``. Raises
    DataError if a label is missing or a fraction, or there are fewer than two classes.
    """
    different, inverse = distinct_labels(_one_per_row(labels, column, source))
    found = [label_of(v, spellings) for v in different]
    for i, label in enumerate(found):
        if label is None or isinstance(label, float):
            row = int(np.argmax(inverse == i))
            if label is None:
                raise _no_label(row, column, source)
            raise DataError(
                f"label {label} cannot be a class: expected text or whole numbers",
                row=row,
                column=column,
                source=source,
                hint=_REAL,
            )
    if len(found) < 2:
        only = f"only {quoted(found[0])}" if found else "none"
        reason = f"expected two or more classes among the labels, got {only}"
        raise DataError(reason, column=column, source=source)
    whole = [_whole(label) if isinstance(label, str) and untyped else label for label in found]
    if all(isinstance(label, int) and _LEAST <= label <= _MOST for label in whole):
        return tuple(sorted({int(label) for label in whole}))  # type: ignore[arg-type]  # all int
    texts = {str(label) for label in found}
    values = {t: number(t) for t in texts}
    if all(v is not None and math.isfinite(v) for v in values.values()):
        return tuple(sorted(texts, key=lambda t: (values[t], t)))
    return tuple(sorted(texts))
