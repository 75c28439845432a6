"""auc: the chance that a row of a class scores above a row of the others; higher is better.

::

    class    truth_ic = [t_i = c]: each class against the rest                    p (n, k), t (n,)
    binary   truth_ic = t_ic, for the flags of each column c                      p, t (n, k)
    U_c      = sum over i of the class, j of the rest of w_i w_j ([p_ic > p_jc] + [p_ic = p_jc] / 2)
    A_c      = U_c / (sum of w over the class * sum of w over the rest)     w (n,), 1 if not given
    value    = mean of A_c over the classes with rows on both sides, each of weight 1 ("macro"), or
               of weight sum_i w_i truth_ic ("weighted"); NaN without any

1 is perfect, 0.5 as good as chance; it asks only for the order of the scores, not for their size.

Source: Hanley, McNeil, "The Meaning and Use of the Area under a Receiver Operating Characteristic
(ROC) Curve" (Radiology 143, 1982); scikit-learn ``roc_auc_score(multi_class="ovr")``.
"""

from __future__ import annotations

import math
from typing import Literal

import numpy as np

from layerkit import Array, Metric

__all__ = ["AreaUnderCurve"]


class AreaUnderCurve(Metric):
    """Area under the ROC curve of each class against the rest, averaged, in [0, 1]."""

    type_name = "auc"
    target = ("class", "binary")
    higher_is_better = True

    def __init__(self, *, average: Literal["macro", "weighted"] = "macro") -> None:
        self.average = average

    def value(self, predictions: Array, targets: Array, weights: Array | None = None) -> float:
        """Mean area over the classes that have rows on both sides."""
        flags = targets.ndim > 1
        w = np.ones(len(predictions)) if weights is None else weights.astype(np.float64)
        areas, shares = [], []
        for c, scores in enumerate(np.ascontiguousarray(predictions.T)):  # columns, to be sorted
            truth = targets[:, c] > 0.5 if flags else targets == c
            positive = w * truth
            area = _area(scores, positive, w - positive)
            if not math.isnan(area):
                areas.append(area)
                shares.append(float(positive.sum()) if self.average == "weighted" else 1.0)
        return float(np.average(areas, weights=shares)) if areas else math.nan


def _area(scores: Array, positive: Array, negative: Array) -> float:
    """A_c for ``scores`` (n,) and the weights (n,) of each row in the class and in the rest."""
    total = positive.sum() * negative.sum()
    if total == 0:
        return math.nan
    order = np.argsort(scores)
    first = np.flatnonzero(np.diff(scores[order], prepend=-np.inf))  # of each run of equal scores
    P, N = (np.add.reduceat(w[order], first) for w in (positive, negative))
    U = P @ (np.cumsum(N) - N / 2)
    return float(min(1.0, U / total))
