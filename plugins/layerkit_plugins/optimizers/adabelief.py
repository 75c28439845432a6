"""adabelief: adam whose steps are large where the gradient is what was expected.

All (m,); m, s start at 0; t = 1 in the first step::

    m := b1 m + (1 - b1) g                          m' = m / (1 - b1^t)
    s := b2 s + (1 - b2) (g - m)^2 + epsilon        s' = s / (1 - b2^t)
    p := p - eta m' / (sqrt(s') + epsilon)          eta = rate; epsilon in both places

Before it the weights shrink: p := (1 - eta lambda) p, lambda = ``weight_decay``.

Source: Zhuang and others, "AdaBelief Optimizer: Adapting Stepsizes by the Belief in Observed
Gradients" (NeurIPS 2020, arXiv 2010.07468), algorithm 2; epsilon 1e-16 as in its code.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from layerkit import Array, Optimizer
from layerkit.fields import Fraction, NonNegative, Positive

__all__ = ["AdaBelief"]


class AdaBelief(Optimizer):
    """p := p - eta m' / (sqrt(s') + epsilon), s the spread of g about m."""

    type_name = "adabelief"
    slot_names = ("m", "s")

    def __init__(
        self,
        *,
        learning_rate: Positive = 0.001,
        beta1: Fraction = 0.9,
        beta2: Fraction = 0.999,
        epsilon: Positive = 1e-16,
        weight_decay: NonNegative = 0.0,
    ) -> None:
        self.learning_rate = learning_rate
        self.beta1 = beta1
        self.beta2 = beta2
        self.epsilon = epsilon
        self.weight_decay = weight_decay

    def rule(self, p: Array, g: Array, slots: Sequence[Array], scratch: Array) -> None:
        """One step; fifteen passes."""
        m, s = slots
        self.shrink(p, scratch)
        m *= self.beta1
        m += np.multiply(g, 1 - self.beta1, scratch)
        np.subtract(g, m, scratch)
        np.square(scratch, scratch)
        scratch *= 1 - self.beta2
        s *= self.beta2
        s += scratch
        s += self.epsilon
        np.sqrt(s, scratch)
        scratch *= 1 / (1 - self.beta2**self.steps) ** 0.5
        scratch += self.epsilon
        np.divide(m, scratch, scratch)
        scratch *= self.rate / (1 - self.beta1**self.steps)
        p -= scratch
