"""linear: y = z, the activation that does nothing.

::

    y     = z                     any shape
    dL/dz = dy * f'(z) = dy       f'(z) = 1

Source: the identity of affine layers; Goodfellow, Bengio, Courville, "Deep Learning" (2016),
section 6.2.2.1 (linear units).
"""

from __future__ import annotations

import numpy as np

from layerkit import Activation, Array

__all__ = ["Linear"]


class Linear(Activation):
    """y = z."""

    type_name = "linear"

    def feed(self, z: Array, out: Array) -> Array:
        """Write y = z; nothing is copied where ``out`` is z."""
        if out is not z:
            np.copyto(out, z)
        return out

    def backprop(self, dy: Array, z: Array, y: Array, out: Array) -> Array:
        """Write dL/dz = dy; nothing is copied where ``out`` is dy."""
        if out is not dy:
            np.copyto(out, dy)
        return out
