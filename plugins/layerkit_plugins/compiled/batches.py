"""Whole networks on a batch in one compiled call, without the interpreter between the products.

Memory is feature-major: arrays are (features, n) in C order, one after another in ``work``. The
table has one line per layer: kind, activation, activation of the carry (projection), whether it has
all its biases, where its parameters start in the flat vector, width of its input, width of its
output, then where in ``work`` its products, its P = C (H - x), its output and, if they are kept,
the slopes of its activation start. Kinds and the layout of parameters are those of ``rows``.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from layerkit_plugins.compiled import DENSE, HIGHWAY
from layerkit_plugins.compiled import scalar as s
from layerkit_plugins.compiled.blas import product
from layerkit_plugins.compiled.elementwise import activate, activate_back, keeps_slope
from layerkit_plugins.compiled.gates import carry, carry_back, carry_only

__all__ = ["backprop", "feed"]

_ZERO, _ONE = np.float32(0), np.float32(1)


@njit(**s.ELEMENTWISE)
def _biases(p: Any, at: int, kind: int, o: int, biased: int) -> Any:
    """The biases of all column blocks, which start at ``at`` in p; 0 where a layer has none."""
    if biased:
        return p[at : at + kind * o]
    b = np.empty(kind * o, np.float32)
    for j in range(b.size):  # bT, the second block, is always there
        b[j] = p[at + j - o] if kind != DENSE and o <= j < 2 * o else _ZERO
    return b


@njit(**s.ELEMENTWISE)
def _slopes(work: Any, at: int, o: int, n: int, code: int) -> Any:
    """The memory of the slopes of an activation, (o, n); empty if none are kept."""
    size = o if keeps_slope(code) else 0
    return work[at : at + size * n].reshape(size, n)


@njit(**s.ELEMENTWISE)
def feed(
    sgemm: int,
    table: Any,
    p: Any,
    x: Any,
    first: int,
    work: Any,
    out: Any,
    keeps: bool,
    rare: Any,
) -> None:
    """Scores ``out`` (n, k) of the rows x (n, i).

    ``first`` is where in ``work`` to put a transposed copy of x, unless it is negative; see
    ``elementwise`` for ``rare``.
    """
    n, params, memory = x.shape[0], p.ctypes.data, work.ctypes.data
    source, turned = x.ctypes.data, True
    if first >= 0:
        X = work[first : first + x.size].reshape(x.shape[1], n)
        for j in range(n):
            for i in range(x.shape[1]):
                X[i, j] = x[j, i]
        source, turned = memory + 4 * first, False
    at_x = first
    for layer in range(table.shape[0]):
        kind, f, fA, biased, at, i, o, at_a, at_P, at_y, at_slopes = table[layer]
        w = kind * o
        X_, W_ = (source, i if turned else n), (params + 4 * at, w)
        product(sgemm, True, turned, w, n, i, W_, X_, (memory + 4 * at_a, n, _ZERO))
        a = work[at_a : at_a + w * n].reshape(w, n)
        b = _biases(p, at + i * w, kind, o, biased)
        slopes = _slopes(work, at_slopes, o if keeps else 0, n, f)
        if kind == DENSE:
            activate(f, a, b, slopes, rare)
        else:
            y = work[at_y : at_y + o * n].reshape(o, n)
            if kind == HIGHWAY:
                X = work[at_x : at_x + o * n].reshape(o, n)
            else:
                X = a[2 * o :]
                activate(fA, X, b[2 * o :], X[:0], rare)
            if keeps:
                carry(f, a, b, X, work[at_P : at_P + o * n].reshape(o, n), y, slopes, rare)
            else:
                carry_only(f, a, b, X, y, rare)
        source, turned, at_x = memory + 4 * at_y, False, at_y
    y = work[at_x : at_x + out.size].reshape(out.shape[1], n)
    for j in range(n):
        for i in range(out.shape[1]):
            out[j, i] = y[i, j]


@njit(**s.REDUCING)
def _sum_rows(z: Any, out: Any) -> None:
    for j in range(z.shape[0]):
        total = _ZERO
        for i in range(z.shape[1]):
            total += z[j, i]
        out[j] = total


@njit(**s.ELEMENTWISE)
def backprop(
    sgemm: int,
    table: Any,
    p: Any,
    x: Any,
    first: int,
    work: Any,
    scratch: Any,
    dy: Any,
    g: Any,
    wants_dx: bool,
    rare: Any,
) -> None:
    """Gradients g (m,) of the parameters for dy (n, k), after ``feed`` of the same rows x.

    ``scratch`` (5, w n), w the greatest width, holds the gradient for x (i, n) afterwards, if it is
    wanted: in its first row for an even number of layers, in its second for an odd one.
    """
    n, params, memory, grads = x.shape[0], p.ctypes.data, work.ctypes.data, g.ctypes.data
    G, D, big = scratch[0], scratch[1], scratch[2:].reshape(-1)
    for j in range(n):
        for i in range(dy.shape[1]):
            G[i * n + j] = dy[j, i]
    for layer in range(table.shape[0] - 1, -1, -1):
        kind, f, fA, biased, at, i, o, at_a, at_P, _, at_slopes = table[layer]
        w = kind * o
        a = work[at_a : at_a + w * n].reshape(w, n)
        dy_ = G[: o * n].reshape(o, n)
        da = big[: w * n].reshape(w, n)
        slopes = _slopes(work, at_slopes, o, n, f)
        if kind == DENSE:
            activate_back(f, dy_, slopes if slopes.size else a, da, rare)
        else:
            P = work[at_P : at_P + o * n].reshape(o, n)
            if kind == HIGHWAY:
                carry_back(f, dy_, a, P, da, D[: o * n].reshape(o, n), slopes, rare)
            else:
                carry_back(f, dy_, a, P, da, dy_, slopes, rare)
                activate_back(fA, dy_, a[2 * o :], da[2 * o :], rare)
        if biased:
            _sum_rows(da, g[at + i * w : at + i * w + w])
        elif kind != DENSE:
            _sum_rows(da[o : 2 * o], g[at + i * w : at + i * w + o])
        if layer > 0:
            X_, turned = (memory + 4 * table[layer - 1, 9], n), False
        elif first >= 0:
            X_, turned = (memory + 4 * first, n), False
        else:
            X_, turned = (x.ctypes.data, i), True
        da_ = da.ctypes.data, n
        product(sgemm, turned, True, i, w, n, X_, da_, (grads + 4 * at, w, _ZERO))
        if layer > 0 or wants_dx:
            # D holds gC already, so that the product only adds: dx = gC + W da.
            beta = _ONE if kind == HIGHWAY else _ZERO
            W_ = params + 4 * at, w
            product(sgemm, False, False, i, n, w, W_, da_, (D.ctypes.data, n, beta))
            G, D = D, G
