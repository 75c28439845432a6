"""momentum: gradient descent with a velocity, the heavy ball.

::

    v := mu v + g                 mu = momentum; v starts at 0; all (m,)
    p := p - eta v                eta = rate of this step; v holds no rate (as in PyTorch)

Before it the weights shrink: p := (1 - eta lambda) p, lambda = ``weight_decay``.

Source: Polyak, "Some methods of speeding up the convergence of iteration methods" (1964), equation
9; Sutskever, Martens, Dahl, Hinton, "On the importance of initialization and momentum in deep
learning" (ICML 2013), equations 1 and 2, whose v is -eta v here while eta is constant.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import numpy as np

from layerkit import Array, Optimizer
from layerkit.fields import Fraction, Later, NonNegative, Positive

__all__ = ["Momentum"]


class Momentum(Optimizer):
    """v := mu v + g, p := p - eta v."""

    type_name = "momentum"
    slot_names = ("v",)

    def __init__(
        self,
        *,
        learning_rate: Positive = 0.01,
        momentum: Fraction = 0.9,
        weight_decay: Annotated[NonNegative, Later()] = 0.0,
    ) -> None:
        self.learning_rate = learning_rate
        self.momentum = momentum
        self.weight_decay = weight_decay

    def rule(self, p: Array, g: Array, slots: Sequence[Array], scratch: Array) -> None:
        """One step; four passes."""
        (v,) = slots
        self.shrink(p, scratch)
        v *= self.momentum
        v += g
        p -= np.multiply(v, self.rate, scratch)
