"""Wrong gradients whose numbers have a pattern that the diagnosis knows."""

from __future__ import annotations

from typing import Any

import numpy as np

from layerkit import Array, Context, Layer, Param, Plan, Shape, ShapeError
from tests.kit.sound import Active, Carry


class OneOfThousands(Carry):
    """A large matrix whose gradient is wrong at one place, likely one that is not tried alone."""

    type_name = "kit.one-of-thousands"

    @classmethod
    def examples(cls) -> list[tuple[dict[str, Any], Shape]]:
        return [({"units": 100}, (100,))]

    def write(self, x: Array, dH: Array, dT: Array, dA: Array) -> None:
        super().write(x, dH, dT, dA)
        self.grads["WA"][41, 37] += 0.5


class MeanBias(Carry):
    """likely: one over the batch."""

    type_name = "kit.mean-bias"

    def write(self, x: Array, dH: Array, dT: Array, dA: Array) -> None:
        super().write(x, dH, dT, dA)
        self.grads["bH"] = dH.mean(axis=0)


class WrongSign(Carry):
    type_name = "kit.wrong-sign"

    def write(self, x: Array, dH: Array, dT: Array, dA: Array) -> None:
        super().write(x, dH, -dT, dA)


class Transposed(Carry):
    type_name = "kit.transposed"

    def write(self, x: Array, dH: Array, dT: Array, dA: Array) -> None:
        super().write(x, dH, dT, dA)
        if self.grads["WA"].shape[0] == self.grads["WA"].shape[1]:
            self.grads["WA"] = dA.T @ x


class MixedUp(Carry):
    type_name = "kit.mixed-up"

    def write(self, x: Array, dH: Array, dT: Array, dA: Array) -> None:
        super().write(x, dH, dT, dA)
        self.grads["WT"] = x.T @ dH


class ForgetsOne(Carry):
    type_name = "kit.forgets-one"

    def write(self, x: Array, dH: Array, dT: Array, dA: Array) -> None:
        for name, d in (("WH", dH), ("WT", dT), ("WA", dA)):
            self.grads[name] = x.T @ d
        self.grads["bT"] = dT.sum(axis=0)


class NoSlope(Active):
    """likely: the slope of the activation."""

    type_name = "kit.no-slope"

    def backprop(self, dy: Array, ctx: Context) -> Array:
        x, _, _ = ctx.saved
        self.grads["W"] = x.T @ dy
        dx: Array = dy @ self.params["W"].T
        return dx


class LostCarry(Layer):
    """y = x + tanh(x W), and dL/dx without its first term."""

    type_name = "kit.lost-carry"

    def plan(self, in_shape: Shape) -> Plan:
        if len(in_shape) != 1:
            raise ShapeError("rows of one axis")
        d = in_shape[0]
        return Plan((d,), {"W": Param((d, d), "orthogonal")})

    def feed(self, x: Array, ctx: Context) -> Array:
        h = np.tanh(x @ self.params["W"])
        ctx.save(x, h)
        y: Array = x + h
        return y

    def backprop(self, dy: Array, ctx: Context) -> Array:
        x, h = ctx.saved
        dz = dy * (1 - h**2)
        self.grads["W"] = x.T @ dz
        dx: Array = dz @ self.params["W"].T
        return dx
