"""lion: steps of one size in the direction of the sign of a blend of momentum and gradient.

::

    p := p - eta sign(b1 m + (1 - b1) g)      eta = rate; m starts at 0; all (m,)
    m := b2 m + (1 - b2) g                    after the step, with the slower b2

Before it the weights shrink: p := (1 - eta lambda) p, lambda = ``weight_decay``. Every step has the
size of the rate: the source takes rates 3 to 10 times smaller than those of adam, and a decay
larger by the same factor.

Source: Chen and others, "Symbolic Discovery of Optimization Algorithms" (arXiv 2302.06675),
program 1 and algorithm 2.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from layerkit import Array, Optimizer
from layerkit.fields import Fraction, NonNegative, Positive

__all__ = ["Lion"]


class Lion(Optimizer):
    """p := p - eta sign(b1 m + (1 - b1) g), then m := b2 m + (1 - b2) g."""

    type_name = "lion"
    slot_names = ("m",)

    def __init__(
        self,
        *,
        learning_rate: Positive = 0.0001,
        beta1: Fraction = 0.9,
        beta2: Fraction = 0.99,
        weight_decay: NonNegative = 0.0,
    ) -> None:
        self.learning_rate = learning_rate
        self.beta1 = beta1
        self.beta2 = beta2
        self.weight_decay = weight_decay

    def rule(self, p: Array, g: Array, slots: Sequence[Array], scratch: Array) -> None:
        """One step; nine passes."""
        (m,) = slots
        self.shrink(p, scratch)
        np.subtract(m, g, scratch)
        scratch *= self.beta1
        scratch += g  # b1 m + (1 - b1) g
        np.sign(scratch, scratch)
        scratch *= self.rate
        p -= scratch
        m -= g
        m *= self.beta2
        m += g
