"""Scaling and filling: the scaler and the fill values of a contract, fitted to training rows.

All statistics are per element of the last axis, in float64, from the training rows only.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal

import numpy as np

from layerkit.core.context import Array
from layerkit.display import nearest, quoted
from layerkit.errors import DataError, SpecError

Scale = Literal["standardize", "minmax"] | Mapping[str, Any] | None
"""The user's choice: None, "standardize", "minmax", {"divide": one number, or one per column} or
{"center": [...], "scale": [...]}."""

Missing = Literal["error", "mean", "median"] | float
"""What to do about a missing value: refuse the row, or fill in a number."""

_BLOCK = 4096
_NUMBERS = 1 << 20  # scaled at a time: their float64 is not kept


def min_and_max(x: Array) -> tuple[Array, Array]:
    """Smallest and largest of each element of the last axis, (w,) float64 each; x (n, ..., w)."""
    axes = tuple(range(x.ndim - 1))
    return x.min(axis=axes).astype(np.float64), x.max(axis=axes).astype(np.float64)


def centered(x: Array, center: Array, scale: Array, dtype: np.dtype[Any]) -> Array:
    """(x - center) / scale for x (n, ..., w), a new array in ``dtype``, computed in float64.

    A number that ``dtype`` cannot hold becomes infinite; the caller checks for that.
    """
    if x.size <= _NUMBERS or len(x) == 1:
        off: Array = x.astype(np.float64)  # first: arithmetic of mixed types takes twice as long
        off -= center
        with np.errstate(over="ignore"):
            off /= scale
            return off.astype(dtype, copy=False)
    out = np.empty(x.shape, dtype)
    step = max(1, _NUMBERS * len(x) // x.size)  # rows
    for start in range(0, len(x), step):
        part = slice(start, start + step)
        out[part] = centered(x[part], center, scale, dtype)
    return out


def fit_scaler(
    scale: Scale,
    x: Array,
    low: Array,
    high: Array,
    *,
    weights: Array | None = None,
    location: str = "input.scale",
) -> tuple[Array, Array] | None:
    """(center, scale), (w,) float64 each, for rows x (n, ..., w) from ``low`` to ``high``.

    A column that never changes gets scale 1. With ``weights`` (n,), not all 0, a row of weight 2
    counts twice. Raises SpecError if ``scale`` is malformed or holds a zero, DataError if the
    values are too large for their statistics.
    """
    width = low.size
    if scale is None:
        return None
    if isinstance(scale, Mapping):
        return _given_scaler(scale, width, location)
    if weights is not None:
        x, weights = x[weights > 0], weights[weights > 0]
        low, high = min_and_max(x)
    varies = high > low
    if scale == "standardize":
        center, spread = _mean_and_deviation(x, low, high, weights)
        center = np.where(varies, center, low)
    elif scale == "minmax":
        with np.errstate(over="ignore"):
            center, spread = low, high - low
    else:
        known = ["standardize", "minmax", "divide"]
        raise SpecError(
            f"unknown scale {quoted(scale)}{nearest(str(scale), known)}",
            location=location,
            hint='use "standardize", "minmax", {"divide": 255} or {"center": .., "scale": ..}',
        )
    spread = np.where(varies & (spread > 0), spread, 1.0)
    if not (np.isfinite(center).all() and np.isfinite(spread).all()):
        column = int(np.flatnonzero(~(np.isfinite(center) & np.isfinite(spread)))[0])
        raise DataError("values too large to be scaled by their statistics", column=column)
    return center, spread


def _mean_and_deviation(
    x: Array, low: Array, high: Array, weights: Array | None
) -> tuple[Array, Array]:
    """Mean and standard deviation of each element of the last axis, block by block of rows.

    Both are taken of the shares (x - low) / (high - low) in [0, 1], so that no significant digit
    cancels and no square overflows.
    """
    rows = len(x) if weights is None else float(weights.sum())
    count = rows * math.prod(x.shape[1:-1])
    with np.errstate(over="ignore", invalid="ignore"):
        span = np.where(high > low, high - low, 1.0)
        mean = _total(_shares(x, low, span), weights) / count
        off = (np.subtract(block, mean, out=block) for block in _shares(x, low, span))
        squares = _total((np.square(block, out=block) for block in off), weights)
        return low + mean * span, span * np.sqrt(squares / count)


def _total(blocks: Iterable[Array], weights: Array | None) -> Array:
    """The sum (w,) over the rows of all blocks (b, ..., w), each times its weight."""
    total, start = np.zeros(1), 0
    for block in blocks:
        if weights is not None:
            block *= weights[start : start + len(block)].reshape(-1, *[1] * (block.ndim - 1))
            start += len(block)
        total = total + block.sum(axis=tuple(range(block.ndim - 1)))
    return total


def _shares(x: Array, low: Array, span: Array) -> Iterator[Array]:
    """(x - low) / span in float64, in blocks of rows."""
    for start in range(0, len(x), _BLOCK):
        block = np.subtract(x[start : start + _BLOCK], low, dtype=np.float64)
        block /= span
        yield block


def _given_scaler(scale: Mapping[str, Any], width: int, location: str) -> tuple[Array, Array]:
    keys = set(scale)
    if keys == {"divide"}:
        divisor = _vector(scale["divide"], width, f"{location}.divide", divisor=True)
        return np.zeros_like(divisor), divisor
    if keys == {"center", "scale"}:
        center = _vector(scale["center"], width, f"{location}.center")
        spread = _vector(scale["scale"], width, f"{location}.scale", divisor=True)
        longest = max(center.size, spread.size)
        return np.resize(center, longest), np.resize(spread, longest)
    raise SpecError(
        f'expected {{"divide": ..}} or {{"center": .., "scale": ..}}, got the keys {sorted(keys)}',
        location=location,
    )


def _vector(value: object, width: int, location: str, *, divisor: bool = False) -> Array:
    """``value``, one number or a list of ``width``, as (width,) float64."""
    try:
        found = np.asarray(value, np.float64)
    except (TypeError, ValueError):
        raise SpecError(f"expected numbers, got {quoted(value)}", location=location) from None
    described = width > 1 or found.ndim != 1  # else the contract knows how many it needs
    if found.shape not in ((), (width,)) and described:
        reason = f"expected one number, or one for each of {width} columns"
        raise SpecError(f"{reason}, got shape {list(found.shape)}", location=location)
    if not np.isfinite(found).all() or (divisor and (found == 0).any()):
        what = "finite numbers other than 0" if divisor else "finite numbers"
        raise SpecError(f"expected {what}, got {quoted(value)}", location=location)
    return np.broadcast_to(found, found.shape or (width,)).copy()


def fit_fill(missing: Missing, x: Array, names: tuple[str, ...] | None) -> Array | None:
    """The fill values for missing cells, (w,) float64, or None if rows with one are refused.

    ``missing`` is "error", "mean", "median", or a number for all columns; x (n, ..., w) are
    training rows with NaN where a value is missing. Raises SpecError if ``missing`` is malformed,
    DataError if a column has no value to take the mean or median of.
    """
    width = x.shape[-1]
    if missing == "error":
        return None
    if isinstance(missing, (int, float)) and not isinstance(missing, bool):
        return _vector(missing, width, "input.missing")
    if missing not in ("mean", "median"):
        raise SpecError(
            f"unknown rule {quoted(missing)}{nearest(str(missing), ['error', 'mean', 'median'])}",
            location="input.missing",
            hint='use "error", "mean", "median" or a number',
        )
    fill = np.empty(width)
    for j in range(width):
        column = x[..., j].astype(np.float64)
        there = column[np.isfinite(column)]
        if there.size == 0:
            where = names[j] if names else j
            reason = f"this column has no values, so no {missing} to fill gaps with"
            raise DataError(reason, column=where)
        fill[j] = there.mean() if missing == "mean" else np.median(there)
    return fill
