"""softmax_cross_entropy: minus the log of the probability of the true class.

::

    s_j     = scores_j - max_k scores_k             (n, k); the shift cancels, nothing overflows
    e_j     = exp(s_j),  Z = sum_j e_j              (n, k), (n,)
    q_j     = (1 - a) [j = target] + a / k          a = label_smoothing
    loss    = log Z - sum_j q_j s_j                 (n,);  = -log p_target for a = 0
    p_j     = e_j / Z
    dscores = weights * (p - q)                     (n, k)

Buffers are (k, n), where sums over the classes are sums of whole rows; dscores has the memory order
of scores.

Source: Bridle, "Probabilistic Interpretation of Feedforward Classification Network Outputs" (1990);
Szegedy and others, "Rethinking the Inception Architecture" (arXiv 1512.00567), section 7, for q.
"""

from __future__ import annotations

import numpy as np

from layerkit import Array, Context, Loss
from layerkit.fields import Fraction
from layerkit_plugins.compiled import kernels

__all__ = ["SoftmaxCrossEntropy"]


class SoftmaxCrossEntropy(Loss):
    """Cross-entropy of softmax(scores) (n, k) with class numbers (n,)."""

    type_name = "softmax_cross_entropy"
    target = "class"
    link = "softmax"

    def __init__(self, *, label_smoothing: Fraction = 0.0) -> None:
        self.label_smoothing = label_smoothing

    def feed(self, scores: Array, targets: Array, ctx: Context) -> Array:
        """Return loss = log Z - (1 - a) s_target - a mean(s), (n,)."""
        n, k = scores.shape
        a = self.label_smoothing
        top = np.maximum.reduce(scores.T, 0)
        s = np.subtract(scores.T, top, ctx.buffer("s", (k, n), scores.dtype))
        rows = np.arange(n)
        loss = -s[targets, rows]
        if a:
            loss *= 1 - a
            loss -= a * s.mean(axis=0)
        e = np.exp(s, s)
        Z = np.add.reduce(e, 0)
        loss += np.log(Z)
        ctx.save(e, Z, targets, rows, scores.flags.c_contiguous)
        return loss

    def backprop(self, weights: Array, ctx: Context) -> Array:
        """Return dscores = weights * (e / Z - q), (n, k)."""
        e, Z, targets, rows, batch_major = ctx.saved
        k, n = e.shape
        a = self.label_smoothing
        memory = ctx.buffer("d", (n, k) if batch_major else (k, n), e.dtype)
        d = memory.T if batch_major else memory
        np.multiply(e, weights / Z, d)
        if a:
            d -= weights * (a / k)
        # d[targets, rows] -= ... by one flat index: a quarter of the time
        at = rows * k + targets if batch_major else targets * n + rows
        memory.reshape(-1)[at] -= weights * (1 - a) if a else weights
        return d.T

    def compiled_judge(
        self, scores: Array, targets: Array, weights: Array, out: Array
    ) -> float | None:
        """Loss and gradient in one pass over each row."""
        given = (scores, np.float32), (weights, np.float32), (out, np.float32), (targets, np.int64)
        if not all(x.flags.carray and x.dtype == kind for x, kind in given):
            return None
        judge = kernels("losses").softmax_cross_entropy
        lost: float = judge(scores, targets, weights, np.float32(self.label_smoothing), out)
        return lost
