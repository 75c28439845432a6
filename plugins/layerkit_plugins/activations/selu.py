"""selu: the scaled exponential linear unit, whose outputs keep mean 0 and variance 1.

::

    t     = tanh(min(z, 0) / 2)                        any shape; t in [-1, 0]
    y     = lambda (max(z, 0) + alpha * 2 t / (1 - t)) exp(x) - 1 = 2 t / (1 - t), t = tanh(x / 2)
    f'    = min(y, 0) + lambda alpha + lambda (1 - alpha) [y > 0]
          = lambda where z > 0, else y + lambda alpha; f'(0) = lambda alpha by choice
    dL/dz = dy * f'

Needs weights of variance 1 / fan_in (``lecun_normal``).

Source: Klambauer, Unterthiner, Mayr, Hochreiter, "Self-Normalizing Neural Networks" (arXiv
1706.02515), equations 2 and 14 (the constants).
"""

from __future__ import annotations

import numpy as np

from layerkit import Activation, Array

__all__ = ["Selu"]

_LAMBDA = 1.0507009873554804934
_ALPHA = 1.6732632423543772848


class Selu(Activation):
    """y = lambda (max(z, 0) + alpha (exp(min(z, 0)) - 1))."""

    type_name = "selu"

    def feed(self, z: Array) -> Array:
        """Return y = lambda (max(z, 0) + alpha * 2 t / (1 - t)), t = tanh(min(z, 0) / 2)."""
        t = np.tanh(0.5 * np.minimum(z, 0))
        return _LAMBDA * (np.maximum(z, 0) + (2 * _ALPHA) * (t / (1 - t)))

    def backprop(self, dy: Array, z: Array, y: Array) -> Array:
        """Return dL/dz = dy * (min(y, 0) + lambda alpha + lambda (1 - alpha) [y > 0])."""
        above = (y > 0).astype(y.dtype)
        return dy * (np.minimum(y, 0) + _LAMBDA * _ALPHA + _LAMBDA * (1 - _ALPHA) * above)
