"""Weights of training rows: by class, from a column, or both multiplied."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from layerkit.core.context import Array
from layerkit.core.rows import Rows
from layerkit.datacontract import DataContract, at_source
from layerkit.datacontract.labels import LabelLookup, real_numbers
from layerkit.errors import DataError, SpecError


def row_weights(
    recipe: Mapping[str, Any], contract: DataContract, rows: Rows, y: Array
) -> Array | None:
    """The weight of each row (n,) by the recipe's class and sample weights, or None.

    ``y`` are class numbers (n,) or flags (n, k). Raises SpecError if the weights do not fit the
    classes or the data have no such column, DataError if a weight is not finite or below 0, or all
    are 0.
    """
    weights = None
    if recipe.get("class_weights") is not None:
        classes = None if contract.output is None else contract.output.classes
        weights = class_weights(recipe["class_weights"], classes, y)
    column = recipe.get("sample_weight")
    if column is not None:
        given = sample_weights(rows, column, contract.input.missing_values)
        weights = given * (1.0 if weights is None else weights)
        if not weights.any():
            raise DataError("all rows have weight 0", column=column, source=rows.source)
    return weights


def class_weights(choice: Any, classes: Sequence[Any] | None, y: Array) -> Array:
    """The weight of each row (n,) by its class; SpecError if there is not one per class.

    ``balanced`` gives class c the weight n / (classes * rows of c).
    """
    where = "train.class_weights"
    if classes is None:
        raise SpecError("class weights need classes, this model has none", location=where)
    numbers = y if y.ndim == 1 else y[:, 0].astype(np.int64) if y.shape[1] == 1 else y.argmax(1)
    count = len(classes)
    if choice == "balanced":
        by_class = len(y) / (count * np.maximum(np.bincount(numbers, minlength=count), 1))
    elif isinstance(choice, dict):
        names, by_class = LabelLookup(classes), np.ones(count)
        for key, weight in choice.items():
            place = names.find(key)
            if place < 0:
                known = [str(c) for c in classes]
                raise SpecError(f"{key!r} is not one of the classes {known}", location=where)
            by_class[place] = weight
    else:
        if len(choice) != count:
            reason = f"expected {count} numbers, one per class, got {len(choice)}"
            raise SpecError(reason, location=where)
        by_class = np.array(choice, np.float64)
    weights: Array = by_class[numbers]
    return weights


def sample_weights(rows: Rows, column: str, spellings: tuple[str, ...]) -> Array:
    """The weights (n,) in ``column``, float64.

    Raises SpecError if there is no such column, DataError if a weight is not finite or below 0.
    """
    if rows.columns is None or column not in rows.columns:
        raise SpecError(f"the data have no column {column!r}", location="train.sample_weight")
    cells = np.asarray(rows.columns[column])
    with at_source(rows):
        given = real_numbers(cells, column, rows.source, spellings).astype(np.float64)
        bad = np.flatnonzero(~((given >= 0) & np.isfinite(given)))
        if len(bad):
            value = float(given[bad[0]])
            found = "a missing value" if np.isnan(value) else f"{value:g}"
            reason = f"expected a finite sample weight >= 0, got {found}"
            raise DataError(reason, row=int(bad[0]), column=column, source=rows.source)
    return given
