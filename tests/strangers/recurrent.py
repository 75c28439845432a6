"""A small recurrent net over the features in steps: h_t = tanh(x_t U + h_(t-1) W + b)."""

from __future__ import annotations

import numpy as np

from layerkit import Array, Context, Layer, Param, Plan, Shape, ShapeError
from layerkit.fields import Size


class Recurrent(Layer):
    type_name = "strangers.recurrent"
    contract_version = 2

    def __init__(self, *, units: Size = 4, steps: Size = 3) -> None:
        self.units, self.steps = units, steps

    def plan(self, in_shape: Shape) -> Plan:
        (d,) = in_shape
        if d % self.steps:
            raise ShapeError(f"{d} features do not make {self.steps} equal steps")
        U = Param((d // self.steps, self.units), "glorot_uniform")
        W = Param((self.units, self.units), "glorot_uniform")
        return Plan((self.units,), {"U": U, "W": W, "b": Param((self.units,))})

    def feed(self, x: Array, ctx: Context) -> Array:
        p = self.params
        steps = x.reshape(len(x), self.steps, -1)
        h = np.zeros((len(x), self.units), ctx.dtype)
        ctx.save(steps)
        for t in range(self.steps):
            ctx.save(h)
            h = np.tanh(steps[:, t] @ p["U"] + h @ p["W"] + p["b"])
        ctx.save(h)
        return h

    def backprop(self, dy: Array, ctx: Context) -> Array:
        steps, *h = ctx.saved
        p, g = self.params, self.grads
        dsteps = np.zeros_like(steps)
        dU, dW, db = np.zeros_like(p["U"]), np.zeros_like(p["W"]), np.zeros_like(p["b"])
        dh = dy
        for t in reversed(range(self.steps)):
            dz = dh * (1 - h[t + 1] * h[t + 1])
            dU += steps[:, t].T @ dz
            dW += h[t].T @ dz
            db += dz.sum(axis=0)
            dsteps[:, t] = dz @ p["U"].T
            dh = dz @ p["W"].T
        g["U"], g["W"], g["b"] = dU, dW, db
        return dsteps.reshape(len(dy), -1)
