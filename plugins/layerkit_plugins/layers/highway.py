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

bT starts negative, so that at first the layer carries its input and a deep stack can be trained.

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
    sum_rows,
)
from layerkit.fields import ActivationName, InitializerName, Size
from layerkit_plugins.compiled import code_of, kernels

__all__ = ["Highway"]


class Highway(Layer):
    """Highway layer with an identity carry, y = T * H + (1 - T) * x; as wide as its input.

    Parameters
    ----------
    activation
        f, the activation of H.
    gate_bias
        Where bT starts: -1 to -3 usually, lower for deeper nets.
    initializer
        How WH and WT start; bH starts at 0.
    units
        Width, if it is to be checked; it must be that of the input.
    use_bias
        Without it bH is left out; bT stays, since the layer is not trainable in depth without it.
    freeze
        Training leaves the parameters alone.

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
        """WH, WT (d, d), bH, bT (d,); 2 d^2 multiply-accumulates a row."""
        if len(in_shape) != 1:
            raise ShapeError(f"highway takes rows of one axis, these are of shape {list(in_shape)}")
        d = in_shape[0]
        if self.units not in (None, d):
            raise ShapeError(
                f"highway carries its input unchanged, so {self.units} units cannot follow an "
                f"input of width {d}: use projection, whose carry changes the width, or put a "
                f"dense layer of {self.units} units before it"
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
        n, d = x.shape
        a = matmul(self.joined["W"].T, x.T, ctx.buffer("a", (2 * d, n)))
        aH, aT = a[:d], a[d:]
        if self.use_bias:
            a += self.joined["b"][:, None]
        else:
            aT += self.params["bT"][:, None]
        f = activation(self.activation)
        H = f.feed(aH, aH if f.from_output else ctx.buffer("H", (d, n)))
        np.exp(aT, aT)  # where this is infinite, C is 0: the exact limit
        aT += 1
        P = np.subtract(H, x.T, ctx.buffer("P", (d, n)))
        if not ctx.keeps:
            P /= aT
            return np.subtract(H, P, P).T
        C = np.divide(1, aT, aT)
        P *= C
        ctx.save(x, a, H, P)
        return np.subtract(H, P, ctx.buffer("y", (d, n))).T

    def backprop(self, dy: Array, ctx: Context) -> Array:
        """Gradient dL/dx (n, d); writes the gradients of WH, WT, bH, bT."""
        x, a, H, P = ctx.saved
        d, n = P.shape
        aH, C, G = a[:d], a[d:], dy.T
        da = ctx.scratch("da", (2 * d, n))
        dH, dT = da[:d], da[d:]
        gC = np.multiply(G, C, ctx.scratch("gC", (d, n)))
        gH = np.subtract(G, gC, ctx.scratch("gH", (d, n)))
        np.multiply(gH, P, dT)
        activation(self.activation).backprop(gH, aH, H, dH)
        return self._through_product(x, da, gC, dy, ctx)

    def _through_product(self, x: Array, da: Array, gC: Array, dy: Array, ctx: Context) -> Array:
        """Gradients of the parameters and of x from da (2 d, n), dH above dT."""
        matmul(x.T, da.T, self.joined_grads["W"])
        if self.use_bias:
            sum_rows(da, self.joined_grads["b"])
        else:
            sum_rows(da[len(gC) :], self.grads["bT"])
        if not ctx.wants_dx:
            return dy
        dx = matmul(self.joined["W"], da, ctx.scratch("dx", gC.shape))
        dx += gC
        return dx.T

    def compiled_feed(self, x: Array, ctx: Context) -> Array:
        """``feed`` with all between the products in one pass, for activations the kernels know."""
        code = code_of(self.activation)
        if code is None or not self.use_bias:
            return self.feed(x, ctx)
        n, d = x.shape
        a = matmul(self.joined["W"].T, x.T, ctx.buffer("a", (2 * d, n)))
        y, X = ctx.buffer("y", (d, n)), np.ascontiguousarray(x.T)
        if not ctx.keeps:
            kernels("gates").carry_only(code, a, self.joined["b"], X, y)
            return y.T
        P = ctx.buffer("P", (d, n))
        kernels("gates").carry(code, a, self.joined["b"], X, P, y)
        ctx.save(x, a, a[:d], P)
        return y.T

    def compiled_backprop(self, dy: Array, ctx: Context) -> Array:
        """``backprop`` after ``compiled_feed``."""
        code = code_of(self.activation)
        if code is None or not self.use_bias:
            return self.backprop(dy, ctx)
        x, a, _, P = ctx.saved
        da, gC = ctx.scratch("da", a.shape), ctx.scratch("gC", P.shape)
        kernels("gates").carry_back(code, np.ascontiguousarray(dy.T), a, P, da, gC)
        return self._through_product(x, da, gC, dy, ctx)

    def row_feed(self) -> Callable[[Array], Array]:
        """``feed`` for one row as a vector, with everything bound that does not change."""
        W, bH, bT, f = self.joined["W"], self.params.get("bH"), self.params["bT"], self.activation
        feed_H, d, one = activation(f).feed, W.shape[0], W.dtype.type(1)
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

    def row_program(self) -> tuple[Callable[..., None], tuple[int, int, int]] | None:
        """A line of the compiled program, for activations that it knows."""
        code = code_of(self.activation)
        if code is None or not self.use_bias:
            return None
        from layerkit_plugins.compiled import rows

        return rows.program, (rows.HIGHWAY, code, 0)
