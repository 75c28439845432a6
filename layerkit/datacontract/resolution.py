"""Columns whose values the model cannot tell apart, though the data can."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np

from layerkit.core.layer import Array
from layerkit.core.rows import Rows
from layerkit.datacontract.inputs import InputContract
from layerkit.datacontract.outputs import OutputContract
from layerkit.datacontract.parse_cells import as_numbers
from layerkit.display import quoted

__all__ = ["blurred_inputs", "blurred_targets"]

_ROWS, _CELLS = 1024, 1 << 20  # looked at
_KEPT = 0.75  # share of the different values that must stay different
_ROUNDING = 4 * float(np.finfo(np.float64).eps)
_SHOWN = 3

_Blur = tuple[str | int, int, int]  # a column, its different values, and those that are left


def blurred_inputs(inputs: InputContract, rows: Rows) -> str | None:
    """What to tell of the input columns of training ``rows`` that are blurred; None without any.

    Parameters
    ----------
    inputs
        Fitted to them.
    """
    count = min(_ROWS, max(32, _CELLS // max(1, math.prod(inputs.shape))), len(rows))
    sample = rows.take(np.linspace(0, len(rows) - 1, count).astype(np.int64))
    fed = inputs.scale_rows(inputs.matrix(sample)).reshape(count, -1)
    found = [
        (inputs.name_of(start + j), int(had), int(left))
        for start, given in _given(inputs, sample)
        if not _exact(given, inputs)
        for j, had, left in _blurred(given, fed[:, start : start + given.shape[1]])
    ]
    if inputs.center is None:
        way = 'set input.scale to "standardize", which takes the offset off in float64'
    else:
        way = "take an offset or far values out of the column before it comes here"
        if inputs.dtype == "float32":
            way += ', or set dtype to "float64"'
    return _told("input", found, inputs.dtype, way)


def _given(inputs: InputContract, sample: Rows) -> Iterator[tuple[int, Array]]:
    """The raw numbers (m, k) in the type they came in, and at which element of a row they begin."""
    if sample.columns is None or inputs.columns is None:
        raw = inputs.raw(sample)
        yield 0, raw.reshape(len(raw), -1)
        return
    for j, name in enumerate(inputs.columns):
        cells = np.asarray(sample.columns[name])
        yield j, as_numbers(cells, inputs.missing_values)[0][:, None]


def _exact(given: Array, inputs: InputContract) -> bool:
    """Whether the model is fed just what it was given, or small whole numbers."""
    kind, size = given.dtype.kind, given.dtype.itemsize
    small = kind == "b" or (kind in "iu" and size <= 2)
    return small or (kind == "f" and size <= 4 and not inputs.wide)


def blurred_targets(output: OutputContract, raw: Array, y: Array) -> str | None:
    """What to tell of targets that are blurred; None without any.

    Parameters
    ----------
    raw, y
        (n, ..., k) as they came and as the loss compares with them.
    """
    step = max(1, len(raw) // _ROWS)
    raw, y = (a[::step].reshape(-1, a.shape[-1]) for a in (raw, y))
    names: Sequence[str | int] = output.targets or range(raw.shape[1])
    found: list[_Blur] = [(names[j], had, left) for j, had, left in _blurred(raw, y)]
    way = 'set output.scale to "standardize"'
    if output.center is not None:
        way = 'take an offset or far values out of the targets, or set dtype to "float64"'
    return _told("target", found, output.dtype, way)


def _blurred(given: Array, fed: Array) -> Iterator[tuple[int, int, int]]:
    """Columns of ``given`` (m, k) of which too few values stay different in ``fed`` (m, k)."""
    had, clear = _different(given)
    left, _ = _different(fed)
    lost = (left < _KEPT * clear) | ((left == 1) & (had > 1))
    for j in np.flatnonzero(lost):
        yield int(j), int(had[j]), int(left[j])


def _different(x: Array) -> tuple[Array, Array]:
    """How many different values each column of x (m, k) has, and how many beyond rounding."""
    ordered = np.sort(x, axis=0)
    before, after = ordered[:-1], ordered[1:]
    differ = before < after
    size = np.maximum(np.abs(before.astype(np.float64)), np.abs(after.astype(np.float64)))
    clear = differ & (after.astype(np.float64) - before > _ROUNDING * size)
    whole = x.dtype.kind in "iu"
    return 1 + differ.sum(axis=0), 1 + (differ if whole else clear).sum(axis=0)


def _told(kind: str, found: list[_Blur], dtype: str, way: str) -> str | None:
    if not found:
        return None
    shown = "; ".join(
        f"{quoted(name)} ({had:,} different ones become {left:,})"
        for name, had, left in found[:_SHOWN]
    )
    more = f" and {len(found) - _SHOWN:,} more" if len(found) > _SHOWN else ""
    noun = f"{kind} column" if len(found) == 1 else f"{kind} columns"
    return f"values of the {noun} {shown}{more} cannot be told apart in {dtype}: {way}"
