"""huber: squared near 0 and linear beyond delta, so that outliers pull with a bounded force.

::

    r       = scores - targets                            (n, k)
    c       = min(max(r, -delta), delta)                  r, held within delta
    l       = c (r - c / 2)                               r^2 / 2, or delta (|r| - delta / 2) beyond
    loss    = mean over the k outputs of l                (n,)
    dscores = weights * c / k                             (n, k)

Source: Huber, "Robust Estimation of a Location Parameter" (Annals of Mathematical Statistics 35,
1964), section 4.
"""

from __future__ import annotations

import numpy as np

from layerkit import Array, Context, Loss
from layerkit.fields import Positive

__all__ = ["Huber"]


class Huber(Loss):
    """Mean over the outputs of a row of r^2 / 2 up to delta and a line beyond."""

    type_name = "huber"
    target = "real"
    link = "identity"

    def __init__(self, *, delta: Positive = 1.0) -> None:
        self.delta = delta

    def feed(self, scores: Array, targets: Array, ctx: Context) -> Array:
        """Return loss = mean of c (r - c / 2), (n,)."""
        r = scores - self.beside(scores, targets)
        c = np.minimum(np.maximum(r, -self.delta), self.delta)
        ctx.save(c)
        return (c * (r - 0.5 * c)).mean(axis=1)

    def backprop(self, weights: Array, ctx: Context) -> Array:
        """Return dscores = weights * c / k, (n, k)."""
        (c,) = ctx.saved
        w = weights / c.shape[1]
        return c * w.astype(c.dtype)[:, np.newaxis]
