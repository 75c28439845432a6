r"""The plain layer: an affine map and an elementwise function.

Feed, with rows x (n, i), weights W (i, o), bias b (o,)::

    z = x W + b                 (n, o)
    y = f(z)                    (n, o)

Backprop, given dy = dL/dy (n, o)::

    dz = dy * f'(z)             (n, o)
    dW = x^T dz                 (i, o)
    db = column sums of dz      (o,)
    dx = dz W^T                 (n, i)

Source: Rumelhart, Hinton, Williams, "Learning representations by back-propagating errors",
Nature 323 (1986), equations 1, 2 and 4 to 7.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from layerkit import (
    Array,
    Context,
    Layer,
    Param,
    Plan,
    Shape,
    ShapeError,
    activation,
    matmul,
    sum_rows,
)
from layerkit.fields import ActivationName, InitializerName, Size
from layerkit_plugins.compiled import code_of, kernels

__all__ = ["Dense"]


class Dense(Layer):
    """Fully connected layer, y = f(x W + b).

    Parameters
    ----------
    units
        Width o of the output.
    activation
        f; linear by default, as the last layer before a loss wants it.
    initializer
        How W starts; b starts at 0.
    use_bias
        Without it b is left out.
    freeze
        Training leaves W and b alone.

    Raises
    ------
    ShapeError
        From ``plan``, if a row has more than one axis.
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
        self.units = units
        self.activation = activation
        self.initializer = initializer
        self.use_bias = use_bias
        self.freeze = freeze

    @classmethod
    def examples(cls) -> list[tuple[dict[str, Any], Shape]]:
        """Sample (settings, input shape) pairs for tests."""
        return [
            ({"units": 3}, (4,)),
            ({"units": 1, "activation": "gelu", "use_bias": False}, (2,)),
            ({"units": 5, "activation": "tanh", "freeze": True}, (1,)),
        ]

    def plan(self, in_shape: Shape) -> Plan:
        """W (i, o), b (o,); i o multiply-accumulates a row."""
        if len(in_shape) != 1:
            raise ShapeError(f"dense takes rows of one axis, these are of shape {list(in_shape)}")
        i, o = in_shape[0], self.units
        params = {"W": Param((i, o), self.initializer)}
        if self.use_bias:
            params["b"] = Param((o,))
        return Plan((o,), params, macs=i * o)

    # Buffers are (o, n): the transposes below are views, so that products and elementwise steps
    # run over contiguous memory and the next layer finds its x.T contiguous (1.3x on such nets).

    def feed(self, x: Array, ctx: Context) -> Array:
        """Outputs y (n, o) for x (n, i)."""
        z = matmul(self.params["W"].T, x.T, ctx.buffer("z", (self.units, len(x))))
        if self.use_bias:
            z += self.params["b"][:, None]
        f = activation(self.activation)
        y = f.feed(z, z if f.from_output else ctx.buffer("y", z.shape))
        ctx.save(x, z, y)
        return y.T

    def backprop(self, dy: Array, ctx: Context) -> Array:
        """Gradient dL/dx (n, i); writes dL/dW and dL/db."""
        x, z, y = ctx.saved
        dz = activation(self.activation).backprop(dy.T, z, y, ctx.scratch("dz", z.shape))
        return self._through_product(x, dz, dy, ctx)

    def _through_product(self, x: Array, dz: Array, dy: Array, ctx: Context) -> Array:
        """dL/dW, dL/db and dL/dx from dz (o, n)."""
        matmul(x.T, dz.T, self.grads["W"])
        if self.use_bias:
            sum_rows(dz, self.grads["b"])
        if not ctx.wants_dx:
            return dy
        return matmul(self.params["W"], dz, ctx.scratch("dx", x.T.shape)).T

    def compiled_feed(self, x: Array, ctx: Context) -> Array:
        """``feed`` with bias and activation in one pass, for activations that the kernels know."""
        code = code_of(self.activation)
        if code is None or not self.use_bias:
            return self.feed(x, ctx)
        z = matmul(self.params["W"].T, x.T, ctx.buffer("z", (self.units, len(x))))
        kernels("elementwise").activate(code, z, self.params["b"])
        ctx.save(x, z, z)
        return z.T

    def compiled_backprop(self, dy: Array, ctx: Context) -> Array:
        """``backprop`` after ``compiled_feed``."""
        code = code_of(self.activation)
        if code is None or not self.use_bias:
            return self.backprop(dy, ctx)
        x, _, y = ctx.saved
        dz = ctx.scratch("dz", y.shape)
        kernels("elementwise").activate_back(code, np.ascontiguousarray(dy.T), y, dz)
        return self._through_product(x, dz, dy, ctx)

    def row_feed(self) -> Callable[[Array], Array]:
        """``feed`` for one row as a vector, with everything bound that does not change."""
        W, b, f = self.params["W"], self.params.get("b"), activation(self.activation)
        z = np.empty(self.units, W.dtype)
        y = z if f.from_output else np.empty_like(z)

        def feed(x: Array) -> Array:
            np.dot(x, W, z)
            if b is not None:
                np.add(z, b, z)
            return f.feed(z, y)

        return feed

    def row_program(self) -> tuple[Callable[..., None], tuple[int, int, int]] | None:
        """A line of the compiled program, for activations that it knows."""
        code = code_of(self.activation)
        if code is None or not self.use_bias:
            return None
        from layerkit_plugins.compiled import rows

        return rows.program, (rows.DENSE, code, 0)
