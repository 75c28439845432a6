"""Shortest decimals that read back as the same numbers, for a whole array at once.

NumPy formats float32 one by one, and slowly. Here a number is rounded to 6, 7, 8, 9 digits until it
reads back as the same float32; Python's ``repr`` of the nearest float64 then has just those digits.
"""

from __future__ import annotations

import numpy as np

from layerkit.core.context import Array

_SMALLEST, _LARGEST = 1e-14, 1e15  # between them the powers of ten below are exact in float64
_DIGITS = (6, 7, 8, 9)  # 6 always survive in float32, 9 distinguish all float32


def shortest_decimals(x: Array) -> Array:
    """(n,) float64 whose ``repr`` is the shortest decimal that reads back as the float ``x`` (n,).

    >>> shortest_decimals(np.array([0.1, 1 / 3, 16777216], np.float32)).tolist()
    [0.1, 0.33333334, 16777216.0]
    """
    with np.errstate(invalid="ignore"):  # some NaN
        wide = x.astype(np.float64)
    if x.dtype != np.float32:
        return wide
    size = np.abs(wide)
    usual = (size >= _SMALLEST) & (size < _LARGEST)
    unusual = np.flatnonzero(~usual & (size > 0) & np.isfinite(size))
    wide[unusual] = x[unusual].astype(str).astype(np.float64)
    places = np.flatnonzero(usual & (wide != np.rint(wide)) | (usual & (size >= 1 << 24)))
    for digits in _DIGITS:
        if not len(places):
            break
        rounded = _rounded(wide[places], digits)
        same = rounded.astype(np.float32) == x[places]
        wide[places[same]] = rounded[same]
        places = places[~same]
    return wide


def _rounded(wide: Array, digits: int) -> Array:
    """The float64 nearest to ``wide`` rounded to so many digits."""
    power = digits - 1 - np.floor(np.log10(np.abs(wide)))
    up, down = 10.0 ** np.maximum(power, 0), 10.0 ** np.maximum(-power, 0)
    nearest: Array = np.rint(wide * up / down) * down / up
    return nearest
