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

from typing import Any

import numpy as np

from layerkit import Array, Context, Layer, Param, Plan, Shape, ShapeError, activation
from layerkit.fields import ActivationName, InitializerName, Size

__all__ = ["Highway"]


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
        self.activation, self.gate_bias, self.initializer = activation, gate_bias, initializer
        self.units, self.use_bias, self.freeze = units, use_bias, freeze

    @classmethod
    def examples(cls) -> list[tuple[dict[str, Any], Shape]]:
        """Sample (settings, input shape) pairs for tests."""
        return [
            ({"activation": "tanh", "gate_bias": -1.0}, (4,)),
            ({"activation": "silu", "use_bias": False, "units": 3}, (3,)),
            ({"activation": "tanh", "freeze": True}, (1,)),
        ]

    def plan(self, in_shape: Shape) -> Plan:
        """WH, WT (d, d), bH, bT (d,)."""
        if len(in_shape) != 1:
            raise ShapeError(f"expected rows with one axis, got shape {list(in_shape)}")
        d = in_shape[0]
        if self.units not in (None, d):
            raise ShapeError(
                f"expected units {d}, the width of the input, got {self.units}; use projection to "
                f"change the width, or put a dense layer of {self.units} units before it"
            )
        W, bT = Param((d, d), self.initializer), Param((d,), self.gate_bias)
        biases = {"bH": Param((d,)), "bT": bT} if self.use_bias else {"bT": bT}
        return Plan((d,), {"WH": W, "WT": W, **biases})

    def feed(self, x: Array, ctx: Context) -> Array:
        """Outputs y (n, d) for x (n, d)."""
        p = self.params
        aH, aT = x @ p["WH"], x @ p["WT"] + p["bT"]
        if self.use_bias:
            aH = aH + p["bH"]
        H = activation(self.activation).feed(aH)
        C = 1 / (1 + np.exp(aT))  # where exp is infinite, C is 0: the exact limit
        P = C * (H - x)
        ctx.save(x, aH, H, C, P)
        return H - P

    def backprop(self, dy: Array, ctx: Context) -> Array:
        """Gradient dL/dx (n, d); sets the gradients of WH, WT, bH, bT."""
        x, aH, H, C, P = ctx.saved
        gC = dy * C
        gH = dy - gC
        dT = gH * P
        dH = activation(self.activation).backprop(gH, aH, H)
        self.grads["WH"], self.grads["WT"] = x.T @ dH, x.T @ dT
        if self.use_bias:
            self.grads["bH"] = dH.sum(axis=0)
        self.grads["bT"] = dT.sum(axis=0)
        return dH @ self.params["WH"].T + dT @ self.params["WT"].T + gC

    def watched(self, ctx: Context) -> dict[str, Array]:
        """T, H and x, (n, d) each."""
        x, _, H, C, _ = ctx.saved
        return {"gate": 1 - C, "new": H, "carried": x}
