r"""The highway layer: a gate T chooses, unit by unit, between a new value H and the input itself.

Feed, with rows x (n, d), weights WH, WT (d, d), biases bH, bT (d,)::

    aH = x WH + bH     H = f(aH)           (n, d)
    aT = x WT + bT     T = sigma(aT)       (n, d)
    C  = 1 - T = 1 / (1 + exp(aT))         (n, d), the carry gate
    P  = C * (H - x)                       (n, d)
    y  = H - P                             (n, d), that is T * H + C * x

Backprop, given G = dL/dy (n, d)::

    gC  = G * C                            (n, d), the gradient for the carried x
    gH  = G - gC                           (n, d), that is G * T, the gradient for H
    dT  = gH * P                           (n, d), as dC/daT = -C T
    dH  = gH * f'(aH)                      (n, d)
    dWk = x^T dk,  dbk = column sums of dk        for k in H, T
    dx  = dH WH^T + dT WT^T + gC           (n, d)

bT starts negative, so that the layer first carries its input and deep stacks can be trained.

Source: Srivastava, Greff, Schmidhuber, "Highway Networks", arXiv 1505.00387, equations 2 to 4,
with C = 1 - T, and section 2.2 for the gate bias.
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
from layerkit_plugins.compiled import HIGHWAY, code_of, kernels

__all__ = ["Highway"]

Memory = tuple[Array, Array, Array]
"""a (2 d, n), aH or H above C; H and P (d, n)."""


class Highway(Layer):
    """Highway layer with an identity carry, y = T * H + (1 - T) * x; as wide as its input.

    Parameters
    ----------
    activation
        f, the activation of H.
    gate_bias
        Initial bT: usually -1 to -3, lower for deeper nets.
    initializer
        How WH and WT start; bH starts at 0.
    units
        Width, only to check it; it must be that of the input.
    use_bias
        Whether there is a bH; bT stays, since deep stacks cannot be trained without it.
    freeze
        Whether training leaves the parameters unchanged.

    Raises
    ------
    ShapeError
        From ``plan``, if ``units`` is not the width of the input or a row has several axes.
    """

    type_name = "highway"

    def __init__(
        self,
        *,
        activation: ActivationName = "relu",
        gate_bias: float = -2.0,
        initializer: InitializerName = "glorot_uniform",
        units: Size | None = None,
        use_bias: bool = True,
        freeze: bool = False,
    ) -> None:
        self.activation = activation
        self.gate_bias = gate_bias
        self.initializer = initializer
        self.units = units
        self.use_bias = use_bias
        self.freeze = freeze

    @classmethod
    def examples(cls) -> list[tuple[dict[str, Any], Shape]]:
        """Sample (settings, input shape) pairs for tests."""
        return [
            ({"activation": "tanh", "gate_bias": -1.0}, (4,)),
            ({"activation": "silu", "use_bias": False, "units": 3}, (3,)),
            ({"activation": "tanh", "freeze": True}, (1,)),
        ]

    def plan(self, in_shape: Shape) -> Plan:
        """WH, WT (d, d), bH, bT (d,); 2 d^2 multiply-adds per row."""
        if len(in_shape) != 1:
            raise ShapeError(f"expected rows with one axis, got shape {list(in_shape)}")
        d = in_shape[0]
        if self.units not in (None, d):
            raise ShapeError(
                f"expected units {d}, the width of the input, got {self.units}; use projection to "
                f"change the width, or put a dense layer of {self.units} units before it"
            )
        params = {
            "WH": Param((d, d), self.initializer),
            "WT": Param((d, d), self.initializer),
            "bH": Param((d,)),
            "bT": Param((d,), self.gate_bias),
        }
        joined = {"W": ("WH", "WT"), "b": ("bH", "bT")}
        if not self.use_bias:
            del params["bH"], joined["b"]
        return Plan((d,), params, macs=2 * d * d, joined=joined)

    # Buffers are (2 d, n), H above T: one product fills both, and each half is contiguous. C is
    # 1 - T without a negation, and P serves y and dT: 6 and 5 passes where T itself takes 8 and 8.

    def feed(self, x: Array, ctx: Context) -> Array:
        """Outputs y (n, d) for x (n, d)."""
        step, memory = ctx.bound(self._bind_feed, len(x))
        ctx.save(x, memory)
        return step(x)

    def backprop(self, dy: Array, ctx: Context) -> Array:
        """Gradient dL/dx (n, d); writes the gradients of WH, WT, bH, bT."""
        x, memory = ctx.saved
        return ctx.bound(self._bind_backprop, memory)(x, dy)

    def _bind_feed(self, n: int, ctx: Context) -> tuple[Callable[[Array], Array], Memory]:
        """``feed`` of n rows with everything but x bound, and the memory that backprop reads."""
        d, keeps, one = self.joined["W"].shape[0], ctx.keeps, np.ones((), ctx.dtype)
        W, f = self.joined["W"].T, activation(self.activation)
        a, P = ctx.buffer("a", (2 * d, n)), ctx.buffer("P", (d, n))
        aH, aT = a[:d], a[d:]
        H = aH if f.from_output else ctx.buffer("H", (d, n))
        C, y = aT, ctx.buffer("y", (d, n)) if keeps else P
        z, b = (a, self.joined["b"]) if self.use_bias else (aT, self.params["bT"])
        b, rows = b[:, None], y.T

        def step(x: Array) -> Array:
            xT = x.T
            matmul(W, xT, a)
            np.add(z, b, z)
            f.feed(aH, H)
            np.exp(aT, aT)  # where this is infinite, C is 0: the exact limit
            np.add(aT, one, aT)
            np.subtract(H, xT, P)
            if keeps:
                np.divide(one, aT, C)
                np.multiply(P, C, P)
            else:
                np.divide(P, aT, P)
            np.subtract(H, P, y)
            return rows

        return step, (a, H, P)

    def _bind_backprop(self, memory: Memory, ctx: Context) -> Callable[[Array, Array], Array]:
        """``backprop`` with everything but x and dy bound."""
        a, H, P = memory
        d, n = P.shape
        aH, C, f = a[:d], a[d:], activation(self.activation)
        da, gC, gH = (ctx.scratch(b, (k, n)) for b, k in (("da", 2 * d), ("gC", d), ("gH", d)))
        dH, dT = da[:d], da[d:]
        product = self._bind_product(da, gC, ctx)

        def step(x: Array, dy: Array) -> Array:
            G = dy.T
            np.multiply(G, C, gC)
            np.subtract(G, gC, gH)
            np.multiply(gH, P, dT)
            f.backprop(gH, aH, H, dH)
            return product(x, dy)

        return step

    def _bind_product(self, da: Array, gC: Array, ctx: Context) -> Callable[[Array, Array], Array]:
        """Gradients of the parameters and of x from da (2 d, n), dH above dT."""
        W, dW, da_rows = self.joined["W"], self.joined_grads["W"], da.T
        dz, db = da, self.joined_grads.get("b")
        if db is None:
            dz, db = da[len(gC) :], self.grads["bT"]
        dx = ctx.scratch("dx", gC.shape) if ctx.wants_dx else None

        def product(x: Array, dy: Array) -> Array:
            sum_rows(dz, db)
            if dx is None:
                matmul(x.T, da_rows, dW)
                return dy
            matmul_both(
                (x.T, da_rows, dW),
                (W, da, dx),
            )
            return np.add(dx, gC, dx).T

        return product

    def row_feed(self) -> Callable[[Array], Array]:
        """``feed`` of one row as a vector, with everything but x bound."""
        W, bH, bT, f = self.joined["W"], self.params.get("bH"), self.params["bT"], self.activation
        feed_H, d, one = activation(f).feed, W.shape[0], np.ones((), W.dtype)
        a, H, P = np.empty(2 * d, W.dtype), np.empty(d, W.dtype), np.empty(d, W.dtype)
        aH, aT = a[:d], a[d:]
        b, ab = (bT, aT) if bH is None else (self.joined["b"], a)

        def feed(x: Array) -> Array:
            np.dot(x, W, a)
            np.add(ab, b, ab)
            feed_H(aH, H)
            np.exp(aT, aT)
            np.add(aT, one, aT)
            np.subtract(H, x, P)
            np.divide(P, aT, P)
            return np.subtract(H, P, P)

        return feed

    def program(self) -> tuple[Callable[..., Any], tuple[int, ...]] | None:
        """The compiled program, None for an activation without kernels."""
        code = code_of(activation(self.activation))
        if code is None:
            return None
        return kernels("program").Program.of, (HIGHWAY, code, 0, int(self.use_bias))
