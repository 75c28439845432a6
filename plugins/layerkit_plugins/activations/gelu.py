"""gelu: y = z Phi(z), the Gaussian error linear unit in its exact form.

::

    e     = exp(-z^2 / 2)                              any shape
    a     = |z|,  x = a / sqrt(2)
    t     = (x - 3.75) / (x + 3.75)                    in [-1, 1)
    q     = e P(t) / (2 (1 + 2 x)) = erfc(x) / 2       the upper tail 1 - Phi(a) of the normal
    y     = max(z, 0) - a q                            z Phi(z) on both sides of 0, no cancellation
    Phi   = q + (z > 0) (1 - 2 q)
    dL/dz = dy * (Phi + z e / sqrt(2 pi))

P is a Chebyshev series in t with 24 terms (12 in float32), relative error below 1e-15 (2e-7); e is
0 where z^2 overflows, which is not an error. NumPy has no erf; the common tanh form differs by up
to 5e-4 in y and is another function.

Source: Hendrycks, Gimpel, "Gaussian Error Linear Units" (arXiv 1606.08415), section 2; Shepherd,
Laframboise, "Chebyshev Approximation of (1 + 2x) exp(x^2) erfc x in 0 <= x < inf" (Mathematics of
Computation 36, 1981), whose coefficients were computed again in 40 digits.
"""

from __future__ import annotations

import math
from functools import cache

import numpy as np
from numpy.polynomial.chebyshev import cheb2poly

from layerkit import Activation, Array

__all__ = ["Gelu"]

_CHEBYSHEV = (
    *(1.1775789345674017541, -0.0045900545806464773309, -0.084249133366517915584),
    *(0.059209939998191890498, -0.026658668435305752277, 0.0090749976707052650939),
    *(-0.0024131635404176081909, 4.9077583652580863229e-4, -6.9169733025012063672e-5),
    *(4.139027986073010166e-6, 7.7403830661984906497e-7, -2.1886401049234395877e-7),
    *(1.0764999465670908092e-8, 4.5219598112182846338e-9, -7.7544002088313720881e-10),
    *(-6.3180883408868642629e-11, 2.8687950109305316836e-11, 1.9455868545689505737e-13),
    *(-9.6546967484366290422e-13, 3.2525481481747385529e-14, 3.3478119483689349367e-14),
    *(-1.8645628790905083947e-15, -1.2507950513189442409e-15, 7.4182354623899982967e-17),
)


@cache
def _powers(terms: int) -> tuple[float, ...]:
    """Coefficients of P in powers of t, highest first: two operations per term instead of three."""
    return tuple(float(c) for c in cheb2poly(_CHEBYSHEV[:terms])[::-1])


def _tail(z: Array) -> tuple[Array, Array]:
    """(q, e) of the equations above."""
    with np.errstate(over="ignore"):
        e = np.exp(-0.5 * np.square(z))
    x = math.sqrt(0.5) * np.abs(z)
    t = (x - 3.75) / (x + 3.75)
    first, second, *rest = _powers(12 if z.dtype == np.float32 else 24)
    P = first * t + second
    for c in rest:
        P = P * t + c
    return P * e / (4 * x + 2), e


class Gelu(Activation):
    """y = z Phi(z), Phi the distribution function of the standard normal."""

    type_name = "gelu"

    def feed(self, z: Array) -> Array:
        """Return y = max(z, 0) - a q."""
        q, _ = _tail(z)
        return np.maximum(z, 0) - np.abs(z) * q

    def backprop(self, dy: Array, z: Array, y: Array) -> Array:
        """Return dL/dz = dy * (Phi + z e / sqrt(2 pi))."""
        q, e = _tail(z)
        Phi = q + (z > 0) * (1 - 2 * q)
        return dy * (Phi + z * e * (1 / math.sqrt(2 * math.pi)))
