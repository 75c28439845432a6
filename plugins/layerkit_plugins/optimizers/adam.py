"""adam, adamw: steps of the size of the rate, scaled by running moments of the gradient.

As published (all (m,); m, v start at 0; t = 1 in the first step)::

    m := b1 m + (1 - b1) g                    m' = m / (1 - b1^t)
    v := b2 v + (1 - b2) g^2                  v' = v / (1 - b2^t)
    p := p - eta m' / (sqrt(v') + epsilon)    eta = rate; epsilon beside the corrected root

Before it the weights shrink: p := (1 - eta lambda) p, lambda = ``weight_decay``: 0 for adam and
0.01 for adamw by default. The decay does not enter the moments. It is scaled by the whole rate eta,
as in PyTorch; the source scales it by the schedule's factor alone.

As computed, with two passes fewer and equal up to rounding: with M = m / (1 - b1) and
V = v / (1 - b2)::

    M := b1 M + g                             m' = a M,    a = (1 - b1) / (1 - b1^t)
    V := b2 V + g^2                           v' = c^2 V,  c = sqrt((1 - b2) / (1 - b2^t))
    p := p - (eta a / c) M / (sqrt(V) + epsilon / c)

Source: Kingma, Ba, "Adam: A Method for Stochastic Optimization" (arXiv 1412.6980), algorithm 1;
for the decay Loshchilov, Hutter, "Decoupled Weight Decay Regularization" (arXiv 1711.05101),
algorithm 2.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import numpy as np

from layerkit import Array, Optimizer
from layerkit.fields import Fraction, Later, NonNegative, Positive

__all__ = ["Adam", "AdamW"]


class Adam(Optimizer):
    """p := p - eta m' / (sqrt(v') + epsilon), moments kept as M and V."""

    type_name = "adam"
    slot_names = ("M", "V")

    def __init__(
        self,
        *,
        learning_rate: Positive = 0.001,
        beta1: Fraction = 0.9,
        beta2: Fraction = 0.999,
        epsilon: Positive = 1e-8,
        weight_decay: Annotated[NonNegative, Later()] = 0.0,
    ) -> None:
        self.learning_rate = learning_rate
        self.beta1 = beta1
        self.beta2 = beta2
        self.epsilon = epsilon
        self.weight_decay = weight_decay

    def rule(self, p: Array, g: Array, slots: Sequence[Array], scratch: Array) -> None:
        """One step; ten passes."""
        M, V = slots
        self.shrink(p, scratch)
        a = (1 - self.beta1) / (1 - self.beta1**self.steps)
        c = ((1 - self.beta2) / (1 - self.beta2**self.steps)) ** 0.5
        M *= self.beta1
        M += g
        V *= self.beta2
        V += np.square(g, scratch)
        np.sqrt(V, scratch)
        scratch += self.epsilon / c
        np.divide(M, scratch, scratch)
        scratch *= self.rate * a / c
        p -= scratch


class AdamW(Adam):
    """p := (1 - eta lambda) p, then the step of adam; moments kept as M and V."""

    type_name = "adamw"

    def __init__(
        self,
        *,
        learning_rate: Positive = 0.001,
        beta1: Fraction = 0.9,
        beta2: Fraction = 0.999,
        epsilon: Positive = 1e-8,
        weight_decay: NonNegative = 0.01,
    ) -> None:
        super().__init__(
            learning_rate=learning_rate,
            beta1=beta1,
            beta2=beta2,
            epsilon=epsilon,
            weight_decay=weight_decay,
        )
