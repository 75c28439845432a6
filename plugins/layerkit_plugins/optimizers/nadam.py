"""nadam: adam with a look ahead, as ``nesterov`` is momentum with one.

All (m,); m, v start at 0; t = 1 in the first step::

    m := b1 m + (1 - b1) g          m' = b1 m / (1 - b1^(t+1)) + (1 - b1) g / (1 - b1^t)
    v := b2 v + (1 - b2) g^2        v' = v / (1 - b2^t)
    p := p - eta m' / (sqrt(v') + epsilon)    eta = rate; epsilon beside the corrected root

Before it the weights shrink: p := (1 - eta lambda) p, lambda = ``weight_decay``. The momentum b1 is
constant, as in Optax; PyTorch and Keras let it rise from b1 / 2 to b1 over thousands of steps,
b1 (1 - 0.96^(0.004 t) / 2), which needs the product of all values so far.

Source: Dozat, "Incorporating Nesterov Momentum into Adam" (ICLR 2016 workshop), algorithm 2 with
constant momentum.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from layerkit import Array, Optimizer
from layerkit.fields import Fraction, NonNegative, Positive

__all__ = ["Nadam"]


class Nadam(Optimizer):
    """p := p - eta m' / (sqrt(v') + epsilon), with m' of the next step."""

    type_name = "nadam"
    slot_names = ("m", "v")

    def __init__(
        self,
        *,
        learning_rate: Positive = 0.001,
        beta1: Fraction = 0.9,
        beta2: Fraction = 0.999,
        epsilon: Positive = 1e-8,
        weight_decay: NonNegative = 0.0,
    ) -> None:
        self.learning_rate = learning_rate
        self.beta1 = beta1
        self.beta2 = beta2
        self.epsilon = epsilon
        self.weight_decay = weight_decay

    def rule(self, p: Array, g: Array, slots: Sequence[Array], scratch: Array) -> None:
        """One step; sixteen passes."""
        m, v = slots
        b1, b2, t = self.beta1, self.beta2, self.steps
        self.shrink(p, scratch)
        v *= b2
        v += np.multiply(np.square(g, scratch), 1 - b2, scratch)
        g *= 1 - b1
        m *= b1
        m += g
        g *= 1 / (1 - b1**t)
        g += np.multiply(m, b1 / (1 - b1 ** (t + 1)), scratch)  # g is m' now
        np.sqrt(v, scratch)
        scratch *= 1 / (1 - b2**t) ** 0.5
        scratch += self.epsilon
        np.divide(g, scratch, scratch)
        scratch *= self.rate
        p -= scratch
