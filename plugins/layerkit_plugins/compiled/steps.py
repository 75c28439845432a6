"""Kernels of the optimizers: one pass over parameter, gradient and moments.

All arrays are (m,) of one dtype; the other arguments are of that dtype too.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from layerkit_plugins.compiled import scalar as s

__all__ = ["adam", "momentum"]


@njit(**s.ELEMENTWISE)
def momentum(p: Any, g: Any, v: Any, mu: Any, rate: Any) -> None:
    """V := mu v + g, p := p - rate v."""
    for i in range(p.size):
        new = mu * v[i] + g[i]
        v[i] = new
        p[i] -= rate * new


@njit(**s.ELEMENTWISE)
def adam(p: Any, g: Any, M: Any, V: Any, b1: Any, b2: Any, rate: Any, epsilon: Any) -> None:
    """M := b1 M + g, V := b2 V + g^2, p := p - rate M / (sqrt V + epsilon)."""
    for i in range(p.size):
        k = g[i]
        m = b1 * M[i] + k
        v = b2 * V[i] + k * k
        M[i] = m
        V[i] = v
        p[i] -= rate * m / (np.sqrt(v) + epsilon)
