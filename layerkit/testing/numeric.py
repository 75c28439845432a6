"""Slopes by central differences, and what to make of a place where there is none.

At each coordinate the differences to both sides are compared. Where they disagree, a smaller step
tells a bend (they then agree) from a kink (they still do not). At a kink any number between the two
one-sided slopes is a right answer; kinks are counted and never hidden.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from layerkit.core.layer import Array

__all__ = ["Slopes", "slopes"]

_STEP, _SMALL = 1e-5, 1e-7
_BEND = 1e-4  # one-sided slopes that differ by less, relative to the largest, are of a smooth place


@dataclass(frozen=True)
class Slopes:
    """Derivatives (m,) of a number by m coordinates.

    Attributes
    ----------
    value
        (m,) central differences.
    low, high
        (m,) the interval of right answers; both are ``value`` but at a kink.
    kink
        (m,) True where the function has no slope.
    """

    value: Array
    low: Array
    high: Array
    kink: Array

    def wrong(self, found: Array, tolerance: float) -> Array:
        """(m,) True where ``found`` is not a right answer, within ``tolerance`` of the largest."""
        scale = max(
            float(np.abs(self.value).max(initial=0.0)),
            float(np.abs(found[np.isfinite(found)]).max(initial=0.0)),
            1e-3,
        )
        with np.errstate(invalid="ignore"):
            fits = (found >= self.low - tolerance * scale) & (
                found <= self.high + tolerance * scale
            )
        outside: Array = ~fits
        return outside


def slopes(f: Callable[[int, float], float], count: int) -> Slopes:
    """Derivatives at 0 of f(i, t), the number when coordinate i is moved by t."""
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
