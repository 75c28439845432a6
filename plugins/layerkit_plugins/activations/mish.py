"""mish: y = z tanh(log(1 + exp z)), a smooth relu that dips below 0.

::

    e     = exp(-|z|)                                  any shape; in (0, 1]
    t     = (1 + 2 e) / (1 + 2 e + 2 e^2)              tanh(softplus(z)) where z >= 0
    t     = (2 e + e^2) / (2 + 2 e + e^2)              the same where z < 0
    y     = z t
    s     = 1 / (1 + e) where z >= 0, e / (1 + e) else       sigma(z)
    dL/dz = dy * (t + z s (1 - t^2))

tanh(log(u)) = (u^2 - 1) / (u^2 + 1) with u = 1 + exp(z); divided by exp(2 z) where z >= 0, so that
nothing overflows and no digits are lost far below 0. The least value is -0.3088, at z = -1.1924.

Source: Misra, "Mish: A Self Regularized Non-Monotonic Activation Function", arXiv 1908.08681,
equation 1.
"""

from __future__ import annotations

import numpy as np

from layerkit import Activation, Array

__all__ = ["Mish"]


def _terms(z: Array) -> tuple[Array, Array]:
    """(t, e) of the equations above."""
    e = np.exp(-np.abs(z))
    d = 2 * e
    q = e * e
    above, below = (1 + d) / (1 + d + 2 * q), (d + q) / (2 + d + q)
    return np.where(z < 0, below, above), e


class Mish(Activation):
    """y = z tanh(log(1 + exp z))."""

    type_name = "mish"

    def feed(self, z: Array) -> Array:
        """Return y = z t."""
        t, _ = _terms(z)
        return z * t

    def backprop(self, dy: Array, z: Array, y: Array) -> Array:
        """Return dL/dz = dy * (t + z s (1 - t^2))."""
        t, e = _terms(z)
        s = np.where(z < 0, e, 1) / (1 + e)
        return dy * (t + z * s * (1 - t * t))
