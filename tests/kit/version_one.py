"""Parts as contract version 1 had them: memory from the context, joined parameters, ``out``.

y = x W + x V, dW = dV = x^T dy, dx = dy (W + V)^T; y = max(z, 0). Source: own work.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from layerkit import Activation, Array, Layer, Param, Plan, Shape, ShapeError
from layerkit.fields import Size


class Old(Layer):
    """y = x W + x V by one product of x with both, in memory of the context."""

    type_name = "kit.old"
    contract_version: ClassVar[int] = 1

    def __init__(self, *, units: Size) -> None:
        self.units = units

    @classmethod
    def examples(cls) -> list[tuple[dict[str, Any], Shape]]:
        return [({"units": 3}, (4,))]

    def plan(self, in_shape: Shape) -> Plan:
        if len(in_shape) != 1:
            raise ShapeError(f"old takes rows of one axis, not {list(in_shape)}")
        param = Param((in_shape[0], self.units), "glorot_uniform")
        return Plan((self.units,), {"W": param, "V": param}, macs=1, joined={"WV": ("W", "V")})

    def feed(self, x: Array, ctx: Any) -> Any:
        both = ctx.buffer("both", (len(x), 2 * self.units))
        np.matmul(x, self.joined["WV"], both)
        y = ctx.buffer("y", (len(x), self.units))
        np.add(both[:, : self.units], both[:, self.units :], y)
        ctx.save(x)
        return y

    def backprop(self, dy: Array, ctx: Any) -> Any:
        (x,) = ctx.saved
        for name in ("W", "V"):
            np.matmul(x.T, dy, self.grads[name])
        dx = ctx.scratch("dx", x.shape)
        np.matmul(dy, (self.params["W"] + self.params["V"]).T, dx)
        return dx


class OldRelu(Activation):
    """y = max(z, 0), written into ``out``."""

    type_name = "kit.old-relu"
    contract_version: ClassVar[int] = 1
    from_output = True

    def feed(self, z: Array, out: Array) -> Any:  # type: ignore[override]
        return np.maximum(z, 0, out)

    def backprop(self, dy: Array, z: Array, y: Array, out: Array) -> Any:  # type: ignore[override]
        return np.multiply(dy, y > 0, out)
