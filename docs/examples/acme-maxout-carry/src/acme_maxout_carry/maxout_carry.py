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
    contract_version = 1

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
        """WH, WT (i, o), WA (i, k o), bH, bT (o,), bA (k o,); (2 + k) i o multiply-adds per row."""
        if len(in_shape) != 1:
            raise ShapeError(f"expected rows with one axis, got shape {list(in_shape)}")
        i, o, k = in_shape[0], self.units, self.pieces
        W, WA = Param((i, o), self.initializer), Param((i, k * o), self.initializer, fan_out=o)
        params = {"WH": W, "WT": W, "WA": WA}
        params |= {"bH": Param((o,)), "bT": Param((o,), self.gate_bias), "bA": Param((k * o,))}
        joined = {"W": ("WH", "WT", "WA"), "b": ("bH", "bT", "bA")}
        return Plan((o,), params, macs=(2 + k) * i * o, joined=joined)

    def feed(self, x: Array, ctx: Context) -> Array:
        """Outputs y (n, o) for x (n, i)."""
        n, o, k = len(x), self.units, self.pieces
        a = np.matmul(x, self.joined["W"], out=ctx.buffer("a", (n, (2 + k) * o)))
        a += self.joined["b"]
        aH, aT, aA = a[:, :o], a[:, o : 2 * o], a[:, 2 * o :].reshape(n, k, o)
        f = activation(self.activation)
        H = f.feed(aH, aH if f.from_output else ctx.buffer("H", (n, o)))
        T = activation("sigmoid").feed(aT, aT)
        A = np.max(aA, axis=1, out=ctx.buffer("A", (n, o)))
        ctx.save(x, a, H, A)
        y = np.subtract(H, A, out=ctx.buffer("y", (n, o)))  # y = A + T * (H - A)
        y *= T
        return np.add(y, A, out=y)

    def backprop(self, dy: Array, ctx: Context) -> Array:
        """Gradient dL/dx (n, i); writes the gradients of WH, WT, WA, bH, bT, bA."""
        x, a, H, A = ctx.saved
        n, o, k = len(x), self.units, self.pieces
        aH, T, aA = a[:, :o], a[:, o : 2 * o], a[:, 2 * o :].reshape(n, k, o)
        da = ctx.scratch("da", a.shape)
        activation(self.activation).backprop(dy * T, aH, H, da[:, :o])
        carried = dy * (1 - T)
        np.multiply(carried * T, H - A, out=da[:, o : 2 * o])
        dA = da[:, 2 * o :].reshape(n, k, o)  # a view: the last axis is cut in two
        dA[...] = 0
        np.put_along_axis(dA, np.argmax(aA, axis=1)[:, None], carried[:, None], axis=1)
        np.matmul(x.T, da, out=self.joined_grads["W"])
        np.sum(da, axis=0, out=self.joined_grads["b"])
        if not ctx.wants_dx:
            return dy
        return np.matmul(da, self.joined["W"].T, out=ctx.scratch("dx", x.shape))
