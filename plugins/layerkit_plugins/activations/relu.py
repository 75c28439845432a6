"""relu: y = max(z, 0), the rectified linear unit.

::

    y     = max(z, 0)             any shape
    dL/dz = dy * (y > 0)          f'(z) = 1 where z > 0, else 0; f'(0) = 0 by choice

Source: Glorot, Bordes, Bengio, "Deep Sparse Rectifier Neural Networks" (AISTATS 2011), section 3.1.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np

from layerkit import Activation, Array, Shape

__all__ = ["Relu"]

_FEW, _MOST = 256, 1 << 18  # elements

_ZERO = np.zeros((), np.float32)  # a Python number would be converted each time


@lru_cache(maxsize=64)
def _zeros(shape: Shape, strides: Shape, dtype: np.dtype[np.generic]) -> Array | float:
    """Read-only zeros in the shape and memory order of z, or the number 0 if z is large.

    NumPy's maximum runs 2 to 3.5 times faster against an array than against a scalar.
    """
    if math.prod(shape) > _MOST:
        return 0.0
    fortran = len(shape) > 1 and strides[0] < strides[-1]
    zeros = np.zeros(shape, dtype, order="F" if fortran else "C")
    zeros.flags.writeable = False
    return zeros


class Relu(Activation):
    """y = max(z, 0)."""

    type_name = "relu"

    def feed(self, z: Array, out: Array) -> Array:
        """Write y = max(z, 0)."""
        if z.size <= _FEW:  # looking up the zeros would take longer
            return np.maximum(z, _ZERO, out=out)
        return np.maximum(z, _zeros(z.shape, z.strides, z.dtype), out=out)

    def backprop(self, dy: Array, z: Array, y: Array, out: Array) -> Array:
        """Write dL/dz = dy * (y > 0)."""
        return np.multiply(dy, np.greater(y, _ZERO), out)
