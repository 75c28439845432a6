"""Precision loss: columns whose different values become equal in the model's dtype."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np

from layerkit.core.context import Array
from layerkit.core.rows import Rows
from layerkit.datacontract.inputs import InputContract
from layerkit.datacontract.outputs import OutputContract
from layerkit.datacontract.parse_cells import as_numbers
from layerkit.display import quoted

_ROWS, _CELLS = 1024, 1 << 20  # looked at
_KEPT = 0.75  # share of the distinct values that must stay distinct
_ROUNDING = 4 * float(np.finfo(np.float64).eps)
_SHOWN = 3

_Loss = tuple[str | int, int, int]  # a column, its distinct values, and how many stay distinct


def input_precision_loss(inputs: InputContract, rows: Rows) -> str | None:
    """A warning about input columns that lose values in a sample of the training rows, or None."""
    count = min(_ROWS, max(32, _CELLS // max(1, math.prod(inputs.shape))), len(rows))
    sample = rows.take(np.linspace(0, len(rows) - 1, count).astype(np.int64))
    fed = inputs.scale_rows(inputs.matrix(sample)).reshape(count, -1)
    found = [
        (inputs.name_of(start + j), before, after)
        for start, given in _raw_columns(inputs, sample)
        if not _is_exact(given, inputs)
        for j, before, after in _losses(given, fed[:, start : start + given.shape[1]])
    ]
    if inputs.center is None:
        remedy = 'set input.scale to "standardize", which subtracts the offset in float64'
    else:
        remedy = "remove an offset or outliers from the column before training"
        if inputs.dtype == "float32":
            remedy += ', or set dtype to "float64"'
    return _warning("input", found, inputs.dtype, remedy)


def target_precision_loss(output: OutputContract, raw: Array, y: Array) -> str | None:
    """A warning about target columns that lose values, or None.

    ``raw`` and ``y`` (n, ..., k) are in raw units, and scaled as the loss compares with them.
    """
    step = max(1, len(raw) // _ROWS)
    raw, y = (a[::step].reshape(-1, a.shape[-1]) for a in (raw, y))
    names: Sequence[str | int] = output.targets or range(raw.shape[1])
    found: list[_Loss] = [(names[j], before, after) for j, before, after in _losses(raw, y)]
    remedy = 'set output.scale to "standardize"'
    if output.center is not None:
        remedy = 'remove an offset or outliers from the targets, or set dtype to "float64"'
    return _warning("target", found, output.dtype, remedy)


def _raw_columns(inputs: InputContract, sample: Rows) -> Iterator[tuple[int, Array]]:
    """The raw numbers (m, k) in their own type, and at which element of a row they begin."""
    sample = inputs.encoded(sample)
    if sample.columns is None or inputs.columns is None:
        raw = inputs.raw(sample)
        yield 0, raw.reshape(len(raw), -1)
        return
    for j, name in enumerate(inputs.columns):
        cells = np.asarray(sample.columns[name])
        yield j, as_numbers(cells, inputs.missing_values)[0][:, None]


def _is_exact(given: Array, inputs: InputContract) -> bool:
    """Whether the model is fed the very numbers it was given, or small whole numbers."""
    kind, size = given.dtype.kind, given.dtype.itemsize
    small = kind == "b" or (kind in "iu" and size <= 2)
    return small or (kind == "f" and size <= 4 and not inputs.wide)


def _losses(given: Array, fed: Array) -> Iterator[tuple[int, int, int]]:
    """Columns of ``given`` (m, k) of which too few values stay distinct in ``fed`` (m, k)."""
    before, clear = _distinct(given)
    after, _ = _distinct(fed)
    lost = (after < _KEPT * clear) | ((after == 1) & (before > 1))
    for j in np.flatnonzero(lost).tolist():
        yield j, int(before[j]), int(after[j])


def _distinct(x: Array) -> tuple[Array, Array]:
    """How many distinct values each column of x (m, k) has, and how many beyond rounding."""
    ordered = np.sort(x, axis=0)
    before, after = ordered[:-1], ordered[1:]
    differ = before < after
    size = np.maximum(np.abs(before.astype(np.float64)), np.abs(after.astype(np.float64)))
    clear = differ & (after.astype(np.float64) - before > _ROUNDING * size)
    whole = x.dtype.kind in "iu"
    return 1 + differ.sum(axis=0), 1 + (differ if whole else clear).sum(axis=0)


def _warning(kind: str, found: list[_Loss], dtype: str, remedy: str) -> str | None:
    if not found:
        return None
    shown = "; ".join(
        f"{quoted(name)} ({before:,} distinct values become {after:,})"
        for name, before, after in found[:_SHOWN]
    )
    more = f" and {len(found) - _SHOWN:,} more" if len(found) > _SHOWN else ""
    noun = f"{kind} column" if len(found) == 1 else f"{kind} columns"
    return f"values of the {noun} {shown}{more} cannot be told apart in {dtype}: {remedy}"
