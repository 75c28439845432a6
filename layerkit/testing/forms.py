"""Forms of recorded parts against their methods as written: what an engine must give."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from layerkit.core.context import Array
from layerkit.display import counted
from layerkit.testing.arrays import equal
from layerkit.testing.verdicts import Failed

ROWS = 0, 1, 7, 64, 257
"""Numbers of rows for which forms are compared."""

_TOLERANCE = {"float32": 2e-5, "float64": 1e-11}  # of the largest number
_OTHERWISE = 1.001, 0.999
_AMPLIFIED = 30  # of what one rounding of the rows does: the roundings inside of a pass


@dataclass
class Results:
    """What one pass gives: arrays by the words for them, and the state of the random stream."""

    arrays: dict[str, Array]
    stream: str = ""
    slopes: frozenset[str] = field(default_factory=frozenset)  # names of gradients
    scale: float = 0.0  # the largest dL/dy: rounding errors of gradients may be as large

    def difference(self, expected: Results, *, bits: bool) -> str:
        """The words for the first result that differs; empty if none does."""
        for name, array in expected.arrays.items():
            found = self.arrays[name]
            floor = max(self.scale, expected.largest_slope) if name in self.slopes else 0.0
            same = equal(found, array) if bits else _agrees(found, array, floor)
            if found.dtype != array.dtype or not same:
                return name
        return "" if self.stream == expected.stream else "the place in the random stream"

    @property
    def largest_slope(self) -> float:
        """The largest number in a gradient."""
        return max((float(np.abs(self.arrays[n]).max(initial=0)) for n in self.slopes), default=0.0)


def _agrees(a: Array, b: Array, floor: float) -> bool:
    """Whether two arrays agree to rounding, and have their infinities and NaN in common."""
    if a.shape != b.shape or not np.array_equal(np.isfinite(a), np.isfinite(b)):
        return False
    a, b = (np.where(np.isfinite(b), array, 0) for array in (a, b))
    scale = max(floor, float(np.abs(b).max(initial=0)), 1e-30)
    return bool(np.abs(a - b).max(initial=0) <= _TOLERANCE[b.dtype.name] * scale)


Pass = Callable[..., Results]
"""From the arrays of a batch to its results."""


def compare(
    form: str,
    run: Pass,
    written: Pass,
    batches: Callable[[int], Sequence[Array]],
    *,
    bits: bool,
    rows: Sequence[int] = ROWS,
) -> None:
    """Raise ``Failed`` if the form differs from the methods as written for a number of rows.

    The form is used for all numbers of rows in turn, and twice for one: it must not have kept
    anything of another batch. Where a number lies at a kink, rounding decides between two right
    slopes: what differs once must also differ on rows a little longer or shorter.
    """
    first: dict[int, Results] = {}
    for n in (*rows, *ROWS[1:3]):
        batch = batches(n)
        found = run(*batch)
        differs = found.difference(written(*batch), bits=bits)
        if differs and not bits:
            differs = next(filter(None, _otherwise(run, written, batch)), "")
        if differs and not bits and _is_rounding(differs, found, written, batch):
            differs = ""
        if differs:
            raise Failed(f"{form} gives another value for {differs} of {counted(n, 'row')}")
        again = first.setdefault(n, found).difference(found, bits=True)
        if again:
            raise Failed(f"{form} gives other bits for {again} when it runs a batch again")


def _otherwise(run: Pass, written: Pass, batch: Sequence[Array]) -> Iterator[str]:
    """How the form differs on rows that are a little longer and shorter."""
    x, *rest = batch
    for factor in _OTHERWISE:
        rows = x * x.dtype.type(factor)
        yield run(rows, *rest).difference(written(rows, *rest), bits=False)


def _is_rounding(name: str, found: Results, written: Pass, batch: Sequence[Array]) -> bool:
    """Whether one rounding of the rows changes the result about as much as the form does."""
    x, *rest = batch
    expected = written(x, *rest).arrays.get(name)
    if expected is None or not len(x) or found.arrays[name].dtype != expected.dtype:
        return False
    draws, moved = np.random.default_rng(len(x)), 0.0
    for _ in range(3):
        rounded = x * (1 + np.finfo(x.dtype).eps * draws.uniform(-1, 1, x.shape)).astype(x.dtype)
        nearby = written(rounded, *rest).arrays[name]
        moved = max(moved, float(np.abs(nearby - expected).max(initial=0)))
    return bool(np.abs(found.arrays[name] - expected).max(initial=0) <= _AMPLIFIED * moved)


def named(what: str, arrays: Mapping[str, Any]) -> dict[str, Array]:
    """Copies of ``arrays`` with the words for them, such as grads['W']."""
    return {f"{what}[{name!r}]": np.array(array) for name, array in arrays.items()}
