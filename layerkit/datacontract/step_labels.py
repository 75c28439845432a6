"""Labels of outputs per step: one label for each step of a row, some of them missing.

A step whose label is missing is padding. So is -1 among whole numbers, the usual mark where an
array of them cannot hold a missing value, unless it is one of the classes.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence

import numpy as np

from layerkit.core.context import Array, Shape
from layerkit.datacontract.labels import class_numbers, classes_in, distinct_labels
from layerkit.datacontract.parse_cells import is_missing
from layerkit.errors import DataError

PADDING = -1


def check_steps(labels: Array, steps: Shape, source: str) -> Array:
    """Labels as (n, *steps), one a step; DataError if they are none."""
    if labels.shape[1:] == (*steps, 1):
        labels = labels.reshape(-1, *steps)
    if labels.ndim == 0 or labels.shape[1:] != steps:
        raise wrong_shape(labels, steps, (), source)
    return labels


def wrong_shape(labels: Array, steps: Shape, rest: Shape, source: str) -> DataError:
    """The error for labels that are not one for each of ``steps``, with ``rest`` numbers each."""
    wanted = ", ".join(map(str, ("n", *steps, *rest)))
    many = math.prod(steps)
    return DataError(
        f"the model gives an answer for each of {many:,} steps: expected labels of shape "
        f"[{wanted}], got {list(labels.shape)}",
        source=source,
        hint="for one answer per row, let the layers end in rows of one axis: a recurrent layer "
        'without "sequence", or a layer that flattens or averages',
    )


def step_numbers(
    labels: Array,
    classes: Sequence[str | int],
    steps: Shape,
    *,
    column: str | None,
    source: str,
    spellings: Collection[str],
) -> Array:
    """The class number of each step, (n, *steps) int64, ``PADDING`` where there is no label.

    Raises DataError, with the row, for a label that is none of the classes.
    """
    labels = check_steps(labels, steps, source)
    flat, known = _known(labels, classes, spellings)
    numbers = np.full(len(flat), PADDING, np.int64)
    try:
        numbers[known] = class_numbers(flat[known], classes, column=column, source=source)
    except DataError as error:
        if error.row is not None:
            error.row, step = divmod(int(np.flatnonzero(known)[error.row]), math.prod(steps))
            error.column = f"step {step}" if column is None else column
        raise
    return numbers.reshape(labels.shape)


def step_classes(
    labels: Array, steps: Shape, column: str | None, source: str, spellings: Collection[str]
) -> tuple[str, ...] | tuple[int, ...]:
    """The distinct labels of all steps, sorted; raises the errors of ``classes_in``."""
    flat, known = _known(check_steps(labels, steps, source), (), spellings)
    return classes_in(flat[known], column, source)


def _known(
    labels: Array, classes: Sequence[str | int], spellings: Collection[str]
) -> tuple[Array, Array]:
    """(all labels (m,), which of them are no padding (m,))."""
    flat = labels.reshape(-1)
    if len(flat) == 0:
        return flat, np.ones(0, bool)
    marks = () if PADDING in classes or str(PADDING) in classes else (PADDING,)
    different, inverse = distinct_labels(flat)
    known = [not is_missing(cell, spellings) and cell not in marks for cell in different]
    return flat, np.array(known)[inverse]


def known_targets(y: Array) -> Array:
    """(n, ...) which steps of targets (n, ..., k) have numbers: not those that lack all of them."""
    missing: Array = np.logical_and.reduce(np.isnan(y), axis=-1)
    return ~missing
