"""Central differences: numerical derivatives, with an interval of right answers at kinks.

At each coordinate the one-sided differences are compared. Where they disagree, a smaller step
tells a bend (they then agree) from a kink (they still disagree). At a kink every number between
the two one-sided slopes is right; kinks are counted and reported.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from layerkit.core.context import Array

_STEP, _SMALL = 1e-5, 1e-7
_BEND = 1e-4  # one-sided slopes that differ by less, relative to the largest, are of a smooth place


@dataclass(frozen=True)
class Slopes:
    """Derivatives of a number by m coordinates, each (m,)."""

    value: Array  # central differences
    low: Array  # low to high is the interval of right answers, a point except at a kink
    high: Array
    kink: Array  # True where the function has no derivative

    def wrong(self, found: Array, tolerance: float) -> Array:
        """(m,) True where ``found`` is not a right answer, within ``tolerance`` of the largest."""
        scale = max(
            float(np.abs(self.value).max(initial=0.0)),
            float(np.abs(found[np.isfinite(found)]).max(initial=0.0)),
            1e-3,
        )
        slack = tolerance * scale
        with np.errstate(invalid="ignore"):  # NaN is outside of every interval
            right: Array = (found >= self.low - slack) & (found <= self.high + slack)
        return ~right

    def worst(self, found: Array, wrong: Array) -> int:
        """The coordinate where ``wrong`` is True and ``found`` is farthest off."""
        return int(np.argmax(np.where(wrong, np.abs(found - self.value), -1)))


def slopes(f: Callable[[int, float], float], count: int) -> Slopes:
    """Derivatives at 0 of f(i, t), where coordinate i is moved by t."""
    if count == 0:
        none: Array = np.zeros(0)
        return Slopes(none, none, none, np.zeros(0, bool))
    middle = f(0, 0.0)
    above = np.array([f(i, _STEP) for i in range(count)])
    below = np.array([f(i, -_STEP) for i in range(count)])
    value = (above - below) / (2 * _STEP)
    gap = np.abs(above - 2 * middle + below) / _STEP
    low, high, kink = value.copy(), value.copy(), np.zeros(count, bool)
    scale = max(float(np.abs(value).max()), 1e-3)
    for i in np.flatnonzero(gap > _BEND * scale):
        up, down = f(int(i), _SMALL), f(int(i), -_SMALL)
        right, left = (up - middle) / _SMALL, (middle - down) / _SMALL
        value[i] = (up - down) / (2 * _SMALL)
        kink[i] = abs(right - left) > 0.3 * gap[i]
        low[i], high[i] = (min(left, right), max(left, right)) if kink[i] else (value[i], value[i])
    return Slopes(value, low, high, kink)


def slopes_of(f: Callable[[], float], values: Array, places: Array | None = None) -> Slopes:
    """Derivatives of f() by the elements of ``values``, or those at flat ``places``.

    f reads ``values``, whose elements are moved one by one and put back.
    """
    places = np.arange(values.size) if places is None else places
    return slopes(_moving(f, values, places), len(places))


def finer_slopes_of(f: Callable[[], float], values: Array, places: Array) -> Array:
    """The same derivatives where the function bends much: the error falls by the step's 4th power.

    Not for places on a kink.
    """
    moved = _moving(f, values, places)

    def along(step: float) -> Array:
        above, below = (np.array([moved(i, s) for i in range(len(places))]) for s in (step, -step))
        found: Array = (above - below) / (2 * step)
        return found

    return (4 * along(_STEP / 2) - along(_STEP)) / 3


def _moving(f: Callable[[], float], values: Array, places: Array) -> Callable[[int, float], float]:
    """A function of i and t: f() while the element of ``values`` at place i is moved by t."""
    index = [np.unravel_index(place, values.shape) for place in places]

    def moved(i: int, step: float) -> float:
        kept = values[index[i]]
        values[index[i]] = kept + step
        try:
            return f()
        finally:
            values[index[i]] = kept

    return moved


def kink_note(kinks: int, coordinates: int) -> str | None:
    """The note of a check that passed, if some of its coordinates lie on a kink."""
    if not kinks:
        return None
    return f"{kinks} of {coordinates} coordinates lie on a kink, where a range was allowed"
