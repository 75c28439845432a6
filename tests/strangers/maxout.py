"""Maxout: y = max over k of x W_k + b_k (Goodfellow et al., arXiv 1302.4389)."""

from __future__ import annotations

import numpy as np

from layerkit import Array, Context, Layer, Param, Plan, Shape
from layerkit.fields import Size


class Maxout(Layer):
    type_name = "strangers.maxout"
    contract_version = 2

    def __init__(self, *, units: Size = 6, pieces: Size = 3) -> None:
        self.units, self.pieces = units, pieces

    def plan(self, in_shape: Shape) -> Plan:
        (d,) = in_shape
        m = self.units * self.pieces
        return Plan((self.units,), {"W": Param((d, m), "glorot_uniform"), "b": Param((m,))})

    def feed(self, x: Array, ctx: Context) -> Array:
        z = x @ self.params["W"] + self.params["b"]
        z = z.reshape(len(x), self.units, self.pieces)
        y = z.max(axis=2)
        ctx.save(x, z.argmax(axis=2))
        return y

    def backprop(self, dy: Array, ctx: Context) -> Array:
        x, best = ctx.saved
        chosen = best[:, :, None] == np.arange(self.pieces)
        dz = np.where(chosen, dy[:, :, None], 0).reshape(len(dy), -1)
        self.grads["W"] = x.T @ dz
        self.grads["b"] = dz.sum(axis=0)
        return dz @ self.params["W"].T
