"""mae: the mean over the outputs of the absolute difference: learns the median of the targets.

::

    r       = scores - targets                  (n, k)
    loss    = mean over the k outputs of |r|    (n,)
    dscores = weights * sign(r) / k             (n, k); 0 where r = 0

Source: Laplace, "Mémoire sur la probabilité des causes par les évènements" (1774); Koenker,
Bassett, "Regression Quantiles" (Econometrica 46, 1978), for the median.
"""

from __future__ import annotations

import numpy as np

from layerkit import Array, Context, Loss

__all__ = ["MeanAbsoluteError"]


class MeanAbsoluteError(Loss):
    """Mean of |scores - targets| over the outputs of a row."""

    type_name = "mae"
    target = "real"
    link = "identity"

    def feed(self, scores: Array, targets: Array, ctx: Context) -> Array:
        """Return loss = mean of |r|, (n,)."""
        r = scores - self.beside(scores, targets)
        ctx.save(r)
        return np.abs(r).mean(axis=1)

    def backprop(self, weights: Array, ctx: Context) -> Array:
        """Return dscores = weights * sign(r) / k, (n, k)."""
        (r,) = ctx.saved
        w = weights / r.shape[1]
        return np.sign(r) * w.astype(r.dtype)[:, np.newaxis]
