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
    matmul_both,
    sum_rows,
)
from layerkit.fields import ActivationName, InitializerName, Size
from layerkit_plugins.compiled import DENSE, code_of, kernels

__all__ = ["Dense"]

Memory = tuple[Array, Array]
"""z and y, (o, n); one array if the slope can be computed from y."""


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
        """W (i, o), b (o,); i o multiply-adds per row."""
        if len(in_shape) != 1:
            raise ShapeError(
                f"expected rows with one axis, got shape {list(in_shape)}; put a layer that "
                "flattens before it"
            )
        i, o = in_shape[0], self.units
        params = {"W": Param((i, o), self.initializer)}
        if self.use_bias:
            params["b"] = Param((o,))
        return Plan((o,), params, macs=i * o)

    # Buffers are (o, n): the transposes below are views, so that products and elementwise steps
    # run over contiguous memory and the next layer finds its x.T contiguous (1.3x on such nets).

    def feed(self, x: Array, ctx: Context) -> Array:
        """Outputs y (n, o) for x (n, i)."""
        step, memory = ctx.bound(self._bind_feed, len(x))
        ctx.save(x, memory)
        return step(x)

    def backprop(self, dy: Array, ctx: Context) -> Array:
        """Gradient dL/dx (n, i); writes dL/dW and dL/db."""
        x, memory = ctx.saved
        return ctx.bound(self._bind_backprop, memory)(x, dy)

    def _bind_feed(self, n: int, ctx: Context) -> tuple[Callable[[Array], Array], Memory]:
        """``feed`` of n rows with everything but x bound, and the memory that backprop reads."""
        W, b, f = self.params["W"].T, self.params.get("b"), activation(self.activation)
        z = ctx.buffer("z", (self.units, n))
        y = z if f.from_output else ctx.buffer("y", z.shape)
        column = None if b is None else b[:, None]
        rows = y.T

        def step(x: Array) -> Array:
            matmul(W, x.T, z)
            if column is not None:
                np.add(z, column, z)
            f.feed(z, y)
            return rows

        return step, (z, y)

    def _bind_backprop(self, memory: Memory, ctx: Context) -> Callable[[Array, Array], Array]:
        """``backprop`` with everything but x and dy bound."""
        z, y = memory
        W, dW, db = self.params["W"], self.grads["W"], self.grads.get("b")
        f, dz = activation(self.activation), ctx.scratch("dz", z.shape)
        dx = ctx.scratch("dx", (len(W), z.shape[1])) if ctx.wants_dx else None
        dz_rows = dz.T

        def step(x: Array, dy: Array) -> Array:
            f.backprop(dy.T, z, y, dz)
            if db is not None:
                sum_rows(dz, db)
            if dx is None:
                matmul(x.T, dz_rows, dW)
                return dy
            matmul_both(
                (x.T, dz_rows, dW),
                (W, dz, dx),
            )
            return dx.T

        return step

    def row_feed(self) -> Callable[[Array], Array]:
        """``feed`` of one row as a vector, with everything but x bound."""
        W, b, f = self.params["W"], self.params.get("b"), activation(self.activation)
        z = np.empty(self.units, W.dtype)
        y = z if f.from_output else np.empty_like(z)

        def feed(x: Array) -> Array:
            np.dot(x, W, z)
            if b is not None:
                np.add(z, b, z)
            return f.feed(z, y)

        return feed

    def program(self) -> tuple[Callable[..., Any], tuple[int, ...]] | None:
        """The compiled program, None for an activation without kernels."""
        code = code_of(activation(self.activation))
        if code is None:
            return None
        return kernels("program").Program.of, (DENSE, code, 0, int(self.use_bias))
