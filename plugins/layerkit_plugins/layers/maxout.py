r"""Maxout: each unit is the largest of k affine maps of the input.

Feed, with rows x (n, i), k pieces, weights W (i, k o), bias b (k o,); piece j has the columns from
j o to (j + 1) o::

    z  = x W + b                        (n, k o)
    y  = max over j of z_j              (n, o)

Backprop, given dy = dL/dy (n, o); the gradient goes to the largest piece, the first among equals::

    left_0   = dy                                   (n, o)
    dz_j     = [z_j = y] * left_j                   (n, o)
    left_j+1 = left_j - dz_j
    dW = x^T dz                         (i, k o)
    db = column sums of dz              (k o,)
    dx = dz W^T                         (n, i)

Source: Goodfellow, Warde-Farley, Mirza, Courville, Bengio, "Maxout Networks", arXiv 1302.4389,
section 2, with W as a matrix.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from layerkit import Array, Context, Layer, Param, Plan, Shape, ShapeError
from layerkit.fields import InitializerName, Size

__all__ = ["Maxout"]


class Maxout(Layer):
    """Maxout layer, y = the largest of ``pieces`` affine maps, unit by unit.

    Parameters
    ----------
    units
        Width o of the output.
    pieces
        k, how many affine maps there are; 1 is a linear layer.
    initializer
        How W starts, each piece scaled as a matrix (i, o) of its own; b starts at 0.
    use_bias
        Whether there is a b.
    freeze
        Whether training leaves W and b unchanged.

    Raises
    ------
    ShapeError
        From ``plan``, if a row has more than one axis.
    """

    type_name = "maxout"

    def __init__(
        self,
        *,
        units: Size,
        pieces: Size = 2,
        initializer: InitializerName = "glorot_uniform",
        use_bias: bool = True,
        freeze: bool = False,
    ) -> None:
        self.units, self.pieces, self.initializer = units, pieces, initializer
        self.use_bias, self.freeze = use_bias, freeze

    @classmethod
    def examples(cls) -> list[tuple[dict[str, Any], Shape]]:
        """Sample (settings, input shape) pairs for tests."""
        return [
            ({"units": 3}, (4,)),
            ({"units": 2, "pieces": 3, "use_bias": False}, (3,)),
            ({"units": 2, "pieces": 1, "freeze": True}, (1,)),
        ]

    def plan(self, in_shape: Shape) -> Plan:
        """W (i, k o), b (k o,)."""
        if len(in_shape) != 1:
            raise ShapeError(
                f"expected rows with one axis, got shape {list(in_shape)}; put a layer that "
                "flattens before it"
            )
        i, columns = in_shape[0], self.pieces * self.units
        W = Param((i, columns), self.initializer, fan_in=i, fan_out=self.units)
        return Plan((self.units,), {"W": W, **({"b": Param((columns,))} if self.use_bias else {})})

    def feed(self, x: Array, ctx: Context) -> Array:
        """Outputs y (n, o) for x (n, i)."""
        z = x @ self.params["W"]
        if self.use_bias:
            z = z + self.params["b"]
        pieces = [z[:, j * self.units : (j + 1) * self.units] for j in range(self.pieces)]
        y = pieces[0]
        for piece in pieces[1:]:
            y = np.maximum(y, piece)
        ctx.save(x, pieces, y)
        return y

    def backprop(self, dy: Array, ctx: Context) -> Array:
        """Gradient dL/dx (n, i); sets the gradients of W and b."""
        x, pieces, y = ctx.saved
        left, parts = dy, []
        for piece in pieces:
            parts.append((piece == y) * left)
            left = left - parts[-1]
        dz = np.concatenate(parts, axis=1)
        self.grads["W"] = x.T @ dz
        if self.use_bias:
            self.grads["b"] = dz.sum(axis=0)
        return dz @ self.params["W"].T
