r"""The plain layer: an affine map and an elementwise function.

Feed, with rows x (n, i), weights W (i, o), bias b (o,)::

    z = x W + b                 (n, o)
    y = f(z)                    (n, o)

Backprop, given dy = dL/dy (n, o)::

    dz = dy * f'(z)             (n, o)
    dW = x^T dz                 (i, o)
    db = column sums of dz      (o,)
    dx = dz W^T                 (n, i)

Rows of several axes, (n, ..., i), are so many rows of the last axis: y is (n, ..., o).

Source: Rumelhart, Hinton, Williams, "Learning representations by back-propagating errors",
Nature 323 (1986), equations 1, 2 and 4 to 7.
"""

from __future__ import annotations

from typing import Any

from layerkit import Array, Context, Layer, Param, Plan, Shape, ShapeError, activation
from layerkit.fields import ActivationName, InitializerName, Size

__all__ = ["Dense"]


class Dense(Layer):
    """Fully connected layer, y = f(x W + b).

    Parameters
    ----------
    units
        Width o of the output.
    activation
        f; linear by default, as the last layer before a loss needs it.
    initializer
        How W starts; b starts at 0.
    use_bias
        Whether there is a b.
    freeze
        Whether training leaves W and b unchanged.

    Raises
    ------
    ShapeError
        From ``plan``, if a row has no axis.
    """

    type_name = "dense"

    def __init__(
        self,
        *,
        units: Size,
        activation: ActivationName = "linear",
        initializer: InitializerName = "glorot_uniform",
        use_bias: bool = True,
        freeze: bool = False,
    ) -> None:
        self.units, self.activation, self.initializer = units, activation, initializer
        self.use_bias, self.freeze = use_bias, freeze

    @classmethod
    def examples(cls) -> list[tuple[dict[str, Any], Shape]]:
        """Sample (settings, input shape) pairs for tests."""
        return [
            ({"units": 3}, (4,)),
            ({"units": 1, "activation": "gelu", "use_bias": False}, (2,)),
            ({"units": 5, "activation": "tanh", "freeze": True}, (1,)),
            ({"units": 2, "activation": "tanh"}, (3, 4)),
        ]

    def plan(self, in_shape: Shape) -> Plan:
        """W (i, o), b (o,)."""
        if not in_shape:
            raise ShapeError("expected rows with one axis or more, got single numbers")
        i, o = in_shape[-1], self.units
        bias = {"b": Param((o,))} if self.use_bias else {}
        return Plan((*in_shape[:-1], o), {"W": Param((i, o), self.initializer), **bias})

    def feed(self, x: Array, ctx: Context) -> Array:
        """Outputs y (n, ..., o) for x (n, ..., i)."""
        shape = (*x.shape[:-1], self.units)
        x = x.reshape(-1, x.shape[-1])
        z = x @ self.params["W"]
        if self.use_bias:
            z = z + self.params["b"]
        y = activation(self.activation).feed(z)
        ctx.save(x, z, y)
        return y.reshape(shape)

    def backprop(self, dy: Array, ctx: Context) -> Array:
        """Gradient dL/dx (n, ..., i); sets dL/dW and dL/db."""
        x, z, y = ctx.saved
        dz = activation(self.activation).backprop(dy.reshape(z.shape), z, y)
        self.grads["W"] = x.T @ dz
        if self.use_bias:
            self.grads["b"] = dz.sum(axis=0)
        dx = dz @ self.params["W"].T
        return dx.reshape((*dy.shape[:-1], x.shape[1]))
