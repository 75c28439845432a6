"""Kernels of the losses: the loss of all rows and the gradient of their scores in one call.

Two threads that each process half a batch in a dozen small NumPy calls would wait for the
interpreter's lock at every call.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit

from layerkit_plugins.compiled import scalar as s

__all__ = ["softmax_cross_entropy"]


@njit(**s.ELEMENTWISE)
def softmax_cross_entropy(scores: Any, targets: Any, weights: Any, a: Any, out: Any) -> float:
    """Sum of weights * loss, and its gradient in ``out`` (n, k); a is the label smoothing.

    Loss and gradient are those of the class; all arrays are in C order, targets int64.
    """
    n, k = scores.shape
    total = 0.0
    for r in range(n):
        row, d = scores[r], out[r]
        top = row[0]
        for j in range(1, k):
            # NaN stays, as no comparison with it is true.
            top = top if row[j] <= top else row[j]
        Z, mean = np.float32(0), np.float32(0)
        for j in range(k):
            d[j] = s.exp(row[j] - top)
            Z += d[j]
            mean += row[j] - top
        w, t = weights[r], targets[r]
        lost = math.log(Z) - (1 - a) * (row[t] - top)
        if a != 0:
            lost -= a * mean / k
        total += w * lost
        for j in range(k):
            d[j] = w * (d[j] / Z - a / k)
        d[t] -= w * (1 - a)
    return total
