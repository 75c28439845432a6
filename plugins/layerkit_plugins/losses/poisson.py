"""poisson: learns the logarithm of the rate of counts, such as visits in an hour.

::

    c       = min(s, 30)                              s = scores (n, k), logarithms of rates
    m       = exp(c)                                  the rate up to e^30
    l       = m (1 + s - c) - t s                     t = targets (n, k), numbers >= 0
            = exp(s) - t s                            up to s = 30; the tangent beyond, finite
    loss    = mean over the k outputs of l            (n,); minus log likelihood without log t!
    dscores = weights * (m - t) / k                   (n, k)

Predictions are rates, exp(s) (the link exp), and targets below 0 are refused. The loss may be below
0: only differences mean something.

Source: McCullagh, Nelder, "Generalized Linear Models" (1989), section 6.2, log link; PyTorch
``PoissonNLLLoss`` with log_input.
"""

from __future__ import annotations

import numpy as np

from layerkit import Array, Context, Loss

__all__ = ["Poisson"]

_TOP = 30.0  # e^30 = 10^13: squares of gradients are still finite in float32


class Poisson(Loss):
    """Mean of exp(s) - t s over the outputs of a row."""

    type_name = "poisson"
    target = "real"
    link = "exp"
    least = 0.0

    def feed(self, scores: Array, targets: Array, ctx: Context) -> Array:
        """Return loss = mean of m (1 + s - c) - t s, (n,)."""
        t = self.beside(scores, targets)
        c = np.minimum(scores, _TOP)
        m = np.exp(c)
        ctx.save(m, t)
        return (m * (1 + scores - c) - t * scores).mean(axis=1)

    def backprop(self, weights: Array, ctx: Context) -> Array:
        """Return dscores = weights * (m - t) / k, (n, k)."""
        m, t = ctx.saved
        w = weights / m.shape[1]
        return (m - t) * w.astype(m.dtype)[:, np.newaxis]
