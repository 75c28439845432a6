"""precision: of the rows that were guessed to be of a class, the share that are; higher is better.

::

    class    guess_ic = [argmax_j p_ij = c], truth_ic = [t_i = c]                 p (n, k), t (n,)
    binary   guess_ic = [p_ic > 0.5], truth_ic = t_ic, for the flags of each column c  p, t (n, k)
    TP_c     = sum_i w_i guess_ic truth_ic                    w (n,), 1 if not given
    P_c      = TP_c / sum_i w_i guess_ic;  0 if the class occurs and is never guessed
    value    = mean of P_c over the classes that occur or are guessed, each of weight 1 ("macro"),
               or of weight sum_i w_i truth_ic ("weighted"); NaN without any

With a single column of flags it is the precision of the rows whose flag is 1.

Source: van Rijsbergen, "Information Retrieval" (1979), chapter 7; scikit-learn
``precision_score`` with ``zero_division=0``.
"""

from __future__ import annotations

import math
from typing import Literal

import numpy as np

from layerkit import Array, Metric

__all__ = ["Precision"]


class Precision(Metric):
    """Share of the guesses of a class that are right, averaged over classes, in [0, 1]."""

    type_name = "precision"
    target = ("class", "binary")
    higher_is_better = True

    def __init__(self, *, average: Literal["macro", "weighted"] = "macro") -> None:
        self.average = average

    def value(self, predictions: Array, targets: Array, weights: Array | None = None) -> float:
        """Mean of TP / guessed over the classes that occur or are guessed."""
        if targets.ndim == 1:
            classes = np.arange(predictions.shape[1])
            guess = predictions.argmax(axis=1)[:, np.newaxis] == classes
            truth = targets[:, np.newaxis] == classes
        else:
            guess, truth = predictions > 0.5, targets > 0.5
        w = np.ones(len(predictions)) if weights is None else weights.astype(np.float64)
        TP, guessed, true = w @ (guess & truth), w @ guess, w @ truth
        P = np.divide(TP, guessed, out=np.zeros_like(TP), where=guessed > 0)
        share = true if self.average == "weighted" else (guessed + true > 0).astype(np.float64)
        return float(share @ P / share.sum()) if share.any() else math.nan
