"""mse: the mean over the outputs of the squared difference.

::

    r       = scores - targets                  (n, k)
    loss    = mean over the k outputs of r^2    (n,)
    dscores = weights * 2 r / k                 (n, k)

Source: Gauss, "Theoria motus" (1809), for least squares; Bishop, "Pattern Recognition and Machine
Learning" (2006), equation 5.11, without its factor 1/2.
"""

from __future__ import annotations

import numpy as np

from layerkit import Array, Context, Loss

__all__ = ["MeanSquaredError"]


class MeanSquaredError(Loss):
    """Mean of (scores - targets)^2 over the outputs of a row."""

    type_name = "mse"
    target = "real"
    link = "identity"

    def feed(self, scores: Array, targets: Array, ctx: Context) -> Array:
        """Return loss = mean of r^2, (n,)."""
        r = scores - self.beside(scores, targets)
        ctx.save(r)
        return (r * r).mean(axis=1)

    def backprop(self, weights: Array, ctx: Context) -> Array:
        """Return dscores = weights * 2 r / k, (n, k)."""
        (r,) = ctx.saved
        w = weights * (2 / r.shape[1])
        return r * w.astype(r.dtype)[:, np.newaxis]
