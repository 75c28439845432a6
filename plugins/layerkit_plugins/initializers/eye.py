"""eye: the rectangular identity, so that x W starts as x, truncated or padded with zeros.

::

    W_ij = 1 if i = j else 0      (i, o)
    x W  = (x_1, ..., x_min(i,o), 0, ..., 0)

Source: Srivastava, Greff, Schmidhuber, "Highway Networks" (arXiv 1505.00387), section 2: to change
size, sub-sample or zero-pad x. Here that is the start of a trained matrix.
"""

from __future__ import annotations

import numpy as np

from layerkit import Array, Initializer, Shape, ShapeError

__all__ = ["Eye"]


class Eye(Initializer):
    """W_ij = 1 if i = j else 0; raises ShapeError if the parameter is not a matrix."""

    type_name = "eye"

    def make(self, shape: Shape, fans: tuple[int, int], rng: np.random.Generator) -> Array:
        """The rectangular identity of ``shape`` (i, o).

        Raises
        ------
        ShapeError
            If the parameter is not a matrix.
        """
        if len(shape) != 2:
            raise ShapeError(f"initializer 'eye': expected a matrix, got shape {list(shape)}")
        return np.eye(*shape)
