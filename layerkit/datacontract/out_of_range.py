"""Out-of-range rows: numbers beyond the range that training saw, categories it did not see.

Models predict such rows too, but extrapolate: ``layerkit infer`` counts, flags or refuses them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from layerkit.core.context import Array
from layerkit.core.rows import Rows
from layerkit.datacontract.encoder import Encoder
from layerkit.datacontract.inputs import InputContract
from layerkit.display import counted
from layerkit.errors import DataError

_NEW_CATEGORY = "a category that training did not see"


def outside(inputs: InputContract, rows: Rows | Array | Sequence[Any] | Mapping[str, Any]) -> Array:
    """Which numbers of ``rows`` lie beyond the range that training saw: (n, *shape) bool.

    A number that the model cannot tell from the bound does not lie beyond it, nor does one that
    stands in for a missing value. Of a category that no training row had, all inputs do. All False
    without a range.
    """
    x = inputs.matrix(rows)
    low, high = inputs.low, inputs.high
    if low is None or high is None:
        return np.zeros(x.shape, np.bool_)
    flags: Array = (x < low) | (x > high)
    if inputs.whole is not None:  # a range says nothing of them
        flags &= inputs.whole.reshape(inputs.shape) == 0
    if inputs.missing is not None:
        flags &= x != inputs.missing.astype(x.dtype)
    places = np.nonzero(flags)
    if len(places[0]):
        values, columns = x[places].astype(np.float64), places[-1]
        lower, upper = _at(low, columns), _at(high, columns)
        bounds = np.where(values < lower, lower, upper)
        flags[places] = _differ(inputs, values, bounds, columns)
    if inputs.encoder is not None:
        for place, unseen in _unseen(inputs.encoder, x, (low, high)):
            flags[:, place] = unseen[:, None]
    return flags


def _unseen(
    encoder: Encoder, x: Array, limits: tuple[Array, Array]
) -> Iterator[tuple[slice, Array]]:
    """For the places of each column of categories, whether training saw none in each row (n,)."""
    for i, place in encoder.groups.items():
        field: Any = encoder.fields[i]
        low, high = (limit[place] for limit in limits)
        if field.encode == "code":  # between two codes that it saw, it may have seen all
            unseen = np.asarray((x[:, place] < low) | (x[:, place] > high))[:, 0]
        else:
            unseen = np.asarray((x[:, place] > 0)[:, high <= 0].any(axis=1))
        yield place, np.asarray(unseen | (field.unlisted(x[:, place]) & (field.others == 0)))


def _differ(inputs: InputContract, values: Array, bounds: Array, columns: Array) -> Array:
    """Whether each of ``values`` (m,) differs from its bound for the model.

    It does not if the model is fed the same number for both, or if one is the other rounded to the
    model's dtype. ``columns`` (m,) are places on the last axis.
    """
    center = 0.0 if inputs.center is None else _at(inputs.center, columns)
    scale = 1.0 if inputs.scale is None else _at(inputs.scale, columns)
    rounded, bound_rounded = values.astype(inputs.dtype), bounds.astype(inputs.dtype)
    fed = [((v - center) / scale).astype(inputs.dtype) for v in (values, bounds)]
    is_rounding = (rounded == bound_rounded) & ((rounded == values) | (bound_rounded == bounds))
    differ: Array = (fed[0] != fed[1]) & ~is_rounding
    return differ


def _at(numbers: Array, columns: Array) -> Array:
    """The number of each of ``columns``; a single number is that of all."""
    return numbers[columns] if numbers.size > 1 else np.full(columns.shape, numbers.item())


def out_of_range_error(
    inputs: InputContract, x: Array, flags: Array, source: str, *, first: int = 0
) -> DataError:
    """The error for the first number of ``x`` that ``flags`` say is outside.

    ``first`` is the number that the first row of ``x`` has at its source.
    """
    place = tuple(int(i) for i in np.argwhere(flags)[0])
    element = int(np.ravel_multi_index(place[1:], inputs.shape))
    if inputs.is_category(element):
        reason = _NEW_CATEGORY
    else:
        reason = f"{_number(x[place])} lies outside the range of training "
        reason += f"({_range(inputs, element)})"
    return DataError(
        reason,
        row=first + place[0],
        column=inputs.raw_name_of(element),
        source=source,
        hint="--outside warn predicts such rows all the same and counts them",
    )


class OutOfRangeCount:
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
        """Rows outside by column, the most first; columns without any are left out."""
        flat = self._counts.ravel()
        order = np.argsort(-flat, kind="stable")[: np.count_nonzero(flat)]
        return {self._inputs.raw_name_of(int(j)): int(flat[j]) for j in order}

    def sentence(self) -> str:
        """A sentence about the rows outside; empty if there are none."""
        if not self.outside:
            return ""
        place = int(self._counts.argmax())
        count, others = int(self._counts.flat[place]), len(self.columns) - 1
        name = self._inputs.raw_name_of(place)
        column = f"column {name}" if isinstance(name, int) else repr(name)
        found = _NEW_CATEGORY
        if not self._inputs.is_category(place):
            found = _span(self._least.flat[place], self._most.flat[place])
            found += f"; training saw {_range(self._inputs, place)}"
        lie = "lies" if self.outside == 1 else "lie"
        more = f", some in {counted(others, 'other column')}" if others else ""
        return (
            f"{self.outside:,} of {counted(self.rows, 'row')} {lie} outside the range of "
            f"training: {'most ' if others else ''}in {column} "
            f"({counted(count, 'row')}: {found}){more}"
        )


def _range(inputs: InputContract, element: int) -> str:
    """The range that training saw of an element of a row, as text."""
    assert inputs.low is not None and inputs.high is not None  # noqa: S101, PT018  # none is outside
    column = np.array(element % inputs.width)
    return _span(_at(inputs.low, column), _at(inputs.high, column))


def _span(low: Array, high: Array) -> str:
    ends = [_number(low), _number(high)]
    return ends[0] if ends[0] == ends[1] else " to ".join(ends)


def _number(value: Array) -> str:
    """With as many digits as tell neighbours apart: dates in seconds have ten."""
    return f"{float(value):.10g}" if abs(value) >= 1e5 else f"{float(value):.6g}"
