"""silu: y = z sigma(z), the sigmoid-weighted linear unit, also called swish.

::

    s     = 1 / (1 + exp(-z))             any shape; sigma(z)
    y     = z * s
    dL/dz = dy * s (1 + z (1 - s))        cannot be computed from y: two z below 0 share one y

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
    s = np.negative(z)
    with np.errstate(over="ignore"):
        np.exp(s, s)
    s += 1
    return np.divide(1, s, s)


class Silu(Activation):
    """y = z sigma(z)."""

    type_name = "silu"
    from_output = False

    def feed(self, z: Array, out: Array) -> Array:
        """Write y = z * s."""
        return np.multiply(z, _sigma(z), out)

    def backprop(self, dy: Array, z: Array, y: Array, out: Array) -> Array:
        """Write dL/dz = dy * s (1 + z (1 - s))."""
        s = _sigma(z)
        slope = np.subtract(1, s)
        slope *= z
        slope += 1
        slope *= s
        return np.multiply(dy, slope, out)
