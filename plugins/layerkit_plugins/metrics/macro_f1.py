"""macro_f1: the F1 score of each class, averaged with equal weight; higher is better.

::

    class    guess_i = argmax_j p_ij; TP_c, FP_c, FN_c: sums of row weights over guess = c = t,
             guess = c != t, guess != c = t                   p (n, k), t (n,)
    binary   guess_ij = [p_ij > 0.5]; the same for the flags of each column c     p, t (n, k)
    F1_c     = 2 TP_c / (2 TP_c + FP_c + FN_c)
    value    = mean of F1_c over the classes with a denominator above 0

Classes absent from both targets and guesses are left out, instead of counting as 0. If none is left
(flags that are all 0 and all guessed 0), every guess was right and the value is 1; without rows of
a weight above 0 it is not defined, NaN.

Source: Yang, Liu, "A Re-examination of Text Categorization Methods" (SIGIR 1999), section 2.
"""

from __future__ import annotations

import math

import numpy as np

from layerkit import Array, Metric

__all__ = ["MacroF1"]


class MacroF1(Metric):
    """Mean F1 over the classes that occur, in [0, 1]."""

    type_name = "macro_f1"
    target = ("class", "binary")
    higher_is_better = True

    def value(self, predictions: Array, targets: Array, weights: Array | None = None) -> float:
        """Mean of 2 TP / (2 TP + FP + FN) over the classes that occur."""
        if targets.ndim == 1:
            classes = np.arange(predictions.shape[1])
            guess = predictions.argmax(axis=1)[:, np.newaxis] == classes
            truth = targets[:, np.newaxis] == classes
        else:
            guess, truth = predictions > 0.5, targets > 0.5
        w = np.ones(len(predictions)) if weights is None else weights
        if not w.any():
            return math.nan
        TP = w @ (guess & truth)
        total = w @ guess + w @ truth  # = 2 TP + FP + FN
        occurs = total > 0
        if not occurs.any():
            return 1.0
        return float(np.mean(2 * TP[occurs] / total[occurs]))
