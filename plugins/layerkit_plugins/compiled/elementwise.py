"""Bias and activation in one pass, and the gradient through it, for ``dense`` and for carries.

All arrays are float32 in C order, shapes (o, n) and (o,).
"""

from __future__ import annotations

from typing import Any

from numba import njit

from layerkit_plugins.compiled import scalar as s

__all__ = ["activate", "activate_back"]


@njit(**s.ELEMENTWISE)
def _activate(f: Any, z: Any, b: Any) -> None:
    for j in range(z.shape[0]):
        for i in range(z.shape[1]):
            z[j, i] = f(z[j, i] + b[j])


@njit(**s.ELEMENTWISE)
def activate(code: int, z: Any, b: Any) -> None:
    """Z := f(z + b)."""
    if code == 0:
        _activate(s.relu, z, b)
    elif code == 1:
        _activate(s.tanh, z, b)
    elif code == 2:
        _activate(s.linear, z, b)
    else:
        _activate(s.sigmoid, z, b)


@njit(**s.ELEMENTWISE)
def _back(slope: Any, dy: Any, y: Any, dz: Any) -> None:
    for j in range(y.shape[0]):
        for i in range(y.shape[1]):
            dz[j, i] = dy[j, i] * slope(y[j, i])


@njit(**s.ELEMENTWISE)
def activate_back(code: int, dy: Any, y: Any, dz: Any) -> None:
    """Dz := dy * f'(z), told from y."""
    if code == 0:
        _back(s.relu_slope, dy, y, dz)
    elif code == 1:
        _back(s.tanh_slope, dy, y, dz)
    elif code == 2:
        _back(s.linear_slope, dy, y, dz)
    else:
        _back(s.sigmoid_slope, dy, y, dz)
