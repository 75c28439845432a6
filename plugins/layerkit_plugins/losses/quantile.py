"""quantile: the pinball loss, which learns a quantile of the targets, such as the upper tenth.

::

    r       = scores - targets                                (n, k)
    l       = max((1 - q) r, -q r)                            q = quantile
    loss    = mean over the k outputs of l                    (n,)
    dscores = weights * ((1 - q) [r > 0] - q [r < 0]) / k     (n, k); 0 where r = 0

A prediction too low costs q for each unit, one too high 1 - q. All outputs learn the same quantile:
an interval takes two trainings, with 0.1 and 0.9 for 80 %. At 0.5 it is half of ``mae``.

Source: Koenker, Bassett, "Regression Quantiles" (Econometrica 46, 1978), equation 3.1.
"""

from __future__ import annotations

from typing import Annotated

import numpy as np

from layerkit import Array, Context, Loss
from layerkit.fields import Range

__all__ = ["Quantile"]


class Quantile(Loss):
    """Mean of max((1 - q) r, -q r) over the outputs of a row."""

    type_name = "quantile"
    target = "real"
    link = "identity"

    def __init__(self, *, quantile: Annotated[float, Range(gt=0, lt=1)] = 0.5) -> None:
        self.quantile = quantile

    def feed(self, scores: Array, targets: Array, ctx: Context) -> Array:
        """Return loss = mean of max((1 - q) r, -q r), (n,)."""
        r, q = scores - self.beside(scores, targets), self.quantile
        ctx.save(r)
        return np.maximum((1 - q) * r, -q * r).mean(axis=1)

    def backprop(self, weights: Array, ctx: Context) -> Array:
        """Return dscores, (n, k); with sign(r) = [r > 0] - [r < 0]."""
        (r,) = ctx.saved
        w = weights / r.shape[1]
        side = np.sign(r)
        slope = 0.5 * side + (0.5 - self.quantile) * np.abs(side)
        return slope * w.astype(r.dtype)[:, np.newaxis]
