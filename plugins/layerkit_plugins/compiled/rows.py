"""Whole networks on one row in one compiled call, up to the probabilities: 4 to 5 times as fast as
NumPy, which spends its time between the operations there.

The table has one line per layer: kind, activation, activation of the carry (projection), whether it
has all its biases, where its parameters start in the flat vector, width of its input, width of its
output. Parameters are in the order that the layers plan: the matrix (i, k o) with its k column
blocks, then the k biases, or else that of the gate, if there is one.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit

from layerkit_plugins.compiled import DENSE, HIGHWAY
from layerkit_plugins.compiled import scalar as s
from layerkit_plugins.compiled.elementwise import activate

__all__ = ["program"]

_ZERO, _ONE = np.float32(0), np.float32(1)
_NONE = np.zeros(1, np.float32)


@njit(**s.REDUCING)
def _affine(p: Any, at: int, i: int, width: int, x: Any, z: Any) -> None:
    """Z += x W; four rows of W at a time, which reads and writes z a quarter as often."""
    whole = i - i % 4
    for k in range(0, whole, 4):
        x0, x1, x2, x3 = x[k], x[k + 1], x[k + 2], x[k + 3]
        r0 = p[at + k * width : at + (k + 1) * width]
        r1 = p[at + (k + 1) * width : at + (k + 2) * width]
        r2 = p[at + (k + 2) * width : at + (k + 3) * width]
        r3 = p[at + (k + 3) * width : at + (k + 4) * width]
        for j in range(width):
            z[j] += x0 * r0[j] + x1 * r1[j] + x2 * r2[j] + x3 * r3[j]
    for k in range(whole, i):
        row = p[at + k * width : at + (k + 1) * width]
        for j in range(width):
            z[j] += x[k] * row[j]


@njit(**s.ELEMENTWISE)
def _start(p: Any, b: int, kind: int, o: int, biased: int, z: Any) -> None:
    """Z := the biases, which start at ``b``."""
    for j in range(kind * o):
        z[j] = p[b + j] if biased else _ZERO
    if not biased and kind != DENSE:
        for j in range(o):
            z[o + j] = p[b + j]


@njit(**s.ELEMENTWISE)
def _activate(code: int, z: Any, rare: Any) -> None:
    if code == 0:
        for j in range(z.size):
            z[j] = s.relu(z[j], _ZERO)
    elif code == 1:
        for j in range(z.size):
            z[j] = s.tanh(z[j], _ZERO)
    elif code != 2:
        one = z.reshape(1, z.size)
        activate(code, one, _NONE, one[:0], rare)


@njit(**s.ELEMENTWISE)
def _carry(H: Any, aT: Any, x: Any, y: Any) -> None:
    for j in range(y.size):
        y[j] = H[j] - (H[j] - x[j]) / (_ONE + s.exp(aT[j]))


@njit(**s.ELEMENTWISE)
def _softmax(y: Any) -> bool:
    """Y := softmax(y); whether all are finite."""
    top = y[0]
    for j in range(y.size):
        top = max(top, y[j])
    total = np.float32(0)
    for j in range(y.size):
        y[j] = math.exp(y[j] - top)  # the C library's, as s.exp has no subnormal results
        total += y[j]
    for j in range(y.size):
        y[j] /= total
    return not math.isnan(total)


@njit(**s.ELEMENTWISE)
def _finite(x: Any) -> bool:
    odd = 0
    for k in range(x.size):
        odd += x[k] - x[k] != 0
    return odd == 0


@njit(**s.ELEMENTWISE)
def program(table: Any, width: int, p: Any, row: Any, predicted: Any, link: int, rare: Any) -> bool:
    """Write into ``predicted`` (1, k) what the layers and the link give for ``row`` (1, i).

    ``width`` is that of the widest layer, ``p`` are all parameters; for ``rare`` see
    ``elementwise``. The link is 0 (identity), 1 (softmax) or 2 (sigmoid). False, and
    ``predicted`` is meaningless, if a number of ``row`` or of the softmax is not finite.
    """
    x, out = row[0], predicted[0]
    if not _finite(x):
        return False
    last = table.shape[0] - 1
    scratch = np.empty(5 * width, np.float32)  # per call, as threads share the model
    z, h, half = scratch[: 3 * width], scratch[3 * width :], width
    for layer in range(table.shape[0]):
        kind, f, fA, biased, at, i, o = table[layer]
        _start(p, at + i * kind * o, kind, o, biased, z)
        _affine(p, at, i, kind * o, x, z)
        _activate(f, z[:o], rare)
        if layer == last:
            y = out
        elif layer % 2:
            y = h[half : half + o]
        else:
            y = h[:o]
        if kind == DENSE:
            for j in range(o):
                y[j] = z[j]
        elif kind == HIGHWAY:
            _carry(z[:o], z[o : 2 * o], x, y)
        else:
            _activate(fA, z[2 * o : 3 * o], rare)
            _carry(z[:o], z[o : 2 * o], z[2 * o : 3 * o], y)
        x = y
    if link == 1 and not _softmax(out):
        return False
    if link == 2:
        _activate(3, out, rare)
    return True
