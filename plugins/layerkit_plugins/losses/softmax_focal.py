"""softmax_focal: cross-entropy in which rows that are right already count little.

::

    s_j     = scores_j - max_k scores_k             (n, k); the shift cancels, nothing overflows
    e_j     = exp(s_j),  Z = sum_j e_j              (n, k), (n,)
    l       = s_target - log Z                      log of the probability p of the true class
    u       = 1 - p = -expm1(l)                     at least the smallest number > 0
    f       = u^g = exp(g log u)                    g = gamma
    loss    = -f l                                  (n,); cross-entropy for g = 0
    c       = weights * (f - g f p l / u)           (n,)
    dscores = c * (e / Z - [j = target])            (n, k)

The source's alpha, a weight of each class, is ``train.class_weights``.

Source: Lin and others, "Focal Loss for Dense Object Detection" (arXiv 1708.02002), equations 4 and
5, with the probability of the true class for p_t, as in Keras ``CategoricalFocalCrossentropy``.
"""

from __future__ import annotations

import numpy as np

from layerkit import Array, Context, Loss
from layerkit.fields import NonNegative

__all__ = ["SoftmaxFocal"]


class SoftmaxFocal(Loss):
    """-(1 - p)^gamma log p, p the softmax probability of the true class."""

    type_name = "softmax_focal"
    target = "class"
    link = "softmax"

    def __init__(self, *, gamma: NonNegative = 2.0) -> None:
        self.gamma = gamma

    def feed(self, scores: Array, targets: Array, ctx: Context) -> Array:
        """Return loss = -f l, (n,)."""
        rows = np.arange(len(scores))
        s = scores - scores.max(axis=1, keepdims=True)
        e = np.exp(s)
        Z = e.sum(axis=1)
        log_p = s[rows, targets] - np.log(Z)
        u = np.maximum(-np.expm1(log_p), np.finfo(s.dtype).tiny)
        f = np.exp(self.gamma * np.log(u))
        ctx.save(e, Z, rows, targets, log_p, u, f)
        return -f * log_p

    def backprop(self, weights: Array, ctx: Context) -> Array:
        """Return dscores = c * (e / Z - [j = target]), (n, k)."""
        e, Z, rows, targets, log_p, u, f = ctx.saved
        c = weights.astype(e.dtype) * (f - self.gamma * (f / u) * np.exp(log_p) * log_p)
        dscores = e * (c / Z)[:, np.newaxis]
        dscores[rows, targets] -= c
        return dscores
