"""Numbers in the shortest decimals that give them back, many at a time.

NumPy spells float32 one by one, and slowly. Here the digits of a whole array are found at once: a
number is rounded to 6, 7, 8, 9 digits until it reads back as the same float32. The float64 nearest
to those digits is then spelled by Python, which gives just these digits.
"""

from __future__ import annotations

import numpy as np

from layerkit.core.layer import Array

__all__ = ["shortest"]

_SMALLEST, _LARGEST = 1e-14, 1e15  # between them the powers of ten below are exact in float64
_DIGITS = (6, 7, 8, 9)  # of float32: 6 survive from decimal to binary and back, 9 tell all apart


def shortest(x: Array) -> Array:
    """float64 numbers whose ``repr`` is the shortest decimal that reads back as ``x``.

    Parameters
    ----------
    x
        (n,) float32 or float64.

    Returns
    -------
    Array
        (n,) float64.

    >>> shortest(np.array([0.1, 1 / 3, 16777216], np.float32)).tolist()
    [0.1, 0.33333334, 16777216.0]
    """
    with np.errstate(invalid="ignore"):  # some NaN
        wide = x.astype(np.float64)
    if x.dtype != np.float32:
        return wide
    size = np.abs(wide)
    usual = (size >= _SMALLEST) & (size < _LARGEST)
    odd = np.flatnonzero(~usual & (size > 0) & np.isfinite(size))
    wide[odd] = x[odd].astype(str).astype(np.float64)
    places = np.flatnonzero(usual & (wide != np.rint(wide)) | (usual & (size >= 1 << 24)))
    for digits in _DIGITS:
        if not len(places):
            break
        found = _rounded(wide[places], digits)
        same = found.astype(np.float32) == x[places]
        wide[places[same]] = found[same]
        places = places[~same]
    return wide


def _rounded(wide: Array, digits: int) -> Array:
    """``wide`` rounded to so many digits, the float64 nearest to that decimal."""
    power = digits - 1 - np.floor(np.log10(np.abs(wide)))
    up, down = 10.0 ** np.maximum(power, 0), 10.0 ** np.maximum(-power, 0)
    nearest: Array = np.rint(wide * up / down) * down / up
    return nearest
