r"""The added-projection highway layer: the carry passes through an affine map and an activation.

So the width may change. Feed, with rows x (n, i), weights WH, WT, WA (i, o), biases (o,)::

    aH = x WH + bH     H = f(aH)           (n, o)
    aT = x WT + bT     T = sigma(aT)       (n, o)
    aA = x WA + bA     A = fA(aA)          (n, o)
    C  = 1 - T = 1 / (1 + exp(aT))         (n, o), the carry gate
    P  = C * (H - A)                       (n, o)
    y  = H - P                             (n, o), that is T * H + C * A

Backprop, given G = dL/dy (n, o)::

    gA  = G * C                            (n, o), the gradient for A
    gH  = G - gA                           (n, o), that is G * T, the gradient for H
    dT  = gH * P                           (n, o), as dC/daT = -C T
    dH  = gH * f'(aH)                      (n, o)
    dA  = gA * fA'(aA)                     (n, o)
    dWk = x^T dk,  dbk = column sums of dk        for k in H, T, A
    dx  = dH WH^T + dT WT^T + dA WA^T      (n, i)

WA starts as all ones, as in the article. That matrix has rank 1: every unit receives the sum of the
row, and a squashing fA saturates if that sum is large; ``advice`` then reports it.

Source: Jae Duk Seo, "Only Numpy: Implementing Highway Network, OOP approach with mini-batch"
(2018), the branches H, T and A.
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
from layerkit_plugins.compiled import PROJECTION, code_of, kernels

__all__ = ["Projection"]

Memory = tuple[Array, Array, Array, Array]
"""a (3 o, n), aH or H above C above aA or A; H, A and P (o, n)."""


class Projection(Layer):
    """Highway layer with a projected carry, y = T * H + (1 - T) * A.

    Parameters
    ----------
    units
        Width o of the output.
    activation
        f, the activation of H.
    gate_bias
        Initial bT.
    carry_activation
        fA, the activation of the carry; tanh by default, since ones and linear diverge.
    carry_initializer
        How WA starts: ones (the article), mean (ones / fan-in), eye, orthogonal, lecun_normal...
    initializer
        How WH and WT start; bH and bA start at 0.
    use_bias
        Whether there are bH and bA; bT stays.
    freeze
        Whether training leaves the parameters unchanged.

    Raises
    ------
    ShapeError
        From ``plan``, if a row has more than one axis.
    """

    type_name = "projection"

    def __init__(
        self,
        *,
        units: Size,
        activation: ActivationName = "relu",
        gate_bias: float = -2.0,
        carry_activation: ActivationName = "tanh",
        carry_initializer: InitializerName = "ones",
        initializer: InitializerName = "glorot_uniform",
        use_bias: bool = True,
        freeze: bool = False,
    ) -> None:
        self.units = units
        self.activation = activation
        self.gate_bias = gate_bias
        self.carry_activation = carry_activation
        self.carry_initializer = carry_initializer
        self.initializer = initializer
        self.use_bias = use_bias
        self.freeze = freeze

    @classmethod
    def examples(cls) -> list[tuple[dict[str, Any], Shape]]:
        """Sample (settings, input shape) pairs for tests."""
        return [
            ({"units": 3, "activation": "tanh"}, (4,)),
            (
                {
                    "units": 4,
                    "activation": "silu",
                    "carry_activation": "gelu",
                    "carry_initializer": "eye",
                    "use_bias": False,
                },
                (2,),
            ),
            ({"units": 1, "activation": "tanh", "freeze": True}, (1,)),
        ]

    def plan(self, in_shape: Shape) -> Plan:
        """WH, WT, WA (i, o), bH, bT, bA (o,); 3 i o multiply-adds per row."""
        if len(in_shape) != 1:
            raise ShapeError(f"expected rows with one axis, got shape {list(in_shape)}")
        i, o = in_shape[0], self.units
        params = {
            "WH": Param((i, o), self.initializer),
            "WT": Param((i, o), self.initializer),
            "WA": Param((i, o), self.carry_initializer),
            "bH": Param((o,)),
            "bT": Param((o,), self.gate_bias),
            "bA": Param((o,)),
        }
        joined = {"W": ("WH", "WT", "WA"), "b": ("bH", "bT", "bA")}
        if not self.use_bias:
            del params["bH"], params["bA"], joined["b"]
        return Plan((o,), params, macs=3 * i * o, joined=joined)

    # Buffers are (3 o, n), H above T above A: one product fills all, and each third is contiguous.

    def feed(self, x: Array, ctx: Context) -> Array:
        """Outputs y (n, o) for x (n, i)."""
        step, memory = ctx.bound(self._bind_feed, len(x))
        ctx.save(x, memory)
        return step(x)

    def backprop(self, dy: Array, ctx: Context) -> Array:
        """Gradient dL/dx (n, i); writes the gradients of WH, WT, WA, bH, bT, bA."""
        x, memory = ctx.saved
        return ctx.bound(self._bind_backprop, memory)(x, dy)

    def _bind_feed(self, n: int, ctx: Context) -> tuple[Callable[[Array], Array], Memory]:
        """``feed`` of n rows with everything but x bound, and the memory that backprop reads."""
        o, keeps, one, W = self.units, ctx.keeps, np.ones((), ctx.dtype), self.joined["W"].T
        f, fA = activation(self.activation), activation(self.carry_activation)
        a, P = ctx.buffer("a", (3 * o, n)), ctx.buffer("P", (o, n))
        aH, aT, aA = a[:o], a[o : 2 * o], a[2 * o :]
        H = aH if f.from_output else ctx.buffer("H", (o, n))
        A = aA if fA.from_output else ctx.buffer("A", (o, n))
        C, y = aT, ctx.buffer("y", (o, n)) if keeps else P
        z, b = (a, self.joined["b"]) if self.use_bias else (aT, self.params["bT"])
        b, rows = b[:, None], y.T

        def step(x: Array) -> Array:
            matmul(W, x.T, a)
            np.add(z, b, z)
            f.feed(aH, H)
            fA.feed(aA, A)
            np.exp(aT, aT)  # where this is infinite, C is 0: the exact limit
            np.add(aT, one, aT)
            np.subtract(H, A, P)
            if keeps:
                np.divide(one, aT, C)
                np.multiply(P, C, P)
            else:
                np.divide(P, aT, P)
            np.subtract(H, P, y)
            return rows

        return step, (a, H, A, P)

    def _bind_backprop(self, memory: Memory, ctx: Context) -> Callable[[Array, Array], Array]:
        """``backprop`` with everything but x and dy bound."""
        a, H, A, P = memory
        o, n = P.shape
        aH, C, aA = a[:o], a[o : 2 * o], a[2 * o :]
        f, fA = activation(self.activation), activation(self.carry_activation)
        da, gA, gH = (ctx.scratch(b, (k, n)) for b, k in (("da", 3 * o), ("gA", o), ("gH", o)))
        dH, dT, dA = da[:o], da[o : 2 * o], da[2 * o :]
        product = self._bind_product(da, ctx)

        def step(x: Array, dy: Array) -> Array:
            G = dy.T
            np.multiply(G, C, gA)
            np.subtract(G, gA, gH)
            np.multiply(gH, P, dT)
            f.backprop(gH, aH, H, dH)
            fA.backprop(gA, aA, A, dA)
            return product(x, dy)

        return step

    def _bind_product(self, da: Array, ctx: Context) -> Callable[[Array, Array], Array]:
        """Gradients of the parameters and of x from da (3 o, n), dH above dT above dA."""
        W, dW, da_rows, o = self.joined["W"], self.joined_grads["W"], da.T, self.units
        dz, db = da, self.joined_grads.get("b")
        if db is None:
            dz, db = da[o : 2 * o], self.grads["bT"]
        dx = ctx.scratch("dx", (len(W), da.shape[1])) if ctx.wants_dx else None

        def product(x: Array, dy: Array) -> Array:
            sum_rows(dz, db)
            if dx is None:
                matmul(x.T, da_rows, dW)
                return dy
            matmul_both(
                (x.T, da_rows, dW),
                (W, da, dx),
            )
            return dx.T

        return product

    def row_feed(self) -> Callable[[Array], Array]:
        """``feed`` of one row as a vector, with everything but x bound."""
        W, o, kind = self.joined["W"], self.units, self.joined["W"].dtype
        feed_H, feed_A = activation(self.activation).feed, activation(self.carry_activation).feed
        a, H, A, P = (np.empty(size, kind) for size in (3 * o, o, o, o))
        aH, aT, aA, one = a[:o], a[o : 2 * o], a[2 * o :], np.ones((), kind)
        b, ab = (self.joined["b"], a) if self.use_bias else (self.params["bT"], aT)

        def feed(x: Array) -> Array:
            np.dot(x, W, a)
            np.add(ab, b, ab)
            feed_H(aH, H)
            feed_A(aA, A)
            np.exp(aT, aT)
            np.add(aT, one, aT)
            np.subtract(H, A, P)
            np.divide(P, aT, P)
            return np.subtract(H, P, P)

        return feed

    def program(self) -> tuple[Callable[..., Any], tuple[int, ...]] | None:
        """The compiled program, None for an activation without kernels."""
        f, fA = activation(self.activation), activation(self.carry_activation)
        code, code_A = code_of(f), code_of(fA)
        if code is None or code_A is None or not fA.from_output:
            return None
        return kernels("program").Program.of, (PROJECTION, code, code_A, int(self.use_bias))

    def advice(self, ctx: Context) -> list[str]:
        """A warning if nearly all values of the carry have no slope left."""
        _, (a, _, A, _) = ctx.saved
        aA = a[2 * self.units :]
        slope = activation(self.carry_activation).backprop(np.ones_like(A), aA, A, np.empty_like(A))
        flat = float(np.mean(np.abs(slope) < 1e-3)) if slope.size else 0.0
        if flat < 0.9:
            return []
        return [
            f"the carry is saturated: {flat:.0%} of its values have no slope, so WA cannot learn; "
            "scale the input to a smaller range or set carry_initializer to mean, eye or "
            "lecun_normal"
        ]
