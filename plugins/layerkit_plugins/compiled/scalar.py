"""Functions of one float32 that numba inlines into the loops of the other modules.

``exp`` and its kin are written out because a call into the C library for each element keeps a loop
from being vectorised: with n = round(x / ln 2) and r = x - n ln 2 in two parts, e^r - 1 is its
Taylor sum to degree 7 (error 5e-9 of e^r for |r| <= ln 2 / 2) and 2^n is made from its bits.
Comparisons are written so that NaN passes through: what diverges must be seen.

numba keeps compiled code until the file of the calling kernel changes, not this one: after an edit
here, delete the files ``*.nbi`` beside it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

__all__ = ["ELEMENTWISE", "REDUCING", "exp", "linear", "relu", "sigmoid", "tanh"]

# No assumption that NaN or infinity do not occur. Sums may be reordered only where asked for.
ELEMENTWISE: dict[str, Any] = {
    "fastmath": {"contract", "nsz"},
    "error_model": "numpy",
    "nogil": True,
    "cache": True,
}
REDUCING: dict[str, Any] = {**ELEMENTWISE, "fastmath": {"contract", "nsz", "reassoc"}}

_f = np.float32
_LOW, _HIGH = _f(-87.3), _f(88.0)  # n from -126 to 127: 2^n is a normal number
_PER_LN2 = _f(1 / 0.6931471805599453)
_LN2_HIGH, _LN2_LOW = _f(0.693359375), _f(-2.1219444005469058e-4)
_C2, _C3, _C4, _C5, _C6, _C7 = (_f(1 / k) for k in (2, 6, 24, 120, 720, 5040))
_ZERO, _HALF, _ONE, _TWO = _f(0), _f(0.5), _f(1), _f(2)
_FLAT = _f(9.02)  # tanh is 1 beyond


@njit(inline="always")
def _parts(x: Any) -> Any:
    """(2^n, e^r - 1) for x in the range of exp."""
    n = np.floor(x * _PER_LN2 + _HALF)
    r = x - n * _LN2_HIGH
    r = r - n * _LN2_LOW
    q = _C2 + r * (_C3 + r * (_C4 + r * (_C5 + r * (_C6 + r * _C7))))
    power = np.int32((np.int32(n) + np.int32(127)) << np.int32(23)).view(np.float32)
    return power, r + r * r * q


@njit(inline="always")
def exp(x: Any) -> Any:
    """e^x; beyond the range of float32 its largest or smallest normal value."""
    x = _LOW if x < _LOW else x
    x = _HIGH if x > _HIGH else x
    power, rest = _parts(x)
    return power * rest + power


@njit(inline="always")
def relu(z: Any) -> Any:
    """max(z, 0)."""
    return _ZERO if z < _ZERO else z


@njit(inline="always")
def tanh(z: Any) -> Any:
    """Tanh z = m / (m + 2), m = e^(2 z) - 1; all digits are kept near 0."""
    z = -_FLAT if z < -_FLAT else z
    z = _FLAT if z > _FLAT else z
    power, rest = _parts(_TWO * z)
    m = power * rest + (power - _ONE)
    return m / (m + _TWO)


@njit(inline="always")
def linear(z: Any) -> Any:
    """Z."""
    return z


@njit(inline="always")
def sigmoid(z: Any) -> Any:
    """1 / (1 + e^-z)."""
    return _ONE / (_ONE + exp(-z))


@njit(inline="always")
def relu_slope(y: Any) -> Any:
    """1 where y > 0, else 0."""
    return _ONE if y > _ZERO else _ZERO


@njit(inline="always")
def tanh_slope(y: Any) -> Any:
    """1 - y^2."""
    return _ONE - y * y


@njit(inline="always")
def linear_slope(y: Any) -> Any:
    """1."""
    return _ONE


@njit(inline="always")
def sigmoid_slope(y: Any) -> Any:
    """Y (1 - y)."""
    return y * (_ONE - y)
