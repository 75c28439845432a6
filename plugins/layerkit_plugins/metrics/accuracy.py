"""accuracy: the share of answers that are right; higher is better.

::

    class    right_i = [argmax_j p_ij = t_i]                  p (n, k), t (n,); ties: lowest number
    binary   right_i = mean over the k flags of [(p_ij > 0.5) = t_ij]         p, t (n, k)
    value    = sum_i w_i right_i / sum_i w_i                  w (n,), 1 if not given

Source: scikit-learn ``accuracy_score`` for classes; for flags the mean over all of them (one minus
the Hamming loss), not the share of rows with every flag right.
"""

from __future__ import annotations

from layerkit import Array, Metric

__all__ = ["Accuracy"]


class Accuracy(Metric):
    """Share of right answers, in [0, 1]."""

    type_name = "accuracy"
    target = ("class", "binary")
    higher_is_better = True

    def value(self, predictions: Array, targets: Array, weights: Array | None = None) -> float:
        """Weighted mean of right answers."""
        if targets.ndim == 1:
            right = predictions.argmax(axis=1) == targets
        else:
            right = ((predictions > 0.5) == (targets > 0.5)).mean(axis=1)
        return self.weighted_mean(right, weights)
