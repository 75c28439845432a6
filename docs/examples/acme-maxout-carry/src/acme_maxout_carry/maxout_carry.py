"""acme.maxout_carry: a highway layer whose carry is the largest of several affine maps.

Feed, with rows x (n, i), WH, WT (i, o), WA = k maps side by side (i, k o), biases likewise::

    aH = x WH + bH     H = f(aH)               (n, o)
    aT = x WT + bT     T = sigma(aT)           (n, o)
    aA = x WA + bA     A = max over p of aA_p  (n, k, o) to (n, o)
    y  = T * H + (1 - T) * A                   (n, o)

Backprop, given G = dL/dy (n, o)::

    dH   = G * T * f'(aH)                      (n, o)
    dT   = G * (H - A) * T * (1 - T)           (n, o), as sigma' = T (1 - T)
    dA_p = G * (1 - T) where piece p is the first that is largest, else 0      (n, k, o)
    dWj  = x^T dj,  dbj = column sums of dj    for j in H, T, A
    dx   = dH WH^T + dT WT^T + dA WA^T         (n, i)

Source: Goodfellow et al., "Maxout Networks", arXiv 1302.4389, section 3, for A; Srivastava, Greff,
Schmidhuber, "Highway Networks", arXiv 1505.00387, equations 2 and 3, for y; the two together: own.
"""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
from layerkit import Array, Context, Layer, Param, Plan, Shape, ShapeError, activation
from layerkit.fields import ActivationName, InitializerName, Range, Size

__all__ = ["MaxoutCarry"]


class MaxoutCarry(Layer):
    """Highway layer with a maxout carry, y = T * H + (1 - T) * A.

    Parameters
    ----------
    units, pieces
        Width o of the output, and the number k of affine maps whose largest is carried.
    activation
        f, the activation of H.
    gate_bias
        Where bT starts; below 0 the layer mostly carries at first.
    initializer
        How WH, WT and each piece of WA start; bH and bA start at 0.

    Raises
    ------
    ShapeError
        From ``plan``, if a row has several axes.
    """

    type_name = "acme.maxout_carry"
    contract_version = 2

    def __init__(
        self,
        *,
        units: Size,
        pieces: Annotated[int, Range(ge=1, le=64)] = 2,
        activation: ActivationName = "tanh",
        gate_bias: float = -1.0,
        initializer: InitializerName = "glorot_uniform",
    ) -> None:
        self.units = units
        self.pieces = pieces
        self.activation = activation
        self.gate_bias = gate_bias
        self.initializer = initializer

    @classmethod
    def examples(cls) -> list[tuple[dict[str, Any], Shape]]:
        """Sample (settings, input shape) pairs for the conformance kit."""
        return [
            ({"units": 3, "pieces": 3}, (4,)),
            ({"units": 3, "activation": "silu", "gate_bias": 0.5}, (3,)),
            ({"units": 2, "pieces": 1, "initializer": "orthogonal"}, (1,)),
        ]

    def plan(self, in_shape: Shape) -> Plan:
        """WH, WT (i, o), WA (i, k o), bH, bT (o,), bA (k o,)."""
        if len(in_shape) != 1:
            raise ShapeError(f"expected rows with one axis, got shape {list(in_shape)}")
        i, o, k = in_shape[0], self.units, self.pieces
        W, WA = Param((i, o), self.initializer), Param((i, k * o), self.initializer, fan_out=o)
        params = {"WH": W, "WT": W, "WA": WA}
        params |= {"bH": Param((o,)), "bT": Param((o,), self.gate_bias), "bA": Param((k * o,))}
        return Plan((o,), params)

    def feed(self, x: Array, ctx: Context) -> Array:
        """Outputs y (n, o) for x (n, i)."""
        p = self.params
        aH = x @ p["WH"] + p["bH"]
        H = activation(self.activation).feed(aH)
        T = activation("sigmoid").feed(x @ p["WT"] + p["bT"])
        aA = (x @ p["WA"] + p["bA"]).reshape(len(x), self.pieces, self.units)
        A = aA.max(axis=1)
        ctx.save(x, aH, H, T, aA, A)
        return T * H + (1 - T) * A

    def backprop(self, dy: Array, ctx: Context) -> Array:
        """Gradient dL/dx (n, i); sets the gradients of WH, WT, WA, bH, bT, bA."""
        x, aH, H, T, aA, A = ctx.saved
        dH = activation(self.activation).backprop(dy * T, aH, H)
        dT = dy * (H - A) * T * (1 - T)
        left, parts = dy * (1 - T), []
        for p in range(self.pieces):  # the first of the largest pieces takes all of it
            parts.append(left * (aA[:, p] == A))
            left = left - parts[-1]
        dA = np.concatenate(parts, axis=1)  # (n, k o)
        for j, d in ("H", dH), ("T", dT), ("A", dA):
            self.grads[f"W{j}"], self.grads[f"b{j}"] = x.T @ d, d.sum(axis=0)
        W = self.params
        return dH @ W["WH"].T + dT @ W["WT"].T + dA @ W["WA"].T
