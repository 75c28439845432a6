"""Containers of strangers: right ones pass, and what a container gets wrong is found and named.

y = F(a) - F(b), with rows x = [a b]; dx = [F'(dy) F'(-dy)]. Source: own work.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from layerkit import Array, Context, Layer, Plan, Shape, ShapeError, chain
from layerkit.fields import Layers

DENSE = {"type": "dense", "units": 4, "activation": "tanh"}
DROPOUT = {"type": "dropout", "rate": 0.3}


class Container(Layer):
    """The layers inside, one after the other."""

    type_name = "kit.container"

    def __init__(self, *, layers: Layers) -> None:
        self.layers = layers

    @classmethod
    def examples(cls) -> list[tuple[dict[str, Any], Shape]]:
        return [({"layers": [DENSE, DROPOUT, {"type": "residual", "layers": [DROPOUT]}]}, (4,))]

    def plan(self, in_shape: Shape) -> Plan:
        parts = chain(self.layers, in_shape)
        return Plan(parts[-1].out_shape, parts=parts)

    def feed(self, x: Array, ctx: Context) -> Array:
        return self.parts.feed(x, ctx)

    def backprop(self, dy: Array, ctx: Context) -> Array:
        return self.parts.backprop(dy, ctx)


class Twins(Container):
    """One tower for both halves of a row; its gradients add."""

    type_name = "kit.twins"

    @classmethod
    def examples(cls) -> list[tuple[dict[str, Any], Shape]]:
        inner = [{"type": "dense", "units": 4}, {"type": "batchnorm"}, DROPOUT]
        return [
            ({"layers": [DENSE]}, (6,)),
            ({"layers": [DENSE, {"type": "residual", "layers": inner}, DROPOUT]}, (4,)),
        ]

    def plan(self, in_shape: Shape) -> Plan:
        if len(in_shape) != 1 or in_shape[0] % 2:
            raise ShapeError(f"expected rows of two halves, got {list(in_shape)}")
        parts = chain(self.layers, (in_shape[0] // 2,))
        return Plan(parts[-1].out_shape, parts=parts)

    def feed(self, x: Array, ctx: Context) -> Array:
        half = x.shape[1] // 2
        left, right = ctx.part("left"), ctx.part("right")
        return self.parts.feed(x[:, :half], left) - self.parts.feed(x[:, half:], right)

    def backprop(self, dy: Array, ctx: Context) -> Array:
        left, right = ctx.part("left"), ctx.part("right")
        pieces = [self.parts.backprop(dy, left), self.parts.backprop(-dy, right)]
        return np.concatenate(pieces, axis=1)


class Forgetful(Container):
    """Plans its layers and hands none of them over: they would do nothing, unseen."""

    type_name = "kit.forgetful"

    def plan(self, in_shape: Shape) -> Plan:
        chain(self.layers, in_shape)
        return Plan(in_shape)

    def feed(self, x: Array, ctx: Context) -> Array:
        return x

    def backprop(self, dy: Array, ctx: Context) -> Array:
        return dy


class Unfed(Forgetful):
    """Plans its layers and never feeds them."""

    type_name = "kit.unfed"

    def plan(self, in_shape: Shape) -> Plan:
        return Plan(in_shape, parts=chain(self.layers, in_shape))


class OneContext(Container):
    """Feeds the layers inside twice through one context, where their saves mix."""

    type_name = "kit.one-context"

    def feed(self, x: Array, ctx: Context) -> Array:
        return self.parts.feed(self.parts.feed(x, ctx), ctx)

    def backprop(self, dy: Array, ctx: Context) -> Array:
        return self.parts.backprop(self.parts.backprop(dy, ctx), ctx)
