"""log_loss: minus the mean log of the probability of the truth; lower is better.

::

    p'     = min(max(p, eps), 1 - eps)                        eps: 2.2e-16, for float32 1.2e-7
    class    l_i = -log p'_i,t_i                              p (n, k), t (n,)
    binary   l_i = -mean over the k flags of t_ij log p'_ij + (1 - t_ij) log(1 - p'_ij)
    value    = sum_i w_i l_i / sum_i w_i                      w (n,), 1 if not given

Probabilities of exactly 0 or 1 are moved inwards by the spacing eps of their dtype at 1, so that a
certain mistake costs at most 36 (float32: 16) instead of infinity.

Source: Good, "Rational Decisions" (Journal of the Royal Statistical Society B 14, 1952), section 8;
scikit-learn ``log_loss`` for eps.
"""

from __future__ import annotations

import numpy as np

from layerkit import Array, Metric

__all__ = ["LogLoss"]


class LogLoss(Metric):
    """Mean cross-entropy in nats."""

    type_name = "log_loss"
    target = ("class", "binary")
    higher_is_better = False

    def value(self, predictions: Array, targets: Array, weights: Array | None = None) -> float:
        """Weighted mean of minus the log of the probability of the truth."""
        eps = float(np.finfo(predictions.dtype).eps)
        p = np.clip(predictions.astype(np.float64), eps, 1 - eps)
        if targets.ndim == 1:
            loss = -np.log(p[np.arange(len(p)), targets])
        else:
            loss = -(targets * np.log(p) + (1 - targets) * np.log1p(-p)).mean(axis=1)
        return self.weighted_mean(loss, weights)
