"""mae: the mean absolute difference; lower is better.

::

    l_i   = mean over the k outputs of |p_ij - t_ij|          p, t (n, k)
    value = sum_i w_i l_i / sum_i w_i                         w (n,), 1 if not given

Source: scikit-learn ``mean_absolute_error``, outputs averaged uniformly.
"""

from __future__ import annotations

import numpy as np

from layerkit import Array, Metric

__all__ = ["MeanAbsoluteError"]


class MeanAbsoluteError(Metric):
    """Mean absolute difference, in the target's unit."""

    type_name = "mae"
    target = ("real",)
    higher_is_better = False

    def value(self, predictions: Array, targets: Array, weights: Array | None = None) -> float:
        """Weighted mean of the absolute differences."""
        p = predictions.astype(np.float64)
        r = p - targets.reshape(p.shape)
        return self.weighted_mean(np.abs(r).mean(axis=1), weights)
