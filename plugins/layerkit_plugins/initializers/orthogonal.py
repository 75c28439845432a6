"""orthogonal: a random matrix whose rows or columns, the shorter ones, are orthonormal.

::

    G ~ N(0, 1)                          (max(i, o), min(i, o))
    Q R = G,  Q := Q diag(sign(diag R))  the signs make Q uniform over all such matrices
    W = gain Q, or its transpose         (i, o):  W^T W = gain^2 I if i >= o, else W W^T = gain^2 I

Axes before the last count as one, i.

Source: Saxe, McClelland, Ganguli, "Exact solutions to the nonlinear dynamics of learning in deep
linear neural networks" (arXiv 1312.6120); Mezzadri, "How to generate random matrices
from the classical compact groups" (arXiv math-ph/0609050), section 5, for the signs.
"""

from __future__ import annotations

import numpy as np

from layerkit import Array, Initializer, Shape, ShapeError
from layerkit.fields import Positive

__all__ = ["Orthogonal"]


class Orthogonal(Initializer):
    """W = gain Q with orthonormal rows or columns; raises ShapeError for fewer than two axes."""

    type_name = "orthogonal"

    def __init__(self, *, gain: Positive = 1.0) -> None:
        self.gain = gain

    def make(self, shape: Shape, fans: tuple[int, int], rng: np.random.Generator) -> Array:
        """A random orthogonal matrix times ``gain``, in ``shape``.

        Raises
        ------
        ShapeError
            If the parameter has fewer than two axes.
        """
        if len(shape) < 2:
            raise ShapeError(
                f"initializer 'orthogonal': expected two axes or more, got shape {list(shape)}"
            )
        o = shape[-1]
        i = int(np.prod(shape[:-1]))
        G = rng.normal(size=(max(i, o), min(i, o)))
        Q, R = np.linalg.qr(G)
        Q *= np.where(np.diag(R) < 0, -1.0, 1.0)
        W: Array = self.gain * (Q if i >= o else Q.T)
        return W.reshape(shape)
