"""silu: y = z sigma(z), the sigmoid-weighted linear unit, also called swish.

::

    s     = 1 / (1 + exp(-z))             any shape; sigma(z)
    y     = z * s
    dL/dz = dy * s (1 + z (1 - s))

Far below 0 exp(-z) overflows to infinity and s is 0, its exact limit in that precision; the
overflow is not an error.

Source: Elfwing, Uchibe, Doya, "Sigmoid-Weighted Linear Units for Neural Network Function
Approximation in Reinforcement Learning" (arXiv 1702.03118), section 2; Hendrycks, Gimpel (arXiv
1606.08415) for the name.
"""

from __future__ import annotations

import numpy as np

from layerkit import Activation, Array

__all__ = ["Silu"]


def _sigma(z: Array) -> Array:
    with np.errstate(over="ignore"):
        return 1 / (1 + np.exp(-z))


class Silu(Activation):
    """y = z sigma(z)."""

    type_name = "silu"

    def feed(self, z: Array) -> Array:
        """Return y = z * s."""
        return z * _sigma(z)

    def backprop(self, dy: Array, z: Array, y: Array) -> Array:
        """Return dL/dz = dy * s (1 + z (1 - s))."""
        s = _sigma(z)
        return dy * (s * (1 + z * (1 - s)))
