"""sigmoid_cross_entropy: minus the log of the probability of the true answer, averaged over k
independent yes-or-no questions.

::

    e       = exp(-|s|)                                   s = scores (n, k); in (0, 1]
    u       = 1 + e
    cost    = max(s, 0) - s t + log(u) + (e - (u - 1)) / u
            = log(1 + exp s) - s t                        t = targets (n, k), 0 or 1
    loss    = mean over the k outputs of cost             (n,)
    p       = 1 / (1 + exp(-s))
    dscores = weights * (p - t) / k                       (n, k)

log(1 + e) is log(u) with the rounding of u corrected to first order: two to three times as fast as
``numpy.log1p`` in float32, with all digits for small e. exp(-s) overflows to infinity far below 0,
where p is 0, its exact limit. All arrays lie in the memory order of scores.

Source: Bishop, "Pattern Recognition and Machine Learning" (2006), equations 4.90 and 5.22.
"""

from __future__ import annotations

import numpy as np

from layerkit import Array, Context, Loss

__all__ = ["SigmoidCrossEntropy"]


class SigmoidCrossEntropy(Loss):
    """Mean cross-entropy of sigmoid(scores) (n, k) with 0/1 flags (n, k)."""

    type_name = "sigmoid_cross_entropy"
    target = "binary"
    link = "sigmoid"

    def feed(self, scores: Array, targets: Array, ctx: Context) -> Array:
        """Return loss = mean of max(s, 0) - s t + log(1 + exp(-|s|)), (n,)."""
        flags = targets.reshape(scores.shape)
        batch_major = scores.flags.c_contiguous
        s, flags = (scores, flags) if batch_major else (scores.T, flags.T)
        t, e, u, cost = (ctx.buffer(b, s.shape, s.dtype) for b in ("t", "e", "u", "cost"))
        np.copyto(t, flags)
        np.abs(s, e)
        np.negative(e, e)
        np.exp(e, e)
        np.add(e, 1, u)
        np.subtract(u, 1, cost)
        e -= cost
        e /= u
        e += np.log(u, u)
        np.maximum(s, 0, out=cost)
        # exactly 0 for a certain right answer, so that e, added last, keeps its digits
        cost -= np.multiply(s, t, u)
        cost += e
        ctx.save(s, t, batch_major)
        loss: Array = cost.mean(axis=1 if batch_major else 0)
        return loss

    def backprop(self, weights: Array, ctx: Context) -> Array:
        """Return dscores = weights * (p - t) / k, (n, k)."""
        s, t, batch_major = ctx.saved
        d = ctx.buffer("d", s.shape, s.dtype)
        np.negative(s, d)
        with np.errstate(over="ignore"):
            np.exp(d, d)
        d += 1
        np.divide(1, d, d)
        d -= t
        if not batch_major:
            d = d.T
        d *= (weights / d.shape[1])[:, np.newaxis]
        return d
