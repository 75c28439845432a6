"""linear: y = z, the activation that does nothing.

::

    y     = z                     any shape
    dL/dz = dy * f'(z) = dy       f'(z) = 1

Source: the identity of affine layers; Goodfellow, Bengio, Courville, "Deep Learning" (2016),
section 6.2.2.1 (linear units).
"""

from __future__ import annotations

from layerkit import Activation, Array

__all__ = ["Linear"]


class Linear(Activation):
    """y = z."""

    type_name = "linear"

    def feed(self, z: Array) -> Array:
        """Return y = z."""
        return z

    def backprop(self, dy: Array, z: Array, y: Array) -> Array:
        """Return dL/dz = dy."""
        return dy
