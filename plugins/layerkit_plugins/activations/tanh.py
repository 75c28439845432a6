"""tanh: y = tanh z, in (-1, 1).

::

    y     = tanh(z)               any shape
    dL/dz = dy * (1 - y^2)        f'(z) = 1 - tanh(z)^2

Source: LeCun, Bottou, Orr, Müller, "Efficient BackProp" (1998), section 4.4.
"""

from __future__ import annotations

import numpy as np

from layerkit import Activation, Array

__all__ = ["Tanh"]


class Tanh(Activation):
    """y = tanh(z)."""

    type_name = "tanh"

    def feed(self, z: Array) -> Array:
        """Return y = tanh(z)."""
        return np.tanh(z)

    def backprop(self, dy: Array, z: Array, y: Array) -> Array:
        """Return dL/dz = dy * (1 - y^2)."""
        return dy * (1 - y * y)
