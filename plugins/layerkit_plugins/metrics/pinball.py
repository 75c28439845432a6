"""pinball: the loss of a predicted quantile; lower is better.

::

    l_i   = mean over the k outputs of max(q (t_ij - p_ij), (q - 1) (t_ij - p_ij))     p, t (n, k)
    value = sum_i w_i l_i / sum_i w_i                         w (n,), 1 if not given; q = quantile

In a spec whose loss is ``quantile``, q is by default the loss's.

Source: Koenker, Bassett, "Regression Quantiles" (Econometrica 46, 1978), equation 3.1; scikit-learn
``mean_pinball_loss``, whose alpha is q.
"""

from __future__ import annotations

from typing import Annotated

import numpy as np

from layerkit import Array, Metric
from layerkit.fields import Range

__all__ = ["Pinball"]


class Pinball(Metric):
    """Mean of max(q (t - p), (q - 1) (t - p)), in the target's unit."""

    type_name = "pinball"
    target = ("real",)
    higher_is_better = False

    def __init__(self, *, quantile: Annotated[float, Range(gt=0, lt=1)] = 0.5) -> None:
        self.quantile = quantile

    def value(self, predictions: Array, targets: Array, weights: Array | None = None) -> float:
        """Weighted mean of the pinball losses."""
        p = predictions.astype(np.float64)
        r, q = targets.reshape(p.shape) - p, self.quantile
        return self.weighted_mean(np.maximum(q * r, (q - 1) * r).mean(axis=1), weights)
