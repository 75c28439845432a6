"""sigmoid_focal: cross-entropy of k yes-or-no questions in which right answers count little.

::

    z       = (2 t - 1) s                               s = scores (n, k), t = targets, 0 or 1
    l       = min(z, 0) - log(1 + exp(-|z|))            log of the probability p of the truth
    m       = min(-z, 0) - log(1 + exp(-|z|))           log(1 - p)
    f       = a_t exp(g m)                              a_t (1 - p)^g, g = gamma
    a_t     = a t + (1 - a) (1 - t)                     a = alpha; 1 without it
    loss    = mean over the k outputs of -f l           (n,)
    dscores = weights * f (g p l - (1 - p)) (2 t - 1) / k   (n, k)

Cross-entropy for gamma 0. The source's best: gamma 2, alpha 0.25 (Keras ``BinaryFocalCrossentropy``
and torchvision have them as defaults); ``train.class_weights`` weigh rows instead of answers.

Source: Lin and others, "Focal Loss for Dense Object Detection" (arXiv 1708.02002), equation 5 and
appendices A and B.
"""

from __future__ import annotations

from typing import Annotated

import numpy as np

from layerkit import Array, Context, Loss
from layerkit.fields import NonNegative, Range

__all__ = ["SigmoidFocal"]


class SigmoidFocal(Loss):
    """Mean of -a_t (1 - p)^gamma log p, p the sigmoid probability of the true answer."""

    type_name = "sigmoid_focal"
    target = "binary"
    link = "sigmoid"

    def __init__(
        self,
        *,
        gamma: NonNegative = 2.0,
        alpha: Annotated[float, Range(gt=0, lt=1)] | None = None,
    ) -> None:
        self.gamma = gamma
        self.alpha = alpha

    def feed(self, scores: Array, targets: Array, ctx: Context) -> Array:
        """Return loss = mean of -f l, (n,)."""
        t = self.beside(scores, targets)
        y = 2 * t - 1
        z = y * scores
        rest = np.log1p(np.exp(-np.abs(z)))
        log_p, log_u = np.minimum(z, 0) - rest, np.minimum(-z, 0) - rest
        f = np.exp(self.gamma * log_u)
        if self.alpha is not None:
            f = f * ((2 * self.alpha - 1) * t + (1 - self.alpha))
        ctx.save(y, log_p, log_u, f)
        return (-f * log_p).mean(axis=1)

    def backprop(self, weights: Array, ctx: Context) -> Array:
        """Return dscores = weights * f (g p l - (1 - p)) (2 t - 1) / k, (n, k)."""
        y, log_p, log_u, f = ctx.saved
        w = weights / y.shape[1]
        slope = self.gamma * np.exp(log_p) * log_p - np.exp(log_u)
        return f * slope * y * w.astype(y.dtype)[:, np.newaxis]

    @classmethod
    def examples(cls) -> list[tuple[dict[str, float], tuple[int, ...]]]:
        """With and without alpha."""
        return [({}, (4,)), ({"gamma": 1.5, "alpha": 0.25}, (4,))]
