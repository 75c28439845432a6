"""calibration_error: how far probabilities are from the shares that come true; lower is better.

::

    class    q_i = max_j p_ij,  r_i = [argmax_j p_ij = t_i]                       p (n, k), t (n,)
    binary   q_i = p_ij,  r_i = t_ij, for the flags of each column j              p, t (n, k)
    B_b      = the rows with (b - 1) / bins < q_i <= b / bins, b = 1 .. bins (q_i = 0: B_1)
    value    = sum_b |sum_{i in B_b} w_i (r_i - q_i)| / sum_i w_i      w (n,), 1 if not given
               for flags the mean over the columns; NaN without rows of a weight above 0

0 means that of the rows predicted with a probability of 0.8, 80 % are right.

Source: Naeini, Cooper, Hauskrecht, "Obtaining Well Calibrated Probabilities Using Bayesian Binning"
(AAAI 2015), equation 2; Guo, Pleiss, Sun, Weinberger, "On Calibration of Modern Neural Networks"
(ICML 2017), equation 3.
"""

from __future__ import annotations

import math
from typing import Annotated

import numpy as np

from layerkit import Array, Metric
from layerkit.fields import Range

__all__ = ["CalibrationError"]


class CalibrationError(Metric):
    """Expected calibration error over ``bins`` equal intervals of probability, in [0, 1]."""

    type_name = "calibration_error"
    target = ("class", "binary")
    higher_is_better = False

    def __init__(self, *, bins: Annotated[int, Range(ge=1, le=10_000)] = 10) -> None:
        self.bins = bins

    def value(self, predictions: Array, targets: Array, weights: Array | None = None) -> float:
        """Mean distance of probability and share over the rows, by interval."""
        w = np.ones(len(predictions)) if weights is None else weights.astype(np.float64)
        if not w.any():
            return math.nan
        if targets.ndim == 1:
            best = predictions.argmax(axis=1)
            q = np.take_along_axis(predictions, best[:, np.newaxis], axis=1)
            r = (best == targets)[:, np.newaxis]
        else:
            q, r = predictions, targets
        q = q.astype(np.float64)
        number = np.searchsorted(np.linspace(0, 1, self.bins + 1)[1:-1], q)  # of the interval
        gaps = w[:, np.newaxis] * (r - q)
        errors = [
            np.abs(np.bincount(b, gap)).sum() for b, gap in zip(number.T, gaps.T, strict=True)
        ]
        return float(np.mean(errors) / w.sum())
