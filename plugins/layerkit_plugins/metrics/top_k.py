"""top_k: the share of rows whose true class is among the k best guesses; higher is better.

::

    best_i  = the k classes of highest p_ij                   p (n, c); ties: lowest number first
    right_i = [t_i in best_i]                                 t (n,)
    value   = sum_i w_i right_i / sum_i w_i                   w (n,), 1 if not given

With k = 1 this is accuracy; with k >= c it is 1.

Source: Krizhevsky, Sutskever, Hinton, "ImageNet Classification with Deep Convolutional Neural
Networks" (NIPS 2012), section 2 (top-5 error, one minus this).
"""

from __future__ import annotations

import numpy as np

from layerkit import Array, Metric
from layerkit.fields import Size

__all__ = ["TopK"]


class TopK(Metric):
    """Share of rows whose class is among the ``k`` best, in [0, 1]."""

    type_name = "top_k"
    target = ("class",)
    higher_is_better = True

    def __init__(self, *, k: Size = 5) -> None:
        self.k = k

    def value(self, predictions: Array, targets: Array, weights: Array | None = None) -> float:
        """Weighted share of rows whose class is among the ``k`` best."""
        best = np.argsort(-predictions, axis=1, kind="stable")[:, : self.k]
        right = (best == targets[:, np.newaxis]).any(axis=1)
        return self.weighted_mean(right, weights)
