"""hard_sigmoid: y = z / 6 + 1/2, cut to [0, 1]: a sigmoid of three straight lines.

::

    y     = min(max(z + 3, 0), 6) / 6                  any shape; in [0, 1]
    dL/dz = dy * [-3 < z < 3] / 6                      f'(-3) = f'(3) = 0 by choice

This is the form of PyTorch, JAX and Keras 3. Keras 1 and 2 and, by default, ONNX have the slope 0.2
instead of 1/6, from Courbariaux et al.; it is another function.

Source: Howard et al., "Searching for MobileNetV3", arXiv 1905.02244, section 5.2, relu6(z + 3) / 6;
Courbariaux, Bengio, David, "BinaryConnect", arXiv 1511.00363, equation 3, for the name.
"""

from __future__ import annotations

import numpy as np

from layerkit import Activation, Array

__all__ = ["HardSigmoid"]


class HardSigmoid(Activation):
    """y = min(max(z + 3, 0), 6) / 6."""

    type_name = "hard_sigmoid"

    def feed(self, z: Array) -> Array:
        """Return y = min(max(z + 3, 0), 6) / 6."""
        return np.minimum(np.maximum(z + 3, 0), 6) * (1 / 6)

    def backprop(self, dy: Array, z: Array, y: Array) -> Array:
        """Return dL/dz = dy * [-3 < z < 3] / 6."""
        return dy * (np.abs(z) < 3) * (1 / 6)
