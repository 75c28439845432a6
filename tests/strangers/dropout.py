"""Dropout with a trained scale of each feature (Srivastava et al., 2014)."""

from __future__ import annotations

from layerkit import Array, Context, Layer, Param, Plan, Shape
from layerkit.fields import Fraction


class Dropout(Layer):
    type_name = "strangers.dropout"
    contract_version = 2

    def __init__(self, *, rate: Fraction = 0.25) -> None:
        self.rate = rate

    def plan(self, in_shape: Shape) -> Plan:
        return Plan(in_shape, {"scale": Param(in_shape, 1.0)})

    def feed(self, x: Array, ctx: Context) -> Array:
        kept = x
        mask = None
        if ctx.training:
            mask = ctx.rng.random(x.shape) >= self.rate
            kept = x * mask / (1 - self.rate)
        ctx.save(kept, mask)
        return kept * self.params["scale"]

    def backprop(self, dy: Array, ctx: Context) -> Array:
        kept, mask = ctx.saved
        self.grads["scale"] = (dy * kept).sum(axis=0)
        dkept = dy * self.params["scale"]
        return dkept if mask is None else dkept * mask / (1 - self.rate)
