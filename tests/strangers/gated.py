"""A gated linear unit: y = (x A + a) * sigmoid(x G + g) (Dauphin et al., arXiv 1612.08083)."""

from __future__ import annotations

import numpy as np

from layerkit import Array, Context, Layer, Param, Plan, Shape
from layerkit.fields import Size


class Gated(Layer):
    type_name = "strangers.gated"
    contract_version = 2

    def __init__(self, *, units: Size = 6) -> None:
        self.units = units

    def plan(self, in_shape: Shape) -> Plan:
        (d,) = in_shape
        W, b = Param((d, self.units), "glorot_uniform"), Param((self.units,))
        return Plan((self.units,), {"A": W, "G": W, "a": b, "g": b})

    def feed(self, x: Array, ctx: Context) -> Array:
        p = self.params
        value = x @ p["A"] + p["a"]
        gate = 1 / (1 + np.exp(-(x @ p["G"] + p["g"])))
        ctx.save(x)
        ctx.save(value, gate)
        return value * gate

    def backprop(self, dy: Array, ctx: Context) -> Array:
        x, value, gate = ctx.saved
        dvalue = dy * gate
        dgate = dy * value * gate * (1 - gate)
        for name, d in ("A", dvalue), ("G", dgate):
            self.grads[name] = x.T @ d
            self.grads[name.lower()] = d.sum(axis=0)
        return dvalue @ self.params["A"].T + dgate @ self.params["G"].T

    def watched(self, ctx: Context) -> dict[str, Array]:
        _, value, gate = ctx.saved
        return {"gate": gate, "new": value, "carried": np.zeros_like(value)}

    def carry(self, x: Array) -> Array:
        return np.zeros((len(x), self.units), x.dtype)
