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

from typing import Any

import numpy as np

from layerkit import Array, Context, Layer, Param, Plan, Shape, ShapeError, activation
from layerkit.fields import ActivationName, InitializerName, Size

__all__ = ["Projection"]


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
        self.units, self.activation, self.initializer = units, activation, initializer
        self.carry_activation, self.carry_initializer = carry_activation, carry_initializer
        self.gate_bias, self.use_bias, self.freeze = gate_bias, use_bias, freeze

    @classmethod
    def examples(cls) -> list[tuple[dict[str, Any], Shape]]:
        """Sample (settings, input shape) pairs for tests."""
        others = {"activation": "silu", "carry_activation": "gelu", "carry_initializer": "eye"}
        return [
            ({"units": 3, "activation": "tanh"}, (4,)),
            ({"units": 4, "use_bias": False, **others}, (2,)),
            ({"units": 1, "activation": "tanh", "freeze": True}, (1,)),
        ]

    def plan(self, in_shape: Shape) -> Plan:
        """WH, WT, WA (i, o), bH, bT, bA (o,)."""
        if len(in_shape) != 1:
            raise ShapeError(f"expected rows with one axis, got shape {list(in_shape)}")
        i, o = in_shape[0], self.units
        W, WA = Param((i, o), self.initializer), Param((i, o), self.carry_initializer)
        b, bT = Param((o,)), Param((o,), self.gate_bias)
        biases = {"bH": b, "bT": bT, "bA": b} if self.use_bias else {"bT": bT}
        return Plan((o,), {"WH": W, "WT": W, "WA": WA, **biases})

    def feed(self, x: Array, ctx: Context) -> Array:
        """Outputs y (n, o) for x (n, i)."""
        p = self.params
        aH, aT, aA = x @ p["WH"], x @ p["WT"] + p["bT"], x @ p["WA"]
        if self.use_bias:
            aH, aA = aH + p["bH"], aA + p["bA"]
        H = activation(self.activation).feed(aH)
        A = activation(self.carry_activation).feed(aA)
        C = 1 / (1 + np.exp(aT))  # where exp is infinite, C is 0: the exact limit
        P = C * (H - A)
        ctx.save(x, aH, H, aA, A, C, P)
        return H - P

    def backprop(self, dy: Array, ctx: Context) -> Array:
        """Gradient dL/dx (n, i); sets the gradients of WH, WT, WA, bH, bT, bA."""
        x, aH, H, aA, A, C, P = ctx.saved
        p, grads = self.params, self.grads
        gA = dy * C
        gH = dy - gA
        dT = gH * P
        dH = activation(self.activation).backprop(gH, aH, H)
        dA = activation(self.carry_activation).backprop(gA, aA, A)
        grads["WH"], grads["WT"], grads["WA"] = x.T @ dH, x.T @ dT, x.T @ dA
        if self.use_bias:
            grads["bH"], grads["bA"] = dH.sum(axis=0), dA.sum(axis=0)
        grads["bT"] = dT.sum(axis=0)
        return dH @ p["WH"].T + dT @ p["WT"].T + dA @ p["WA"].T

    def watched(self, ctx: Context) -> dict[str, Array]:
        """T, H and A, (n, o) each."""
        _, _, H, _, A, C, _ = ctx.saved
        return {"gate": 1 - C, "new": H, "carried": A}

    def carry(self, x: Array) -> Array:
        """Return A (n, o) for x (n, i)."""
        aA = x @ self.params["WA"]
        if self.use_bias:
            aA = aA + self.params["bA"]
        return activation(self.carry_activation).feed(aA)

    def advice(self, ctx: Context) -> list[str]:
        """A warning if nearly all values of the carry have no slope left."""
        _, _, _, aA, A, _, _ = ctx.saved
        slope = activation(self.carry_activation).backprop(np.ones_like(A), aA, A)
        flat = float(np.mean(np.abs(slope) < 1e-3)) if slope.size else 0.0
        if flat < 0.9:
            return []
        return [
            f"the carry is saturated: {flat:.0%} of its values have no slope, so WA cannot learn; "
            "scale the input to a smaller range or set carry_initializer to mean, eye or "
            "lecun_normal"
        ]
