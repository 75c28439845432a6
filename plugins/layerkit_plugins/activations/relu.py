"""relu: y = max(z, 0), the rectified linear unit.

::

    y     = max(z, 0)             any shape
    dL/dz = dy * (y > 0)          f'(z) = 1 where z > 0, else 0; f'(0) = 0 by choice

Source: Glorot, Bordes, Bengio, "Deep Sparse Rectifier Neural Networks" (AISTATS 2011), section 3.1.
"""

from __future__ import annotations

import numpy as np

from layerkit import Activation, Array

__all__ = ["Relu"]


class Relu(Activation):
    """y = max(z, 0)."""

    type_name = "relu"

    def feed(self, z: Array) -> Array:
        """Return y = max(z, 0)."""
        return np.maximum(z, 0)

    def backprop(self, dy: Array, z: Array, y: Array) -> Array:
        """Return dL/dz = dy * (y > 0)."""
        return dy * (y > 0)
