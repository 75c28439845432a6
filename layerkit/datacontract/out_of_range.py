"""Rows beyond the range that training saw: predicted all the same, but worth telling."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from layerkit.core.layer import Array
from layerkit.display import counted
from layerkit.errors import DataError

if TYPE_CHECKING:
    from layerkit.datacontract.inputs import InputContract

__all__ = ["Tally", "outside", "refusal"]


def outside(inputs: InputContract, x: Array) -> Array:
    """Which numbers of ``x`` lie beyond the range that training saw.

    Parameters
    ----------
    x
        (n, *shape) from ``InputContract.matrix``.

    Returns
    -------
    Array
        (n, *shape) bool. A number that the model cannot tell from the bound does not lie beyond
        it, nor does one that stands in for a missing value. All False without a range.
    """
    low, high = inputs.low, inputs.high
    if low is None or high is None:
        return np.zeros(x.shape, np.bool_)
    flags: Array = (x < low) | (x > high)
    if inputs.missing is not None:
        flags &= x != inputs.missing.astype(x.dtype)
    places = np.nonzero(flags)
    if len(places[0]):
        flags[places] = _told_apart(inputs, x[places].astype(np.float64), low, high, places[-1])
    return flags


def _told_apart(
    inputs: InputContract, values: Array, low: Array, high: Array, column: Array
) -> Array:
    """Whether ``values`` (m,) of the last axis' ``column`` (m,) differ from the nearer bound.

    They do not if the model is fed the same number for both, or if one is the other rounded to the
    model's dtype.
    """
    bound = np.where(values < _of(low, column), _of(low, column), _of(high, column))
    center = 0.0 if inputs.center is None else _of(inputs.center, column)
    scale = 1.0 if inputs.scale is None else _of(inputs.scale, column)
    rounded, bound_rounded = values.astype(inputs.dtype), bound.astype(inputs.dtype)
    fed = [((v - center) / scale).astype(inputs.dtype) for v in (values, bound)]
    is_rounding = (rounded == bound_rounded) & ((rounded == values) | (bound_rounded == bound))
    differ: Array = (fed[0] != fed[1]) & ~is_rounding
    return differ


def _of(numbers: Array, column: Array) -> Array:
    """The number of each ``column``; a single number is that of all."""
    return numbers[column] if numbers.size > 1 else np.full(column.shape, numbers.item())


def refusal(
    inputs: InputContract, x: Array, flags: Array, source: str, *, first: int = 0
) -> DataError:
    """The error for the first number of ``x`` that ``flags`` say is outside.

    ``first`` is the number that the first row of ``x`` has at its source.
    """
    place = tuple(int(i) for i in np.argwhere(flags)[0])
    element = int(np.ravel_multi_index(place[1:], inputs.shape))
    return DataError(
        f"{_number(x[place])} lies outside the range of training ({_range(inputs, element)})",
        row=first + place[0],
        column=inputs.name_of(element),
        source=source,
        hint="--outside warn predicts such rows all the same and counts them",
    )


class Tally:
    """How many rows lie outside, and by which columns; blocks of rows are added one by one."""

    def __init__(self, inputs: InputContract) -> None:
        self._inputs = inputs
        self.rows = 0
        self.outside = 0
        self._counts: Array = np.zeros(inputs.shape, np.int64)
        self._least: Array = np.full(inputs.shape, np.inf)
        self._most: Array = np.full(inputs.shape, -np.inf)

    def add(self, x: Array, flags: Array) -> None:
        """Count the rows of ``x`` (n, *shape), of which ``flags`` are outside."""
        self.rows += len(x)
        if not flags.any():
            return
        self.outside += int(flags.any(axis=tuple(range(1, flags.ndim))).sum())
        self._counts += flags.sum(axis=0)
        least = np.min(x, axis=0, where=flags, initial=np.inf)
        most = np.max(x, axis=0, where=flags, initial=-np.inf)
        np.minimum(self._least, least, out=self._least)
        np.maximum(self._most, most, out=self._most)

    @property
    def columns(self) -> dict[str | int, int]:
        """Rows outside by column, those with most first; columns without any are left out."""
        flat = self._counts.ravel()
        order = np.argsort(-flat, kind="stable")[: np.count_nonzero(flat)]
        return {self._inputs.name_of(int(j)): int(flat[j]) for j in order}

    def sentence(self) -> str:
        """What there is to tell, or nothing if no row is outside."""
        if not self.outside:
            return ""
        place = int(self._counts.argmax())
        count, others = int(self._counts.flat[place]), int(np.count_nonzero(self._counts)) - 1
        name = self._inputs.name_of(place)
        column = f"column {name}" if isinstance(name, int) else repr(name)
        found = _span(self._least.flat[place], self._most.flat[place])
        seen = _range(self._inputs, place)
        lie = "lies" if self.outside == 1 else "lie"
        more = f", some in {counted(others, 'other column')}" if others else ""
        return (
            f"{self.outside:,} of {counted(self.rows, 'row')} {lie} outside the range of "
            f"training: {'most ' if others else ''}in {column} "
            f"({counted(count, 'row')}: {found}; training saw {seen}){more}"
        )


def _range(inputs: InputContract, element: int) -> str:
    """The range that training saw of an element of a row, in words."""
    assert inputs.low is not None and inputs.high is not None  # noqa: S101, PT018  # none is outside
    column = np.array(element % inputs.width)
    return _span(_of(inputs.low, column), _of(inputs.high, column))


def _span(low: Array, high: Array) -> str:
    ends = [_number(low), _number(high)]
    return ends[0] if ends[0] == ends[1] else " to ".join(ends)


def _number(value: Array) -> str:
    """As many digits as tell neighbours apart: dates in seconds have ten."""
    return f"{float(value):.10g}" if abs(value) >= 1e5 else f"{float(value):.6g}"
