"""nesterov: momentum with the gradient taken at the point the velocity leads to.

::

    v := mu v + g                 mu = momentum; v starts at 0; all (m,)
    p := p - eta (g + mu v)       eta = rate of this step; v holds no rate (as in PyTorch)

Before it the weights shrink: p := (1 - eta lambda) p, lambda = ``weight_decay``.

p here is the point ahead, theta + mu v of the source, so that g is the gradient at p.

Source: Sutskever, Martens, Dahl, Hinton, "On the importance of initialization and momentum in deep
learning" (ICML 2013), equations 3 and 4; Bengio, Boulanger-Lewandowski, Pascanu, "Advances in
Optimizing Recurrent Networks" (arXiv 1212.0901), section 3.5, for the point ahead.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import numpy as np

from layerkit import Array, Optimizer
from layerkit.fields import Fraction, Later, NonNegative, Positive

__all__ = ["Nesterov"]


class Nesterov(Optimizer):
    """v := mu v + g, p := p - eta (g + mu v)."""

    type_name = "nesterov"
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
        """One step; six passes."""
        (v,) = slots
        self.shrink(p, scratch)
        v *= self.momentum
        v += g
        np.multiply(v, self.momentum, scratch)
        scratch += g
        scratch *= self.rate
        p -= scratch
