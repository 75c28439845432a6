"""Bias and activation in one pass, and the gradient through it.

All arrays are float32 in C order, shapes (o, n) and (o,). An activation is given by its code, see
``code_of``. Its slope is computed from its output, or, where that is not possible
(``KEEPS_SLOPE``), stored by ``activate``.

``rare`` is None if only the common activations occur, else 0: numba compiles a function for each
type of its arguments and leaves out what cannot be reached with None, so that a first training need
not wait for the kernels of all the others.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from layerkit_plugins.compiled import KEEPS_SLOPE
from layerkit_plugins.compiled import scalar as s

__all__ = ["activate", "activate_back", "keeps_slope", "setting"]


@njit(inline="always")
def keeps_slope(code: int) -> bool:
    """Whether the slope cannot be computed from the output."""
    return code & 255 >= KEEPS_SLOPE


@njit(inline="always")
def setting(code: int) -> Any:
    """The setting in a code."""
    return np.int32(code >> 8).view(np.float32)


@njit(**s.ELEMENTWISE)
def _activate(f: Any, c: Any, z: Any, b: Any) -> None:
    for j in range(z.shape[0]):
        for i in range(z.shape[1]):
            z[j, i] = f(z[j, i] + b[j], c)


@njit(**s.ELEMENTWISE)
def _activate_keeping(f: Any, slope: Any, c: Any, z: Any, b: Any, slopes: Any) -> None:
    for j in range(z.shape[0]):
        for i in range(z.shape[1]):
            v = z[j, i] + b[j]
            slopes[j, i] = slope(v, c)
            z[j, i] = f(v, c)


@njit(**s.ELEMENTWISE)
def _activate_rare(number: int, c: Any, z: Any, b: Any, slopes: Any) -> None:
    keeps = slopes.size > 0
    if number == 4:
        _activate(s.elu, c, z, b)
    elif number == 5:
        _activate(s.selu, c, z, b)
    elif number == 6:
        _activate(s.leaky_relu, c, z, b)
    elif number == 7:
        _activate(s.softplus, c, z, b)
    elif number == 8 and keeps:
        _activate_keeping(s.silu, s.silu_slope, c, z, b, slopes)
    elif number == 8:
        _activate(s.silu, c, z, b)
    elif number == 9 and keeps:
        _activate_keeping(s.gelu, s.gelu_slope, c, z, b, slopes)
    elif number == 9:
        _activate(s.gelu, c, z, b)


@njit(**s.ELEMENTWISE)
def activate(code: int, z: Any, b: Any, slopes: Any, rare: Any) -> None:
    """Z := f(z + b); ``slopes`` := f'(z + b) if it must be stored and ``slopes`` is not empty."""
    number, c = code & 255, setting(code)
    if number == 0:
        _activate(s.relu, c, z, b)
    elif number == 1:
        _activate(s.tanh, c, z, b)
    elif number == 2:
        _activate(s.linear, c, z, b)
    elif number == 3:
        _activate(s.sigmoid, c, z, b)
    elif rare is not None:
        _activate_rare(number, c, z, b, slopes)


@njit(**s.ELEMENTWISE)
def _back(slope: Any, c: Any, dy: Any, y: Any, dz: Any) -> None:
    for j in range(y.shape[0]):
        for i in range(y.shape[1]):
            dz[j, i] = dy[j, i] * slope(y[j, i], c)


@njit(**s.ELEMENTWISE)
def _back_rare(number: int, c: Any, dy: Any, y: Any, dz: Any) -> None:
    if number == 4:
        _back(s.elu_slope, c, dy, y, dz)
    elif number == 5:
        _back(s.selu_slope, c, dy, y, dz)
    elif number == 6:
        _back(s.leaky_relu_slope, c, dy, y, dz)
    elif number == 7:
        _back(s.softplus_slope, c, dy, y, dz)
    else:
        _back(s.linear, c, dy, y, dz)


@njit(**s.ELEMENTWISE)
def activate_back(code: int, dy: Any, y: Any, dz: Any, rare: Any) -> None:
    """Dz := dy * f'(z), computed from y, the output or the stored slopes."""
    number, c = code & 255, setting(code)
    if number == 0:
        _back(s.relu_slope, c, dy, y, dz)
    elif number == 1:
        _back(s.tanh_slope, c, dy, y, dz)
    elif number == 2:
        _back(s.linear_slope, c, dy, y, dz)
    elif number == 3:
        _back(s.sigmoid_slope, c, dy, y, dz)
    elif rare is not None:
        _back_rare(number, c, dy, y, dz)
