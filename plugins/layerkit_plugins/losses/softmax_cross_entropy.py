"""softmax_cross_entropy: minus the log of the probability of the true class.

::

    s_j     = scores_j - max_k scores_k             (n, k); the shift cancels, nothing overflows
    e_j     = exp(s_j),  Z = sum_j e_j              (n, k), (n,)
    q_j     = (1 - a) [j = target] + a / k          a = label_smoothing
    loss    = log Z - sum_j q_j s_j                 (n,);  = -log p_target for a = 0
    p_j     = e_j / Z
    dscores = weights * (p - q)                     (n, k)

Source: Bridle, "Probabilistic Interpretation of Feedforward Classification Network Outputs" (1990);
Szegedy and others, "Rethinking the Inception Architecture" (arXiv 1512.00567), section 7, for q.
"""

from __future__ import annotations

import numpy as np

from layerkit import Array, Context, Loss
from layerkit.fields import Fraction

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
        rows, a = np.arange(len(scores)), self.label_smoothing
        s = scores - scores.max(axis=1, keepdims=True)
        e = np.exp(s)
        Z = e.sum(axis=1)
        ctx.save(e, Z, rows, targets)
        right = s[rows, targets]
        if a:
            right = (1 - a) * right + a * s.mean(axis=1)
        return np.log(Z) - right

    def backprop(self, weights: Array, ctx: Context) -> Array:
        """Return dscores = weights * (e / Z - q), (n, k)."""
        e, Z, rows, targets = ctx.saved
        w, a = weights.astype(e.dtype), self.label_smoothing
        dscores = e * (w / Z)[:, np.newaxis]
        if a:
            dscores = dscores - (w * (a / e.shape[1]))[:, np.newaxis]
        dscores[rows, targets] -= (1 - a) * w
        return dscores
