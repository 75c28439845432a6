"""recall: of the rows of a class, the share that were guessed to be; higher is better.

::

    class    guess_ic = [argmax_j p_ij = c], truth_ic = [t_i = c]                 p (n, k), t (n,)
    binary   guess_ic = [p_ic > 0.5], truth_ic = t_ic, for the flags of each column c  p, t (n, k)
    R_c      = sum_i w_i guess_ic truth_ic / sum_i w_i truth_ic        w (n,), 1 if not given
    value    = mean of R_c over the classes that occur, each of weight 1 ("macro"), or of weight
               sum_i w_i truth_ic ("weighted"); NaN without any

A class without rows has no recall and is left out. With a single column of flags it is the recall
of the rows whose flag is 1 (sensitivity).

Source: van Rijsbergen, "Information Retrieval" (1979), chapter 7; scikit-learn ``recall_score``
with ``zero_division=nan``.
"""

from __future__ import annotations

import math
from typing import Literal

import numpy as np

from layerkit import Array, Metric

__all__ = ["Recall"]


class Recall(Metric):
    """Share of the rows of a class that are found, averaged over classes, in [0, 1]."""

    type_name = "recall"
    target = ("class", "binary")
    higher_is_better = True

    def __init__(self, *, average: Literal["macro", "weighted"] = "macro") -> None:
        self.average = average

    def value(self, predictions: Array, targets: Array, weights: Array | None = None) -> float:
        """Mean of TP / true over the classes that occur."""
        if targets.ndim == 1:
            classes = np.arange(predictions.shape[1])
            guess = predictions.argmax(axis=1)[:, np.newaxis] == classes
            truth = targets[:, np.newaxis] == classes
        else:
            guess, truth = predictions > 0.5, targets > 0.5
        w = np.ones(len(predictions)) if weights is None else weights.astype(np.float64)
        TP, true = w @ (guess & truth), w @ truth
        occurs = true > 0
        if not occurs.any():
            return math.nan
        R = TP[occurs] / true[occurs]
        return float(np.average(R, weights=true[occurs] if self.average == "weighted" else None))
