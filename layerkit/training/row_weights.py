"""Weights of training rows: by class, by row (an array, a column), or all of them multiplied."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from layerkit.core.context import Array
from layerkit.core.rows import Rows
from layerkit.core.steps import known_steps
from layerkit.datacontract import DataContract, OutputContract, at_source
from layerkit.datacontract.cell_errors import not_a_number
from layerkit.datacontract.dataframes import cells_of
from layerkit.datacontract.labels import LabelLookup
from layerkit.datacontract.parse_cells import as_numbers
from layerkit.errors import DataError, SpecError
from layerkit.specs import Spec

_GIVEN = "sample_weight"
_SMALL, _LARGE = 1e-20, 1e20


def row_weights(
    recipe: Mapping[str, Any], contract: DataContract, rows: Rows, y: Array
) -> Array | None:
    """The weight of each row (n,) by the recipe's class weights and those of ``rows``, or None.

    ``y`` are class numbers (n,) or flags (n, k). For outputs per step there are always weights, (n,
    *steps), 0 for padding. Raises SpecError if the weights do not fit the classes, DataError if all
    are 0.
    """
    if contract.output is not None and contract.output.steps:
        return _step_weights(recipe, contract.output, rows, y)
    if recipe.get("class_weights") is None:
        return rows.weights
    classes = None if contract.output is None else contract.output.classes
    weights = class_weights(recipe["class_weights"], classes, y)
    if rows.weights is not None:
        weights = weights * rows.weights
        if not weights.any():
            raise DataError("the weights of all rows are zero", source=rows.source)
    return weights


def _step_weights(recipe: Mapping[str, Any], output: OutputContract, rows: Rows, y: Array) -> Array:
    known = known_steps(y, len(output.steps))
    weights = known.astype(np.float64)
    if recipe.get("class_weights") is not None:
        weights[known] = class_weights(recipe["class_weights"], output.classes, y[known])
    if rows.weights is not None:
        weights *= rows.weights.reshape(-1, *(1,) * len(output.steps))
    if not weights.any():
        reason = "the weights of all rows are zero" if known.any() else "all labels are missing"
        raise DataError(reason, source=rows.source)
    return weights


def with_weights(splits: Mapping[str, Rows], given: object) -> dict[str, Rows]:
    """``splits`` whose training rows have the weights ``given``, (n,) numbers, one per row.

    Raises DataError if there are more or fewer, or they are no numbers.
    """
    rows = splits.get("train")
    if rows is None:  # reported where rows are split
        return dict(splits)
    cells = cells_of(given)
    if cells.shape != (len(rows),):
        expected = f"expected one sample weight per row, shape [{len(rows)}]"
        raise DataError(f"{expected}, got shape {list(cells.shape)}", source=rows.source)
    return {**splits, "train": replace(rows, weights=_numbers(cells, _GIVEN, rows, ()))}


def weighted_rows(spec: Spec, rows: Rows) -> Rows:
    """``rows`` with the product of their own weights and those in the recipe's column.

    Raises SpecError if there is no such column, DataError if a weight is not finite or below 0, or
    all are 0.
    """
    column = (spec.train or {}).get("sample_weight")
    weights = None
    if rows.weights is not None:
        with at_source(rows):
            weights = _checked(np.asarray(rows.weights, np.float64), _GIVEN, rows)
    if column is not None:
        found = sample_weights(rows, column, tuple(spec.input.get("missing_values") or ()))
        weights = found if weights is None else weights * found
    if weights is None:
        return rows
    if not weights.any():
        raise DataError("the weights of all rows are zero", column=column, source=rows.source)
    return replace(rows, weights=weights)


def class_weights(choice: Any, classes: Sequence[Any] | None, y: Array) -> Array:
    """The weight of each row (n,) by its class; SpecError if there is not one per class.

    ``balanced`` gives class c the weight n / (classes * rows of c); ``effective_number`` with its
    beta (1 - beta) / (1 - beta^(rows of c)), scaled so that these add up to the number of classes.
    """
    where = "train.class_weights"
    if classes is None:
        raise SpecError("class weights need classes, this model has none", location=where)
    numbers = y if y.ndim == 1 else y[:, 0].astype(np.int64) if y.shape[1] == 1 else y.argmax(1)
    count = len(classes)
    rows = np.maximum(np.bincount(numbers, minlength=count), 1)
    if choice == "balanced":
        by_class = len(y) / (count * rows)
    elif isinstance(choice, dict) and choice.get("type") == "effective_number":
        by_class = (1 - choice["beta"]) / (1 - choice["beta"] ** rows)
        by_class *= count / by_class.sum()
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
        return _checked(_numbers(cells, column, rows, spellings), column, rows)


def _numbers(cells: Array, column: str, rows: Rows, spellings: tuple[str, ...]) -> Array:
    """Cells (n,) of ``rows`` as float64, NaN where one is missing; DataError if one is text."""
    numbers, bad = as_numbers(cells, spellings)
    if bad is not None:
        raise not_a_number(
            cells[bad], row=bad, column=column, source=rows.source, text_hint="weights are numbers"
        )
    return numbers.astype(np.float64)


def _checked(weights: Array, column: str, rows: Rows) -> Array:
    """``weights`` (n,) of ``rows``, times a power of 2 if float32 could not hold their sums."""
    bad = np.flatnonzero(~((weights >= 0) & np.isfinite(weights)))
    if len(bad):
        value = float(weights[bad[0]])
        found = "a missing value" if np.isnan(value) else f"{value:g}"
        reason = f"expected a finite sample weight >= 0, got {found}"
        raise DataError(reason, row=int(bad[0]), column=column, source=rows.source)
    largest = float(weights.max(initial=0.0))
    if largest == 0 or _SMALL < largest < _LARGE:
        return weights
    return np.ldexp(weights, -math.frexp(largest)[1])
