"""Kernels of ``highway`` and ``projection``: everything between two matrix products in one pass.

All arrays are float32 in C order: a, da (2 d, n) with H above T, b (2 d,), the others (d, n).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from layerkit_plugins.compiled import scalar as s

__all__ = ["carry", "carry_back", "carry_only"]

_ONE = np.float32(1)


@njit(**s.ELEMENTWISE)
def _carry(f: Any, a: Any, b: Any, x: Any, P: Any, y: Any) -> None:
    d = x.shape[0]
    for j in range(d):
        for i in range(x.shape[1]):
            H = f(a[j, i] + b[j])
            C = _ONE / (_ONE + s.exp(a[d + j, i] + b[d + j]))
            p = C * (H - x[j, i])
            a[j, i] = H
            a[d + j, i] = C
            P[j, i] = p
            y[j, i] = H - p


@njit(**s.ELEMENTWISE)
def carry(code: int, a: Any, b: Any, x: Any, P: Any, y: Any) -> None:
    """Y = H - P, P = C (H - x); a, the products x W, becomes H above C."""
    if code == 0:
        _carry(s.relu, a, b, x, P, y)
    elif code == 1:
        _carry(s.tanh, a, b, x, P, y)
    elif code == 2:
        _carry(s.linear, a, b, x, P, y)
    else:
        _carry(s.sigmoid, a, b, x, P, y)


@njit(**s.ELEMENTWISE)
def _carry_only(f: Any, a: Any, b: Any, x: Any, y: Any) -> None:
    d = x.shape[0]
    for j in range(d):
        for i in range(x.shape[1]):
            H = f(a[j, i] + b[j])
            y[j, i] = H - (H - x[j, i]) / (_ONE + s.exp(a[d + j, i] + b[d + j]))


@njit(**s.ELEMENTWISE)
def carry_only(code: int, a: Any, b: Any, x: Any, y: Any) -> None:
    """As ``carry`` where no backprop follows."""
    if code == 0:
        _carry_only(s.relu, a, b, x, y)
    elif code == 1:
        _carry_only(s.tanh, a, b, x, y)
    elif code == 2:
        _carry_only(s.linear, a, b, x, y)
    else:
        _carry_only(s.sigmoid, a, b, x, y)


@njit(**s.ELEMENTWISE)
def _carry_back(slope: Any, G: Any, a: Any, P: Any, da: Any, gC: Any) -> None:
    d = G.shape[0]
    for j in range(d):
        for i in range(G.shape[1]):
            g = G[j, i]
            q = g * a[d + j, i]
            gC[j, i] = q
            gH = g - q
            da[j, i] = gH * slope(a[j, i])
            da[d + j, i] = gH * P[j, i]


@njit(**s.ELEMENTWISE)
def carry_back(code: int, G: Any, a: Any, P: Any, da: Any, gC: Any) -> None:
    """GC = G C, dH = (G - gC) f', dT = (G - gC) P; a holds H above C."""
    if code == 0:
        _carry_back(s.relu_slope, G, a, P, da, gC)
    elif code == 1:
        _carry_back(s.tanh_slope, G, a, P, da, gC)
    elif code == 2:
        _carry_back(s.linear_slope, G, a, P, da, gC)
    else:
        _carry_back(s.sigmoid_slope, G, a, P, da, gC)
