"""r2: the share of the targets' variance that the predictions explain; higher is better.

::

    tbar_j = sum_i w_i t_ij / sum_i w_i                       p, t (n, k); w (n,), 1 if not given
    res_j  = sum_i w_i (t_ij - p_ij)^2
    tot_j  = sum_i w_i (t_ij - tbar_j)^2
    R2_j   = 1 - res_j / tot_j;  where tot_j = 0: 1 if res_j = 0, else 0
    value  = mean over the k outputs of R2_j

1 is perfect, 0 as good as the mean of the targets, and it can be negative.

Source: Wright, "Correlation and Causation" (Journal of Agricultural Research 20, 1921);
scikit-learn ``r2_score`` for constant targets and several outputs.
"""

from __future__ import annotations

import numpy as np

from layerkit import Array, Metric

__all__ = ["R2"]


class R2(Metric):
    """Coefficient of determination, at most 1."""

    type_name = "r2"
    target = ("real",)
    higher_is_better = True

    def value(self, predictions: Array, targets: Array, weights: Array | None = None) -> float:
        """Mean over the outputs of 1 - res / tot."""
        p = predictions.astype(np.float64)
        t = targets.reshape(p.shape).astype(np.float64)
        w = np.ones(len(p)) if weights is None else weights
        res = w @ np.square(t - p)
        tot = w @ np.square(t - np.average(t, axis=0, weights=weights))
        same = np.ptp(t[w > 0], axis=0) == 0 if np.any(w > 0) else True
        constant = same | (tot == 0)  # rounding leaves a tot above 0, squares may underflow to 0
        with np.errstate(over="ignore"):  # a tot next to 0 makes the ratio infinite
            scores = np.where(constant, res == 0, 1 - res / np.where(constant, 1, tot))
        return float(scores.mean())
