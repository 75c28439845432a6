"""softsign: y = z / (1 + |z|), a squasher with long tails.

::

    y     = z / (1 + |z|)                              any shape; in (-1, 1)
    dL/dz = dy / (1 + |z|)^2

The slope falls as 1 / z^2, where that of tanh falls exponentially, so saturated units still learn.

Source: Bergstra, Desjardins, Lamblin, Bengio, "Quadratic Polynomials Learn Better Image Features"
(technical report 1337, Université de Montréal, 2009); Glorot, Bengio, "Understanding the Difficulty
of Training Deep Feedforward Neural Networks" (AISTATS 2010), section 2.3.
"""

from __future__ import annotations

import numpy as np

from layerkit import Activation, Array

__all__ = ["Softsign"]


class Softsign(Activation):
    """y = z / (1 + |z|)."""

    type_name = "softsign"

    def feed(self, z: Array) -> Array:
        """Return y = z / (1 + |z|)."""
        return z / (1 + np.abs(z))

    def backprop(self, dy: Array, z: Array, y: Array) -> Array:
        """Return dL/dz = dy / (1 + |z|)^2."""
        u = 1 / (1 + np.abs(z))
        return dy * (u * u)
