"""rmsprop: each gradient divided by a running root mean square of itself.

As published (all (m,); v starts at 0)::

    v := rho v + (1 - rho) g^2
    p := p - eta g / (sqrt(v) + epsilon)      eta = rate; epsilon outside the root, as in PyTorch

Before it the weights shrink: p := (1 - eta lambda) p, lambda = ``weight_decay``.

As computed, with one pass fewer and equal up to rounding: with V = v / (1 - rho)::

    V := rho V + g^2                          v = c^2 V,  c = sqrt(1 - rho)
    p := p - (eta / c) g / (sqrt(V) + epsilon / c)

Source: Tieleman, Hinton, "Neural Networks for Machine Learning" (Coursera, 2012), lecture 6.5 (rho
0.9; no epsilon there).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated

import numpy as np

from layerkit import Array, Optimizer
from layerkit.fields import Fraction, Later, NonNegative, Positive

__all__ = ["RMSProp"]


class RMSProp(Optimizer):
    """p := p - eta g / (sqrt(v) + epsilon), v kept as V."""

    type_name = "rmsprop"
    slot_names = ("V",)

    def __init__(
        self,
        *,
        learning_rate: Positive = 0.001,
        rho: Fraction = 0.9,
        epsilon: Positive = 1e-8,
        weight_decay: Annotated[NonNegative, Later()] = 0.0,
    ) -> None:
        self.learning_rate = learning_rate
        self.rho = rho
        self.epsilon = epsilon
        self.weight_decay = weight_decay

    def rule(self, p: Array, g: Array, slots: Sequence[Array], scratch: Array) -> None:
        """One step; eight passes."""
        (V,) = slots
        self.shrink(p, scratch)
        c = math.sqrt(1 - self.rho)
        V *= self.rho
        V += np.square(g, scratch)
        np.sqrt(V, scratch)
        scratch += self.epsilon / c
        np.divide(g, scratch, scratch)
        scratch *= self.rate / c
        p -= scratch
