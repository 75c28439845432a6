"""r2: the share of the targets' variance that the predictions explain; higher is better.

::

    tbar_j = sum_i w_i t_ij / sum_i w_i                       p, t (n, k); w (n,), 1 if not given
    res_j  = sum_i w_i (t_ij - p_ij)^2
    tot_j  = sum_i w_i (t_ij - tbar_j)^2
    R2_j   = 1 - res_j / tot_j;  not defined where all t_ij of a weight above 0 are equal
    value  = mean over the outputs of those R2_j that are defined; NaN if none is

1 is perfect, 0 as good as the mean of the targets, and it can be negative. tbar_j and tot_j are
computed from t_ij minus their smallest, so that a large offset costs no digits.

Source: Wright, "Correlation and Causation" (Journal of Agricultural Research 20, 1921);
scikit-learn ``r2_score`` for several outputs.
"""

from __future__ import annotations

import math

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
        if weights is None:
            w = np.ones(len(p))
        else:
            counts = weights > 0
            p, t, w = p[counts], t[counts], weights[counts]
        if len(p) == 0:
            return math.nan
        off = t - t.min(axis=0)
        res = w @ np.square(t - p)
        tot = w @ np.square(off - np.average(off, axis=0, weights=w))
        defined = (np.ptp(off, axis=0) > 0) & (tot > 0)  # squares may underflow to 0
        if not defined.any():
            return math.nan
        with np.errstate(over="ignore"):  # a tot next to 0 makes the ratio infinite
            return float(np.mean(1 - res[defined] / tot[defined]))
