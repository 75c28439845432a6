"""Squeeze and excite: features of a row weigh each other (Hu et al., arXiv 1709.01507)."""

from __future__ import annotations

import numpy as np

from layerkit import Array, Context, Layer, Param, Plan, Shape
from layerkit.fields import Size


class Excite(Layer):
    type_name = "strangers.excite"
    contract_version = 2

    def __init__(self, *, squeeze: Size = 2) -> None:
        self.squeeze = squeeze

    def plan(self, in_shape: Shape) -> Plan:
        (d,) = in_shape
        down, up = Param((d, self.squeeze), "he_normal"), Param((self.squeeze, d), "he_normal")
        return Plan(in_shape, {"down": down, "up": up, "shift": Param((d,))})

    def feed(self, x: Array, ctx: Context) -> Array:
        hidden = np.maximum(x @ self.params["down"], 0)
        s = 1 / (1 + np.exp(-(hidden @ self.params["up"]) - self.params["shift"]))
        ctx.save(x, hidden, s)
        return x * s

    def backprop(self, dy: Array, ctx: Context) -> Array:
        x, hidden, s = ctx.saved
        dlogit = dy * x * s * (1 - s)
        self.grads["up"] = hidden.T @ dlogit
        self.grads["shift"] = dlogit.sum(axis=0)
        dhidden = dlogit @ self.params["up"].T
        dhidden[hidden <= 0] = 0
        self.grads["down"] = x.T @ dhidden
        dx = dy * s
        dx += dhidden @ self.params["down"].T
        return dx
