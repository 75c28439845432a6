"""sgd: gradient descent on minibatches.

::

    p := p - eta g                eta = rate; p, g (m,)

Before it the weights shrink: p := (1 - eta lambda) p, lambda = ``weight_decay``.

Source: Robbins, Monro, "A Stochastic Approximation Method" (Annals of Mathematical Statistics 22,
1951), equation 6.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import numpy as np

from layerkit import Array, Optimizer
from layerkit.fields import Later, NonNegative, Positive

__all__ = ["Sgd"]


class Sgd(Optimizer):
    """p := p - eta g."""

    type_name = "sgd"

    def __init__(
        self, *, learning_rate: Positive = 0.01, weight_decay: Annotated[NonNegative, Later()] = 0.0
    ) -> None:
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay

    def rule(self, p: Array, g: Array, slots: Sequence[Array], scratch: Array) -> None:
        """One step; two passes."""
        self.shrink(p, scratch)
        p -= np.multiply(g, self.rate, scratch)
