"""adagrad: each gradient divided by the root of the sum of its squares so far.

::

    s := s + g^2                              s starts at 0; all (m,)
    p := p - eta g / (sqrt(s) + epsilon)      eta = rate; epsilon outside the root, as in PyTorch

Before it the weights shrink: p := (1 - eta lambda) p, lambda = ``weight_decay``. The sum only
grows, so that steps become smaller by themselves: it takes larger rates than others.

Source: Duchi, Hazan, Singer, "Adaptive Subgradient Methods for Online Learning and Stochastic
Optimization" (JMLR 12, 2011), figure 1, diagonal case; PyTorch for epsilon and where it stands.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from layerkit import Array, Optimizer
from layerkit.fields import NonNegative, Positive

__all__ = ["Adagrad"]


class Adagrad(Optimizer):
    """p := p - eta g / (sqrt(s) + epsilon), s the sum of all g^2."""

    type_name = "adagrad"
    slot_names = ("s",)

    def __init__(
        self,
        *,
        learning_rate: Positive = 0.01,
        epsilon: Positive = 1e-10,
        weight_decay: NonNegative = 0.0,
    ) -> None:
        self.learning_rate = learning_rate
        self.epsilon = epsilon
        self.weight_decay = weight_decay

    def rule(self, p: Array, g: Array, slots: Sequence[Array], scratch: Array) -> None:
        """One step; seven passes."""
        (s,) = slots
        self.shrink(p, scratch)
        s += np.square(g, scratch)
        np.sqrt(s, scratch)
        scratch += self.epsilon
        np.divide(g, scratch, scratch)
        scratch *= self.rate
        p -= scratch
