"""Radial basis functions: y_k = exp(-s_k |x - c_k|^2)."""

from __future__ import annotations

import numpy as np

from layerkit import Array, Context, Layer, Param, Plan, Shape
from layerkit.fields import Size


class Radial(Layer):
    type_name = "strangers.radial"
    contract_version = 2

    def __init__(self, *, units: Size = 5) -> None:
        self.units = units

    def plan(self, in_shape: Shape) -> Plan:
        (d,) = in_shape
        centres = Param((self.units, d), "glorot_uniform")
        return Plan((self.units,), {"centres": centres, "sharpness": Param((self.units,), 0.3)})

    def feed(self, x: Array, ctx: Context) -> Array:
        away = x[:, None, :] - self.params["centres"]
        squares = np.einsum("nkd,nkd->nk", away, away)
        y = np.exp(-self.params["sharpness"] * squares)
        ctx.save(away, squares, y)
        return y

    def backprop(self, dy: Array, ctx: Context) -> Array:
        away, squares, y = ctx.saved
        d = dy * y
        self.grads["sharpness"] = -(d * squares).sum(axis=0)
        daway = -2 * (d * self.params["sharpness"])[:, :, None] * away
        self.grads["centres"] = -daway.sum(axis=0)
        return daway.sum(axis=1)
