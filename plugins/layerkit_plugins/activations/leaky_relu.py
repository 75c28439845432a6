"""leaky_relu: y = z above 0 and slope * z below it.

::

    y     = max(z, slope * z)                          any shape; 0 <= slope < 1
    dL/dz = dy * max([y > 0], slope)                   [.] is 1 or 0; f'(0) = slope by choice

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

    def feed(self, z: Array) -> Array:
        """Return y = max(z, slope * z)."""
        return np.maximum(z, self.slope * z)

    def backprop(self, dy: Array, z: Array, y: Array) -> Array:
        """Return dL/dz = dy * max([y > 0], slope)."""
        return dy * np.maximum((y > 0).astype(y.dtype), self.slope)
