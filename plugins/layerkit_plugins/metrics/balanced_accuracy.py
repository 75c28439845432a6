"""balanced_accuracy: the accuracy if every class had equally many rows; higher is better.

::

    class    R_c = sum_i w_i [argmax_j p_ij = c = t_i] / sum_i w_i [t_i = c]      p (n, k), t (n,)
             value = mean of R_c over the classes that occur; w (n,), 1 if not given
    binary   for the flags of each column c, with guess_ic = [p_ic > 0.5]         p, t (n, k)
             R_c1 = share of the rows with t_ic = 1 where guess_ic = 1, by weight
             R_c0 = share of the rows with t_ic = 0 where guess_ic = 0, by weight
             value = mean over the columns of the mean of those of R_c1 and R_c0 that have rows

Guessing the most frequent class alone gives 1 / (number of classes), however skewed they are.
NaN without rows of a weight above 0.

Source: Brodersen, Ong, Stephan, Buhmann, "The Balanced Accuracy and Its Posterior Distribution"
(ICPR 2010), section 2; scikit-learn ``balanced_accuracy_score``.
"""

from __future__ import annotations

import math

import numpy as np

from layerkit import Array, Metric

__all__ = ["BalancedAccuracy"]


class BalancedAccuracy(Metric):
    """Mean over the classes of the share of their rows that are right, in [0, 1]."""

    type_name = "balanced_accuracy"
    target = ("class", "binary")
    higher_is_better = True

    def value(self, predictions: Array, targets: Array, weights: Array | None = None) -> float:
        """Mean of the recalls of the classes that occur."""
        w = np.ones(len(predictions)) if weights is None else weights.astype(np.float64)
        if not w.any():
            return math.nan
        if targets.ndim == 1:
            rows = np.bincount(targets, w)
            right = np.bincount(targets, w * (predictions.argmax(axis=1) == targets))
            occurs = rows > 0
            return float(np.mean(right[occurs] / rows[occurs]))
        guess, truth = predictions > 0.5, targets > 0.5
        rows = np.stack([w @ truth, w @ ~truth])
        right = np.stack([w @ (guess & truth), w @ ~(guess | truth)])
        R = np.divide(right, rows, out=np.full(rows.shape, np.nan), where=rows > 0)
        return float(np.mean(np.nanmean(R, axis=0)))
