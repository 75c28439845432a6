"""Layer normalisation (Ba et al., arXiv 1607.06450)."""

from __future__ import annotations

import numpy as np

from layerkit import Array, Context, Layer, Param, Plan, Shape


class LayerNorm(Layer):
    type_name = "strangers.layernorm"
    contract_version = 2

    def plan(self, in_shape: Shape) -> Plan:
        return Plan(in_shape, {"scale": Param(in_shape, 1.0), "shift": Param(in_shape)})

    def feed(self, x: Array, ctx: Context) -> Array:
        centred = x - x.mean(axis=1, keepdims=True)
        inverse = 1 / np.sqrt(x.var(axis=1, keepdims=True) + 1e-5)
        h = centred * inverse
        ctx.save(h, inverse)
        return self.params["scale"] * h + self.params["shift"]

    def backprop(self, dy: Array, ctx: Context) -> Array:
        h, inverse = ctx.saved
        self.grads["scale"] = np.sum(dy * h, axis=0)
        self.grads["shift"] = np.sum(dy, axis=0)
        g = dy * self.params["scale"]
        mean = g.mean(axis=1, keepdims=True)
        return inverse * (g - mean - h * np.mean(g * h, axis=1, keepdims=True))
