"""Batch normalisation with running means (Ioffe and Szegedy, arXiv 1502.03167)."""

from __future__ import annotations

import numpy as np

from layerkit import Array, Context, Layer, Param, Plan, Shape
from layerkit.fields import Fraction


class BatchNorm(Layer):
    type_name = "strangers.batchnorm"
    contract_version = 2

    def __init__(self, *, momentum: Fraction = 0.9) -> None:
        self.momentum = momentum

    def plan(self, in_shape: Shape) -> Plan:
        params = {"scale": Param(in_shape, 1.0), "shift": Param(in_shape)}
        return Plan(in_shape, params, {"mean": Param(in_shape), "var": Param(in_shape, 1.0)})

    def feed(self, x: Array, ctx: Context) -> Array:
        if ctx.training:
            mean, var = x.mean(axis=0), x.var(axis=0)
            for name, now in ("mean", mean), ("var", var):
                self.state[name] = self.momentum * self.state[name] + (1 - self.momentum) * now
        else:
            mean, var = self.state["mean"], self.state["var"]
        inverse = 1 / np.sqrt(var + 1e-5)
        h = (x - mean) * inverse
        ctx.save(h, inverse)
        return h * self.params["scale"] + self.params["shift"]

    def backprop(self, dy: Array, ctx: Context) -> Array:
        h, inverse = ctx.saved
        self.grads["scale"] = (dy * h).sum(axis=0)
        self.grads["shift"] = dy.sum(axis=0)
        g = dy * self.params["scale"] * inverse
        if not ctx.training:
            return g
        return g - g.mean(axis=0) - h * (g * h).mean(axis=0)
