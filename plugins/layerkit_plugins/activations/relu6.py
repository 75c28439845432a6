"""relu6: y = min(max(z, 0), 6), a relu that ends at 6.

::

    y     = min(max(z, 0), 6)                          any shape; in [0, 6]
    dL/dz = dy * [0 < y < 6]                           f'(0) = f'(6) = 0 by choice

Source: Krizhevsky, "Convolutional Deep Belief Networks on CIFAR-10" (unpublished, 2010), section 2;
Howard et al., "MobileNets", arXiv 1704.04861, made it common.
"""

from __future__ import annotations

import numpy as np

from layerkit import Activation, Array

__all__ = ["Relu6"]


class Relu6(Activation):
    """y = min(max(z, 0), 6)."""

    type_name = "relu6"

    def feed(self, z: Array) -> Array:
        """Return y = min(max(z, 0), 6)."""
        return np.minimum(np.maximum(z, 0), 6)

    def backprop(self, dy: Array, z: Array, y: Array) -> Array:
        """Return dL/dz = dy * [0 < y < 6]."""
        return dy * ((y > 0) & (y < 6))
