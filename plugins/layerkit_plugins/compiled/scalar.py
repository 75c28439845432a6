"""Functions of one float32 that numba inlines into the loops of the other modules.

``exp`` and its relatives are written out because a call into the C library for each element keeps a
loop from being vectorised: with n = round(x / ln 2) and r = x - n ln 2 in two parts, e^r - 1 is its
Taylor sum to degree 7 (error 5e-9 of e^r for |r| <= ln 2 / 2) and 2^n is made from its bits.
Comparisons let NaN pass, so that divergence shows.

numba keeps compiled code until the file of the calling kernel changes, not this one: after an edit
here, delete the files ``*.nbi`` beside it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

__all__ = ["ELEMENTWISE", "REDUCING", "exp"]

# NaN and infinity may occur. Sums may be reordered only by REDUCING.
ELEMENTWISE: dict[str, Any] = {
    "fastmath": {"contract", "nsz"},
    "error_model": "numpy",
    "nogil": True,
    "cache": True,
}
REDUCING: dict[str, Any] = {**ELEMENTWISE, "fastmath": {"contract", "nsz", "reassoc"}}

# "inline" for calls that numba sees, "forceinline" (LLVM) for functions passed as arguments.
inlined = njit(inline="always", forceinline=True)

_f = np.float32
_LOW, _HIGH = _f(-87.3), _f(88.0)  # n from -126 to 127: 2^n is a normal number
_PER_LN2 = _f(1 / 0.6931471805599453)
_LN2_HIGH, _LN2_LOW = _f(0.693359375), _f(-2.1219444005469058e-4)
_C2, _C3, _C4, _C5, _C6, _C7 = (_f(1 / k) for k in (2, 6, 24, 120, 720, 5040))
_ZERO, _HALF, _ONE, _TWO = _f(0), _f(0.5), _f(1), _f(2)
_FLAT = _f(9.02)  # tanh is 1 beyond
_A3, _A5, _A7, _A9, _A11, _A13, _A15 = (_f(1 / k) for k in range(3, 16, 2))
_LAMBDA, _LAMBDA_ALPHA = _f(1.0507009873554805), _f(1.0507009873554805 * 1.6732632423543772)
_ROOT_HALF, _PER_ROOT_2PI = _f(0.7071067811865476), _f(0.3989422804014327)
_E0, _E1, _E2, _E3 = _f(-1.26551223), _f(1.00002368), _f(0.37409196), _f(0.09678418)
_E4, _E5, _E6 = _f(-0.18628806), _f(0.27886807), _f(-1.13520398)
_E7, _E8, _E9 = _f(1.48851587), _f(-0.82215223), _f(0.17087277)


@inlined
def _parts(x: Any) -> Any:
    """(2^n, e^r - 1) for x in the range of exp."""
    n = np.floor(x * _PER_LN2 + _HALF)
    r = x - n * _LN2_HIGH
    r = r - n * _LN2_LOW
    q = _C2 + r * (_C3 + r * (_C4 + r * (_C5 + r * (_C6 + r * _C7))))
    power = np.int32((np.int32(n) + np.int32(127)) << np.int32(23)).view(np.float32)
    return power, r + r * r * q


@inlined
def exp(x: Any) -> Any:
    """e^x; beyond the range of float32 its largest or smallest normal value."""
    x = _LOW if x < _LOW else x
    x = _HIGH if x > _HIGH else x
    power, rest = _parts(x)
    return power * rest + power


@inlined
def expm1(x: Any) -> Any:
    """e^x - 1, in the range of ``exp``; all digits are kept near 0."""
    x = _LOW if x < _LOW else x
    x = _HIGH if x > _HIGH else x
    power, rest = _parts(x)
    return power * rest + (power - _ONE)


@inlined
def log1p(e: Any) -> Any:
    """Log(1 + e) for e in [0, 1]: 2 artanh s, s = e / (2 + e), as its Taylor sum to degree 15."""
    s = e / (_TWO + e)
    q = s * s
    rest = _A3 + q * (_A5 + q * (_A7 + q * (_A9 + q * (_A11 + q * (_A13 + q * _A15)))))
    return _TWO * s * (_ONE + q * rest)


# The activations f(z, c) with the setting c, and their slopes, computed from y; those of ``silu``
# and ``gelu`` from z.


@inlined
def relu(z: Any, c: Any) -> Any:
    """max(z, 0)."""
    return _ZERO if z < _ZERO else z


@inlined
def tanh(z: Any, c: Any) -> Any:
    """Tanh z = m / (m + 2), m = e^(2 z) - 1; all digits are kept near 0."""
    z = -_FLAT if z < -_FLAT else z
    z = _FLAT if z > _FLAT else z
    power, rest = _parts(_TWO * z)
    m = power * rest + (power - _ONE)
    return m / (m + _TWO)


@inlined
def linear(z: Any, c: Any) -> Any:
    """Z."""
    return z


@inlined
def sigmoid(z: Any, c: Any) -> Any:
    """1 / (1 + e^-z)."""
    return _ONE / (_ONE + exp(-z))


@inlined
def elu(z: Any, c: Any) -> Any:
    """Z above 0, c (e^z - 1) below."""
    return z if z > _ZERO else c * expm1(z)


@inlined
def selu(z: Any, c: Any) -> Any:
    """``elu`` with its own constants alpha and lambda, a factor."""
    return _LAMBDA * z if z > _ZERO else _LAMBDA_ALPHA * expm1(z)


@inlined
def leaky_relu(z: Any, c: Any) -> Any:
    """Z above 0, c z below."""
    return z if z > _ZERO else c * z


@inlined
def softplus(z: Any, c: Any) -> Any:
    """Log(1 + e^z)."""
    return relu(z, c) + log1p(exp(-abs(z)))


@inlined
def silu(z: Any, c: Any) -> Any:
    """Z sigma(z)."""
    return z * sigmoid(z, c)


@inlined
def _normal_tail(z: Any) -> Any:
    """1 - Phi(|z|), of the standard normal; relative error 2e-7 where z^2 is small.

    By erfc x = t exp(-x^2 + P(t)), t = 1 / (1 + x / 2): Press, Teukolsky, Vetterling, Flannery,
    "Numerical Recipes in C" (1992), section 6.2.
    """
    x = abs(z) * _ROOT_HALF
    t = _ONE / (_ONE + _HALF * x)
    p = _E5 + t * (_E6 + t * (_E7 + t * (_E8 + t * _E9)))
    p = _E0 + t * (_E1 + t * (_E2 + t * (_E3 + t * (_E4 + t * p))))
    return _HALF * t * exp(p - _HALF * z * z)


@inlined
def gelu(z: Any, c: Any) -> Any:
    """Z Phi(z)."""
    return relu(z, c) - abs(z) * _normal_tail(z)


@inlined
def relu_slope(y: Any, c: Any) -> Any:
    """1 where y > 0, else 0."""
    return _ONE if y > _ZERO else _ZERO


@inlined
def tanh_slope(y: Any, c: Any) -> Any:
    """1 - y^2."""
    return _ONE - y * y


@inlined
def linear_slope(y: Any, c: Any) -> Any:
    """1."""
    return _ONE


@inlined
def sigmoid_slope(y: Any, c: Any) -> Any:
    """Y (1 - y)."""
    return y * (_ONE - y)


@inlined
def elu_slope(y: Any, c: Any) -> Any:
    """1 above 0, y + c below."""
    return _ONE if y > _ZERO else y + c


@inlined
def selu_slope(y: Any, c: Any) -> Any:
    """Lambda above 0, y + lambda alpha below."""
    return _LAMBDA if y > _ZERO else y + _LAMBDA_ALPHA


@inlined
def leaky_relu_slope(y: Any, c: Any) -> Any:
    """1 above 0, c below."""
    return _ONE if y > _ZERO else c


@inlined
def softplus_slope(y: Any, c: Any) -> Any:
    """1 - e^-y."""
    return -expm1(-y)


@inlined
def silu_slope(z: Any, c: Any) -> Any:
    """Sigma(z) (1 + z (1 - sigma(z)))."""
    y = sigmoid(z, c)
    return y * (_ONE + z * (_ONE - y))


@inlined
def gelu_slope(z: Any, c: Any) -> Any:
    """Phi(z) + z phi(z)."""
    tail = _normal_tail(z)
    return (_ONE - tail if z > _ZERO else tail) + z * _PER_ROOT_2PI * exp(-_HALF * z * z)
