"""mse: the mean squared difference; lower is better.

::

    l_i   = mean over the k outputs of (p_ij - t_ij)^2        p, t (n, k)
    value = sum_i w_i l_i / sum_i w_i                         w (n,), 1 if not given

Source: scikit-learn ``mean_squared_error``, outputs averaged uniformly.
"""

from __future__ import annotations

import numpy as np

from layerkit import Array, Metric

__all__ = ["MeanSquaredError"]


class MeanSquaredError(Metric):
    """Mean squared difference, in the square of the target's unit."""

    type_name = "mse"
    target = ("real",)
    higher_is_better = False

    def value(self, predictions: Array, targets: Array, weights: Array | None = None) -> float:
        """Weighted mean of the squared differences."""
        p = predictions.astype(np.float64)
        r = p - targets.reshape(p.shape)
        return self.weighted_mean(np.square(r).mean(axis=1), weights)
