"""leaky_relu: y = z above 0 and slope * z below it.

::

    y     = max(z, slope * z)                          any shape; 0 <= slope < 1
    dL/dz = dy * (slope + (1 - slope) * (y > 0))       f'(0) = slope by choice

y > 0 exactly where z > 0, so the slope can be computed from y.

Source: Maas, Hannun, Ng, "Rectifier Nonlinearities Improve Neural Network Acoustic Models"
(ICML 2013 workshop), where the slope is 0.01.
"""

from __future__ import annotations

import numpy as np

from layerkit import Activation, Array
from layerkit.fields import Fraction

__all__ = ["LeakyRelu"]


class LeakyRelu(Activation):
    """y = max(z, slope * z)."""

    type_name = "leaky_relu"

    def __init__(self, *, slope: Fraction = 0.01) -> None:
        self.slope = slope

    def feed(self, z: Array, out: Array) -> Array:
        """Write y = max(z, slope * z)."""
        return np.maximum(z, z * self.slope, out=out)

    def backprop(self, dy: Array, z: Array, y: Array, out: Array) -> Array:
        """Write dL/dz = dy * (slope + (1 - slope) * (y > 0))."""
        slope: Array = np.greater(y, 0).astype(y.dtype)
        slope *= 1 - self.slope
        slope += self.slope
        return np.multiply(dy, slope, out)
