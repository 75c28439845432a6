"""Kernels of ``highway`` and ``projection``: everything between two matrix products.

One pass over memory with relu or tanh, two with another activation, so that the first training on a
machine need not wait for all their kernels. All arrays are float32 in C order: a, da (2 d, n)
with H above T, b (2 d,), the others (d, n). For ``slopes``, which may be empty, and ``rare`` see
``elementwise``.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from layerkit_plugins.compiled import scalar as s
from layerkit_plugins.compiled.elementwise import activate, activate_back

__all__ = ["carry", "carry_back", "carry_only"]

_ZERO, _ONE = np.float32(0), np.float32(1)


@njit(**s.ELEMENTWISE)
def _carry(f: Any, a: Any, b: Any, x: Any, P: Any, y: Any) -> None:
    d = x.shape[0]
    for j in range(d):
        for i in range(x.shape[1]):
            H = f(a[j, i] + b[j], _ZERO)
            C = _ONE / (_ONE + s.exp(a[d + j, i] + b[d + j]))
            p = C * (H - x[j, i])
            a[j, i] = H
            a[d + j, i] = C
            P[j, i] = p
            y[j, i] = H - p


@njit(**s.ELEMENTWISE)
def _left(b: Any, d: int) -> Any:
    """The biases that are still to be added after H."""
    rest = np.empty(2 * d, np.float32)
    for j in range(rest.size):
        rest[j] = b[j] if j >= d else _ZERO
    return rest


@njit(**s.ELEMENTWISE)
def carry(code: int, a: Any, b: Any, x: Any, P: Any, y: Any, slopes: Any, rare: Any) -> None:
    """Y = H - P, P = C (H - x); a, the products x W, becomes H above C."""
    d = x.shape[0]
    if code == 0:
        _carry(s.relu, a, b, x, P, y)
    elif code == 1:
        _carry(s.tanh, a, b, x, P, y)
    else:
        activate(code, a[:d], b[:d], slopes, rare)
        _carry(s.linear, a, _left(b, d), x, P, y)


@njit(**s.ELEMENTWISE)
def _carry_only(f: Any, a: Any, b: Any, x: Any, y: Any) -> None:
    d = x.shape[0]
    for j in range(d):
        for i in range(x.shape[1]):
            H = f(a[j, i] + b[j], _ZERO)
            y[j, i] = H - (H - x[j, i]) / (_ONE + s.exp(a[d + j, i] + b[d + j]))


@njit(**s.ELEMENTWISE)
def carry_only(code: int, a: Any, b: Any, x: Any, y: Any, rare: Any) -> None:
    """Same as ``carry`` where no backprop follows."""
    d = x.shape[0]
    if code == 0:
        _carry_only(s.relu, a, b, x, y)
    elif code == 1:
        _carry_only(s.tanh, a, b, x, y)
    else:
        activate(code, a[:d], b[:d], a[:0], rare)
        _carry_only(s.linear, a, _left(b, d), x, y)


@njit(**s.ELEMENTWISE)
def _carry_back(slope: Any, G: Any, a: Any, P: Any, da: Any, gC: Any) -> None:
    d = G.shape[0]
    for j in range(d):
        for i in range(G.shape[1]):
            g = G[j, i]
            q = g * a[d + j, i]
            gC[j, i] = q
            gH = g - q
            da[j, i] = gH * slope(a[j, i], _ZERO)
            da[d + j, i] = gH * P[j, i]


@njit(**s.ELEMENTWISE)
def carry_back(code: int, G: Any, a: Any, P: Any, da: Any, gC: Any, slopes: Any, rare: Any) -> None:
    """GC = G C, dH = (G - gC) f', dT = (G - gC) P; a holds H above C."""
    d = G.shape[0]
    if code == 0:
        _carry_back(s.relu_slope, G, a, P, da, gC)
    elif code == 1:
        _carry_back(s.tanh_slope, G, a, P, da, gC)
    else:
        _carry_back(s.linear_slope, G, a, P, da, gC)
        activate_back(code, da[:d], slopes if slopes.size else a[:d], da[:d], rare)
